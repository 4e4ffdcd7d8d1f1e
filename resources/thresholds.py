"""Proposals of cut-offs: made from an automation's tickets, kept, found again.

What belongs here: gathering the tickets, and the table of proposals. What does not: choosing (`aios_core/thresholds/`), trying cut-offs
on recorded decisions (`threshold_replay.py`) and accepting a proposal (`threshold_accept.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby

import numpy as np
from psycopg.types.json import Jsonb

from aios_core.decisions.model import Rules, in_audit_slice, rules_for
from aios_core.decisions.thresholds import resolve
from aios_core.lifecycle import evaluation
from aios_core.thresholds import tickets as scored
from aios_core.thresholds.proposal import Basis, Proposal, Settings, propose, read_proposal
from aios_core.thresholds.tickets import ThresholdError, Tickets
from resources import threshold_history as history
from resources.comparisons import Comparer
from resources.database import Database, rows
from resources.declarations import Declared
from resources.lake import Lake
from resources.registry import Registry

MIN_ROWS = 200  # fewer decisions or labels of the version itself, and its evaluation set stands in for them


class UnknownProposal(ThresholdError):
    """There is no such proposal."""

    code = "thresholds.unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredProposal:
    """A proposal with who made it and, where that happened, who accepted it."""

    proposal: Proposal
    made_by: str
    made_at: datetime
    accepted_by: str | None
    accepted_at: datetime | None
    accepted_as: str | None


class ThresholdStore:
    """The proposals of all automations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, proposal: Proposal, *, actor: str, now: datetime) -> None:
        """Store it; the same proposal again changes nothing."""
        basis = proposal.basis
        with self._database.connection() as conn:
            conn.execute(
                "insert into threshold_proposals (proposal_id, automation, declaration, model_name, model_version, made_by, made_at,"
                " content) values (%s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
                (proposal.proposal_id, basis.automation, basis.declaration, basis.model_name, basis.model_version, actor, now,
                 Jsonb(proposal.as_json())),
            )  # fmt: skip

    def get(self, proposal_id: str) -> StoredProposal:
        """One proposal. Raises UnknownProposal."""
        found = self._found("proposal_id = %s", proposal_id)
        if not found:
            raise UnknownProposal(
                f"there is no proposal {proposal_id}; `aios thresholds list` names those that there are"
            )
        return found[0]

    def of(self, automation: str, *, limit: int = 50) -> list[StoredProposal]:
        """An automation's proposals, newest first."""
        return self._found("automation = %s", automation)[:limit]

    def _found(self, condition: str, value: str) -> list[StoredProposal]:
        with self._database.connection() as conn:
            found = rows(
                conn,
                f"select * from threshold_proposals where {condition} order by made_at desc, proposal_id limit 50",
                (value,),
            )
        kept = [name for name in StoredProposal.__slots__ if name != "proposal"]
        return [
            StoredProposal(proposal=read_proposal(row["content"]), **{name: row[name] for name in kept})
            for row in found
        ]


class Proposer:
    """One automation's tickets under its champion, ready to choose cut-offs on."""

    def __init__(self, declared: Declared, *, database: Database, lake: Lake, registry: Registry) -> None:
        from resources.policy import RegoPolicy  # the gateway reads proposals, and starts without the policy engine

        self._declared, self._automation = declared, declared.automation
        self._database, self._registry = database, registry
        self._policy = RegoPolicy(declared.policy_text)
        self._comparer = Comparer(declared, database=database, lake=lake, registry=registry)

    def propose(self, settings: Settings, *, now: datetime) -> Proposal:
        """Cut-offs for the champion, from its evaluation set and the decisions of the last days. Nothing is stored or moved.

        Raises ThresholdError where there is no champion, or nothing to choose on.
        """
        name, automation = self._automation.model_name, self._automation
        version = self._registry.current(name=name)
        if version is None:
            raise ThresholdError(f"{automation.name} has no champion, so there are no scores to cut; train it first")
        manifest = self._registry.manifest(name=name, version=version)
        rules = rules_for(automation, policy_revision=self._policy.revision, model_version=version, manifest=manifest)
        window = {"first": (now - timedelta(days=settings.days)).date(), "last": now.date()}
        count, days = history.volume(self._database, automation.name, **window)
        if not count:
            raise ThresholdError(
                f"{automation.name} decided nothing in the last {settings.days} days, so a day's work is unknown; look further back with "
                "--days, or run it first"
            )
        made = history.recorded(self._database, automation.name, model_version=version, **window)
        past = self._past(made, rules)
        held_back, apart, notes = self._held_back(version, rules)
        known = scored.joined([held_back, _weighted(past)])
        enough = len(past) >= MIN_ROWS
        stream = past if enough else held_back
        if not len(stream):
            raise ThresholdError(
                f"{automation.name}: version {version} has decided {len(past)} tickets and has no evaluation set; {MIN_ROWS} decisions are needed"
            )
        if not enough:
            notes.append(
                f"version {version} has decided {len(past)} tickets of these days, {MIN_ROWS} are needed: a day is taken to be like its "
                "evaluation set"
            )
        basis = Basis(
            automation=automation.name,
            declaration=automation.version,
            model_name=name,
            model_version=version,
            stream="decisions" if enough else "evaluation",
            stream_rows=len(stream),
            per_day=round(count / days, 6),
            labelled=int(known.labelled.sum()),
            unbiased=int((known.labelled & known.unbiased).sum()),
            audited=int((past.labelled & past.unbiased).sum()),
            currency=automation.value.currency,
        )
        return propose(
            known,
            stream,
            automation=automation,
            now=resolve(automation.decisions, manifest.get("operating_curve")),
            settings=settings,
            basis=basis,
            halved=not (enough and apart),
            notes=[*notes, *_moved(made)],
        )

    def _past(self, made: Sequence[history.Recorded], rules: Rules) -> Tickets:
        """Recorded tickets under the rules of now, with the outcomes that can be trusted."""
        parts = []
        for _, several in groupby(sorted(made, key=_columns), key=_columns):
            mine = list(several)
            parts.append(
                scored.tickets_of(
                    history.features_of(mine),
                    history.scores_of(mine),
                    rules=rules,
                    policy=self._policy.ask,
                    labels=[r.label if r.trusted else None for r in mine],
                    weights=[r.weight for r in mine],
                    unbiased=[r.audit for r in mine],
                )
            )
        return scored.joined(parts) if parts else scored.none()

    def _held_back(self, version: int, rules: Rules) -> tuple[Tickets, bool, list[str]]:
        """The version's evaluation set, as far as its labels are a fair sample; whether none of it was decided; what to know."""
        row = self._registry.get(self._automation.model_name, version)
        frozen = self._comparer.frozen(row)
        keys = [] if frozen is None else evaluation.keys_of(frozen)
        features = None if frozen is None else self._comparer.features_of(row, keys)
        if frozen is None or features is None:
            return (
                scored.none(),
                True,
                [f"version {version} has no evaluation set any more, so decisions alone were looked at"],
            )
        seen = history.decided(self._database, self._automation.name, [key[:2] for key in keys])
        share = self._automation.decisions.audit_share
        fair = np.array([k[:2] not in seen or in_audit_slice(self._automation.name, k[1], share) for k in keys], bool)
        found = scored.tickets_of(
            features,
            frozen.select([*evaluation.KEY, "probabilities", "queue"]),
            rules=rules,
            policy=self._policy.ask,
            labels=frozen.column("label").to_pylist(),
            unbiased=np.ones(len(keys), bool).tolist(),
        )
        if fair.sum() >= MIN_ROWS:
            return found.where(fair), True, []
        note = (
            f"only {int(fair.sum())} of {len(keys)} held-back tickets were labelled without our help; among the others, automated ones that "
            "nobody moved count as right, so errors may be more than is said here: a larger `audit_share` helps"
        )
        return found, False, [note]


def _weighted(past: Tickets) -> Tickets:
    """Their weights scaled to what they are worth: a few that stand for many are still a few."""
    mine = past.labelled
    total = float(past.weight[mine].sum())
    return replace(past, weight=past.weight * (scored.effective(past.weight[mine]) / total if total else 1.0))


def _moved(made: Sequence[history.Recorded]) -> list[str]:
    automated = sum(r.verdict == "automate" for r in made)
    moved = sum(r.moved for r in made)
    if not moved:
        return []
    return [f"agents moved {moved} of {automated} automated tickets elsewhere: at least so many were wrong"]


def _columns(made: history.Recorded) -> str:
    return repr(made.content["ticket"]["columns"])

"""Repair: what a version decided before it was rolled back is looked at again under the good one, and made good where it differs.

What belongs here: the job, and a decision's way from its record through the good version to its fate. What does not: the rules
(`aios_core/monitoring/blast.py`), recording (`resources/repairs.py`) and when it starts (`sensors/remedies.py`).

Features are read back from the decisions' own records: what was known when each was made, whichever way it came in. All days are one
run. It may be killed and run again: what has a fate is not looked at twice.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import dagster as dg
import pyarrow as pa

from aios_assets import naming, partitions
from aios_assets.actions import deliver
from aios_assets.metadata import markdown_table
from aios_core.decisions.answers import Policy
from aios_core.decisions.decide import decide
from aios_core.decisions.model import Decision, Rules, rules_for
from aios_core.decisions.record import decode_rows, parse
from aios_core.monitoring.blast import Onset, fate, onset, untouched
from aios_core.scoring.model import EXPLAINED_KINDS
from aios_core.scoring.schema import TERMS
from resources import clock
from resources.dagster_resources import ConnectorsResource, DatabaseResource, RegistryResource
from resources.database import Database
from resources.declarations import Declared
from resources.deployments import deployment
from resources.modes import ModeStore
from resources.policy import RegoPolicy
from resources.repairs import Mended, RepairStore, RolledBack, Suspect
from resources.reviews import ReviewStore

REPAIR_OP = "repair_decisions"
AT_ONCE = 1_000  # a record is 2 to 3 kB, and a piece is a transaction


class RepairConfig(dg.Config):
    """The incident whose rollback is to be made good."""

    incident_id: int


def repair_job(declared: Declared) -> dg.JobDefinition:
    automation = declared.automation

    @dg.op(
        name=naming.job_name(declared, REPAIR_OP),
        description=(
            "Decides again, under the good version, what the one that was rolled back had decided; sends corrections where tickets "
            "are open still, and the rest to people as a batch of its own."
        ),
    )
    def repair_decisions(
        context: dg.OpExecutionContext,
        config: RepairConfig,
        database: DatabaseResource,
        models: RegistryResource,
        connectors: ConnectorsResource,
    ) -> None:
        store = RepairStore(database.open())
        found = store.rolled_back(config.incident_id, model=automation.model_name)
        if found is None:
            context.log.info(
                "incident %d moved no champion of %s: nothing to repair", config.incident_id, automation.name
            )
            return
        again = _under(declared, database.open(), models, version=found.good)
        since = store.onset(found.incident_id) or store.begin(
            found, onset=_onset(store, again, declared, found), run_id=context.run_id, now=clock.now()
        )
        fates = mend(declared, store, again, found, since)
        store.finish(found.incident_id, run_id=context.run_id, new=fates.total(), now=clock.now())
        _add_partitions(context, declared, database)
        context.add_output_metadata(_told(found, since, fates))
        if automation.actions.source is not None:
            deliver(declared, automation.actions.source, database, connectors)

    @dg.job(
        name=naming.job_name(declared, "repair"),
        description="Make good what a version decided before it was rolled back.",
        executor_def=dg.in_process_executor,
        tags=naming.run_tags(declared),
    )
    def repair() -> None:
        repair_decisions()

    return repair


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Decides recorded tickets again: by `score` (features, terms to explain with), under these rules and this policy."""

    score: Callable[[pa.Table, int], pa.Table]
    rules: Rules
    policy: Policy

    def queues(self, suspects: Sequence[Suspect]) -> dict[str, str | None]:
        """Decision -> the queue that this version names for its ticket."""
        return {
            suspect.decision_id: queue
            for group, features in _features(suspects)
            for suspect, queue in zip(group, self.score(features, 0).column("queue").to_pylist(), strict=True)
        }

    def decide(self, suspects: Sequence[Suspect]) -> dict[str, Decision]:
        """Decision -> what it would be now."""
        made: dict[str, Decision] = {}
        for group, features in _features(suspects):
            replaced = {suspect.key: suspect.decision_id for suspect in group}
            decisions = decide(
                features,
                self.score(features, TERMS),
                rules=self.rules,
                policy=self.policy,
                corrects=replaced,
            )
            made |= {replaced[d.source, d.ticket_id, d.ticket_version]: d for d in decisions}
        return made


def _under(declared: Declared, database: Database, models: RegistryResource, *, version: int) -> Again:
    """Under one version and the rules of now."""
    automation, policy = declared.automation, RegoPolicy(declared.policy_text)
    model = models.load(name=automation.model_name, version=version)
    manifest = models.open().manifest(name=automation.model_name, version=version)
    explained = manifest["kind"] in EXPLAINED_KINDS

    def score(features: pa.Table, explain: int) -> pa.Table:
        batch = features.combine_chunks().to_batches()[0]
        return pa.Table.from_batches([model.score_batch(batch, explain=explain if explained else 0)])

    rules = rules_for(
        automation,
        policy_revision=policy.revision,
        model_version=version,
        manifest=manifest,
        modes=ModeStore(database).current(automation.name),
    )
    return Again(score=score, rules=rules, policy=policy.ask)


def mend(
    declared: Declared, store: RepairStore, again: Again, found: RolledBack, since: Onset, *, at_once: int = AT_ONCE
) -> Counter[str]:
    """Give every suspect its fate, a piece a transaction; returns how many of each were new."""
    fates = Counter[str]()
    while suspects := store.suspects(found, automation=declared.automation, onset=since, limit=at_once):
        mended = fated(suspects, again)
        store.record(
            found,
            mended,
            automation=declared.automation,
            policy_text=declared.policy_text,
            reason=f"Blast radius of incident {found.incident_id}: version {found.bad} decided otherwise than version {found.good}.",
            now=clock.now(),
        )
        fates.update(m.fate for m in mended)
    return fates


def fated(suspects: Sequence[Suspect], again: Again) -> list[Mended]:
    """Each suspect's fate, with the decision that was made again where it takes one."""
    known = {s.decision_id: untouched(verdict=s.verdict, settled=s.settled) for s in suspects}
    made = again.decide([s for s in suspects if known[s.decision_id] is None])
    return [_mended(s, known[s.decision_id], made.get(s.decision_id)) for s in suspects]


def _mended(suspect: Suspect, known: Any, made: Decision | None) -> Mended:
    if known is not None or made is None:
        return Mended(suspect=suspect, fate=known or "unchanged")
    found = fate(verdict=suspect.verdict, queue=suspect.queue, new_verdict=made.verdict, new_queue=made.queue)
    return Mended(suspect=suspect, fate=found, decision=made)


def _onset(store: RepairStore, again: Again, declared: Declared, found: RolledBack) -> Onset:
    """Where drift was found under the version, what was settled before says whether it was well until then."""
    before: list[tuple[bool, bool]] = []
    if found.drifted is not None:
        judged = store.judged_before(found, automation=declared.automation, drifted=found.drifted)
        queues = again.queues([suspect for suspect, _ in judged])
        before = [(s.queue == label, queues[s.decision_id] == label) for s, label in judged]
    return onset(promoted_at=found.promoted_at, drifted=found.drifted, before=before)


def _features(suspects: Sequence[Suspect]) -> Iterator[tuple[list[Suspect], pa.Table]]:
    """The recorded feature rows, those with the same columns together; a column of nulls alone has another type."""
    rows = [(suspect, parse(suspect.record)["ticket"]) for suspect in suspects]
    columns = [repr(ticket["columns"]) for _, ticket in rows]
    order = sorted(range(len(rows)), key=lambda i: columns[i])
    for _, places in groupby(order, key=lambda i: columns[i]):
        group = [rows[i] for i in places]
        yield [suspect for suspect, _ in group], decode_rows(group[0][1]["columns"], [t["values"] for _, t in group])


def _add_partitions(context: dg.OpExecutionContext, declared: Declared, database: DatabaseResource) -> None:
    """Batches of this repair become partitions at once, so that they are collected when people have decided them."""
    known = [b.batch for b in ReviewStore(database.open()).batches(automation=declared.automation.name)]
    if known:
        context.instance.add_dynamic_partitions(partitions.review_batches(declared).name, known)


def _told(found: RolledBack, since: Onset, fates: Counter[str]) -> dict[str, Any]:
    rows = [{"fate": name, "decisions": count} for name, count in sorted(fates.items())]
    return {
        "listed": fates.total(),
        **fates,
        "fates": markdown_table(rows),
        "since": f"{since.at:%Y-%m-%d %H:%M} UTC: {since.why}",
        "versions": f"{found.bad} -> {found.good}",
        "incident": dg.MetadataValue.url(f"{deployment().gateway_url}/incidents/{found.incident_id}"),
    }

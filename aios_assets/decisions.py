"""Decisions: scores and policy become verdicts, and in the same transaction actions and review cases.

What belongs here: reading a day's features and scores, one pure call, recording. What does not: the rules
(`aios_core/decisions`) and the transaction (`resources/decisions.py`).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from functools import cache
from typing import Any

import dagster as dg
import pyarrow as pa

from aios_assets import naming, partitions
from aios_assets.metadata import markdown_table, plot
from aios_core.decisions.decide import decide
from aios_core.decisions.model import NO_MODEL, Decision, Rules, rules_for
from aios_core.lifecycle.evaluation import KEY, keys_of
from aios_core.monitoring.plots import confidence_histogram
from aios_core.privacy.masking import mask
from aios_core.scoring.model import EXPLAINED_KINDS, ScoringModel
from aios_core.scoring.schema import TERMS, as_scores
from resources import clock
from resources.dagster_resources import DatabaseResource, LakeResource, RegistryResource
from resources.decisions import DecisionStore
from resources.declarations import Declared
from resources.deployments import deployment
from resources.lake import Lake
from resources.modes import ModeStore
from resources.policy import RegoPolicy
from resources.registry import Registry

ROWS_AT_ONCE = 5_000  # a decision record is 2 to 3 kB

COLUMNS = {
    "decision_id": "text",
    "ticket_id": "text",
    "ticket_version": "text",
    "verdict": "automate | draft | review | fallback",
    "queue": "text",
    "confidence": "double precision",
    "rule": "text",
    "reason": "text",
    "model_version": "integer",
    "policy_revision": "text",
    "declaration": "text",
    "correlation_id": "text",
}


class DecisionsConfig(dg.Config):
    """What is decided already stays, so that one late ticket does not move a whole day's under a newer model.

    `again` decides all of these days anew, under the version that scored them: after a rollback, say. What a person has
    decided stays even then.
    """

    again: bool = False


def build(declared: Declared) -> list[dg.AssetsDefinition]:
    automation = declared.automation
    spec = naming.spec(
        declared,
        "decisions",
        plane="decide",
        kinds=["rego", "postgres"],
        deps=["scores", "features"],
        description=(
            "One verdict a ticket: automate, draft, review or fallback, with a reason people can read. Unique by ticket "
            "content, model version and policy revision; each can be replayed byte for byte: `aios decision replay ID`."
        ),
        columns=COLUMNS,
        partitions_def=partitions.days(declared),
    )

    @dg.multi_asset(
        specs=[spec], name=naming.job_name(declared, "decisions"), backfill_policy=partitions.backfill_policy()
    )
    def decisions(
        context: dg.AssetExecutionContext,
        config: DecisionsConfig,
        database: DatabaseResource,
        lake: LakeResource,
        models: RegistryResource,
    ) -> dg.MaterializeResult:
        store, source, registry = DecisionStore(database.open()), lake.open(), models.open()
        days = partitions.days_of(context)
        settled = set() if config.again else store.settled(automation.name, days[0], days[-1])
        policy = RegoPolicy(declared.policy_text)
        modes = ModeStore(database.open()).current(automation.name)
        rules_of = cache(lambda version: rules_of_version(declared, registry, policy, modes, version=version))
        explainer_of = cache(lambda version: _explainer(registry, automation.model_name, version))
        verdicts, new, actions, cases, shown = Counter[str](), 0, 0, 0, []
        confidences: list[float] = []
        for version, features, scores in pieces(source, automation.name, days):
            asking = without(features, settled)
            explained = _explained(explainer_of(version), asking, scores)
            made = decide(asking, explained, rules=rules_of(version), policy=policy.ask)
            recorded = store.record(made, automation=automation, policy_text=declared.policy_text, now=clock.now())
            verdicts.update(d.verdict for d in made)
            confidences += [d.confidence for d in made if d.confidence is not None]
            new, actions, cases = new + recorded.new, actions + recorded.actions, cases + recorded.cases
            shown = made or shown
        return dg.MaterializeResult(
            asset_key=spec.key,
            metadata={
                "decisions": sum(verdicts.values()),
                "new": new,
                "actions": actions,
                "review_cases": cases,
                "verdicts": dict(verdicts),
                "policy_revision": policy.revision,
                "declaration": automation.version,
                "sample": markdown_table([_shown(d) for d in shown[:5]]),
                "console": dg.MetadataValue.url(f"{deployment().gateway_url}/decisions?automation={automation.name}"),
                **({"confidence": plot(confidence_histogram(confidences), "confidence")} if confidences else {}),
            },
        )

    return [decisions]


def pieces(lake: Lake, automation: str, days: Sequence[date]) -> Iterator[tuple[int, pa.Table, pa.Table | None]]:
    """(model version, features, their scores) in pieces that bound memory and are worth a transaction; version 0: no model.

    Each ticket is decided under the version that scored it, which need not be the champion of this moment; while a canary is out, a
    day has two of them.
    """
    waiting: dict[int, list[tuple[pa.Table, pa.Table | None]]] = {}
    for day in days:
        for version, features, scores in _by_version(*_read(lake, automation, day)):
            parts = waiting.setdefault(version, [])
            parts.append((features, scores))
            if sum(rows.num_rows for rows, _ in parts) >= ROWS_AT_ONCE:
                yield from _slices(version, waiting.pop(version))
    for version, parts in waiting.items():
        yield from _slices(version, parts)


def _by_version(features: pa.Table, scores: pa.Table | None) -> Iterator[tuple[int, pa.Table, pa.Table | None]]:
    """A day's features and scores, each version's apart; a ticket without a score goes with most of the others."""
    if not features.num_rows:
        return
    if scores is None or not scores.num_rows:
        yield NO_MODEL, features, None
        return
    versions = Counter(scores.column("model_version").to_pylist())
    usual = versions.most_common(1)[0][0]
    if len(versions) == 1:
        yield usual, features, _in_order(scores, features)
        return
    scored = dict(zip(keys_of(scores), scores.column("model_version").to_pylist(), strict=True))
    chosen = [scored.get(key, usual) for key in keys_of(features)]
    for version in sorted(versions):
        own = features.filter(pa.array([v == version for v in chosen], pa.bool_()))
        if own.num_rows:
            yield version, own, _in_order(scores, own)


def _in_order(scores: pa.Table, features: pa.Table) -> pa.Table:
    """The scores of these features, in their order; scoring keeps it, but for a day that a canary shares."""
    if all(scores.column(name).equals(features.column(name)) for name in KEY):
        return scores
    place = {key: number for number, key in enumerate(keys_of(scores))}
    return scores.take(pa.array([place[key] for key in keys_of(features) if key in place], pa.int64()))


def _read(lake: Lake, automation: str, day: date) -> tuple[pa.Table, pa.Table | None]:
    if not lake.has_partition(automation=automation, dataset="features", day=day):
        return pa.table({}), None
    features = lake.read_partition(automation=automation, dataset="features", day=day)
    if not features.num_rows or not lake.has_partition(automation=automation, dataset="scores", day=day):
        return features, None
    return features, as_scores(lake.read_partition(automation=automation, dataset="scores", day=day))


def _slices(
    version: int, parts: Sequence[tuple[pa.Table, pa.Table | None]]
) -> Iterator[tuple[int, pa.Table, pa.Table | None]]:
    """Scores stand in the order of their features; where some are missing, each slice has them all, and they are found by ticket."""
    rows, scored = pa.concat_tables([f for f, _ in parts]), [s for _, s in parts if s is not None]
    scores = pa.concat_tables(scored) if scored else None
    whole = scores is None or scores.num_rows != rows.num_rows
    for start in range(0, rows.num_rows, ROWS_AT_ONCE):
        yield version, rows.slice(start, ROWS_AT_ONCE), scores if whole else scores.slice(start, ROWS_AT_ONCE)


def without(features: pa.Table, settled: set[tuple[str, str, str]]) -> pa.Table:
    keys = zip(*(features.column(c).to_pylist() for c in ("source", "ticket_id", "ticket_version")), strict=True)
    return features.filter(pa.array([key not in settled for key in keys], pa.bool_()))


def _explainer(registry: Registry, name: str, version: int) -> ScoringModel | None:
    """What names the terms behind this version's scores; None where its kind knows none, or there is no version."""
    if version == NO_MODEL or registry.manifest(name=name, version=version)["kind"] not in EXPLAINED_KINDS:
        return None
    # terms need no accelerator, and where this runs there may be none
    return registry.load(name=name, version=version, accelerator="cpu")


def _explained(model: ScoringModel | None, features: pa.Table, scores: pa.Table | None) -> pa.Table | None:
    """The scores of these features with the terms behind them: what is decided on is explained, and nothing else is."""
    if model is None or scores is None or not features.num_rows:
        return scores
    scored = set(keys_of(scores))
    having = features.filter(pa.array([key in scored for key in keys_of(features)], pa.bool_()))
    own = _in_order(scores, having)
    terms = model.terms(having, own, count=TERMS)
    return own if terms is None else own.append_column("terms", terms)


def rules_of_version(
    declared: Declared, registry: Registry, policy: RegoPolicy, modes: dict[str, str], *, version: int
) -> Rules:
    automation = declared.automation
    manifest = registry.manifest(name=automation.model_name, version=version) if version else None
    return rules_for(automation, policy_revision=policy.revision, model_version=version, manifest=manifest, modes=modes)


def _shown(decision: Decision) -> dict[str, Any]:
    return {
        "ticket": decision.ticket_id,
        "verdict": decision.verdict,
        "queue": decision.queue,
        "reason": mask(decision.reason, limit=200),
    }

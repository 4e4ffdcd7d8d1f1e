"""The gatekeeper: measures a version for its gate, compares two versions, and moves an alias only past the gate.

What belongs here: gathering what the pure verdicts ask for (frozen evaluation sets, features, policy, modes, incidents, a stopwatch)
and the guarded move. What does not: the verdicts (`aios_core/lifecycle/`), and the alias rows (`registry.py`).

Used by training, by the sensors' jobs and by the command line alike: there is one way past the gate.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from time import perf_counter
from typing import Any

import pyarrow as pa

from aios_core.decisions.model import EVERY_QUEUE
from aios_core.errors import ModelError
from aios_core.lifecycle import evaluation
from aios_core.lifecycle import gate as guards
from aios_core.lifecycle.comparison import Comparison, ComparisonError, grouped
from aios_core.lifecycle.gate import Gate, OpenIncident
from aios_core.lifecycle.lifting import lifted
from aios_core.lifecycle.states import CANARY, CHAMPION, SHADOW, out_of_order
from aios_core.scoring.model import ScoringModel
from aios_core.training.parity import Parity
from resources.comparisons import Comparer
from resources.database import Database
from resources.declarations import Declared
from resources.lake import Lake
from resources.modes import ModeStore
from resources.monitoring import MonitorStore
from resources.registry import ModelVersion, Registry

GUARDED = (SHADOW, CANARY, CHAMPION)
TIMED, WARM_UP = 200, 10


class GateClosed(ModelError):
    """A version may not move there; the message says what each failing guard measured."""

    code = "model.gate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A move past the gate, or by force past what stood `against` it. `freed` queues are automated again."""

    gate: Gate
    against: tuple[str, ...]
    freed: tuple[str, ...]


class Gatekeeper:
    """The gate of one automation's model. `accelerator` is the deployment's, `stopwatch` counts seconds."""

    def __init__(
        self,
        declared: Declared,
        *,
        database: Database,
        lake: Lake,
        registry: Registry,
        accelerator: str = "cpu",
        stopwatch: Callable[[], float] = perf_counter,
    ) -> None:
        self._automation = declared.automation
        self._database, self._registry = database, registry
        self._accelerator, self._stopwatch = accelerator, stopwatch
        self.comparer = Comparer(declared, database=database, lake=lake, registry=registry, accelerator=accelerator)
        self.name = declared.automation.model_name

    def gate(self, version: int, *, agreement: Parity | None = None) -> Gate:
        """Every guard of a version, beside the champion of now. `agreement` is what training measured, else as recorded."""
        new, champion = self._registry.get(self.name, version), self._registry.current(name=self.name)
        beside = None if champion == version else champion
        frozen = self.comparer.frozen(new)
        found = None if beside is None else self._comparable(beside, version)
        lifecycle = self._automation.lifecycle
        by_queue, by_tier = self._groups(found, frozen, new)
        tier = lifecycle.tier
        return Gate(
            version=version,
            beside=beside,
            guards=(
                guards.parity(agreement or self.agreement(version)),
                self._quality(new, beside, found),
                guards.fairness(
                    guards.QUEUES, by_queue, gap=lifecycle.fairness_gap, absent="the version has no evaluation set"
                ),
                guards.fairness(
                    guards.TIERS,
                    by_tier,
                    gap=lifecycle.fairness_gap,
                    absent="no `lifecycle.tier` is declared"
                    if tier is None
                    else f"no customer's `{tier}` is known here",
                ),
                self.latency(version, frozen),
                self.incidents(version),
                guards.returning(self._was_left(version, champion), version=version),
            ),
        )

    def move(
        self,
        version: int,
        *,
        alias: str,
        actor: str,
        reason: str,
        now: datetime,
        force: bool = False,
        agreement: Parity | None = None,
        asked: Gate | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> Moved:
        """Point `alias` at a version where its gate and the declared path allow it; `force` moves all the same and is recorded.

        `asked` is a gate that was asked just now, `more` further evidence. A champion that passed lifts what was narrowed because of
        the one before, where it is good now (`aios_core/lifecycle/lifting.py`). Raises GateClosed, with nothing moved, and what `Registry.move` raises.
        """
        if alias not in GUARDED:
            raise ModelError(f"alias {alias!r} is no stage of the gate; use one of {', '.join(GUARDED)}")
        standing = self._registry.standing(name=self.name)
        found = asked or self.gate(version, agreement=agreement)
        order = out_of_order(standing, alias=alias, version=version, path=self._automation.lifecycle.path)
        closed = found.against(alias)
        against = (*([order] if order else []), *(g.told for g in closed))
        if against and not force:
            raise GateClosed(
                f"model {self.name}: version {version} does not become {alias}: {'; '.join(against)}. "
                "Train a better one, or move it all the same with `aios model promote --force --reason …`"
            )
        forced = sorted({g.name for g in closed} | set((more or {}).get("forced", ())))
        evidence = {**(more or {}), "gate": found.as_json(), "forced": forced, "forced_past": list(against)}
        if (kept := agreement or self.agreement(version)) is not None:
            evidence["agreement"] = asdict(kept)
        self._registry.move(
            name=self.name,
            alias=alias,
            version=version,
            actor=actor,
            reason=reason,
            evidence=evidence,
            now=now,
            accelerator=self._accelerator,
            # what the gate was asked beside, and the stage that the version comes from, must not have moved meanwhile
            expecting={
                a: standing.get(a) for a in (CHAMPION, SHADOW, CANARY) if a == CHAMPION or standing.get(a) == version
            },
        )
        freed = () if alias != CHAMPION or against else self._lift(version, actor=actor, now=now)
        return Moved(gate=found, against=against, freed=freed)

    def agreement(self, version: int) -> Parity | None:
        """What training measured, as the version's first move has kept it."""
        for move in reversed(self._registry.history(self.name)):
            if move.version == version and (kept := guards.agreement_in(move.evidence)) is not None:
                return kept
        return None

    def incidents(self, version: int) -> guards.Guard:
        """The guard over open incidents."""
        opened = MonitorStore(self._database).incidents(automation=self._automation.name, open_only=True)
        return guards.incidents(
            [OpenIncident(kind=i.remedy, opened_at=i.opened_at) for i in opened],
            registered_at=self._registry.get(self.name, version).registered_at,
        )

    def latency(self, version: int, frozen: pa.Table | None = None) -> guards.Guard:
        """The guard over the time to score one ticket alone, measured here and now on the version's newest held-back tickets."""
        row = self._registry.get(self.name, version)
        frozen = frozen if frozen is not None else self.comparer.frozen(row)
        features = None if frozen is None else self.comparer.features_of(row, evaluation.keys_of(frozen)[-TIMED:])
        limit = self._automation.lifecycle.max_p95_ms
        if features is None:
            return guards.latency(None, limit_ms=limit)
        taken = self._timed(self.comparer.load(version), features)
        return guards.latency(guards.percentile_95(taken), limit_ms=limit)

    # --- measuring

    def _timed(self, model: ScoringModel, features: pa.Table) -> list[float]:
        count = features.num_rows
        for number in range(WARM_UP):
            model.score_batch(features.slice(number % count, 1))
        taken = []
        for number in range(count):
            row = features.slice(number, 1)
            started = self._stopwatch()
            model.score_batch(row)
            taken.append((self._stopwatch() - started) * 1_000)
        return taken

    def _quality(self, new: ModelVersion, beside: int | None, found: Comparison | None) -> guards.Guard:
        minimum = self._automation.model.training.min_macro_f1
        registered = _macro_f1(new)
        if beside is None or registered is None or not registered >= minimum:
            return guards.quality(registered, None, min_macro_f1=minimum)
        if found is None:
            return guards.quality(registered, _macro_f1(self._registry.get(self.name, beside)), min_macro_f1=minimum)
        # the minimum was asked of all held-back rows above; the champion is compared on those that it had not learnt
        return guards.quality(found.new_macro_f1, found.old_macro_f1, min_macro_f1=0.0)

    def _groups(self, found: Comparison | None, frozen: pa.Table | None, new: ModelVersion) -> tuple[Any, Any]:
        """(by queue, by tier) of the comparison where there is one, else of the version alone; None: there is nothing to count."""
        if found is not None:
            return found.by_queue, found.by_tier or None
        if frozen is None or not frozen.num_rows:
            return None, None
        labels, queues = frozen.column("label").to_pylist(), frozen.column("queue").to_pylist()
        right = [a == b for a, b in zip(labels, queues, strict=True)]
        features = self.comparer.features_of(new, evaluation.keys_of(frozen))
        tiers = None if features is None else self.comparer.tiers(features)
        return grouped(labels, new_right=right), None if tiers is None else grouped(tiers, new_right=right) or None

    def _was_left(self, version: int, champion: int | None) -> bool:
        if champion == version:
            return False
        return any(m.alias == CHAMPION and m.version == version for m in self._registry.history(self.name))

    def _comparable(self, old: int, new: int) -> Comparison | None:
        try:
            return self.comparer.compare(old, new)
        except ComparisonError:
            return None

    def _lift(self, version: int, *, actor: str, now: datetime) -> tuple[str, ...]:
        """Queues are narrowed because the version then deciding failed on them: a new one lifts that where it is good now.

        A stop stays until a person lifts it.
        """
        name, monitor = self._automation.name, MonitorStore(self._database)
        held = [
            i.queue or EVERY_QUEUE for i in monitor.incidents(automation=name, open_only=True) if i.remedy == "narrow"
        ]
        frozen = self.comparer.frozen(self._registry.get(self.name, version)) if held else None
        if frozen is None:
            return ()
        answers = list(zip(frozen.column("queue").to_pylist(), frozen.column("label").to_pylist(), strict=True))
        good = lifted(held, answers, limits=self._automation.monitoring)
        freed = monitor.close_incidents(automation=name, remedy="narrow", queues=good, actor=actor, now=now)
        for queue in freed:
            ModeStore(self._database).set(
                automation=name, queue=queue, mode="normal", reason=f"version {version} took over", actor=actor, now=now
            )
        return tuple(freed)


def _macro_f1(row: ModelVersion) -> float | None:
    value = row.metrics.get("macro_f1")
    return None if value is None else float(value)

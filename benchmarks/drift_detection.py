"""Does drift raise its hand when the world changes, and only then? Seeded worlds of the sandbox, a real version trained in each.

`aios bench drift --detection --json`. Each world has a month of history that a `linear_text` version is trained on, and then days of
tickets that it scores. Ten of them are drift-free: over 20 worlds that is 200 days, each asked with the days before it as the platform asks.
Then each kind of drift the sandbox knows begins at the start of a day, in the same world; it counts as detected when that day is flagged by
what is known at its end: its tickets, and the outcomes of those that agents have resolved by then.

What belongs here: playing worlds and counting flags. What does not: sketching and judging a day, which is the platform's own code.
"""

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from aios_core.automation import Automation
    from aios_core.monitoring.drift import Drift
    from aios_core.monitoring.reference import Reference, Window
    from aios_core.scoring.model import ScoringModel
    from sandbox.world.spec import Drift as Change
    from sandbox.world.spec import DriftKind

SEEDS = 20
CALM_DAYS = 10
WARM_DAYS = 1  # before the change: a day has others before it, as it does on the platform
HISTORY = 4_000
HISTORY_DAYS = 28
TICKETS_A_DAY = 600
AFTER_MIDNIGHT = 15 / 24  # the sandbox's clock starts at 15:00; days end at its midnight
START = 1_759_968_000 + 15 * 3_600
FACTS = {"plan": "categorical", "segment": "categorical", "autopay": "categorical"}
NUMBERS = {"tenure_months": "numeric", "monthly_spend": "numeric", "churn_risk": "numeric"}

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day's tickets as features, what agents made of them, and when (seconds since the epoch)."""

    features: "pa.Table"
    labels: Sequence[str]
    resolved: Sequence[float]
    end: float


@dataclass(slots=True, kw_only=True)
class Counted:
    """What one world showed, or all of them."""

    calm_days: int = 0
    false_alarms: list[str] = field(default_factory=list)
    detected: Counter[str] = field(default_factory=Counter)
    named: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)

    def add(self, other: "Counted") -> None:
        self.calm_days += other.calm_days
        self.false_alarms += other.false_alarms
        self.missed += other.missed
        self.detected += other.detected
        self.named += other.named


def measure(
    *,
    seeds: int = SEEDS,
    calm_days: int = CALM_DAYS,
    tickets_a_day: int = TICKETS_A_DAY,
    history: int = HISTORY,
    first_seed: int = 1,
    workers: int | None = None,
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """`false_alarm_days` of `drift_free_days`, and `detected`: kind of drift -> of how many `worlds`.

    `workers` are processes, one a usable core by default; with one the worlds are played in this process.
    """
    from sandbox.world.spec import DRIFT_KINDS

    started = time.perf_counter()
    play = partial(play_world, days=calm_days, tickets_a_day=tickets_a_day, history=history)
    whole, played = Counted(), 0
    with ExitStack() as stack:
        numbers = range(first_seed, first_seed + seeds)
        several = min(seeds, workers or len(os.sched_getaffinity(0)))
        each = stack.enter_context(_processes(several)).map(play, numbers) if several > 1 else map(play, numbers)
        for found in each:
            whole.add(found)
            played += 1
            alarms = f"{len(whole.false_alarms)} false alarms in {whole.calm_days} days"
            progress(f"world {played} of {seeds}: {alarms}, detected {dict(whole.detected)}")
    return {
        "worlds": seeds,
        "tickets_a_day": tickets_a_day,
        "drift_free_days": whole.calm_days,
        "false_alarm_days": len(whole.false_alarms),
        "false_alarms": whole.false_alarms,
        "detected": {kind: whole.detected[kind] for kind in DRIFT_KINDS},
        "missed": whole.missed,
        "cause_named": {kind: whole.named[kind] for kind in DRIFT_KINDS},
        "detection_seconds": round(time.perf_counter() - started, 1),
    }


def _processes(count: int) -> ProcessPoolExecutor:
    # started anew, not forked: ONNX Runtime's and Arrow's threads do not survive a fork
    return ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"))


def play_world(seed: int, *, days: int, tickets_a_day: int, history: int) -> Counted:
    """Train a version in one world, then ask of its calm days and of the first day of each kind of drift."""
    from sandbox.world.spec import DRIFT_KINDS

    counted = Counted()
    world = World(seed=seed, days=days, tickets_a_day=tickets_a_day, history=history)
    for number, drift in enumerate(_measured(world, world.calm)):
        counted.calm_days += 1
        if drift.flagged:
            counted.false_alarms.append(f"seed {seed} day {number}: {drift.reason}")
    for kind in DRIFT_KINDS:
        *_, drift = _measured(world, world.changed(kind))
        counted.detected[kind] += drift.flagged
        counted.named[kind] += _names_the_cause(kind, drift)
        if not drift.flagged:
            counted.missed.append(f"seed {seed} {kind}: {drift.reason}")
    return counted


class World:
    """One seed: its calm days, the version trained on its history, and what its days become when something changes."""

    def __init__(self, *, seed: int, days: int, tickets_a_day: int, history: int) -> None:
        self.seed = seed
        self._calm, self._after, self._history = days, tickets_a_day, history
        self._training_rows: list[dict[str, Any]] = []
        self.calm = self._days(days=days)
        self.automation = _automation()
        self.model, self.reference = _trained(self.automation, self._training_rows)

    def changed(self, kind: "DriftKind") -> Sequence[Day]:
        """The first days of the same world, where `kind` begins after the warm ones: the last one is the first day of drift."""
        from sandbox.world.spec import DAY, Drift

        return self._days(Drift(kind, (WARM_DAYS - self._calm - AFTER_MIDNIGHT) * DAY), days=WARM_DAYS + 1)

    def _days(self, *drift: "Change", days: int) -> Sequence[Day]:
        """The first days, each ticket solved as long after its arrival as its agent takes."""
        from sandbox.generate import generate
        from sandbox.world.spec import DAY, WorldSpec

        spec = WorldSpec(
            seed=self.seed,
            tickets=round(self._after * (self._calm + AFTER_MIDNIGHT)),
            new_days=self._calm + AFTER_MIDNIGHT,
            history=self._history,
            history_days=HISTORY_DAYS,
            drift=drift,
        )
        first = START - (self._calm + AFTER_MIDNIGHT) * DAY
        found: list[list[dict[str, Any]]] = [[] for _ in range(days)]
        before = []
        for row in (row for chunk in generate(spec, until=START) for row in _rows(chunk.columns)):
            day = int((row["created"] - first) // DAY)
            if day >= days:
                break
            if day < 0:
                before.append(row)
            else:
                # the sandbox's agents start on these when its clock does; here they work as the tickets come
                waited = row["resolved"] - START
                found[day].append(row | {"resolved": row["created"] + waited})
        self._training_rows = self._training_rows or before
        return [_day(rows, end=first + (number + 1) * DAY) for number, rows in enumerate(found)]


def _measured(world: World, days: Sequence[Day]) -> "Iterator[Drift]":
    """Each day as the platform measures it at its end: with the outcomes known by then, and the days before it."""
    from aios_core.monitoring.drift import measure_window
    from aios_core.monitoring.reference import add_windows

    limits = world.automation.monitoring
    for number, day in enumerate(days):
        recent = [
            _window(world, other, now=day.end) for other in days[max(0, number + 1 - limits.persistence_days) : number]
        ]
        window = _window(world, day, now=day.end)
        yield measure_window(world.reference, window, limits=limits, recent=add_windows([*recent, window]), page=False)


def _window(world: World, day: Day, *, now: float) -> "Window":
    import pyarrow as pa

    from aios_core.monitoring.columns import LABEL, monitor_rows
    from aios_core.monitoring.reference import Window
    from aios_core.monitoring.settled import settle
    from aios_core.monitoring.sketch import sketch

    batches = [world.model.score_batch(batch) for batch in day.features.to_batches(max_chunksize=2_048)]
    rows = monitor_rows(day.features, pa.Table.from_batches(batches))
    labels = [label if at <= now else None for label, at in zip(day.labels, day.resolved, strict=True)]
    settled = settle(world.reference.cuts, rows.append_column(LABEL, pa.array(labels, pa.string())))
    return Window(sketch=sketch(world.reference.cuts, rows), settled=settled)


EXPECTED: Mapping[str, Sequence[str]] = {
    "new_product": ("nova",),
    "class_shift": ("outage", "porting"),
    "label_rule": ("→ complaint", "→ plan_change"),
}
"""What a good explanation names, any of: the product's own word, the queues that grew, the pairs of queues whose rule changed."""


def _names_the_cause(kind: str, drift: "Drift") -> bool:
    return any(word in cause.name for cause in drift.changed for word in EXPECTED[kind])


def _automation() -> "Automation":
    """The telecom's declaration in short: its facts, a model of words alone, and every limit at its default."""
    from aios_core.automation import Automation

    facts = [{"name": name, "kind": kind} for name, kind in (FACTS | NUMBERS).items()]
    return Automation.model_validate(
        {
            "name": "drift_bench",
            "start_date": "2025-01-01",
            "sources": {"desk": {"connector": "file", "provides": "tickets", "path": "unused.csv"}},
            "features": {"text": ["subject", "body"], "customer": facts},
            "model": {"kind": "linear_text", "char_ngrams": None},
        }
    )


def _trained(automation: "Automation", rows: Sequence[Mapping[str, Any]]) -> "tuple[ScoringModel, Reference]":
    """A version of this history as training makes it, and its reference as the platform reads it."""
    import json
    from dataclasses import replace

    from aios_core.automation import LinearTextModel
    from aios_core.monitoring.reference import REFERENCE_SKETCH_FILE, read_reference
    from aios_core.scoring.model import MANIFEST_FILE, ScoringModel
    from aios_core.training.export import export
    from aios_core.training.fit import fit
    from resources.runtime import open_session

    assert isinstance(automation.model, LinearTextModel)
    day = _day(rows, end=0.0)
    fitted = fit(
        day.features,
        list(day.labels),
        model=automation.model,
        features_spec=automation.features,
        queues=automation.queue_names,
    )
    files = export(fitted, automation=automation, snapshot_id="bench")
    manifest = json.loads(files[MANIFEST_FILE])
    reference = replace(
        read_reference(files[REFERENCE_SKETCH_FILE]),
        labels=manifest["training"]["rows_by_class"],
        calibration_error=manifest["metrics"]["ece"],
    )
    return ScoringModel.from_files(files, open_session, name="bench", version=1), reference


def _rows(columns: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    from datetime import datetime

    for values in zip(*columns.values(), strict=True):
        row = dict(zip(columns, values, strict=True))
        created, resolved = (datetime.fromisoformat(row[name]) for name in ("created_at", "resolved_at"))
        yield row | {"created_at": created, "created": created.timestamp(), "resolved": resolved.timestamp()}


def _day(rows: Sequence[Mapping[str, Any]], *, end: float) -> Day:
    import pyarrow as pa

    from aios_core.features.build import PREFIX, feature_schema

    features = _automation().features
    schema = feature_schema(features)
    columns: dict[str, list[Any]] = {
        "source": ["desk"] * len(rows),
        "ticket_id": [str(row["ticket_id"]) for row in rows],
        "ticket_version": ["1"] * len(rows),
        "correlation_id": [f"{row['ticket_id']:032x}" for row in rows],
        "created_at": [row["created_at"] for row in rows],
        "known_at": [row["created_at"] for row in rows],
        "text": [f"{row['subject']}\n{row['body']}" for row in rows],
        "priority": [row["priority"] for row in rows],
        "channel": [row["channel"] for row in rows],
        "language": [None] * len(rows),
        "customer_id": [row["customer_id"] for row in rows],
        **{PREFIX + name: [_category(row[name]) for row in rows] for name in FACTS},
        **{PREFIX + name: [float(row[name]) for row in rows] for name in NUMBERS},
    }
    return Day(
        features=pa.table(columns, schema=schema),
        labels=[row["queue"] for row in rows],
        resolved=[row["resolved"] for row in rows],
        end=end,
    )


def _category(value: Any) -> str:
    return str(value).lower()

"""Estimated quality: what a day's probabilities promise before any outcome is known, beside what turned out.

What belongs here: reading a day's scores and what is settled of it, one pure call, keeping the estimate. What does not: the estimate
itself (`aios_core/monitoring/estimate.py`), what a run says of it (`estimate_shown.py`), and the judge, who goes by outcomes
(`quality.py`).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from aios_assets import naming, partitions
from aios_assets.estimate_shown import SHOWN_DAYS, checks, shown
from aios_core.monitoring.estimate import by_group, estimate, promise
from aios_core.monitoring.shift import corrected
from resources import clock
from resources.corrections import KnownVersion, KnownVersions
from resources.dagster_resources import DatabaseResource, LakeResource, RegistryResource
from resources.database import Database
from resources.declarations import Declared
from resources.estimates import EstimateStore, GroupDay, NewDay
from resources.lake import Lake
from resources.settled import SettledStore

if TYPE_CHECKING:
    import pandas as pd

HOLDS, ERROR = "estimate_holds", "estimate_error"
QUEUE = "queue"
MOST_GROUPS = 50  # of a dimension, the largest; a free-text channel would otherwise fill the table
KEY = ["source", "ticket_id"]
Floats = npt.NDArray[np.float64]


def build(declared: Declared) -> list[dg.AssetsDefinition]:
    automation = declared.automation
    spec = naming.spec(
        declared,
        "estimated_quality",
        plane="observe",
        kinds=["postgres"],
        deps=["scores", "decisions", "outcomes"],
        description=(
            "Accuracy and macro-F1 of a day before its outcomes are known, in all and by queue, customer tier, channel and "
            "language: what the calibrated probabilities promise, corrected by the audit slice where that contradicts them. Beside "
            "it what turned out, once tickets are settled, and the error of the estimate over time."
        ),
        partitions_def=partitions.days(declared),
    )
    holds = dg.AssetCheckSpec(
        HOLDS,
        asset=spec.key,
        description=(
            "What turned out lies within the estimate's interval, over the window's settled tickets. Where it does not, the "
            "probabilities mean something else than they did: recalibrate or retrain."
        ),
    )
    error = dg.AssetCheckSpec(
        ERROR,
        asset=spec.key,
        description=(
            "The error of the estimate, day by day on settled tickets, has not drifted: small errors that stay add up to an "
            "alarm. Where they do, trust outcomes before estimates, and retrain."
        ),
    )

    @dg.multi_asset(
        specs=[spec],
        check_specs=[holds, error],
        name=naming.job_name(declared, "estimated_quality"),
        backfill_policy=partitions.backfill_policy(),
    )
    def estimated_quality(
        context: dg.AssetExecutionContext, database: DatabaseResource, lake: LakeResource, models: RegistryResource
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        known = KnownVersions(models.open(), name=automation.model_name)
        store = EstimateStore(database.open())
        days = partitions.days_of(context)
        estimate_days(declared, database.open(), lake.open(), known, days)
        since, until = days[-1] - timedelta(days=SHOWN_DAYS), days[-1] + timedelta(days=1)
        estimated = store.days(automation=automation.name, since=since, until=until)
        yield dg.MaterializeResult(asset_key=spec.key, metadata=shown(automation, store, known, estimated))
        yield from checks(spec.key, automation, store, known, estimated, names=(HOLDS, ERROR))

    return [estimated_quality]


@dataclass(frozen=True, slots=True)
class _Scored:
    """One version's rows of a day: keys, probabilities (rows x classes) and the class decided on."""

    keys: list[tuple[str, str]]
    probabilities: Floats
    predicted: npt.NDArray[np.int64]


def estimate_days(
    declared: Declared, database: Database, lake: Lake, known: KnownVersions, days: Sequence[date]
) -> None:
    """Estimate days of scores, and settle what is known by now of the days before them."""
    automation, now = declared.automation, clock.now()
    store, settled = EstimateStore(database), SettledStore(database)
    window, until = timedelta(days=automation.monitoring.window_days), now + timedelta(days=1)
    first = days[0] - window + timedelta(days=1)
    audit = settled.rows(automation=automation.name, first=first, last=days[-1], until=until, audit_only=True)
    turned_out = settled.rows(automation=automation.name, first=days[0], last=days[-1], until=until)
    scores = _Window(lake, automation.name, known)
    for day in days:
        if (version := scores.version_of(day)) is None:
            continue
        of = known.get(version)
        scored, recent = scores.day(day, of), scores.recent(day, of, days=window.days)
        rows = corrected(scored.probabilities, of.correction, window=recent)
        whole = promise(rows, classes=len(of.classes), predicted=scored.predicted)
        store.save(
            NewDay(
                day=day,
                model_version=version,
                promise=whole,
                estimate=estimate(
                    whole,
                    calibration_error=of.calibration_error,
                    overstated=of.overstated,
                    audit=_audit(audit, version, last=day, window=window),
                ),
                confidence=float(scored.probabilities.max(axis=1).mean()),
                overstated=of.overstated,
                groups=_groups(declared, lake, day, of, scored, rows, turned_out),
            ),
            automation=automation.name,
            model_name=automation.model_name,
            now=now,
        )
    settle = settled.by_day(
        automation=automation.name, first=days[0] - timedelta(days=SHOWN_DAYS), last=days[-1], until=until
    )
    store.settle(settle, automation=automation.name, model_name=automation.model_name)


class _Window:
    """The scores of a run's days and of the windows that end with them, each read once."""

    def __init__(self, lake: Lake, automation: str, known: KnownVersions) -> None:
        self._lake, self._automation, self._known = lake, automation, known
        self._read: dict[date, pa.Table] = {}

    def version_of(self, day: date) -> int | None:
        """The version that scored most of a day; None where nothing was scored."""
        versions = Counter(self._table(day).column("model_version").to_pylist())
        return versions.most_common(1)[0][0] if versions else None

    def day(self, day: date, of: KnownVersion) -> _Scored:
        table = self._table(day)
        own = table.filter(pc.equal(table.column("model_version"), of.version))
        probabilities = own.column("probabilities").combine_chunks().flatten().to_numpy().reshape(-1, len(of.classes))
        return _Scored(
            keys=list(zip(*(own.column(name).to_pylist() for name in KEY), strict=True)),
            probabilities=probabilities,
            predicted=probabilities.argmax(axis=1),
        )

    def recent(self, day: date, of: KnownVersion, *, days: int) -> Floats | None:
        """What a version said in the window that ends with a day; None where its class shares are not asked for."""
        for old in [d for d in self._read if d <= day - timedelta(days=days)]:
            del self._read[old]
        if of.correction is None or not of.correction.follows_shares:
            return None
        parts = [self.day(day - timedelta(days=n), of).probabilities for n in range(days)]
        return np.concatenate(parts)

    def _table(self, day: date) -> pa.Table:
        if day not in self._read:
            columns = [*KEY, "model_version", "probabilities"]
            there = self._lake.has_partition(automation=self._automation, dataset="scores", day=day)
            self._read[day] = (
                self._lake.read_partition(automation=self._automation, dataset="scores", day=day, columns=columns)
                if there
                else _NOTHING.empty_table()
            )
        return self._read[day]


# a schema and no table: making one imports pandas, half a second of every process that loads the definitions
_NOTHING = pa.schema(
    [
        *((name, pa.string()) for name in KEY),
        ("model_version", pa.int64()),
        ("probabilities", pa.list_(pa.float64())),
    ]
)


def _groups(
    declared: Declared,
    lake: Lake,
    day: date,
    of: KnownVersion,
    scored: _Scored,
    rows: Floats,
    turned_out: "pd.DataFrame",
) -> list[GroupDay]:
    """The day by queue (as predicted), and by the tiers, channels and languages that the data has."""
    own = turned_out[(turned_out["day"] == day) & (turned_out["model_version"] == of.version)]
    right = dict(zip(zip(own["source"], own["ticket_id"], strict=True), own["queue"] == own["label"], strict=True))
    dimensions: dict[str, list[str | None]] = {QUEUE: [of.classes[number] for number in scored.predicted]}
    dimensions |= _facts(declared, lake, day, scored.keys)
    found = list[GroupDay]()
    for dimension, stated in dimensions.items():
        names = stated
        if dimension == QUEUE:
            whole = promise(rows, classes=len(of.classes), predicted=scored.predicted)
            parts = {of.classes[n]: whole.of_class(n) for n in np.flatnonzero(whole.predicted).tolist()}
        else:
            largest = {name for name, _ in Counter(n for n in stated if n is not None).most_common(MOST_GROUPS)}
            names = [name if name in largest else None for name in stated]
            parts = by_group(rows, names, classes=len(of.classes), predicted=scored.predicted)
        known = [(name, right[key]) for key, name in zip(scored.keys, names, strict=True) if key in right]
        settled, hits = Counter(name for name, _ in known), Counter(name for name, hit in known if hit)
        found += [
            GroupDay(dimension=dimension, name=name, promise=part, settled=settled[name], right=hits[name])
            for name, part in parts.items()
        ]
    return found


def _facts(declared: Declared, lake: Lake, day: date, keys: Sequence[tuple[str, str]]) -> dict[str, list[str | None]]:
    """What the day's features say of these tickets, a list a dimension; a dimension without any value is left out."""
    automation, tier = declared.automation, declared.automation.lifecycle.tier
    columns = {"channel": "channel", "language": "language", **({"tier": f"crm_{tier}"} if tier else {})}
    if not lake.has_partition(automation=automation.name, dataset="features", day=day):
        return {}
    table = lake.read_partition(automation=automation.name, dataset="features", day=day)
    places = {key: n for n, key in enumerate(zip(*(table.column(name).to_pylist() for name in KEY), strict=True))}
    found = {}
    for dimension, column in columns.items():
        if column in table.column_names and table.column(column).null_count < table.num_rows:
            values = table.column(column).to_pylist()
            found[dimension] = [values[places[key]] if key in places else None for key in keys]
    return found


def _audit(settled: "pd.DataFrame", version: int, *, last: date, window: timedelta) -> list[tuple[float, bool]]:
    """(confidence, right) of the settled audit slice of one version, over the window that ends with this day."""
    rows = settled[(settled["model_version"] == version) & (settled["day"] <= last) & (settled["day"] > last - window)]
    rows = rows[rows["confidence"].notna()]
    return list(zip(rows["confidence"], rows["queue"] == rows["label"], strict=True))

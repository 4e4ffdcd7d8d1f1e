"""Days as the monitor sees them: what was scored, what turned out since, and the version that it is compared with.

What belongs here: reading windows and references from lake, database and registry, and adding stored windows up. What does not: the
asset (`monitoring.py`), and comparing (`aios_core/monitoring/drift.py`).
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from aios_core.automation import Automation
from aios_core.monitoring.columns import LABEL, key_columns, monitor_rows
from aios_core.monitoring.errors import MonitorError
from aios_core.monitoring.reference import (
    REFERENCE_SKETCH_FILE,
    Reference,
    Window,
    add_windows,
    from_rows_apart,
    read_reference,
)
from aios_core.monitoring.settled import settle
from aios_core.monitoring.sketch import sketch
from resources.database import Database
from resources.lake import Lake
from resources.monitoring import MonitorStore
from resources.registry import Registry
from resources.settled import SettledStore

REFERENCE_FILE = "reference.parquet"
ROWS_TO_COUNT_AGAIN = 200_000  # of the days before: their outcomes came in since


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One day: the version that scored it, and what came and what is settled of it."""

    day: date
    version: int
    window: Window


class WatchedDays:
    """The days of one run, and those before them that they are seen together with."""

    def __init__(
        self,
        automation: Automation,
        database: Database,
        lake: Lake,
        registry: Registry,
        *,
        days: list[date],
        now: datetime,
    ) -> None:
        self._automation, self._database, self._lake, self._registry = automation, database, lake, registry
        self._store = MonitorStore(database)
        self._days, self._now = days, now
        self._references: dict[int, Reference] = {}

    def reference(self, version: int) -> Reference:
        """Of one version. Raises MonitorError where it has none, or one that can't be read."""
        if version not in self._references:
            self._references[version] = reference_of(self._registry, self._automation.model_name, version)
        return self._references[version]

    def read(self, day: date) -> Watched | None:
        """The day by the version that scored most of it; None where nothing was scored."""
        found = scored_rows(self._lake, self._automation.name, day)
        if found is None:
            return None
        version, rows = found
        reference = self.reference(version)
        window = Window(sketch=sketch(reference.cuts, rows), settled=settle(reference.cuts, self._labelled(rows)))
        return Watched(day=day, version=version, window=window)

    def until(self, watched: Watched, *, days: int) -> Window:
        """The last `days` days under the same version, this one among them."""
        cuts = self.reference(watched.version).cuts
        before = self._store.parts(
            cuts,
            automation=self._automation.name,
            since=watched.day - timedelta(days=days - 1),
            until=watched.day,
            model_version=watched.version,
        )
        return add_windows([*before.values(), watched.window])

    def count_again(self, watched: Watched) -> None:
        """Keep what turned out since of the days before this run, the nearest first: outcomes come in late."""
        automation, first = self._automation, min(self._days)
        before = self._store.parts(
            self.reference(watched.version).cuts,
            automation=automation.name,
            since=first - timedelta(days=automation.monitoring.window_days),
            until=first,
            model_version=watched.version,
        )
        read = 0
        for day in sorted(before, reverse=True):
            read += before[day].sketch.rows
            if read > ROWS_TO_COUNT_AGAIN:
                return
            again = self.read(day)
            if again is not None and again.version == watched.version:
                self._store.save_settled(
                    automation=automation.name,
                    day=day,
                    model_name=automation.model_name,
                    model_version=again.version,
                    settled=again.window.settled,
                )

    @cached_property
    def _outcomes(self) -> Mapping[tuple[str, str], str]:
        """(source, ticket id) -> queue, of the newest settled tickets of these days and of the window before them."""
        window = timedelta(days=self._automation.monitoring.window_days)
        frame = SettledStore(self._database).rows(
            automation=self._automation.name,
            first=min(self._days) - window,
            last=max(self._days),
            until=self._now + timedelta(days=1),
        )
        return dict(zip(zip(frame["source"], frame["ticket_id"], strict=True), frame["label"], strict=True))

    def _labelled(self, rows: pa.Table) -> pa.Table:
        labels = [self._outcomes.get(key) for key in key_columns(rows)]
        return rows.append_column(LABEL, pa.array(labels, pa.string()))


def scored_rows(lake: Lake, automation: str, day: date) -> tuple[int, pa.Table] | None:
    """The model version that scored the day, and its rows; None where nothing was scored.

    A canary scores a share of the tickets: the day is measured by the version that scored most of it.
    """
    if not lake.has_partition(automation=automation, dataset="scores", day=day):
        return None
    scores = lake.read_partition(automation=automation, dataset="scores", day=day)
    if not scores.num_rows:
        return None
    features = lake.read_partition(automation=automation, dataset="features", day=day)
    version = pc.mode(scores.column("model_version"))[0]["mode"].as_py()
    own = scores.filter(pc.equal(scores.column("model_version"), version))
    return version, monitor_rows(features, own)


def reference_of(registry: Registry, name: str, version: int) -> Reference:
    """The reference of a version: its sketch, or for older versions its rows, with what its manifest says of labels and calibration."""
    import pyarrow.parquet as pq

    row = registry.get(name, version)
    if REFERENCE_SKETCH_FILE in row.files:
        found = read_reference(registry.file(name=name, version=version, path=REFERENCE_SKETCH_FILE))
    elif REFERENCE_FILE in row.files:
        content = registry.file(name=name, version=version, path=REFERENCE_FILE)
        found = from_rows_apart(pq.read_table(io.BytesIO(content)), classes=row.classes)
    else:
        raise MonitorError(
            f"model {name} version {version} has no reference ({REFERENCE_SKETCH_FILE} or {REFERENCE_FILE}), so its drift can't be "
            "measured; train a version, which writes one"
        )
    manifest = registry.manifest(name=name, version=version)
    labels, metrics = manifest.get("training", {}).get("rows_by_class", {}), manifest.get("metrics", {})
    return replace(found, labels=labels, calibration_error=float(metrics.get("ece", 0.0)))

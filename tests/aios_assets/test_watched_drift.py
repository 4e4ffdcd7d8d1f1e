"""Drift on the platform: days measured with what is settled of them, what changed shown and kept, and failures that stay failures."""

import io
from datetime import date
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aios_assets import jobs, watched_days
from aios_core.monitoring.errors import MonitorError
from aios_core.monitoring.reference import REFERENCE_SKETCH_FILE
from resources.monitoring import MonitorDay, MonitorStore
from tests.aios_assets import small_desk
from tests.aios_assets.conftest import Desk
from tests.aios_assets.small_desk import MONDAY, TUESDAY, Agents, swapped
from tests.aios_core.monitoring.settling import CLASSES, reference
from tests.aios_core.monitoring.settling import day as scored_day

ROWS = 90


def decide(desk: Desk, day: date, *, first: int) -> None:
    small_desk.arrive(desk.folder, day, rows=ROWS, first=first)
    desk.platform.execute(desk.declared, jobs.INGEST)
    desk.platform.execute(desk.declared, jobs.SCORE, day)


def settle(desk: Desk, day: date, *, first: int, agents: Agents) -> None:
    small_desk.settle(desk.folder, day, rows=ROWS, first=first, agents=agents)
    desk.platform.execute(desk.declared, jobs.INGEST)


def measure(desk: Desk, day: date) -> tuple[dict[str, Any], MonitorDay]:
    """What the UI shows of the drift of a day, and what is kept."""
    desk.platform.execute(desk.declared, jobs.MONITOR, day)
    [kept] = MonitorStore(desk.platform.database).days(automation="desk", since=day, model_version=1)
    return desk.platform.shown(desk.declared, "drift"), kept


def test_a_rule_that_changed_is_flagged_by_outcomes_and_the_queues_behind_it_are_shown_and_kept(desk: Desk) -> None:
    decide(desk, MONDAY, first=1_000)
    settle(desk, MONDAY, first=1_000, agents=swapped)

    shown, kept = measure(desk, MONDAY)

    assert (shown["flagged"], kept.flagged) == (1, True)
    assert "| concept | yes |" in shown["kinds"]
    assert "laptops → accounts" in shown["what_changed"]
    assert "Outcomes contradict the promises" in shown["window"]
    assert shown["promised_less_turned_out"] > 0.3
    assert kept.explained is not None
    assert {(c["kind"], c["name"]) for c in kept.explained["changed"]} >= {("concept", "accounts → laptops")}
    for link in (shown["report"], shown["window_report"]):
        assert desk.platform.lake.get(link.split("/reports/", 1)[1]).lstrip().startswith(b"<!DOCTYPE html>")
    assert sum(len(str(value)) for value in shown.values()) < 60_000


def test_outcomes_that_come_after_a_day_was_measured_are_counted_with_the_next_one(desk: Desk) -> None:
    decide(desk, MONDAY, first=1_000)
    _, monday = measure(desk, MONDAY)
    assert monday.explained is not None
    assert monday.explained["kinds"][-1] == {
        "kind": "concept",
        "drifted": None,
        "told": "0 settled tickets, 50 are needed",
    }
    settle(desk, MONDAY, first=1_000, agents=swapped)
    decide(desk, TUESDAY, first=2_000)

    shown, tuesday = measure(desk, TUESDAY)

    assert tuesday.flagged
    assert "| concept | yes |" in shown["kinds"]
    counted = desk.platform.rows("select day, (settled ->> 'rows')::int from monitor_days order by day")
    assert counted == [(MONDAY, ROWS), (TUESDAY, 0)]


def test_a_monitor_that_breaks_fails_its_run_and_keeps_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise MonitorError("the reference is damaged")

    decide(desk, MONDAY, first=1_000)
    monkeypatch.setattr(watched_days, "reference_of", broken)
    desk.platform.execute(desk.declared, jobs.MONITOR, MONDAY, succeeds=False)
    assert desk.platform.rows("select count(*) from monitor_days") == [(0,)]


class Files:
    """A registry with one version of these files."""

    def __init__(self, **files: bytes) -> None:
        self._files = {name.replace("__", "."): content for name, content in files.items()}

    def get(self, name: str, version: int) -> SimpleNamespace:
        return SimpleNamespace(files=dict.fromkeys(self._files, ""), classes=CLASSES)

    def file(self, *, name: str, version: int, path: str) -> bytes:
        return self._files[path]

    def manifest(self, *, name: str, version: int) -> dict[str, Any]:
        return {"training": {"rows_by_class": {"billing": 7}}, "metrics": {"ece": 0.02}}


def parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def test_the_reference_is_the_versions_sketch_and_for_older_versions_their_rows() -> None:
    made = reference(rows=300)
    rows = parquet(scored_day(1, 300).select(["queue", "confidence", "crm_plan"]))
    sketched = watched_days.reference_of(Files(reference_sketch__json=made.to_bytes(), reference__parquet=rows), "m", 1)
    assert sketched.cuts.fingerprint == made.cuts.fingerprint
    assert (sketched.labels, sketched.calibration_error) == ({"billing": 7}, 0.02)
    older = watched_days.reference_of(Files(reference__parquet=rows), "m", 1)
    assert set(older.cuts.columns) == {"queue", "confidence", "crm_plan"}
    assert (older.sketch.rows, older.settled, older.sketch.words) == (300, None, None)


def test_a_version_without_a_reference_says_what_to_do() -> None:
    with pytest.raises(MonitorError, match=f"version 1 has no reference \\({REFERENCE_SKETCH_FILE}.*train a version"):
        watched_days.reference_of(Files(model__onnx=b""), "m", 1)

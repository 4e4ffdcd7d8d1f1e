"""What the judge goes by besides outcomes."""

from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from aios_assets.evidence import _runs, estimated
from resources.declarations import Declared
from tests.resources.deciding import automation

DECLARED = Declared(automation(), Path(), Path(), "")


def scored(rows):
    return pa.table({"probabilities": pa.array(rows, pa.list_(pa.float32()))})


def test_a_version_is_estimated_as_a_whole_and_by_the_queue_it_names():
    rows = [[0.9, 0.05, 0.05]] * 300 + [[0.3, 0.6, 0.1]] * 100
    found = estimated(scored(rows), classes=("billing", "fraud", "outage"), calibration_error=0.01)
    assert found is not None
    assert (found.rows, found.source) == (400, "probabilities")
    assert found.accuracy == pytest.approx(0.825, abs=1e-6)
    assert found.low < found.accuracy - 0.01 < found.accuracy + 0.01 < found.high
    assert {queue: (e.rows, round(e.accuracy, 3)) for queue, e in found.by_queue.items()} == {
        "billing": (300, 0.9), "fraud": (100, 0.6),
    }  # fmt: skip


def test_the_audit_slice_takes_the_word_where_it_contradicts():
    rows = [[0.95, 0.05]] * 500
    audit = [(0.95, False)] * 40 + [(0.95, True)] * 10
    found = estimated(scored(rows), classes=("billing", "fraud"), calibration_error=0.01, audit=audit)
    assert found is not None
    assert (found.source, found.high < 0.5) == ("audit", True)


def test_without_rows_there_is_no_estimate():
    assert estimated(scored(np.empty((0, 2)).tolist()), classes=("a", "b"), calibration_error=0.0) is None


def run(instance: dg.DagsterInstance, *, fails: str | None) -> None:
    """A scoring run of two steps, one of which may fail."""

    def step(name: str) -> dg.OpDefinition:
        def body() -> None:
            if name == fails:
                raise RuntimeError(name)

        return dg.op(name=name, ins={"before": dg.In(dg.Nothing)} if name == "care__actions" else {})(body)

    @dg.job(name="care__score")
    def score() -> None:
        step("care__actions")(step("care__scores")())

    score.execute_in_process(instance=instance, raise_on_error=False)


def test_a_helpdesk_that_is_down_is_no_failure_of_the_version_that_scores():
    with dg.DagsterInstance.ephemeral() as instance:
        for fails in (None, "care__scores", "care__actions"):
            run(instance, fails=fails)
        assert [failed for _, failed in sorted(_runs(DECLARED, instance))] == [False, True, False]

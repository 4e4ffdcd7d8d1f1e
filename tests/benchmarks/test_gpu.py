"""The measurements for a GPU, on a machine without one."""

import numpy as np
import pytest
from typer.testing import CliRunner

from aios_core.training.graph import bag_graph
from benchmarks.gpu import Recorded, measure, rectangle, sweep
from cli.main import app
from resources.runtime import NoAccelerator, driver_problem, open_session

GRAPH = bag_graph(np.array([[1.0, -1.0], [0.5, 2.0]]), np.array([0.1, 0.0]), temperature=2.0)


def test_without_a_gpu_it_says_what_is_missing_before_anything_is_fitted():
    with pytest.raises(NoAccelerator, match="nothing to measure: no driver; `--accelerator cpu`"):
        measure(find_problem=lambda: "no driver")


@pytest.mark.skipif(driver_problem() is None, reason="this machine has a CUDA device")
def test_the_command_ends_with_an_error_of_one_line():
    ended = CliRunner().invoke(app, ["bench", "gpu", "--json"])
    assert ended.exit_code == 1
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith("error: nothing to measure: ")


def test_the_same_code_measures_on_the_cpu():
    found = measure(
        accelerator="cpu", rows=600, train_rows=400, batch_size=128, turns=1, text="sandbox",
        batches=(8, 32), lengths=(4, 16), sweep_seconds=0.01,
    )  # fmt: skip
    assert found["placement"].keys() == {"CPUExecutionProvider"}
    assert found["device"] is None
    assert 0 < found["rows_per_s"] <= found["session_rows_per_s"]
    assert 0 < found["share_of_session"] <= 1
    assert found["session_runs"] >= found["buckets"] >= 1
    assert [(row["batch"], row["length"]) for row in found["sweep"]] == [(8, 4), (8, 16), (32, 4), (32, 16)]


def test_a_recorded_session_keeps_copies_while_it_records_and_answers_all_the_same():
    session = Recorded(open_session(GRAPH))
    ids, weights = np.zeros((1, 2), np.int32), np.ones((1, 2), np.float32)
    session.run({"ids": ids, "weights": weights})
    session.recording = True
    before = session.run({"ids": ids, "weights": weights})["probabilities"]
    weights[:] = 5
    ((kept, _),) = session.runs
    assert np.array_equal(session.session.run(kept)["probabilities"], before)


def test_rectangles_are_of_the_size_asked_for_and_those_too_large_are_left_out():
    session = open_session(GRAPH)
    assert {name: value.shape for name, value in rectangle(session, 3, 5).items()} == {"ids": (3, 5), "weights": (3, 5)}
    assert [row["length"] for row in sweep(session, 0, [2**21], [1, 4], 0.001)] == [1]

import subprocess
import sys

import numpy as np
import pytest

from aios_core.errors import ModelError
from aios_core.training.graph import bag_graph
from resources.runtime import driver_problem, open_session

GRAPH = bag_graph(np.array([[1.0, -1.0], [0.5, 2.0]]), np.array([0.1, 0.0]), temperature=2.0)


def bag(ids, weights):
    return {"ids": np.array(ids, np.int32), "weights": np.array(weights, np.float32)}


def test_a_session_computes_the_bag_and_says_what_it_runs_on():
    session = open_session(GRAPH, accelerator="cpu")
    (row,) = session.run(bag([[0, 1, 2]], [[1.0, 0.5, 0.0]]))["probabilities"]
    margins = 2 * np.array([1.0 + 0.25 + 0.1, -1.0 + 1.0])
    assert np.allclose(row, np.exp(margins) / np.exp(margins).sum(), atol=1e-6)
    assert session.providers == ("CPUExecutionProvider",)
    assert (session.requested, session.inputs, session.outputs) == ("cpu", ("ids", "weights"), ("probabilities",))


def test_padding_changes_nothing():
    session = open_session(GRAPH, accelerator="cpu")
    short, long = bag([[1]], [[3.0]]), bag([[1, 2, 2, 2]], [[3.0, 0.0, 0.0, 0.0]])
    assert np.allclose(session.run(short)["probabilities"], session.run(long)["probabilities"], atol=1e-7)


def test_cuda_without_a_driver_is_an_error_that_says_what_to_do():
    with pytest.raises(ModelError, match="no NVIDIA driver.*accelerator: cpu"):
        open_session(GRAPH, accelerator="cuda", find_driver=lambda: "there is no NVIDIA driver")


@pytest.mark.skipif(driver_problem() is None, reason="this machine has a CUDA device")
def test_a_cuda_deployment_never_falls_back_to_the_cpu():
    with pytest.raises(ModelError, match="accelerator cuda"):
        open_session(GRAPH, accelerator="cuda")
    # even where the driver's look-up is wrong, the session itself is found out
    with pytest.raises(ModelError, match="cuda"):
        open_session(GRAPH, accelerator="cuda", find_driver=lambda: None)


def test_an_unknown_accelerator_and_a_damaged_graph_are_refused():
    with pytest.raises(ModelError, match="'tpu' is not known"):
        open_session(GRAPH, accelerator="tpu")
    with pytest.raises(ModelError, match="can't make a session"):
        open_session(GRAPH[:100], accelerator="cpu")


def test_inputs_that_do_not_fit_are_named():
    session = open_session(GRAPH, accelerator="cpu")
    with pytest.raises(ModelError, match=r"ids float32\[1, 1\]"):
        session.run({"ids": np.zeros((1, 1), np.float32), "weights": np.zeros((1, 1), np.float32)})
    with pytest.raises(ModelError):
        session.run(bag([[99]], [[1.0]]))


def test_a_cpu_session_prints_nothing_and_brings_no_dagster(tmp_path):
    (tmp_path / "model.onnx").write_bytes(GRAPH)
    code = (
        "import sys, pathlib; from resources.runtime import open_session;"
        f"open_session(pathlib.Path({str(tmp_path / 'model.onnx')!r}).read_bytes(), accelerator='cpu');"
        "assert 'dagster' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

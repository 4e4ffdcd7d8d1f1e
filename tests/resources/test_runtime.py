import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from aios_core.errors import ConfigurationError, ModelError
from aios_core.scoring.session import OutOfMemory
from aios_core.training.graph import bag_graph
from resources.placement import NodePlacement, WrongPlacement, require_provider, ways_out
from resources.runtime import (
    NoAccelerator,
    OrtSession,
    RuntimeSettings,
    cuda_major,
    driver_problem,
    library_problem,
    open_session,
    provider_options,
    shape_of,
    sizes_of,
)

GRAPH = bag_graph(np.array([[1.0, -1.0], [0.5, 2.0]]), np.array([0.1, 0.0]), temperature=2.0)


PLAIN = open_session(GRAPH)
BOUND = OrtSession(PLAIN._session, requested="cpu", bound=("cpu", 0))


def a_graph(nodes, inputs, outputs):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info(*one) for one in outputs],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


def a_branch(name, operator):
    out = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3])
    return helper.make_graph([helper.make_node(operator, ["x"], [name], name=f"in_{name}")], name, [], [out])


BRANCHED = a_graph(
    [
        helper.make_node(
            "If", ["c"], ["y"], name="choice", then_branch=a_branch("then", "Relu"), else_branch=a_branch("else", "Neg")
        )
    ],
    [("x", TensorProto.FLOAT, ["n", 3]), ("c", TensorProto.BOOL, [])],
    [("y", TensorProto.FLOAT, ["n", 3])],
)
FOUND = a_graph(
    [helper.make_node("NonZero", ["x"], ["y"], name="found")],
    [("x", TensorProto.FLOAT, ["n"])],
    [("y", TensorProto.INT64, [1, "found"])],
)


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
        open_session(GRAPH, accelerator="cuda", find_problem=lambda _: "there is no NVIDIA driver")


@pytest.mark.skipif(driver_problem() is None, reason="this machine has a CUDA device")
def test_a_cuda_deployment_never_falls_back_to_the_cpu():
    with pytest.raises(ModelError, match="accelerator cuda"):
        open_session(GRAPH, accelerator="cuda")
    # even where the driver's look-up is wrong, the session itself is found out
    with pytest.raises(ModelError, match="cuda"):
        open_session(GRAPH, accelerator="cuda", find_problem=lambda _: None)


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


def test_every_node_says_where_it_runs():
    nodes = open_session(GRAPH).placement
    assert {node.operator for node in nodes} >= {"Gather", "MatMul", "Softmax"}
    assert {node.provider for node in nodes} == {"CPUExecutionProvider"}
    assert "gather" in {node.name for node in nodes}


def test_a_node_on_the_cpu_under_cuda_is_named_with_its_operator_and_a_way_out():
    on_gpu = [NodePlacement(name=f"n{i}", operator="MatMul", provider="CUDAExecutionProvider") for i in range(3)]
    require_provider(on_gpu, "CUDAExecutionProvider")
    left = NodePlacement(name="trees", operator="ai.onnx.ml.TreeEnsemble", provider="CPUExecutionProvider")
    with pytest.raises(
        WrongPlacement, match=r"1 of 4 nodes.*trees \(ai\.onnx\.ml\.TreeEnsemble\) on CPU.*export with dense operators"
    ):
        require_provider([*on_gpu, left], "CUDAExecutionProvider")
    with pytest.raises(WrongPlacement, match="not proven"):
        require_provider([], "CUDAExecutionProvider")


def test_a_session_asked_for_the_gpu_that_runs_on_the_cpu_is_refused_by_its_own_nodes():
    """The real session's own record, as it would be after a silent fallback."""
    with pytest.raises(WrongPlacement, match="6 of 6 nodes do not run on CUDAExecutionProvider: gather"):
        require_provider(open_session(GRAPH).placement, "CUDAExecutionProvider")


class OnTheGpu:
    """A real session that tells of a GPU: the nodes named in `left` stayed on the CPU, the others did not."""

    def __init__(self, onnx, options, *, providers, left=()):
        import onnxruntime

        self.asked, self._left = providers, left
        self._session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])

    def __getattr__(self, name):
        return getattr(self._session, name)

    def get_providers(self):
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]

    def get_provider_graph_assignment_info(self):
        nodes = [node for part in self._session.get_provider_graph_assignment_info() for node in part.get_nodes()]
        for provider, stays in (("CUDAExecutionProvider", False), ("CPUExecutionProvider", True)):
            yield Part(provider, [node for node in nodes if (node.name in self._left) is stays])


class Part:
    def __init__(self, ep_name, nodes):
        self.ep_name, self._nodes = ep_name, nodes

    def get_nodes(self):
        return self._nodes


def on_cuda(**more):
    made = []

    def make(onnx, options, *, providers):
        made.append(OnTheGpu(onnx, options, providers=providers, **more))
        return made[-1]

    settings = RuntimeSettings(device=1, memory_limit_mb=64)
    return open_session(GRAPH, accelerator="cuda", settings=settings, find_problem=lambda _: None, make=make), made[0]


def test_a_cuda_session_is_asked_for_cuda_alone_with_the_deployments_settings_and_keeps_its_placement():
    session, made = on_cuda()
    ((provider, options),) = made.asked
    assert (provider, options["device_id"], options["gpu_mem_limit"]) == ("CUDAExecutionProvider", "1", str(64 * 2**20))
    assert {node.provider for node in session.placement} == {"CUDAExecutionProvider"}
    assert len(session.placement) == len(PLAIN.placement)


def test_a_cuda_session_with_one_node_left_on_the_cpu_is_refused_by_name():
    with pytest.raises(WrongPlacement, match=r"1 of 6 nodes .*: gather \(Gather\) on CPUExecutionProvider\. use types"):
        on_cuda(left=("gather",))


def test_a_device_that_is_not_there_is_looked_for_before_a_session_is_made():
    asked = []

    def find(device):
        asked.append(device)
        return "device 1 is not there"

    with pytest.raises(NoAccelerator, match="device 1 is not there, or declare `accelerator: cpu`"):
        open_session(
            GRAPH,
            accelerator="cuda",
            settings=RuntimeSettings(device=1),
            find_problem=find,
            make=lambda *_, **__: 1 / 0,
        )
    assert asked == [1]


def test_a_graph_with_a_branch_tells_of_the_nodes_inside_it():
    assert {node.name for node in open_session(BRANCHED).placement} == {"choice", "in_then", "in_else"}


def test_shape_arithmetic_gets_its_own_advice_and_only_where_there_is_any():
    assert "Reshape with 0 and -1" in " ".join(ways_out(["Shape", "Gather", "Concat"]))
    assert len(ways_out(["Shape", "Gather", "Concat"])) == 1
    assert "Reshape" not in " ".join(ways_out(["Gather"]))
    assert len(ways_out(["Shape", "ai.onnx.ml.Scaler", "StringNormalizer", "Einsum"])) == 4


NEEDED = int(cuda_major()) * 1000


class Driver:
    """As much of libcuda as is asked: the numbers that it answers."""

    def __init__(self, *, init=0, version=NEEDED, devices=1):
        self._init, self._version, self._devices = init, version, devices

    def cuInit(self, _):
        return self._init

    def cuDriverGetVersion(self, found):
        found._obj.value = self._version
        return 0

    def cuDeviceGetCount(self, found):
        found._obj.value = self._devices
        return 0


@pytest.mark.parametrize(
    ("driver", "device", "problem"),
    [
        (Driver(init=100), 0, r"does not start \(cuInit gave 100\)"),
        (Driver(version=11080), 0, "knows CUDA up to 11, and ONNX Runtime needs .*update the driver"),
        (Driver(devices=0), 0, "sees no device"),
        (Driver(devices=2), 2, "AIOS_ORT_DEVICE is 2, and the NVIDIA driver sees 2"),
    ],
)
def test_what_is_wrong_with_the_driver_is_told_apart(driver, device, problem):
    found = driver_problem(device, lambda _: driver)
    assert re.search(problem, found), found


def test_a_driver_that_answers_is_no_problem():
    assert driver_problem(1, lambda _: Driver(devices=2)) is None


def test_looking_for_cuda_prints_nothing(capfd):
    library_problem()
    assert capfd.readouterr() == ("", "")


def test_missing_libraries_of_cuda_are_named():
    def load(name):
        if "cudnn" in name:
            raise OSError(name)

    assert "libcudnn.so.9" in library_problem(load)
    assert "aios[cuda]" in library_problem(load)
    assert library_problem(lambda _: None) is None


def test_settings_come_from_the_environment_and_wrong_ones_are_named():
    told = {"AIOS_ORT_DEVICE": "1", "AIOS_ORT_MEMORY_MB": "2048", "AIOS_ORT_CONV_SEARCH": "EXHAUSTIVE"}
    name, options = provider_options("cuda", RuntimeSettings.from_environment(told))
    assert name == "CUDAExecutionProvider"
    assert options["device_id"] == "1"
    assert options["gpu_mem_limit"] == str(2048 * 2**20)
    assert options["cudnn_conv_algo_search"] == "EXHAUSTIVE"
    assert provider_options("cpu", RuntimeSettings.from_environment({})) == ("CPUExecutionProvider", {})
    with pytest.raises(ConfigurationError, match="AIOS_ORT_ARENA is `huge`"):
        RuntimeSettings.from_environment({"AIOS_ORT_ARENA": "huge"})
    with pytest.raises(ConfigurationError, match="AIOS_ORT_THREADS is `0`"):
        RuntimeSettings.from_environment({"AIOS_ORT_THREADS": "0"})


def test_a_bucket_has_one_buffer_that_grows_and_new_numbers_of_rows_allocate_nothing():
    session = OrtSession(PLAIN._session, requested="cpu", bound=("cpu", 0))

    def held_after(rows, length):
        session.run(bag(np.zeros((rows, length)), np.ones((rows, length))))
        return {key: buffer.pointer for key, buffer in session._bindings._local.held.items()}

    full = held_after(64, 8)
    assert len(full) == 3  # two inputs and the output
    assert [held_after(rows, 8) for rows in (63, 1, 17)] == [full] * 3
    assert len(held_after(5, 16)) == 5  # another bucket: the inputs' rows are longer, the output's are not
    grown = held_after(65, 8)
    assert len(grown) == 5
    assert grown != full


def test_threads_share_a_session_but_no_buffer():
    session = OrtSession(PLAIN._session, requested="cpu", bound=("cpu", 0))

    def answered(seed):
        rng = np.random.default_rng(seed)
        inputs = [bag(rng.integers(0, 3, (40, 6)), rng.normal(size=(40, 6))) for _ in range(30)]
        same = (np.array_equal(session.run(one)["probabilities"], PLAIN.run(one)["probabilities"]) for one in inputs)
        return all(same)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(answered, range(8)))


def test_an_output_has_a_buffer_of_its_own_where_the_inputs_tell_its_shape():
    sizes = sizes_of([(("batch", "length"), (4, 7)), (("batch", 2), (4, 2))])
    assert sizes == {"batch": 4, "length": 7}
    assert shape_of(("batch", 3), sizes) == [4, 3]
    assert shape_of(("found", 3), sizes) is None
    assert shape_of((None,), sizes) is None
    assert sizes_of([(("n",), (1,)), (("n",), (2,))]) is None


def test_an_output_whose_shape_only_the_run_knows_is_bound_too():
    session = OrtSession(open_session(FOUND)._session, requested="cpu", bound=("cpu", 0))
    for row in ([0.0, 1.0, 2.0], [0.0, 0.0, 5.0], [1.0, 1.0, 1.0]):
        (found,) = session.run({"x": np.array(row, np.float32)}).values()
        assert found.tolist() == [np.flatnonzero(row).tolist()]


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 6)), min_size=1, max_size=12), st.integers(0, 1_000))
@settings(max_examples=20, deadline=None)
def test_bound_buffers_answer_what_a_plain_run_answers_whatever_came_before(shapes, seed):
    """The binding that CUDA sessions use, on the CPU: buffers are used again, answers are not."""
    rng = np.random.default_rng(seed)
    answers = []
    for rows, length in shapes:
        inputs = bag(rng.integers(0, 3, (rows, length)), rng.normal(size=(rows, length)))
        answers.append((BOUND.run(inputs)["probabilities"], PLAIN.run(inputs)["probabilities"]))
    assert all(np.array_equal(bound, plain) for bound, plain in answers)


def test_a_run_without_memory_says_so_in_a_way_that_a_batch_can_be_halved_on():
    class Full:
        def __getattr__(self, name):
            return getattr(PLAIN._session, name)

        def run(self, *_):
            raise RuntimeError(
                "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Failed to allocate memory for requested buffer of size 1"
            )

    with pytest.raises(OutOfMemory, match="no memory for a run of ids"):
        OrtSession(Full(), requested="cpu").run(bag([[0]], [[1.0]]))


def test_an_arena_at_its_limit_is_out_of_memory_and_fewer_rows_still_fit():
    """The runtime's own arena with a limit, as `AIOS_ORT_MEMORY_MB` sets one on a GPU; its allocator is the process's, so elsewhere."""
    code = """
import numpy as np, onnxruntime as o
from aios_core.scoring.session import OutOfMemory
from aios_core.training.graph import bag_graph
from resources.runtime import open_session
limit = o.OrtArenaCfg({"max_mem": 1 << 20, "arena_extend_strategy": 1})
o.create_and_register_allocator(o.OrtMemoryInfo("Cpu", o.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, o.OrtMemType.DEFAULT), limit)
def limited(onnx, options, providers):
    options.add_session_config_entry("session.use_env_allocators", "1")
    return o.InferenceSession(onnx, options, providers=providers)
session = open_session(bag_graph(np.ones((5, 300)), np.zeros(300), temperature=1.0), make=limited)
rows = lambda n: {"ids": np.zeros((n, 10), np.int32), "weights": np.zeros((n, 10), np.float32)}
try:
    session.run(rows(2_000))
except OutOfMemory as error:
    print(session.run(rows(10))["probabilities"].shape, error.code)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("(10, 300) model.memory", "")

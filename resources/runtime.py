"""ONNX Runtime sessions: made for one accelerator, and saying what they really run on.

What belongs here: finding the driver, session options, running. What does not: which node runs where (`placement.py`), models
(`aios_core/scoring/`) and files (`registry.py`).

onnxruntime-gpu lists CUDA as available on machines without a GPU and falls back to the CPU with lines on stderr. So driver and
libraries are looked for first, CUDA is only ever asked for where it is wanted, and where each node ended is read back: a node
elsewhere is an error that names it. (`session.disable_cpu_ep_fallback` would refuse the graph too, but without saying which node.)
"""

import contextlib
import ctypes
import io
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from aios_core.errors import ConfigurationError, ModelError
from aios_core.scoring.session import OutOfMemory
from resources.placement import RECORD, NodePlacement, WrongPlacement, placement_of, require_provider

Accelerator = Literal["cpu", "cuda"]
PROVIDERS: dict[str, str] = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
CUDA_MAJOR = "13"  # where ONNX Runtime does not say what it was built with
# what the CUDA provider is linked with, and cuDNN, which it opens when a graph first needs it
CUDA_LIBRARIES = (
    "libcudart.so.{cuda}",
    "libcublasLt.so.{cuda}",
    "libcublas.so.{cuda}",
    "libcurand.so.10",
    "libcudnn.so.9",
)
# the last one is an arena at its limit (`gpu_mem_limit`)
NO_MEMORY = ("failed to allocate", "bad_alloc", "out of memory", "alloc_failed", "smaller than requested bytes")
ELEMENTS: Mapping[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}
FATAL_ONLY = 4
BUFFERS = 256  # kept ready a thread: one an input or output and bucket


class NoAccelerator(ModelError):
    """The machine lacks what the deployment's accelerator needs."""

    code = "model.accelerator"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeSettings:
    """How sessions are made. On the CPU one thread each: parallelism over batches beats parallelism inside one."""

    intra_threads: int = 1
    device: int = 0
    memory_limit_mb: int | None = None
    arena: Literal["kNextPowerOfTwo", "kSameAsRequested"] = "kSameAsRequested"
    convolution_search: Literal["EXHAUSTIVE", "HEURISTIC", "DEFAULT"] = "HEURISTIC"
    copy_in_default_stream: bool = True

    @staticmethod
    def from_environment(environ: Mapping[str, str] | None = None) -> "RuntimeSettings":
        """The variables `AIOS_ORT_…`, described in `docs/gpu.md`. Raises ConfigurationError that names the wrong one."""
        env = os.environ if environ is None else environ
        limit = _number(env, "AIOS_ORT_MEMORY_MB", 0, least=0)
        return RuntimeSettings(
            intra_threads=_number(env, "AIOS_ORT_THREADS", 1, least=1),
            device=_number(env, "AIOS_ORT_DEVICE", 0, least=0),
            memory_limit_mb=limit or None,
            arena=_one_of(env, "AIOS_ORT_ARENA", ("kSameAsRequested", "kNextPowerOfTwo")),  # type: ignore[arg-type]
            convolution_search=_one_of(env, "AIOS_ORT_CONV_SEARCH", ("HEURISTIC", "EXHAUSTIVE", "DEFAULT")),  # type: ignore[arg-type]
            copy_in_default_stream=_one_of(env, "AIOS_ORT_COPY_IN_DEFAULT_STREAM", ("1", "0")) == "1",
        )


class OrtSession:
    """A session. `requested` is the accelerator asked for, `providers` what the session ended with, `placement` node by node.

    With `bound` (device, number) inputs and outputs live in buffers on the device, made once a bucket and used again. On the CPU
    binding is no faster than a plain run, so it is not used there.
    """

    def __init__(self, session: Any, *, requested: str, bound: tuple[str, int] | None = None) -> None:
        self._session = session
        self.requested = requested
        self.providers: tuple[str, ...] = tuple(session.get_providers())
        self.takes: tuple[Any, ...] = tuple(
            session.get_inputs()
        )  # name, shape and type of each input, as ONNX Runtime says
        self.inputs: tuple[str, ...] = tuple(node.name for node in self.takes)
        self.outputs: tuple[str, ...] = tuple(node.name for node in session.get_outputs())
        self.placement: tuple[NodePlacement, ...] = placement_of(session)
        self._bindings = None if bound is None else _Bindings(session, *bound)

    def run(
        self, inputs: Mapping[str, npt.NDArray[Any]], outputs: Sequence[str] | None = None
    ) -> dict[str, npt.NDArray[Any]]:
        """The named outputs (all of them by default) for these inputs. Safe to call from several threads.

        Raises ModelError for inputs that don't fit, and OutOfMemory where the device has no room for so many rows.
        """
        wanted = self.outputs if outputs is None else outputs
        try:
            if self._bindings is None:
                found = self._session.run(list(wanted), dict(inputs))
            else:
                found = self._bindings.run(inputs, wanted)
        except Exception as error:  # the runtime has no error family of its own
            raise _refused(error, inputs, self.inputs) from error
        return dict(zip(wanted, found, strict=True))


class _Bindings:
    """Device buffers, a thread's own: binding is not safe to share.

    A buffer belongs to one input or output and the shape of its rows (its bucket), and holds as many rows as were ever asked for;
    a run of fewer rows is bound to its beginning. So a shape that is new allocates nothing, and no row is computed in vain.
    """

    def __init__(self, session: Any, device: str, number: int) -> None:
        self._session, self._device, self._number = session, device, number
        self._takes = {node.name: tuple(node.shape) for node in session.get_inputs()}
        self._gives = {node.name: (tuple(node.shape), ELEMENTS.get(node.type)) for node in session.get_outputs()}
        self._local = threading.local()

    def run(self, inputs: Mapping[str, npt.NDArray[Any]], outputs: Sequence[str]) -> list[npt.NDArray[Any]]:
        binding = self._session.io_binding()
        for name, value in inputs.items():
            pointer = self._buffer(name, value.shape, value.dtype.type).filled(value)
            binding.bind_input(name, self._device, self._number, value.dtype.type, value.shape, pointer)
        sizes = sizes_of((self._takes[name], value.shape) for name, value in inputs.items())
        for name in outputs:
            declared, element = self._gives[name]
            shape = None if sizes is None else shape_of(declared, sizes)
            if shape is None or element is None:  # only the run knows: it allocates
                binding.bind_output(name, self._device, self._number)
            else:
                pointer = self._buffer(name, shape, element).pointer
                binding.bind_output(name, self._device, self._number, element, shape, pointer)
        self._session.run_with_iobinding(binding)
        # a copy: on the CPU the arrays would be the buffers themselves, which the next run fills anew
        found = [np.array(value) for value in binding.copy_outputs_to_cpu()]
        self._trim()
        return found

    def _buffer(self, name: str, shape: Sequence[int], element: type[np.generic]) -> "_Buffer":
        held: OrderedDict[Any, _Buffer] = self._local.__dict__.setdefault("held", OrderedDict())
        rows, key = shape[0] if shape else 1, (name, tuple(shape[1:]), element)
        if key not in held or held[key].rows < rows:
            held[key] = _Buffer(
                max(1, 1 << (rows - 1).bit_length()), tuple(shape[1:]), element, self._device, self._number
            )
        held.move_to_end(key)
        return held[key]

    def _trim(self) -> None:
        held: OrderedDict[Any, _Buffer] = self._local.held
        while len(held) > BUFFERS:
            held.popitem(last=False)


class _Buffer:
    """Room for so many rows of one shape on the device, and beside it on the host to copy from."""

    def __init__(self, rows: int, row: tuple[int, ...], element: type[np.generic], device: str, number: int) -> None:
        from onnxruntime import OrtValue

        self.rows = rows
        self._host = np.zeros((rows, *row), element)
        self._device = OrtValue.ortvalue_from_numpy(self._host, device, number)
        self.pointer: int = self._device.data_ptr()

    def filled(self, value: npt.NDArray[Any]) -> int:
        """The address of these rows on the device."""
        self._host[: value.shape[0] if value.ndim else 1] = value
        self._device.update_inplace(self._host)
        return self.pointer


def sizes_of(shapes: Iterable[tuple[Sequence[Any], Sequence[int]]]) -> dict[str, int] | None:
    """What the names of symbolic dimensions stand for, from (declared, actual) shapes; None where they contradict each other."""
    sizes: dict[str, int] = {}
    for declared, actual in shapes:
        for name, size in zip(declared, actual, strict=False):
            if isinstance(name, str) and sizes.setdefault(name, size) != size:
                return None
    return sizes


def shape_of(declared: Sequence[Any], sizes: Mapping[str, int]) -> list[int] | None:
    """An output's shape, given what its symbols stand for; None where the inputs do not tell it."""
    shape = [size if isinstance(size, int) else sizes.get(size) for size in declared]
    return None if None in shape else [int(size) for size in shape if size is not None]


def open_session(
    onnx: bytes,
    *,
    accelerator: str = "cpu",
    intra_threads: int | None = None,
    settings: RuntimeSettings | None = None,
    find_problem: Callable[[int], str | None] | None = None,
    make: Callable[..., Any] | None = None,
) -> OrtSession:
    """A session for `accelerator` ("cpu" or "cuda"); `settings` default to the environment's.

    `find_problem` looks for what stands in CUDA's way on a device, `make` is `onnxruntime.InferenceSession`.
    Raises ModelError where the graph is broken, where CUDA is asked for and driver or libraries are missing, and WrongPlacement
    where any node runs elsewhere than asked for.
    """
    if accelerator not in PROVIDERS:
        raise ModelError(f"accelerator {accelerator!r} is not known; declare one of {', '.join(PROVIDERS)}")
    chosen = settings or RuntimeSettings.from_environment()
    if accelerator == "cuda" and (problem := (find_problem or cuda_problem)(chosen.device)):
        raise NoAccelerator(
            f"accelerator cuda: {problem}, or declare `accelerator: cpu` for the deployment (AIOS_ACCELERATOR=cpu)"
        )
    session = _session(onnx, accelerator, intra_threads or chosen.intra_threads, chosen, make)
    if session.providers[0] != PROVIDERS[accelerator]:
        raise WrongPlacement(
            f"accelerator {accelerator}: the session runs on {session.providers[0]} instead of {PROVIDERS[accelerator]}; "
            "install the extra `aios[cuda]` that fits the driver, or declare `accelerator: cpu` for the deployment (AIOS_ACCELERATOR=cpu)"
        )
    require_provider(session.placement, PROVIDERS[accelerator])
    return session


def cuda_problem(device: int = 0) -> str | None:
    """What stands in CUDA's way, with the way out: the driver first, then the libraries; None where both are there."""
    return driver_problem(device) or library_problem()


def driver_problem(device: int = 0, load: Callable[[str], Any] = ctypes.CDLL) -> str | None:
    """What is wrong with this machine's NVIDIA driver, or None where it answers, is new enough and sees the device."""
    try:
        driver = load("libcuda.so.1")
    except OSError:
        return "there is no NVIDIA driver (libcuda.so.1 can't be loaded): run where a GPU and its driver are"
    if status := driver.cuInit(0):
        return f"the NVIDIA driver does not start (cuInit gave {status}): see whether `nvidia-smi` works there"
    speaks, count = ctypes.c_int(0), ctypes.c_int(0)
    needed = int(cuda_major())
    if driver.cuDriverGetVersion(ctypes.byref(speaks)) or speaks.value // 1000 < needed:
        return f"the NVIDIA driver knows CUDA up to {speaks.value // 1000}, and ONNX Runtime needs {needed}: update the driver"
    if driver.cuDeviceGetCount(ctypes.byref(count)) or count.value == 0:
        return "the NVIDIA driver sees no device: give the process (or its pod) a GPU"
    if device >= count.value:
        return f"AIOS_ORT_DEVICE is {device}, and the NVIDIA driver sees {count.value} (counted from 0): choose one of them"
    return None


def library_problem(load: Callable[[str], object] = ctypes.CDLL) -> str | None:
    """Which of CUDA's libraries are missing, after those of the extra `cuda` were loaded; None where all are there."""
    import onnxruntime

    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find
        onnxruntime.preload_dlls(directory="")  # the packages nvidia-*, where they are installed
    missing = []
    for name in (library.format(cuda=cuda_major()) for library in CUDA_LIBRARIES):
        try:
            load(name)
        except OSError:
            missing.append(name)
    return f"CUDA's libraries are missing ({', '.join(missing)}): install the extra `aios[cuda]`" if missing else None


def cuda_major() -> str:
    """The CUDA that ONNX Runtime was built with."""
    import onnxruntime

    return str(onnxruntime.cuda_version or CUDA_MAJOR).split(".")[0]


def _session(
    onnx: bytes, accelerator: str, threads: int, settings: RuntimeSettings, make: Callable[..., Any] | None
) -> OrtSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = FATAL_ONLY
    options.add_session_config_entry(RECORD, "1")
    # threads that spin between runs take the cores from the tokenizer
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    make = make or onnxruntime.InferenceSession
    try:
        session = make(onnx, options, providers=[provider_options(accelerator, settings)])
    except Exception as error:
        raise ModelError(
            f"ONNX Runtime can't make a session on {accelerator}: {_first_line(error)}; "
            "the graph is damaged or needs another runtime: restore it, or train and register again"
        ) from error
    bound = ("cuda", settings.device) if accelerator == "cuda" else None
    return OrtSession(session, requested=accelerator, bound=bound)


def provider_options(accelerator: str, settings: RuntimeSettings) -> tuple[str, dict[str, str]]:
    """The provider with its options, as ONNX Runtime takes them."""
    if accelerator == "cpu":
        return PROVIDERS["cpu"], {}
    options = {
        "device_id": str(settings.device),
        "arena_extend_strategy": settings.arena,
        "cudnn_conv_algo_search": settings.convolution_search,
        "do_copy_in_default_stream": "1" if settings.copy_in_default_stream else "0",
    }
    if settings.memory_limit_mb is not None:
        options["gpu_mem_limit"] = str(settings.memory_limit_mb * 2**20)
    return PROVIDERS["cuda"], options


def _refused(error: Exception, inputs: Mapping[str, npt.NDArray[Any]], takes: Sequence[str]) -> ModelError:
    shapes = ", ".join(f"{name} {value.dtype}{list(value.shape)}" for name, value in inputs.items())
    if isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in NO_MEMORY):
        return OutOfMemory(
            f"no memory for a run of {shapes}: {_first_line(error)}; score fewer rows at a time (`model.batch_size`)"
        )
    return ModelError(
        f"ONNX Runtime refused {shapes}: {_first_line(error)}; the graph takes {', '.join(takes)}: "
        "hand in what the version's manifest says, or register the version again"
    )


def _number(env: Mapping[str, str], name: str, default: int, *, least: int) -> int:
    text = env.get(name) or str(default)
    if not text.isdigit() or int(text) < least:
        raise ConfigurationError(f"{name} is `{text}`; give a whole number of {least} or more")
    return int(text)


def _one_of(env: Mapping[str, str], name: str, allowed: Sequence[str]) -> str:
    value = env.get(name) or allowed[0]
    if value not in allowed:
        raise ConfigurationError(f"{name} is `{value}`; it must be one of {', '.join(allowed)}")
    return value


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]

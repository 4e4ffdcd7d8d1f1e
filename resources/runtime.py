"""ONNX Runtime sessions: made for one accelerator, and saying what they really run on.

What belongs here: finding the driver, session options, reading placement back. What does not: models (`aios_core/scoring/`)
and files (`registry.py`).

onnxruntime-gpu lists CUDA as available on machines without a GPU and falls back to the CPU with lines on stderr. So the
driver is looked for first, CUDA is only ever asked for where it is wanted, fallback is made an error, and the provider that
the session ended with is read back.
"""

import ctypes
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy.typing as npt

from aios_core.errors import ModelError

Accelerator = Literal["cpu", "cuda"]
PROVIDERS: dict[str, str] = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
FATAL_ONLY = 4


class OrtSession:
    """A session. `requested` is the accelerator asked for, `providers` what the session ended with."""

    def __init__(self, session: Any, *, requested: str) -> None:
        self._session = session
        self.requested = requested
        self.providers: tuple[str, ...] = tuple(session.get_providers())
        self.inputs: tuple[str, ...] = tuple(node.name for node in session.get_inputs())
        self.outputs: tuple[str, ...] = tuple(node.name for node in session.get_outputs())

    def run(
        self, inputs: Mapping[str, npt.NDArray[Any]], outputs: Sequence[str] | None = None
    ) -> dict[str, npt.NDArray[Any]]:
        """The named outputs (all of them by default) for these inputs. Safe to call from several threads. Raises ModelError for inputs that don't fit."""
        wanted = self.outputs if outputs is None else outputs
        try:
            found = self._session.run(list(wanted), dict(inputs))
        except Exception as error:  # the runtime has no error family of its own
            shapes = ", ".join(f"{name} {value.dtype}{list(value.shape)}" for name, value in inputs.items())
            raise ModelError(
                f"ONNX Runtime refused {shapes}: {_first_line(error)}; the graph takes {', '.join(self.inputs)}: "
                "hand in what the version's manifest says, or register the version again"
            ) from error
        return dict(zip(wanted, found, strict=True))


def open_session(
    onnx: bytes,
    *,
    accelerator: str = "cpu",
    intra_threads: int | None = None,
    find_driver: Callable[[], str | None] | None = None,
) -> OrtSession:
    """A session for `accelerator` ("cpu" or "cuda").

    `intra_threads` defaults to 1: a run is short, and parallelism over batches beats parallelism inside one. Raises ModelError
    where the graph is broken, where CUDA is asked for and there is no driver, and where the session fell back to the CPU.
    """
    if accelerator not in PROVIDERS:
        raise ModelError(f"accelerator {accelerator!r} is not known; declare one of {', '.join(PROVIDERS)}")
    if accelerator == "cuda" and (problem := (find_driver or driver_problem)()):
        raise ModelError(
            f"accelerator cuda: {problem}; run where an NVIDIA driver is, or declare `accelerator: cpu` for the deployment"
        )
    session = _session(onnx, accelerator, intra_threads or 1)
    if session.providers[0] != PROVIDERS[accelerator]:
        raise ModelError(
            f"accelerator {accelerator}: the session runs on {session.providers[0]} instead of {PROVIDERS[accelerator]}; "
            "install the extra `aios[cuda]` that fits the driver, or declare `accelerator: cpu` for the deployment"
        )
    return session


def driver_problem() -> str | None:
    """What stands in CUDA's way on this machine, or None where its driver answers and sees a device."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "there is no NVIDIA driver (libcuda.so.1 can't be loaded)"
    if status := driver.cuInit(0):
        return f"the NVIDIA driver does not start (cuInit gave {status})"
    count = ctypes.c_int(0)
    if driver.cuDeviceGetCount(ctypes.byref(count)) or count.value == 0:
        return "the NVIDIA driver sees no device"
    return None


def _session(onnx: bytes, accelerator: str, threads: int) -> OrtSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = FATAL_ONLY
    # threads that spin between runs take the cores from the tokenizer
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if accelerator == "cuda":
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        session = onnxruntime.InferenceSession(onnx, options, providers=[PROVIDERS[accelerator]])
    except Exception as error:
        raise ModelError(
            f"ONNX Runtime can't make a session on {accelerator}: {_first_line(error)}; "
            "the graph is damaged or needs another runtime: restore it, or train and register again"
        ) from error
    return OrtSession(session, requested=accelerator)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]

"""What scoring needs of a runtime: one call.

What belongs here: the protocol. What does not: any runtime; sessions are handed in from `resources/runtime.py`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy.typing as npt

from aios_core.errors import ModelError


class OutOfMemory(ModelError, MemoryError):
    """A run needs more memory than there is; fewer rows may fit. A MemoryError like any other to whoever halves batches."""

    code = "model.memory"


class Session(Protocol):
    """An ONNX session: named arrays in, the outputs asked for out, all of them where none is named."""

    def run(
        self, inputs: Mapping[str, npt.NDArray[Any]], outputs: Sequence[str] | None = None
    ) -> dict[str, npt.NDArray[Any]]: ...

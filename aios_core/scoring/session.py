"""What scoring needs of a runtime: one call.

What belongs here: the protocol. What does not: any runtime; sessions are handed in from `resources/runtime.py`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy.typing as npt


class Session(Protocol):
    """An ONNX session: named arrays in, the outputs asked for out, all of them where none is named."""

    def run(
        self, inputs: Mapping[str, npt.NDArray[Any]], outputs: Sequence[str] | None = None
    ) -> dict[str, npt.NDArray[Any]]: ...

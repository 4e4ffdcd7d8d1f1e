"""What scoring needs of a runtime: one call.

What belongs here: the protocol. What does not: any runtime; sessions are handed in from `resources/runtime.py`.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt


class Session(Protocol):
    """An ONNX session with named inputs and one output."""

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32]: ...

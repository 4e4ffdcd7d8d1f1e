"""Benchmarks that are programs of their own (`python -m benchmarks.scoring`): called, and their JSON taken over."""

import importlib
import io
import json
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any


def printed_by(module: str, arguments: Sequence[str]) -> dict[str, Any]:
    """The JSON object that a benchmark's `main` prints for these arguments."""
    output = io.StringIO()
    with redirect_stdout(output):
        importlib.import_module(module).main(list(arguments))
    text = output.getvalue()
    try:
        found: dict[str, Any] = json.loads(text[text.index("{") :])
    except ValueError as error:
        raise ValueError(f"{module} printed no JSON object but {text[-200:]!r}; its `main` must print one") from error
    return found

"""The golden rows that come with a foreign graph: what its makers say it answers.

What belongs here: reading `golden.jsonl` and comparing. What does not: the golden rows of our own versions
(`aios_core/training/golden.py`).

One JSON object a line: `{"inputs": {"crm_plan": "basic", "crm_tenure": 3}, "probabilities": [0.2, 0.8], "label": "offer"}`.
`inputs` names feature columns; `probabilities` are in the order of `model.labels`; one of the two answers is enough.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aios_core.errors import ModelError
from aios_core.scoring.schema import KEYS
from aios_core.training.parity import Parity

FILE = "golden.jsonl"
MAX_ROWS = 1_000
MAX_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """Rows as a feature table, and what is expected of them; None where it is not said."""

    features: pa.Table
    probabilities: tuple[tuple[float, ...] | None, ...]
    labels: tuple[str | None, ...]


def read(content: bytes, *, schema: pa.Schema, columns: Sequence[str], classes: Sequence[str]) -> Golden:
    """Parse `golden.jsonl`. Raises ModelError with the line's number."""
    if len(content) > MAX_BYTES:
        raise ModelError(f"{FILE} has {len(content):,} bytes, {MAX_BYTES:,} are allowed; a few dozen rows are enough")
    try:
        lines = [(number, line) for number, line in enumerate(content.decode().splitlines(), 1) if line.strip()]
    except UnicodeDecodeError as error:
        raise ModelError(f"{FILE} is not written in UTF-8 ({error}); write it again") from error
    if not 0 < len(lines) <= MAX_ROWS:
        raise ModelError(f"{FILE} has {len(lines):,} rows; 1 to {MAX_ROWS:,} are allowed")
    rows = [_row(line, f"{FILE}:{number}", schema, columns, classes) for number, line in lines]
    return Golden(
        features=_table([row["inputs"] for row in rows], schema),
        probabilities=tuple(row["probabilities"] for row in rows),
        labels=tuple(row["label"] for row in rows),
    )


def agreement(golden: Golden, answers: npt.NDArray[np.float64], classes: Sequence[str]) -> Parity:
    """`answers` are the graph's own probabilities, before calibration. What it did not answer differs."""
    mismatches, error = 0, 0.0
    for answer, probabilities, label in zip(answers, golden.probabilities, golden.labels, strict=True):
        if np.isnan(answer).any():
            mismatches, error = mismatches + 1, 1.0
            continue
        best, expected = classes[int(answer.argmax())], label
        if probabilities is not None:
            error = max(error, float(np.abs(answer - np.array(probabilities)).max()))
            expected = label if label is not None else classes[int(np.argmax(probabilities))]
        mismatches += best != expected
    return Parity(len(answers), mismatches, error)


def _row(line: str, where: str, schema: pa.Schema, columns: Sequence[str], classes: Sequence[str]) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{where} is no JSON ({error}); write one object a line") from error
    if not isinstance(found, dict) or not isinstance(found.get("inputs"), dict):
        raise ModelError(f'{where} must be an object with "inputs", and "probabilities" or "label"')
    inputs = found["inputs"]
    if missing := sorted(set(columns) - inputs.keys()):
        raise ModelError(
            f"{where}: inputs has no {', '.join(missing)}, which the graph reads; write null where it is missing"
        )
    for name in columns:
        _require_value(inputs[name], schema.field(name), where)
    probabilities, label = found.get("probabilities"), found.get("label")
    if probabilities is None and label is None:
        raise ModelError(f'{where}: nothing is expected; give "probabilities" or "label"')
    if probabilities is not None:
        probabilities = _numbers(probabilities, where, len(classes))
    if label is not None and label not in classes:
        raise ModelError(f"{where}: label {label!r} is none of `model.labels` ({', '.join(classes)})")
    return {"inputs": {name: inputs[name] for name in columns}, "probabilities": probabilities, "label": label}


def _require_value(value: Any, field: pa.Field, where: str) -> None:
    text = pa.types.is_string(field.type)
    good = isinstance(value, str) if text else isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not good:
        raise ModelError(
            f"{where}: {field.name} must be {'a text' if text else 'a number'} or null, not {str(value)[:80]!r}"
        )


def _numbers(values: Any, where: str, classes: int) -> tuple[float, ...]:
    numbers = isinstance(values, list) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    if not numbers or len(values) != classes or not np.isfinite(values).all():
        raise ModelError(f"{where}: probabilities must be {classes} numbers, one for each of `model.labels`")
    return tuple(map(float, values))


def _table(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """A feature table in which only the named columns say anything."""
    columns = []
    for field in schema:
        if field.name in KEYS:
            columns.append(pa.array([f"golden-{number}" for number in range(len(rows))], field.type))
        else:
            values = [row.get(field.name) for row in rows]
            if pa.types.is_floating(field.type):
                values = [None if value is None else float(value) for value in values]
            columns.append(pa.array(values, field.type))
    return pa.table(columns, schema=schema)

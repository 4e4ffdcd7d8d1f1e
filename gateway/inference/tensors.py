"""The protocol's requests and responses: JSON, and the binary extension.

What belongs here: from a body to columns, each value checked, and from scores to a body. What does not: models, queues and
HTTP. Written by hand and without pydantic, because a body is read for every request: 10 µs instead of 100.

Nothing is guessed: what is missing, doubled, of another type or shape, no number, no UTF-8, or left over is an error that says
where. An empty text is a text. An empty category is one that is not known, as in the batch path.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from aios_core.scoring.engine import EngineScores
from aios_core.scoring.schema import DECIMALS
from gateway.inference.signature import (
    CONFIDENCE,
    DATATYPES,
    LABEL,
    MAX_ROWS,
    PROBABILITIES,
    TYPES,
    Input,
    Signature,
)
from gateway.refusals import Refused

MAX_TEXT = 200_000  # characters, as `checks.max_text_chars` has it by default: one text may not hold up all others
MAX_ID = 256
INVALID = "infer.invalid"
WIDTH = {"FP64": 8, "FP32": 4}
NUMPY = {"FP64": "<f8", "FP32": "<f4"}
MAX_TIMEOUT = 600.0

Column = list[Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was understood: a list of values for each input, in the signature's order.

    `outputs` are (name, binary) in the order asked for. `timeout` is in seconds.
    """

    columns: tuple[Column, ...]
    rows: int
    chars: int
    id: str | None
    outputs: tuple[tuple[str, bool], ...]
    timeout: float | None = None


def parse(body: bytes, header_length: bytes | None) -> tuple[dict[str, Any], memoryview]:
    """The JSON part of a body and what follows it. `header_length` is the value of `Inference-Header-Content-Length`."""
    view = memoryview(body)
    size = len(body)
    if header_length is not None:
        if not header_length.isdigit() or len(header_length) > 9 or not 0 < int(header_length) <= size:
            _refuse(
                f"Inference-Header-Content-Length is {header_length.decode('latin-1')[:20]!r}, the body has {size} bytes;"
                " it is the length in bytes of the JSON in front of the tensors"
            )
        size = int(header_length)
    try:
        said = orjson.loads(view[:size])
    except orjson.JSONDecodeError as error:
        _refuse(f"the request is not JSON in UTF-8: {error}; NaN and Infinity are no JSON either")
    if not isinstance(said, dict):
        _refuse("the request is not a JSON object with `inputs`")
    return said, view[size:]


def read(said: Mapping[str, Any], rest: memoryview, signature: Signature) -> Asked:
    """Columns of a parsed request. Raises Refused."""
    given = said.get("inputs")
    if not isinstance(given, list) or not given:
        _refuse(f"`inputs` must be a list of tensors; this model takes {', '.join(signature.inputs)}")
    parameters = _parameters(said, "the request")
    found: dict[str, Column] = {}
    rows: int | None = None
    for tensor in given:
        one = _input(tensor, signature, found)
        values, rest = _values(tensor, one, rest)
        if rows is None:
            rows = len(values)
        elif rows != len(values):
            _refuse(f"input `{one.name}` has {len(values)} rows, those before it {rows}")
        found[one.name] = values
    if len(rest):
        _refuse(
            f"{len(rest)} bytes are left over after the last tensor; `binary_data_size` of each must add up to the rest of the"
            " body, and Inference-Header-Content-Length must be given"
        )
    assert rows is not None
    columns, chars = [], 0
    for name, one in signature.inputs.items():
        column = found.get(name)
        if column is None:
            if one.required:
                _refuse(f"input `{name}` is missing; it has one text a row")
            column = [None] * rows
        elif one.kind == "text":
            chars += sum(map(len, column))
        columns.append(column)
    return Asked(
        columns=tuple(columns),
        rows=rows,
        chars=chars,
        id=_id(said),
        outputs=_outputs(said, parameters, signature),
        timeout=_timeout(parameters),
    )


def batch_of(asked: Sequence[Asked], signature: Signature) -> pa.RecordBatch:
    """The rows of several requests as one batch of features."""
    if len(asked) == 1:
        columns: Sequence[Column] = asked[0].columns
    else:
        columns = [[v for one in asked for v in one.columns[i]] for i in range(len(signature.inputs))]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, signature.schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=signature.schema)


@dataclass(frozen=True, slots=True)
class Numbers:
    """Scores as they are sent: rounded as the batch path rounds them, so that both say the same of a row."""

    probabilities: npt.NDArray[np.float32]
    best: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float32]
    novelty: npt.NDArray[np.float32] | None

    def part(self, start: int, end: int) -> "Numbers":
        """Those rows alone."""
        if start == 0 and end == len(self.best):
            return self
        novelty = None if self.novelty is None else self.novelty[start:end]
        return Numbers(self.probabilities[start:end], self.best[start:end], self.confidence[start:end], novelty)


def joined(first: Numbers, second: Numbers) -> Numbers:
    """One after the other."""
    novelty = None
    if first.novelty is not None and second.novelty is not None:
        novelty = np.concatenate([first.novelty, second.novelty])
    return Numbers(
        np.concatenate([first.probabilities, second.probabilities]),
        np.concatenate([first.best, second.best]),
        np.concatenate([first.confidence, second.confidence]),
        novelty,
    )


def numbers(scored: EngineScores) -> Numbers:
    """Rounded as in `aios_core/scoring/schema.py`; the class is chosen before rounding, there as here."""
    exact = scored.probabilities
    best = exact.argmax(axis=1)
    rounded = np.round(exact.astype(np.float64), DECIMALS).astype(np.float32)
    novelty = None if scored.novelty is None else np.round(scored.novelty, DECIMALS).astype(np.float32)
    return Numbers(rounded, best, rounded[np.arange(len(best)), best], novelty)


def write(
    asked: Asked, found: Numbers, signature: Signature, *, name: str, version: int
) -> tuple[list[bytes], int | None]:
    """The parts of a response's body; the length of its JSON where tensors follow it."""
    outputs: list[dict[str, Any]] = []
    tensors: list[bytes] = []
    rows = len(found.best)
    for output, binary in asked.outputs:
        values: Any
        if output == LABEL:
            values = [signature.classes[i] for i in found.best]
        elif output == PROBABILITIES:
            values = found.probabilities.ravel()
        else:
            values = found.confidence if output == CONFIDENCE else found.novelty
        tensor: dict[str, Any] = {"name": output, "datatype": DATATYPES[output], "shape": signature.shape(output, rows)}
        if binary:
            packed = _packed(values)
            tensors.append(packed)
            tensor["parameters"] = {"binary_data_size": len(packed)}
        else:
            tensor["data"] = values
        outputs.append(tensor)
    said: dict[str, Any] = {"model_name": name, "model_version": str(version)}
    if asked.id is not None:
        said["id"] = asked.id
    said["outputs"] = outputs
    head = orjson.dumps(said, option=orjson.OPT_SERIALIZE_NUMPY)
    return [head, *tensors], len(head) if tensors else None


def _packed(values: Any) -> bytes:
    if isinstance(values, list):
        texts = [value.encode() for value in values]
        return b"".join(part for text in texts for part in (len(text).to_bytes(4, "little"), text))
    return np.ascontiguousarray(values, "<f4").tobytes()


def _input(tensor: Any, signature: Signature, found: Mapping[str, Column]) -> Input:
    if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
        _refuse("each of `inputs` must be an object with `name`, `shape`, `datatype` and `data`")
    one = signature.inputs.get(tensor["name"])
    if one is None:
        _refuse(f"this model has no input `{tensor['name'][:80]}`; it takes {', '.join(signature.inputs)}")
    if one.name in found:
        _refuse(f"input `{one.name}` is given twice")
    if tensor.get("datatype") not in TYPES[one.kind]:
        _refuse(
            f"input `{one.name}` has datatype {str(tensor.get('datatype'))[:20]!r}; it must be {' or '.join(TYPES[one.kind])}"
        )
    return one


def _values(tensor: Mapping[str, Any], one: Input, rest: memoryview) -> tuple[Column, memoryview]:
    count = _rows(tensor.get("shape"), one)
    parameters = _parameters(tensor, f"input `{one.name}`")
    if "shared_memory_region" in parameters:
        _refuse(f"input `{one.name}`: shared memory is not offered here; send the data in the body")
    size = parameters.get("binary_data_size")
    if size is None:
        return _from_json(tensor.get("data"), one, count), rest
    if "data" in tensor:
        _refuse(f"input `{one.name}` has both `data` and `binary_data_size`; give one")
    if type(size) is not int or not 0 <= size <= len(rest):
        _refuse(f"input `{one.name}` should have {str(size)[:20]} bytes, but {len(rest)} bytes follow the JSON")
    raw = rest[:size]
    values = _from_floats(raw, tensor["datatype"], one, count) if one.kind == "number" else _from_bytes(raw, one, count)
    return values, rest[size:]


def _rows(shape: Any, one: Input) -> int:
    """[N], or [N, 1] as some servers have it."""
    if not isinstance(shape, list) or not shape or not all(type(size) is int for size in shape):
        _refuse(f"input `{one.name}`: `shape` must be [rows]")
    if len(shape) > 2 or (len(shape) == 2 and shape[1] != 1) or shape[0] < 1:
        _refuse(
            f"input `{one.name}` has shape {str(shape)[:60]}; it must be [rows] or [rows, 1], with at least one row"
        )
    if shape[0] > MAX_ROWS:
        raise Refused(
            413, "infer.too_many_rows", f"{shape[0]:,} rows in one request; at most {MAX_ROWS:,}: send several"
        )
    return int(shape[0])


def _from_json(data: Any, one: Input, count: int) -> Column:
    if not isinstance(data, list):
        _refuse(f"input `{one.name}` has no `data` and no `binary_data_size`")
    if data and isinstance(data[0], list):  # [rows, 1], nested as the shape is
        if not all(isinstance(row, list) and len(row) == 1 for row in data):
            _refuse(f"input `{one.name}`: `data` is nested otherwise than its shape says")
        data = [row[0] for row in data]
    _count(len(data), one, count)
    if one.kind == "number":
        return [_number(value, one, row) for row, value in enumerate(data)]
    return [_text(value, one, row) for row, value in enumerate(data)]


def _number(value: Any, one: Input, row: int) -> float | None:
    if value is None:
        return None
    if type(value) not in (int, float):
        _refuse(f"input `{one.name}`, row {row}: {str(value)[:40]!r} is not a number; null is what is not known")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        _not_finite(one, row)
    return number


def _text(value: Any, one: Input, row: int) -> str | None:
    if type(value) is not str:
        if value is None and not one.required:
            return None
        _refuse(f"input `{one.name}`, row {row}: {str(value)[:40]!r} is not a text")
    return _bounded(value, one, row)


def _bounded(value: str, one: Input, row: int) -> str | None:
    if len(value) > MAX_TEXT:
        raise Refused(
            413,
            "infer.text_too_long",
            f"input `{one.name}`, row {row}: {len(value):,} characters, at most {MAX_TEXT:,}; nothing is cut off here, so"
            " shorten it or send its parts",
        )
    return value if one.kind == "text" else value.strip() or None


def _from_floats(raw: memoryview, datatype: str, one: Input, count: int) -> Column:
    if len(raw) != count * WIDTH[datatype]:
        _refuse(f"input `{one.name}`: {len(raw)} bytes are not {count} x {datatype}")
    values = np.frombuffer(raw, NUMPY[datatype])
    if not (finite := np.isfinite(values)).all():
        _not_finite(one, int(np.argmin(finite)))
    column: Column = values.astype(np.float64).tolist()
    return column


def _from_bytes(raw: memoryview, one: Input, count: int) -> Column:
    """Each element is its length in four bytes, little end first, and then its bytes."""
    values: Column = []
    at, end = 0, len(raw)
    while at < end:
        start = at + 4
        at = start + int.from_bytes(raw[at:start], "little")
        if start > end or at > end:
            _refuse(f"input `{one.name}`, row {len(values)}: its bytes are cut off")
        if len(values) == count:
            _refuse(f"input `{one.name}` has more rows than the {count} of its shape")
        try:
            text = str(raw[start:at], "utf-8")
        except UnicodeDecodeError as error:
            _refuse(f"input `{one.name}`, row {len(values)}: not UTF-8 ({error.reason} at byte {error.start})")
        values.append(_bounded(text, one, len(values)))
    _count(len(values), one, count)
    return values


def _count(found: int, one: Input, count: int) -> None:
    if found != count:
        _refuse(f"input `{one.name}` has {found} values for the {count} rows of its shape")


def _not_finite(one: Input, row: int) -> NoReturn:
    _refuse(
        f"input `{one.name}`, row {row}: not a finite number; leave out what is not known: null in JSON, or no such input"
    )


def _parameters(part: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    found = part.get("parameters")
    if found is None:
        return {}
    if not isinstance(found, dict):
        _refuse(f"`parameters` of {where} must be an object")
    return found


def _id(said: Mapping[str, Any]) -> str | None:
    found = said.get("id")
    if found is not None and (not isinstance(found, str) or len(found) > MAX_ID):
        _refuse(f"`id` must be a text of at most {MAX_ID} characters")
    return found


def _timeout(parameters: Mapping[str, Any]) -> float | None:
    """Triton's `timeout` is in microseconds; 0 is none."""
    found = parameters.get("timeout")
    if found is None or found == 0:
        return None
    if type(found) is not int or found < 0:
        _refuse("`timeout` must be a whole number of microseconds")
    return min(found / 1e6, MAX_TIMEOUT)


def _outputs(
    said: Mapping[str, Any], parameters: Mapping[str, Any], signature: Signature
) -> tuple[tuple[str, bool], ...]:
    all_binary = parameters.get("binary_data_output", False)
    if type(all_binary) is not bool:
        _refuse("`binary_data_output` must be true or false")
    wanted = said.get("outputs")
    if wanted is None or wanted == []:
        return tuple((output, all_binary) for output in signature.outputs)
    if not isinstance(wanted, list):
        _refuse("`outputs` must be a list")
    found = tuple(_output(one, all_binary, signature) for one in wanted)
    if len({name for name, _ in found}) < len(found):
        _refuse("an output is asked for twice")
    return found


def _output(one: Any, all_binary: bool, signature: Signature) -> tuple[str, bool]:
    if not isinstance(one, dict) or one.get("name") not in signature.outputs:
        name = one.get("name") if isinstance(one, dict) else one
        _refuse(f"this model has no output {str(name)[:80]!r}; it gives {', '.join(signature.outputs)}")
    parameters = _parameters(one, f"output `{one['name']}`")
    if parameters.get("classification"):
        _refuse(f"`classification` is not offered here; read `{LABEL}` and `{PROBABILITIES}`")
    if "shared_memory_region" in parameters:
        _refuse("shared memory is not offered here; the data comes in the body")
    binary = parameters.get("binary_data", all_binary)
    if type(binary) is not bool:
        _refuse("`binary_data` must be true or false")
    return one["name"], binary


def _refuse(message: str) -> NoReturn:
    raise Refused(400, INVALID, message)

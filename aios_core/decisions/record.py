"""How a decision is written down: canonical JSON, and feature rows that come back exactly as they were.

What belongs here: the encoding, both ways. What does not: what goes into it (`decide.py`) and where it is kept
(`resources/decisions.py`).

Canonical means: keys sorted, no white space, UTF-8 unescaped, numbers as Python's shortest repr. JSON has no NaN and no
infinity; a floating-point column holds them as strings, which its recorded type brings back. No clock is read: the same
inputs give the same bytes.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from aios_core.automation import Costs, Queue
from aios_core.decisions.model import DecisionError, Rules
from aios_core.decisions.thresholds import Thresholds

FORMAT = "aios.decision/1"

_TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "double": pa.float64(),
    "int64": pa.int64(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
    "null": pa.null(),
}
_NOT_IN_JSON = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


@dataclass(frozen=True, slots=True)
class FeatureRows:
    """The rows of a feature table as Python values, with (name, type) of each column in the table's order."""

    columns: tuple[tuple[str, str], ...]
    rows: tuple[dict[str, Any], ...]


def canonical(value: Any) -> bytes:
    """Canonical JSON. Raises DecisionError for what JSON can't hold, so that a record is never silently different."""
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.encode()
    except (TypeError, ValueError) as error:  # UnicodeEncodeError is a ValueError
        raise DecisionError(f"a decision record can't hold this: {error}") from error


def parse(record: bytes) -> dict[str, Any]:
    """The content of a record. Raises DecisionError where it is no record of this format."""
    try:
        value = json.loads(record)
    except ValueError as error:
        raise DecisionError(f"the decision record is not JSON: {error}; it was damaged after it was written") from error
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        found = value.get("format") if isinstance(value, dict) else type(value).__name__
        raise DecisionError(f"the decision record has format {found!r}; this version reads {FORMAT!r}")
    return value


def feature_rows(table: pa.Table) -> FeatureRows:
    """Rows of a feature table with every column in one of the recordable types. Raises DecisionError naming a column."""
    names = [_type_name(field) for field in table.schema]
    converted = [
        table.column(i).cast(_TYPES[name]) if table.column(i).type != _TYPES[name] else table.column(i)
        for i, name in enumerate(names)
    ]
    columns = tuple(zip(table.column_names, names, strict=True))
    values = [column.to_pylist() for column in converted]
    if table.num_columns == 0:
        return FeatureRows(columns, ())
    return FeatureRows(
        columns, tuple(dict(zip(table.column_names, row, strict=True)) for row in zip(*values, strict=True))
    )


def encode_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A feature row as JSON values."""
    return {name: _encoded(value) for name, value in row.items()}


def decode_row(columns: Sequence[Sequence[str]], values: Mapping[str, Any]) -> pa.Table:
    """The one-row feature table that `encode_row` came from."""
    return decode_rows(columns, [values])


def decode_rows(columns: Sequence[Sequence[str]], rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The feature table that several `encode_row` came from, all with the same columns."""
    try:
        fields = [pa.field(name, _TYPES[kind]) for name, kind in columns]
        arrays = [pa.array([_decoded(row[name], kind) for row in rows], type=_TYPES[kind]) for name, kind in columns]
    except (KeyError, ValueError, TypeError, pa.ArrowException) as error:
        raise DecisionError(f"the decision record's feature row can't be read: {error!r}") from error
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def encode_number(value: float | None) -> float | str | None:
    """A float, with what JSON can't hold as a string."""
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def decode_number(value: float | str | None) -> float | None:
    """What `encode_number` came from."""
    if isinstance(value, str):
        return _NOT_IN_JSON[value]
    return None if value is None else float(value)


def rules_part(rules: Rules, *, queue: str | None) -> dict[str, Any]:
    """All of the rules that a verdict reads. Of the queues, only what is said of them beyond a name: 77 plain ones would
    double a record. Of thresholds of single queues, for the same reason, only those of the predicted one.
    """
    c = rules.costs
    own = None if queue is None else rules.thresholds.queues.get(queue)
    return {
        "classes": rules.classes,
        "undeclared": [name for name in rules.classes if rules.queues and name not in rules.queues],
        "queues": {
            name: {"wrong_cost": q.wrong_cost, "never_automate": q.never_automate}
            for name, q in rules.queues.items()
            if q.wrong_cost is not None or q.never_automate
        },
        # no such key without thresholds of its own: decisions from before there were any must replay byte for byte
        "thresholds": _plain(rules.thresholds) | ({} if own is None else {"queues": {queue: _plain(own)}}),
        "costs": {"wrong_automation": c.wrong_automation, "wrong_draft": c.wrong_draft, "review": c.review},
        "modes": dict(rules.modes),
        "audit_share": rules.audit_share,
        "fallback_queue": rules.fallback_queue,
    }


def recorded_rules(content: Mapping[str, Any]) -> Rules:
    """Rules under which the recorded verdict follows again."""
    plain: dict[str, Any] = {"wrong_cost": None, "never_automate": False}
    queues = {name: plain for name in content["classes"] if name not in content["undeclared"]} | content["queues"]
    return Rules(
        automation=content["automation"],
        declaration=content["declaration"],
        model_name=content["model_name"],
        model_version=content["model_version"],
        classes=tuple(content["classes"]),
        policy_revision=content["policy_revision"],
        thresholds=recorded_thresholds(content),
        costs=Costs(**content["costs"]),
        # as recorded, whatever names a later schema allows
        queues={name: Queue.model_construct(name=name, description="", **said) for name, said in queues.items()},
        modes=content["modes"],
        audit_share=content["audit_share"],
        fallback_queue=content["fallback_queue"],
    )


def recorded_thresholds(content: Mapping[str, Any]) -> Thresholds:
    """The thresholds of a record; `.of(queue)` are those that its verdict was made by."""
    known = dict(content["thresholds"])
    own = known.pop("queues", {})
    return Thresholds(**known, queues={queue: Thresholds(**said) for queue, said in own.items()})


def _plain(thresholds: Thresholds) -> dict[str, Any]:
    names = ("automate", "draft", "automate_accuracy", "draft_accuracy")
    return {name: getattr(thresholds, name) for name in names}


def _type_name(field: pa.Field) -> str:
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    for name, is_kind in (
        ("string", lambda t: pa.types.is_string(t) or pa.types.is_large_string(t) or pa.types.is_string_view(t)),
        ("double", pa.types.is_floating),
        ("int64", pa.types.is_integer),
        ("bool", pa.types.is_boolean),
        ("timestamp", pa.types.is_timestamp),
        ("date", pa.types.is_date),
        ("null", pa.types.is_null),
    ):
        if is_kind(kind):
            return name
    raise DecisionError(f"feature column `{field.name}` has type {field.type}, which a decision record can't hold")


def _encoded(value: Any) -> Any:
    if isinstance(value, float):
        return encode_number(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value


def _decoded(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "double":
        return decode_number(value)
    if kind == "timestamp":
        return datetime.fromisoformat(value)
    return date.fromisoformat(value) if kind == "date" else value

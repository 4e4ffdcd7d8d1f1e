"""Values out of raw payloads: dotted paths, translation, times, texts and identifiers, each with a typed refusal.

What belongs here: what every mapper needs to read one value. What does not: which value a canonical field comes from (a
mapper module a vendor, beside this file).

What comes out can be stored: text without NUL (Postgres has no such character) and without lone surrogates, times in UTC,
JSON without NaN. Nothing is lost by that: the record itself stays as it came in the landing table.
"""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, TypedDict

from msgspec.json import Decoder

from aios_core.declaration.source_base import FieldMapping
from aios_core.errors import RecordError
from aios_core.retrieval.markup import html_text

Read = Callable[[Mapping[str, Any]], Any]
"""Finds one canonical field's raw value in a payload."""

MAX_ID_CHARS = 400  # ids are part of index rows, which Postgres limits to about 2,700 bytes
MAX_DEPTH = 60
WORD_CHARS = 40  # up to here a text is likely one of a few: a status, a language
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS_FROM = 100_000_000_000  # as seconds this is the year 5138


def fields_of(*names: str) -> Callable[[bytes | str], dict[str, Any]]:
    """What parses these fields of an object's JSON, and passes over the others.

    It raises ValueError for what is no object, and for JSON that others can't read either.
    """
    make: Any = TypedDict  # of fields that are known at run time
    decoder: Decoder[dict[str, Any]] = Decoder(make("Fields", dict.fromkeys(names, Any), total=False))
    return decoder.decode


def lookup(payload: Mapping[str, Any], path: str) -> Any:
    """The value at `path`, or None. A column whose name holds dots wins over the walk.

    Lists are walked by index, or by `id` where they hold `{id, value}` pairs as Zendesk's custom fields do.
    """
    found = payload.get(path)
    if found is not None or "." not in path or path in payload:
        return found
    value: Any = payload
    for part in _parts(path):
        value = _step(value, part)
        if value is None:
            return None
    return value


def heads(path: str) -> frozenset[str]:
    """The fields of a payload that `lookup` looks at."""
    return frozenset((path, _parts(path)[0]))


def has_path(payload: Mapping[str, Any], path: str) -> bool:
    """Whether the payload has this column at all, or at least the first part of the path to it."""
    return path in payload or _parts(path)[0] in payload


def reader(mapping: Mapping[str, FieldMapping], name: str, default: str | None = None) -> Read:
    """What finds the raw value of canonical field `name`: as mapped, else at the payload's `default`; translated by `values`.

    Made once for many payloads. A value that `values` does not name passes through unchanged. Empty strings are no value.
    """
    rule = mapping.get(name)
    if rule is None:
        return _nothing if default is None else _at(default)
    if rule.field is None:
        constant = None if rule.constant == "" else rule.constant
        return lambda _: constant
    if rule.values or rule.markup is not None:
        return _translated(rule, rule.field)
    return _at(rule.field)


def pick(mapping: Mapping[str, FieldMapping], name: str, payload: Mapping[str, Any], default: str | None = None) -> Any:
    """One field of one payload, as its `reader` finds it."""
    return reader(mapping, name, default)(payload)


def to_text(value: Any, *, field: str) -> str:
    """A storable text; numbers are written out, None is empty. Raises `record.bad_text` for anything else."""
    if isinstance(value, str):
        return clean_text(value)
    if value is None:
        return ""
    if isinstance(value, (bool, int, float)):
        return _plain(value)
    raise RecordError("record.bad_text", f"{field}: a text is needed, found {_kind(value)}")


def to_optional_text(value: Any, *, field: str) -> str | None:
    """As `to_text`, with None for nothing."""
    if isinstance(value, str):
        return _word(value) if len(value) <= WORD_CHARS else clean_text(value).strip() or None
    return None if value is None else to_text(value, field=field)


def to_id(value: Any, *, field: str) -> str:
    """An identifier of 1 to 400 characters. Raises `record.no_id` or `record.bad_id`."""
    if isinstance(value, str):
        if value.isalnum() and len(value) <= MAX_ID_CHARS:  # as most are: nothing to take away, nothing to refuse
            return value
        text = clean_text(value).strip()
    elif type(value) is int and abs(value) < 2**63:  # the other thing that most are; a truth value is of another type
        return str(value)
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        raise RecordError("record.no_id", f"{field}: an identifier is needed, found {_kind(value)}")
    else:
        text = _plain(value)
    if not text:
        raise RecordError("record.no_id", f"{field}: the identifier is empty")
    if len(text) > MAX_ID_CHARS:
        raise RecordError("record.bad_id", f"{field}: {len(text):,} characters are too many for an identifier")
    return text


def to_optional_id(value: Any, *, field: str) -> str | None:
    """As `to_id`, with None for nothing."""
    return None if value is None or value == "" else to_id(value, field=field)


def to_time(value: Any, *, field: str, format: str | None = None) -> datetime:
    """An aware UTC time from ISO 8601, from `format`, or from seconds or milliseconds since 1970; naive means UTC.

    Raises `record.missing_field` where there is nothing and `record.bad_time` where there is something else.
    """
    if value is None or value == "":
        raise no_value(field)
    if format is None and isinstance(value, str) and (moment := _plainly_utc(value)) is not None:
        return moment
    try:
        return _time(value, format)
    except (ValueError, OverflowError, TypeError) as error:
        wanted = (
            f"in the format `{format}`"
            if format
            else "in ISO 8601; set the mapping's `format` if it is written otherwise"
        )
        raise RecordError("record.bad_time", f"{field}: `{short(value)}` is not a date-time {wanted}") from error


def no_value(field: str) -> RecordError:
    """`record.missing_field`."""
    return RecordError("record.missing_field", f"{field}: there is no value; map it, or set `constant`")


def to_optional_time(value: Any, *, field: str, format: str | None = None) -> datetime | None:
    """As `to_time`, with None for nothing."""
    return None if value is None or value == "" else to_time(value, field=field, format=format)


def to_tags(value: Any, *, field: str = "tags") -> tuple[str, ...]:
    """Tags from a list of names or of objects with a `name`, or from one text separated by commas, semicolons or spaces."""
    if value is None:
        return ()
    if isinstance(value, str):
        value = value.replace(",", " ").replace(";", " ").split()
    if not isinstance(value, (list, tuple)):
        raise RecordError("record.bad_tags", f"{field}: a list is needed, found {_kind(value)}")
    if not value:
        return ()
    names = [tag if isinstance(tag, str) or not isinstance(tag, Mapping) else tag.get("name") for tag in value]
    return tuple([to_text(name, field=field) for name in names if name is not None])


def clean_text(text: str) -> str:
    """`text` without what UTF-8 or Postgres can't hold; U+FFFD stands where something was."""
    if text.isascii():
        return text.replace("\0", "\ufffd") if "\0" in text else text
    text = text.replace("\0", "\ufffd")
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def clean_json(value: Any, *, field: str, depth: int = 0) -> Any:
    """`value` as JSON that any parser takes: clean texts, finite numbers, 64-bit integers, bounded depth."""
    if isinstance(value, str):
        return clean_text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else to_text(value, field=field)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth >= MAX_DEPTH:
        raise RecordError("record.too_deep", f"{field}: nested more than {MAX_DEPTH} levels")
    if isinstance(value, Mapping):
        return {clean_text(str(k)): clean_json(v, field=field, depth=depth + 1) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean_json(v, field=field, depth=depth + 1) for v in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return clean_text(str(value))


def short(value: Any, limit: int = 60) -> str:
    """A value for a message: at most `limit` characters."""
    text = clean_text(value if isinstance(value, str) else _plain(value))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _plainly_utc(text: str) -> datetime | None:
    """A time in ISO 8601 that says it is UTC, as nearly all are written: converting it to what it is costs as much as parsing."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is UTC else None


def _time(value: Any, format: str | None) -> datetime:
    if isinstance(value, bool) or not isinstance(value, (str, int, float, datetime)):
        raise TypeError(_kind(value))
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, (int, float)) and format is None:
        seconds = value / 1000 if abs(value) >= _MILLISECONDS_FROM else value
        return _EPOCH + timedelta(seconds=seconds)
    else:
        text = _plain(value) if isinstance(value, (int, float)) else value.strip()
        # a format without a zone gives a naive time, which means UTC just below
        moment = datetime.strptime(text, format) if format else datetime.fromisoformat(text)  # noqa: DTZ007
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _nothing(_: Mapping[str, Any]) -> None:
    return None


def _at(path: str) -> Read:
    def walked(payload: Mapping[str, Any]) -> Any:
        value = lookup(payload, path)
        return None if value == "" else value

    def found(payload: Mapping[str, Any]) -> Any:
        value = payload.get(path)
        return None if value == "" else value

    return walked if "." in path else found


def _translated(rule: FieldMapping, path: str) -> Read:
    def translated(payload: Mapping[str, Any]) -> Any:
        value = lookup(payload, path)  # an empty one may be translated too
        if rule.values and isinstance(value, (str, int, float)):
            value = rule.values.get(_plain(value), value)
        if rule.markup == "html" and isinstance(value, str):
            value = html_text(value)
        return None if value == "" else value

    return translated


def _step(value: Any, part: str) -> Any:
    if isinstance(value, dict):
        return value.get(part)
    if isinstance(value, list):
        for item in value:
            if isinstance(item, dict) and "id" in item and _plain(item["id"]) == part:
                return item.get("value")
        return value[int(part)] if part.isascii() and part.isdigit() and int(part) < len(value) else None
    return None


def _plain(value: Any) -> str:
    """How a scalar is written in YAML and in CSV: `1.0` is `1`, true is `true`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)


def _kind(value: Any) -> str:
    return {"dict": "an object", "list": "a list", "NoneType": "nothing", "bool": "a truth value"}.get(
        type(value).__name__, f"a value of type {type(value).__name__}"
    )


@lru_cache(maxsize=4096)
def _word(text: str) -> str | None:
    return clean_text(text).strip() or None


@lru_cache(maxsize=1024)
def _parts(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))

"""Small pieces that connectors share when they turn items into records and rejects."""

import hashlib
from typing import Any

import orjson
from msgspec import Raw

from aios_core.canonical.values import MAX_ID_CHARS, clean_json
from aios_core.errors import RecordError
from resources.connectors.base import Reject

_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_NAIVE_UTC


def to_json(value: Any) -> str:
    """JSON text, with whatever JSON has no form for written out. Raises RecordError for what is nested too deep."""
    return to_json_bytes(value).decode()


def to_json_bytes(value: Any) -> bytes:
    """As `to_json`, in UTF-8 and on one line."""
    try:
        return orjson.dumps(value, default=_written, option=_OPTIONS)
    except (TypeError, RecursionError):  # lone surrogates, integers past 64 bits, 250 levels
        return orjson.dumps(clean_json(value, field="payload"))


def in_order(value: Any) -> bytes:
    """JSON with its keys sorted: the same for the same content. Raises RecordError for what is nested too deep."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except (TypeError, RecursionError):
        return orjson.dumps(clean_json(value, field="payload"), option=orjson.OPT_SORT_KEYS)


def content_version(json: bytes) -> str:
    """A version for a payload that states none: of its content, so that the same content is the same version."""
    return "sha256:" + hashlib.sha256(json).hexdigest()[:32]


def item_reject(object: str, item: Any, error: RecordError) -> Reject:
    """An item that is no record, as quarantine takes it."""
    if isinstance(item, Raw):
        item = _loaded(bytes(item))
    external_id = str(item.get("id") or item.get("Id") or "") if isinstance(item, dict) else ""
    return Reject(
        object=object,
        external_id=external_id[:MAX_ID_CHARS],
        code=error.code,
        message=str(error),
        payload=readable(item),
    )


def _loaded(json: bytes) -> Any:
    try:
        return orjson.loads(json)
    except orjson.JSONDecodeError:
        return json.decode()


def readable(item: Any) -> str:
    """The item's JSON; of one that is nested too deep its own fields, without what is in them."""
    try:
        return to_json(item)
    except RecordError:
        if not isinstance(item, dict):
            return to_json(f"a {type(item).__name__}, nested too deep")
        shallow = {name: f"({len(v)} inside)" if isinstance(v, dict | list) else v for name, v in item.items()}
        return to_json(shallow)


def _written(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    return str(value)

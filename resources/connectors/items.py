"""Small pieces that connectors share when they turn items into records and rejects."""

import hashlib
from typing import Any

import orjson

from aios_core.canonical.values import MAX_ID_CHARS, clean_json
from aios_core.errors import RecordError
from resources.connectors.base import Reject

_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_NAIVE_UTC


def to_json(value: Any) -> str:
    """JSON text, with whatever JSON has no form for written out. Raises RecordError for what is nested too deep."""
    try:
        return orjson.dumps(value, default=_written, option=_OPTIONS).decode()
    except (TypeError, RecursionError):  # lone surrogates, integers past 64 bits, 250 levels
        return orjson.dumps(clean_json(value, field="payload")).decode()


def content_version(payload: Any) -> str:
    """A version for a payload that states none: of its content, so that the same content is the same version."""
    return "sha256:" + hashlib.sha256(to_json(payload).encode()).hexdigest()[:32]


def item_reject(object: str, item: Any, error: RecordError) -> Reject:
    """An item that is no record, as quarantine takes it."""
    external_id = str(item.get("id") or item.get("Id") or "") if isinstance(item, dict) else ""
    return Reject(
        object=object,
        external_id=external_id[:MAX_ID_CHARS],
        code=error.code,
        message=str(error),
        payload=to_json(item),
    )


def _written(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    return str(value)

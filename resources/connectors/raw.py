"""Items of a JSON answer as they came: cut out of its bytes, and only a few of their fields read.

What belongs here: finding them, and saying which can be landed as they stand. What does not: what an item is (a file a vendor).

A page of a thousand tickets is some hundred thousand Python objects, made to be written out again a moment later: most of the time that a page takes.
What is cut out is JSON all the same: whatever stands in an answer is held against the grammar, asked for or not.
"""

from collections.abc import Callable
from typing import Any, TypedDict

import orjson
from msgspec import Raw, ValidationError
from msgspec.json import Decoder

from aios_core.errors import RecordError

MAX_BRACKETS = 250  # so many levels is as deep as everything that reads a payload can go


def body_with(items: str, *fields: str) -> Callable[[bytes], Any]:
    """What parses bodies into these fields of theirs, the list `items` into `Raw`; a body of another shape is parsed as it is.

    The parser raises ValueError for what is not JSON in UTF-8.
    """
    shape = {items: list[Raw], **dict.fromkeys(fields, Any)}
    decoder: Decoder[Any] = Decoder(TypedDict("Body", shape, total=False))  # type: ignore[operator]  # its fields are known at run time

    def parsed(content: bytes) -> Any:
        content.decode()  # which is not looked at in what is cut out
        try:
            return decoder.decode(content)
        except (ValidationError, RecursionError):
            return orjson.loads(content)

    return parsed


def stands(json: bytes) -> bool:
    """Whether it can be landed as it is: on one line, and not nested too deep."""
    if b"\n" in json or b"\r" in json:
        return False
    return json.count(b"[") + json.count(b"{") <= MAX_BRACKETS


def parsed(json: bytes) -> Any:
    """An item as a Python value. Raises RecordError where it holds a number that is none to others."""
    try:
        return orjson.loads(json)
    except orjson.JSONDecodeError as error:
        raise RecordError("record.malformed", f"an item is not JSON: {error}") from error

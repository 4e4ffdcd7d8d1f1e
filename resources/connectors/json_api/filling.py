"""From a declared request and what is known to the request itself: pure, without HTTP.

What belongs here: placeholders of `aios_core/declaration/writing.py`. What does not: what they stand for (`effects.py`), and those of lists
(`asking.py`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aios_core.declaration.writing import Call

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_NOTHING = object()
MERGED = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, ready to be sent."""

    method: str
    path: str
    params: dict[str, str]
    body: Any


class Each(tuple[Any, ...]):
    """Stands for several items where a list holds it."""

    __slots__ = ()


def request_of(call: Call, said: Mapping[str, Any]) -> Request:
    """The request of a call. A value that is an `Each` makes the list that holds its placeholder as long."""
    path = _PLACEHOLDER.sub(lambda found: quote(str(said.get(found[1], "")), safe=""), call.path)
    params = {
        name: _PLACEHOLDER.sub(lambda found: str(said.get(found[1], "")), value) for name, value in call.params.items()
    }
    body = None if call.body is None else filled(call.body, said)
    return Request(method=call.method, path=path, params=params, body=None if body is _NOTHING else body)


def names(call: Call, *, in_lists: bool = True) -> set[str]:
    """The placeholders of a call's body; those within lists, which may stand for several, only where asked for."""
    return _names(call.body, in_lists=in_lists)


def filled(template: Any, known: Mapping[str, Any]) -> Any:
    """A template with its placeholders replaced. A key whose value would be nothing is left out."""
    if isinstance(template, str):
        alone = _PLACEHOLDER.fullmatch(template)
        if alone:
            found = known.get(alone[1])
            return _NOTHING if found is None else found
        return _PLACEHOLDER.sub(lambda found: str(known.get(found[1], "")), template)
    if isinstance(template, Mapping):
        return _object(template, known)
    if isinstance(template, list):
        return [value for one in template for value in _items(one, known) if value is not _NOTHING]
    return template


def _object(template: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, inner in template.items():
        value = filled(inner, known)
        if value is _NOTHING:
            continue
        if key == MERGED:
            made |= value
        else:
            made[key] = value
    return made


def _items(template: Any, known: Mapping[str, Any]) -> list[Any]:
    """What one item of a list becomes: as many as there are values for the placeholder in it that has several."""
    for name in sorted(_names(template)):
        several = known.get(name)
        if isinstance(several, Each):
            return [filled(template, {**known, name: one}) for one in several]
    return [filled(template, known)]


def _names(template: Any, *, in_lists: bool = True) -> set[str]:
    if isinstance(template, str):
        return set(_PLACEHOLDER.findall(template))
    if isinstance(template, Mapping):
        inner: list[Any] = list(template.values())
    else:
        inner = template if in_lists and isinstance(template, list) else []
    return {name for one in inner for name in _names(one, in_lists=in_lists)}

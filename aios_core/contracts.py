"""A source's contract: which fields its records have and of what kind, learnt from them, and what a change of it means.

What belongs here: learning and comparing, as pure functions. What does not: keeping it (`resources/contracts.py`), and whether a field's values make
sense, which the checks look at (`checks.py`).

A field is a dotted path of objects; lists are not looked into. Null says nothing of a kind.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import NoneType
from typing import Any, Literal

Mode = Literal["evolve", "freeze", "quarantine"]
Kind = Literal["text", "number", "truth", "list", "object"]
_Shape = tuple[tuple[str, Any], ...]
DEPTH = 3
ALWAYS = 50  # records that had a field, before its absence from all of `MISSING` new ones means that it is gone
MISSING = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference from what was known. `path` is the field; `found` says in a few words what is different."""

    kind: Literal["new", "type", "vanished"]
    path: str
    found: str


@dataclass(slots=True)
class Seen:
    """What records of one object had: how many there were, and for each field how many had it, and of which kinds."""

    rows: int = 0
    fields: dict[str, tuple[int, frozenset[Kind]]] = field(default_factory=dict)

    def add(self, payloads: Iterable[Mapping[str, Any]]) -> "Seen":
        """These records too. Most have one of a few shapes, and each shape is looked at once."""
        for shape, rows in Counter(_shape(payload, DEPTH) for payload in payloads).items():
            self.rows += rows
            for path, kind in _fields_of(shape, prefix=""):
                count, kinds = self.fields.get(path, (0, frozenset()))
                self.fields[path] = (count + rows, kinds if kind is None else kinds | {kind})
        return self

    def as_json(self) -> dict[str, Any]:
        """For keeping."""
        fields = {path: [count, sorted(kinds)] for path, (count, kinds) in sorted(self.fields.items())}
        return {"rows": self.rows, "fields": fields}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Seen":
        """What `as_json` gave."""
        fields = {path: (count, frozenset(kinds)) for path, (count, kinds) in kept["fields"].items()}
        return cls(rows=kept["rows"], fields=fields)


def _shape(payload: Mapping[str, Any], depth: int) -> _Shape:
    """The payload's names, each with its value's type, or its shape where it is an object that is looked into."""
    return tuple(
        [
            (name, _shape(value, depth - 1) if depth > 1 and isinstance(value, dict) else type(value))
            for name, value in payload.items()
        ]
    )


def _fields_of(shape: _Shape, *, prefix: str) -> Iterator[tuple[str, Kind | None]]:
    """(path, kind) of every field; None where its value is null."""
    for name, value in shape:
        path = f"{prefix}{name}"
        if isinstance(value, tuple):
            yield path, "object"
            yield from _fields_of(value, prefix=f"{path}.")
        else:
            yield path, _kind_of(value)


def _kind_of(value: type) -> Kind | None:
    """What values of that type are, as JSON knows them; whole numbers and fractions are one kind."""
    if value is NoneType:
        return None
    if value is bool:
        return "truth"
    if issubclass(value, int | float):
        return "number"
    if issubclass(value, Mapping):
        return "object"
    return "list" if issubclass(value, list | tuple) else "text"


def changes(known: Seen, seen: Seen) -> list[Change]:
    """What `seen` has that `known` had not, and what it lacks that every known record had."""
    found = [
        Change(kind="new", path=p, found=f"in {n} of {seen.rows}")
        for p, (n, _) in seen.fields.items()
        if p not in known.fields
    ]
    for path, (_, kinds) in seen.fields.items():
        before = known.fields.get(path, (0, frozenset()))[1]
        if before and kinds - before:
            found.append(Change(kind="type", path=path, found=f"{_said(kinds - before)}, was {_said(before)}"))
    if known.rows >= ALWAYS and seen.rows >= MISSING:
        gone = [p for p, (count, _) in known.fields.items() if count == known.rows and p not in seen.fields]
        # of an object that is gone its fields are gone with it
        found += [
            Change(kind="vanished", path=p, found=f"in none of {seen.rows}, was in all")
            for p in gone
            if not any(p.startswith(f"{parent}.") for parent in gone)
        ]
    return sorted(found, key=lambda change: (change.kind, change.path))


def misfits(known: Seen, payload: Mapping[str, Any]) -> list[Change]:
    """What of one record is against the contract: fields that are new, and values of another kind."""
    return [change for change in changes(known, Seen().add([payload])) if change.kind != "vanished"]


def _said(kinds: Iterable[Kind]) -> str:
    return " or ".join(sorted(kinds))

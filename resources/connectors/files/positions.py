"""How far each file was read: the cursor of a file source, and what it says of a file as it is now. Pure.

A file is known by its name below the pattern's fixed folder. One that grew is read on from where it ended; one whose read part
changed is another generation and is read from the start, its rows being new versions of the same ids.
"""

import json
from dataclasses import dataclass, field

from aios_core.errors import PermanentError


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far one file was read. `offset` counts decompressed bytes (rows of a Parquet file), `hash` is of what lies before.

    `tail` is the hash of a last record without a newline: landed, but not passed, since it may have been half written.
    """

    size: int = -1
    modified_ns: int = -1
    offset: int = 0
    rows: int = 0
    hash: str = ""
    generation: int = 1
    tail: str = ""
    complete: bool = False

    def unchanged(self, *, size: int, modified_ns: int) -> bool:
        return self.complete and self.size == size and self.modified_ns == modified_ns

    def rewritten(self) -> "Position":
        """Where to start when what was read is not there any more."""
        return Position(generation=self.generation + 1)


@dataclass(slots=True)
class Positions:
    """Of every file ever read."""

    files: dict[str, Position] = field(default_factory=dict)

    @staticmethod
    def parse(cursor: str | None) -> "Positions":
        if not cursor:
            return Positions()
        try:
            raw = json.loads(cursor)
            return Positions({name: Position(**dict(zip(_FIELDS, p, strict=True))) for name, p in raw["files"].items()})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise PermanentError(
                f"this is not a file source's cursor: {cursor[:80]}; delete it to read anew"
            ) from error

    def dump(self) -> str:
        files = {name: [getattr(p, f) for f in _FIELDS] for name, p in sorted(self.files.items())}
        return json.dumps({"files": files}, separators=(",", ":"), ensure_ascii=False)

    def at(self, name: str) -> Position:
        return self.files.get(name, Position())


_FIELDS = ("size", "modified_ns", "offset", "rows", "hash", "generation", "tail", "complete")

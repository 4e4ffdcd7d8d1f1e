"""A window in a few hundred numbers: how many rows fall into each level of each column.

What belongs here: cuts (the levels of all columns, a model version's own), sketching rows under them, and adding sketches up.
What does not: one column's levels (`levels.py`), which columns there are (`columns.py`), and comparing (`drift.py`).

Sketches under the same cuts form a commutative monoid: `merge` is associative and commutative, `empty` changes nothing, and a
merge equals one pass over all rows together. So a day is read once, and a week, a year or a queue is a sum.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow as pa

from aios_core.monitoring.errors import MonitorError
from aios_core.monitoring.levels import Counts, Levels, count, levels_of


@dataclass(frozen=True, kw_only=True)
class Cuts:
    """The levels of every watched column, made from a version's reference."""

    columns: Mapping[str, Levels]

    @cached_property
    def fingerprint(self) -> str:
        """Sketches under cuts of the same fingerprint may be added."""
        told = {
            name: [levels.kind, levels.edges, levels.categories, sorted(levels.rest)]
            for name, levels in self.columns.items()
        }
        return sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """Counts of one window, a level each, under the cuts with this fingerprint. `absent` are columns the rows lacked."""

    cuts: str
    rows: int
    counts: Mapping[str, Counts]
    absent: frozenset[str] = frozenset()

    def as_json(self) -> dict[str, Any]:
        return {
            "cuts": self.cuts,
            "rows": self.rows,
            "counts": {name: counts.tolist() for name, counts in self.counts.items()},
            "absent": sorted(self.absent),
        }

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> "Sketch":
        return Sketch(
            cuts=content["cuts"],
            rows=content["rows"],
            counts={name: np.array(counts, np.int64) for name, counts in content["counts"].items()},
            absent=frozenset(content["absent"]),
        )


def cuts_of(reference: pa.Table) -> Cuts:
    """Cuts that give each level of a number a tenth of the reference, and each frequent category a level."""
    return Cuts(columns={name: levels_of(reference.column(name)) for name in reference.column_names})


def empty(cuts: Cuts) -> Sketch:
    """The sketch of no rows."""
    counts = {name: np.zeros(levels.size, np.int64) for name, levels in cuts.columns.items()}
    return Sketch(cuts=cuts.fingerprint, rows=0, counts=counts)


def sketch(cuts: Cuts, rows: pa.Table) -> Sketch:
    """One pass over `rows`. A column that they lack has no counts; raises MonitorError where one holds text for numbers."""
    if not rows.num_rows:
        return empty(cuts)
    present = [name for name in cuts.columns if name in rows.column_names]
    counts = {name: count(cuts.columns[name], rows.column(name), name=name) for name in present}
    return Sketch(
        cuts=cuts.fingerprint, rows=rows.num_rows, counts=counts, absent=frozenset(cuts.columns) - frozenset(present)
    )


def merge(parts: Iterable[Sketch]) -> Sketch:
    """All parts as one window. A column that any part lacked is absent from the whole: its counts would be of fewer rows."""
    whole = list(parts)
    if not whole:
        raise MonitorError("there is no window to add up; hand in one sketch at least (`empty` is one)")
    first, *others = whole
    strange = next((part.cuts for part in others if part.cuts != first.cuts), None)
    if strange is not None:
        raise MonitorError(
            f"sketches under different cuts ({first.cuts}, {strange}) can't be added: they are of different model versions; "
            "sketch these days under one version's cuts"
        )
    absent = frozenset[str]().union(*(part.absent for part in whole))
    counts = {
        name: np.sum([part.counts[name] for part in whole], axis=0) for name in first.counts if name not in absent
    }
    return Sketch(cuts=first.cuts, rows=sum(part.rows for part in whole), counts=counts, absent=absent)

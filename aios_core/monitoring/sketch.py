"""A window in a few thousand numbers: how many rows fall into each level of each column, and what else is said of a window.

What belongs here: cuts (the levels of all columns, a model version's own), sketching rows under them, and adding sketches up.
What does not: one column's levels (`levels.py`), different values (`distinct.py`), words (`words.py`), which columns there are
(`columns.py`), and comparing (`drift.py`).

Sketches under the same cuts form a commutative monoid: `merge` is associative and commutative, `empty` changes nothing, and a
merge equals one pass over all rows together. So a day is read once, and a week, a year or a queue is a sum. That holds to the
last bit for everything but the counts of words, whose bound is a number of the sketch (`words.py`).

Besides its levels a sketch holds the levels of the signals by segment (`cross`): how many tickets of this channel, customer plan
or queue had so many unseen words. Where a signal moved, they tell in whose tickets.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aios_core.monitoring import distinct
from aios_core.monitoring.columns import BESIDE, PROBABILITIES, TEXT
from aios_core.monitoring.distinct import Distinct
from aios_core.monitoring.errors import MonitorError
from aios_core.monitoring.levels import Counts, Levels, Placed, levels_of, place
from aios_core.monitoring.words import Words, add_words, count_words

FORMAT = 2
SIGNALS = ("queue", "confidence", "unseen_share", "novelty")
MAX_SEGMENTS = 20  # a column with more categories tells customers apart rather than kinds of them; queues always count
MILLION = 1_000_000  # probabilities have six decimals: as whole millionths their sums are exact in any order


@dataclass(frozen=True, kw_only=True)
class Cuts:
    """The levels of every watched column, made from a version's reference; `classes` are those of its probabilities."""

    columns: Mapping[str, Levels]
    classes: tuple[str, ...] = ()

    @cached_property
    def fingerprint(self) -> str:
        """Sketches under cuts of the same fingerprint may be added."""
        return sha256(json.dumps([FORMAT, self.as_json()], sort_keys=True).encode()).hexdigest()[:16]

    @cached_property
    def segments(self) -> tuple[str, ...]:
        """Columns that tell kinds of tickets apart: the queue, and categories of which there are few."""
        return tuple(
            name
            for name, levels in self.columns.items()
            if levels.kind == "categorical" and (name == "queue" or 0 < len(levels.categories) <= MAX_SEGMENTS)
        )

    @cached_property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """(segment, signal) whose levels are counted together."""
        signals = [name for name in SIGNALS if name in self.columns]
        return tuple((segment, signal) for segment in self.segments for signal in signals if segment != signal)

    def as_json(self) -> dict[str, Any]:
        return {
            "columns": {name: levels.as_json() for name, levels in self.columns.items()},
            "classes": list(self.classes),
        }

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> "Cuts":
        columns = {name: Levels.from_json(levels) for name, levels in content["columns"].items()}
        return Cuts(columns=columns, classes=tuple(content["classes"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """Counts of one window, a level each, under the cuts with this fingerprint. `absent` are columns the rows lacked.

    `cross` has levels of the segment by levels of the signal for each pair of the cuts; `distinct` how many different values there
    are; `words` tickets by word (None without texts); `expected` the summed class probabilities in millionths (None without any).
    """

    cuts: str
    rows: int
    counts: Mapping[str, Counts]
    absent: frozenset[str] = frozenset()
    cross: Mapping[tuple[str, str], Counts] = field(default_factory=dict)
    distinct: Mapping[str, Distinct] = field(default_factory=dict)
    words: Words | None = None
    expected: Counts | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "cuts": self.cuts,
            "rows": self.rows,
            "counts": {name: counts.tolist() for name, counts in self.counts.items()},
            "absent": sorted(self.absent),
            "cross": [[segment, signal, counts.tolist()] for (segment, signal), counts in self.cross.items()],
            "distinct": {name: found.to_text() for name, found in self.distinct.items()},
            "words": None if self.words is None else self.words.as_json(),
            "expected": None if self.expected is None else self.expected.tolist(),
        }

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> "Sketch":
        words, expected = content.get("words"), content.get("expected")
        return Sketch(
            cuts=content["cuts"],
            rows=content["rows"],
            counts={name: np.array(counts, np.int64) for name, counts in content["counts"].items()},
            absent=frozenset(content["absent"]),
            cross={
                (segment, signal): np.array(counts, np.int64) for segment, signal, counts in content.get("cross", ())
            },
            distinct={name: Distinct.from_text(text) for name, text in content.get("distinct", {}).items()},
            words=None if words is None else Words.from_json(words),
            expected=None if expected is None else np.array(expected, np.int64),
        )


def cuts_of(reference: pa.Table, *, classes: Iterable[str] = ()) -> Cuts:
    """Cuts that give each level of a number a tenth of the reference, and each frequent category a level."""
    names = [name for name in reference.column_names if name not in BESIDE]
    return Cuts(columns={name: levels_of(reference.column(name)) for name in names}, classes=tuple(classes))


def empty(cuts: Cuts) -> Sketch:
    """The sketch of no rows."""
    return Sketch(
        cuts=cuts.fingerprint,
        rows=0,
        counts={name: np.zeros(levels.size, np.int64) for name, levels in cuts.columns.items()},
        cross={(a, b): np.zeros((cuts.columns[a].size, cuts.columns[b].size), np.int64) for a, b in cuts.pairs},
        distinct=dict.fromkeys(cuts.columns, distinct.NONE),
        words=Words(),
        expected=np.zeros(len(cuts.classes), np.int64),
    )


def sketch(cuts: Cuts, rows: pa.Table) -> Sketch:
    """One pass over `rows`. A column that they lack has no counts; raises MonitorError where one holds text for numbers."""
    if not rows.num_rows:
        return empty(cuts)
    placed = placed_rows(cuts, rows)
    return Sketch(
        cuts=cuts.fingerprint,
        rows=rows.num_rows,
        counts={name: column.counts for name, column in placed.items()},
        absent=frozenset(cuts.columns) - frozenset(placed),
        cross={(a, b): _crossed(placed[a], placed[b]) for a, b in cuts.pairs if a in placed and b in placed},
        distinct={name: column.distinct for name, column in placed.items()},
        words=count_words(rows.column(TEXT).to_pylist()) if TEXT in rows.column_names else None,
        expected=_expected(cuts, rows.column(PROBABILITIES)) if PROBABILITIES in rows.column_names else None,
    )


def placed_rows(cuts: Cuts, rows: pa.Table) -> dict[str, Placed]:
    """The level of each row in each watched column that the rows have."""
    present = [name for name in cuts.columns if name in rows.column_names]
    return {name: place(cuts.columns[name], rows.column(name), name=name) for name in present}


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
    words, expected = ([getattr(part, name) for part in whole] for name in ("words", "expected"))
    return Sketch(
        cuts=first.cuts,
        rows=sum(part.rows for part in whole),
        counts={
            name: np.sum([part.counts[name] for part in whole], axis=0) for name in first.counts if name not in absent
        },
        absent=absent,
        cross={
            pair: np.sum([part.cross[pair] for part in whole], axis=0)
            for pair in first.cross
            if absent.isdisjoint(pair)
        },
        distinct={
            name: distinct.join(part.distinct[name] for part in whole) for name in first.distinct if name not in absent
        },
        words=None if None in words else add_words(words),
        expected=None if any(part is None for part in expected) else np.sum(expected, axis=0),
    )


def probabilities_of(column: pa.ChunkedArray, classes: int) -> npt.NDArray[np.int64]:
    """Rows x classes in millionths. Raises MonitorError where a row has another number of classes."""
    numbers = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    if len(numbers) != len(column) * classes:
        raise MonitorError(
            f"{len(column)} scores hold {len(numbers)} probabilities of {classes} classes each; score these days again"
        )
    found: npt.NDArray[np.int64] = np.rint(numbers * MILLION).astype(np.int64).reshape(-1, classes)
    return found


def _expected(cuts: Cuts, column: pa.ChunkedArray) -> Counts:
    """Summed class probabilities; nothing to sum where the cuts know no classes."""
    if not cuts.classes:
        return np.zeros(0, np.int64)
    found: Counts = probabilities_of(column, len(cuts.classes)).sum(axis=0)
    return found


def _crossed(segment: Placed, signal: Placed) -> Counts:
    """Rows in each level of the one and the other."""
    width = signal.levels.size
    cells = np.bincount(segment.places * width + signal.places, minlength=segment.levels.size * width)
    return cells.reshape(-1, width)

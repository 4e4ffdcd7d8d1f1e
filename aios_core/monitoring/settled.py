"""What turned out, as counts that add up: labels beside predictions and beside what the probabilities promised.

What belongs here: counting the settled tickets of a window, and adding windows up. What does not: what follows from the counts
(`concept.py`), and quality metrics (`performance.py`).

Like sketches these are sums of whole numbers: windows add up exactly, in any order. A day's own grow while its tickets are still
being settled, so a later count of the same day replaces the earlier one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from aios_core.monitoring.columns import LABEL, PROBABILITIES
from aios_core.monitoring.errors import MonitorError
from aios_core.monitoring.levels import Counts
from aios_core.monitoring.sketch import MILLION, Cuts, placed_rows, probabilities_of

OTHER = "(another)"  # a label that is none of the version's classes
RIGHT, PROMISED = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Settled tickets of a window under the cuts with this fingerprint.

    `seen` counts tickets by predicted class (rows) and label (columns, the last for labels outside the classes); `expected` has in
    the same cells, less the last column, what the probabilities promised, in millionths. `segments` has for each level of a segment
    column its tickets, those that were right, and how many were promised to be, in millionths.
    """

    cuts: str
    rows: int
    seen: Counts
    expected: Counts
    segments: Mapping[str, Counts] = field(default_factory=dict)

    @property
    def right(self) -> int:
        return int(np.trace(self.seen[:, :-1]))

    @property
    def promised(self) -> float:
        """How many were promised to be right."""
        return float(np.trace(self.expected)) / MILLION

    def as_json(self) -> dict[str, Any]:
        return {
            "cuts": self.cuts,
            "rows": self.rows,
            "seen": self.seen.tolist(),
            "expected": self.expected.tolist(),
            "segments": {name: counts.tolist() for name, counts in self.segments.items()},
        }

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> "Settled":
        classes = len(content["seen"])
        return Settled(
            cuts=content["cuts"],
            rows=content["rows"],
            seen=np.array(content["seen"], np.int64).reshape(classes, classes + 1),
            expected=np.array(content["expected"], np.int64).reshape(classes, classes),
            segments={name: np.array(counts, np.int64) for name, counts in content["segments"].items()},
        )


def nothing_settled(cuts: Cuts) -> Settled:
    """Of no ticket: what adding starts from."""
    classes = len(cuts.classes)
    return Settled(
        cuts=cuts.fingerprint,
        rows=0,
        seen=np.zeros((classes, classes + 1), np.int64),
        expected=np.zeros((classes, classes), np.int64),
        segments={name: np.zeros((cuts.columns[name].size, 3), np.int64) for name in cuts.segments},
    )


def settle(cuts: Cuts, rows: pa.Table) -> Settled:
    """Count the rows of `columns.monitor_rows` that have a `label`; the others are not settled yet.

    Raises MonitorError where the rows hold no probabilities, or a queue that is none of the version's classes.
    """
    missing = [name for name in (LABEL, PROBABILITIES, "queue") if name not in rows.column_names]
    if missing:
        raise MonitorError(f"rows without {', '.join(missing)} can't be settled; score these days again")
    rows = rows.filter(rows.column(LABEL).is_valid())
    if not rows.num_rows:
        return nothing_settled(cuts)
    classes = len(cuts.classes)
    place_of = {name: i for i, name in enumerate(cuts.classes)}
    predicted = np.array([place_of.get(name, -1) for name in rows.column("queue").to_pylist()])
    if (predicted < 0).any():
        strange = rows.column("queue")[int(np.argmax(predicted < 0))].as_py()
        raise MonitorError(f"{strange!r} was predicted by a version that has no such class; score these days again")
    labels = np.array([place_of.get(name, classes) for name in rows.column(LABEL).to_pylist()])
    probabilities = probabilities_of(rows.column(PROBABILITIES), classes)
    expected = np.zeros((classes, classes), np.int64)
    np.add.at(expected, predicted, probabilities)
    cells = np.bincount(predicted * (classes + 1) + labels, minlength=classes * (classes + 1))
    told = np.column_stack(
        [np.ones(len(labels), np.int64), predicted == labels, probabilities[np.arange(len(labels)), predicted]]
    )
    return Settled(
        cuts=cuts.fingerprint,
        rows=rows.num_rows,
        seen=cells.reshape(classes, classes + 1),
        expected=expected,
        segments=_by_segment(cuts, rows, told.astype(np.int64)),
    )


def add_settled(parts: Iterable[Settled]) -> Settled:
    """All parts as one window. Raises MonitorError for parts under different cuts, or none."""
    whole = list(parts)
    if len({part.cuts for part in whole}) != 1:
        raise MonitorError(
            "settled tickets under different cuts, or none, can't be added; add those of one model version"
        )
    common = frozenset(whole[0].segments).intersection(*(part.segments for part in whole))
    return Settled(
        cuts=whole[0].cuts,
        rows=sum(part.rows for part in whole),
        seen=np.sum([part.seen for part in whole], axis=0),
        expected=np.sum([part.expected for part in whole], axis=0),
        segments={name: np.sum([part.segments[name] for part in whole], axis=0) for name in sorted(common)},
    )


def _by_segment(cuts: Cuts, rows: pa.Table, told: Counts) -> dict[str, Counts]:
    own = Cuts(columns={name: cuts.columns[name] for name in cuts.segments if name in rows.column_names})
    found = {}
    for name, column in placed_rows(own, rows).items():
        found[name] = np.zeros((column.levels.size, 3), np.int64)
        np.add.at(found[name], column.places, told)
    return found

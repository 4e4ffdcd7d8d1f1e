"""Which rows a fit may see: time order, the held-back newest share, and folds over what is older.

What belongs here: pure choices of row numbers. What does not: fitting and scoring.

The newest share is scored by a model of everything older: the honest look ahead. The older rows are scored by models that left
them out. Together these out-of-fold scores are what calibration, thresholds and the monitor's reference are made from, so no
row ever speaks about itself.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints = npt.NDArray[np.int64]

PARTS = 3
ENOUGH_SCORES = 9_000  # an accuracy of 97% is then known to half a point; more folds would only take time


@dataclass(frozen=True, slots=True)
class Fold:
    """Rows to fit on and rows to score."""

    train: Ints
    score: Ints


@dataclass(frozen=True, slots=True)
class Plan:
    """`newest` is the held-back share; `parts` score older rows, each with a fit that leaves them out."""

    newest: Fold
    parts: tuple[Fold, ...]

    @property
    def folds(self) -> tuple[Fold, ...]:
        return (self.newest, *self.parts)


def time_order(features: pa.Table) -> Ints:
    """Row numbers, oldest first. Ties are broken by a hash of the ticket: files sorted by class often have one date for all."""
    created = features.column("created_at").cast(pa.int64()).to_numpy()
    names = zip(*(features.column(key).to_pylist() for key in ("source", "ticket_id", "ticket_version")), strict=True)
    ties = np.array([_hash("\x1f".join(name)) for name in names], np.uint64)
    return np.lexsort((ties, created)).astype(np.int64)


def group_rows(features: pa.Table) -> Ints:
    """Rows that must not be on both sides of a fold share a number: versions of one ticket, and equal texts."""
    seen: dict[tuple[str, str], int] = {}
    groups = np.empty(features.num_rows, np.int64)
    columns = (features.column(name).to_pylist() for name in ("source", "ticket_id", "text"))
    for row, (source, ticket, text) in enumerate(zip(*columns, strict=True)):
        keys = (("ticket", f"{source}\x1f{ticket}"), ("text", " ".join((text or "").lower().split())))
        group = min((seen[key] for key in keys if key in seen), default=row)
        groups[row] = group
        for key in keys:
            seen.setdefault(key, group)
    return groups


def plan_folds(labels: Ints, groups: Ints, *, evaluation_share: float) -> Plan:
    """Folds of rows that are in time order. Labels are class numbers; every class is spread evenly over the parts."""
    rows = labels.size
    held_back = min(max(1, round(rows * evaluation_share)), rows - 1)
    older, newest = np.arange(rows - held_back), np.arange(rows - held_back, rows)
    part = _spread(labels[older], groups[older])
    wanted = min(PARTS, max(1, -(-(ENOUGH_SCORES - held_back) * PARTS // max(older.size, 1))))
    everything = np.arange(rows)
    parts = []
    for number in range(wanted):
        score = older[part == number]
        if score.size:
            parts.append(Fold(np.delete(everything, score), score))
    return Plan(Fold(older, newest), tuple(parts))


def _spread(labels: Ints, groups: Ints) -> Ints:
    """A part number a row: groups of each class in turn, so that rare classes are in as many parts as they can be."""
    turns: defaultdict[int, int] = defaultdict(int)
    part_of: dict[int, int] = {}
    for label, group in _pairs(labels, groups):
        if group not in part_of:
            part_of[group] = (turns[label] + label) % PARTS
            turns[label] += 1
    return np.array([part_of[group] for group in groups.tolist()], np.int64)


def _pairs(labels: Ints, groups: Ints) -> Sequence[tuple[int, int]]:
    return list(zip(labels.tolist(), groups.tolist(), strict=True))


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")

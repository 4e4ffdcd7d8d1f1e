"""Which queue was taken for which, over the held-back rows of a version.

What belongs here: counting, and the most frequent mistakes. What does not: the rows (`aios_core/lifecycle/evaluation.py`) and pages.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """`rows` of the `of` held-back tickets of `label` were given to `predicted`."""

    label: str
    predicted: str
    rows: int
    of: int

    @property
    def share(self) -> float:
        return self.rows / self.of if self.of else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """Counts by (what turned out right, what was predicted). `classes` are in the model's order."""

    classes: tuple[str, ...]
    counts: Mapping[tuple[str, str], int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return sum(self.counts.values())

    def of(self, label: str, predicted: str) -> int:
        return self.counts.get((label, predicted), 0)

    def cell(self, label: str, predicted: str) -> Cell:
        total = sum(n for (known, _), n in self.counts.items() if known == label)
        return Cell(label=label, predicted=predicted, rows=self.of(label, predicted), of=total)

    def mistakes(self, count: int) -> list[Cell]:
        """The most frequent mistakes, most rows first."""
        wrong = [pair for pair, n in self.counts.items() if pair[0] != pair[1] and n]
        return [self.cell(*pair) for pair in sorted(wrong, key=lambda pair: (-self.counts[pair], pair))[:count]]

    def as_json(self) -> dict[str, Any]:
        """Cells with rows only: a model of 77 classes has 6,000, most of them empty."""
        cells = [[label, predicted, n] for (label, predicted), n in sorted(self.counts.items()) if n]
        return {"classes": list(self.classes), "cells": cells}


def confusion(labels: Sequence[str], predicted: Sequence[str], classes: Sequence[str]) -> Confusion:
    """Count pairs; both sequences aligned."""
    return Confusion(classes=tuple(classes), counts=dict(Counter(zip(labels, predicted, strict=True))))


def read_confusion(content: Mapping[str, Any]) -> Confusion:
    """What `as_json` wrote."""
    counts = {(label, predicted): int(n) for label, predicted, n in content["cells"]}
    return Confusion(classes=tuple(content["classes"]), counts=counts)

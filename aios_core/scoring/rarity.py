"""Novelty of customer facts: how rare each of a row's values was among the rows that the version was made from.

What belongs here: the fitted shares of values, and a row's raw novelty score from them. What does not: its limit
(`novelty.py`), and how a model weighs facts (`tabular.py`).

A histogram score (Goldstein & Dengel, "Histogram-based Outlier Score", 2012): the surprisal of every fact, minus the log of the
share of training rows that had such a value, added up. Numbers are counted between deciles and beyond both ends, so what matters
of a number is whether it was ever met; a category never seen counts as half a row. A classifier's own certainty says nothing
here: trees are as sure far outside their data as at its edge.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from aios_core.features.build import PREFIX
from aios_core.features.encoding import FactState

METHOD = "rarity_of_facts"
NEVER = 0.5  # rows that a value is counted as which no row had

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FactRarity:
    """Surprisals of one fact's values. Numeric: `edges` cut numbers into one part more; categorical: one a category, then unseen."""

    name: str
    kind: str
    edges: tuple[float, ...] = ()
    values: tuple[str, ...] = ()
    surprisals: tuple[float, ...]
    missing: float

    def of(self, features: pa.Table | pa.RecordBatch) -> Floats:
        numbers, known = self._parts(features)
        found = np.array(self.surprisals)[np.where(known, numbers, 0)]
        result: Floats = np.where(known, found, self.missing)
        return result

    def _parts(self, features: pa.Table | pa.RecordBatch) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Which of the surprisals each row has, and which rows have any."""
        column = features.column(PREFIX + self.name)
        column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if self.kind == "numeric":
            values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
            return np.searchsorted(np.array(self.edges), values, side="left").astype(np.int64), np.isfinite(values)
        texts = column.cast(pa.string())
        known = pa.array(self.values, pa.string())
        numbers = pc.fill_null(pc.index_in(texts, value_set=known), len(self.values)).to_numpy(zero_copy_only=False)
        return numbers.astype(np.int64), pc.is_valid(texts).to_numpy(zero_copy_only=False)


@dataclass(frozen=True, slots=True)
class Rarity:
    """The fitted shares of all facts."""

    facts: tuple[FactRarity, ...]

    def raw(self, features: pa.Table | pa.RecordBatch) -> Floats:
        """A row's summed surprisals; fact by fact, so that a row's sum does not depend on the rows around it."""
        total = np.zeros(features.num_rows)
        for fact in self.facts:
            total += fact.of(features)
        return total

    def to_json(self) -> dict[str, Any]:
        """Its part of the manifest's `novelty`."""
        return {
            "facts": [
                {
                    "name": fact.name,
                    "kind": fact.kind,
                    "edges": list(fact.edges),
                    "values": list(fact.values),
                    "surprisals": list(fact.surprisals),
                    "missing": fact.missing,
                }
                for fact in self.facts
            ]
        }

    @staticmethod
    def of_version(manifest: Mapping[str, Any]) -> "Rarity | None":
        """What the manifest states; None for a version that knows no novelty."""
        if "novelty" not in manifest:
            return None
        lists = ("edges", "values", "surprisals")
        return Rarity(
            tuple(
                FactRarity(**{**fact, **{name: tuple(fact[name]) for name in lists}})
                for fact in manifest["novelty"]["facts"]
            )
        )


def fit_rarity(features: pa.Table, facts: tuple[FactState, ...]) -> Rarity:
    """Shares of the values of these facts (as `fit_encoding` found them) among these rows."""
    return Rarity(tuple(_fit(features, fact) for fact in facts))


def _fit(features: pa.Table, fact: FactState) -> FactRarity:
    edges: tuple[float, ...] = ()
    if fact.kind == "numeric":
        values = features.column(PREFIX + fact.name).cast(pa.float64()).to_numpy()
        values = values[np.isfinite(values)]
        if values.size:
            low = np.nextafter(values.min(), -np.inf)  # an edge belongs to the part below it
            edges = tuple(np.unique([low, *np.quantile(values, np.linspace(0.1, 1, 10))]).tolist())
    parts = len(edges) + 1 if fact.kind == "numeric" else len(fact.values) + 1
    blank = FactRarity(
        name=fact.name, kind=fact.kind, edges=edges, values=fact.values, surprisals=(0.0,) * parts, missing=0.0
    )
    numbers, known = blank._parts(features)  # noqa: SLF001  # its own class, before it has its numbers
    counts = np.bincount(numbers[known], minlength=parts)
    rows = features.num_rows + NEVER * (parts + 1)
    shares = (np.append(counts, (~known).sum()) + NEVER) / rows
    surprisals = np.round(-np.log(shares), 9).tolist()
    return FactRarity(
        name=fact.name,
        kind=fact.kind,
        edges=edges,
        values=fact.values,
        surprisals=tuple(surprisals[:-1]),
        missing=surprisals[-1],
    )

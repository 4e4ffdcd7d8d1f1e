"""Customer facts as ids and weights: the part of the bag that is not text.

What belongs here: the fitted state of the CRM columns and its application. What does not: the join that fills the columns
(`build.py`) and text (`aios_core/scoring/tokenizer.py`).

A numeric fact is one id whose weight is its standardised value, clipped at four deviations so that one absurd number can't
outvote the text; a category is one id with weight 1; what is missing, and a category never seen in training, have ids of
their own. So every row has exactly one entry a declared fact, and the whole model stays one bag of ids with weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from aios_core.automation import CrmFeature, Features
from aios_core.features.build import PREFIX

CLIP = 4.0
# a fact beside two text blocks of length 1 each: 0.25 to 1 are equally accurate, and the fit takes three times as long at 1
WEIGHT = 0.25
LARGEST = 1e12  # beyond it a number is an error of the CRM; it must not make the deviation infinite
MAX_CATEGORIES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class FactState:
    """What was fitted for one declared fact. Its ids: numeric [value, missing]; categorical [*values, unknown, missing]."""

    name: str
    kind: str
    mean: float = 0.0
    scale: float = 1.0
    values: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return 2 if self.kind == "numeric" else len(self.values) + 2

    @property
    def terms(self) -> list[str]:
        """A readable name an id."""
        if self.kind == "numeric":
            return [self.name, f"{self.name} missing"]
        return [*(f"{self.name}={value}" for value in self.values), f"{self.name} unseen", f"{self.name} missing"]


@dataclass(frozen=True, slots=True)
class CustomerEncoding:
    """The fitted state of all declared customer facts."""

    facts: tuple[FactState, ...] = ()

    @property
    def size(self) -> int:
        return sum(fact.size for fact in self.facts)

    @property
    def terms(self) -> list[str]:
        return [term for fact in self.facts for term in fact.terms]

    def apply(self, features: pa.Table | pa.RecordBatch) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Ids (from 0) and weights, both of shape (rows, facts)."""
        rows = features.num_rows
        ids = np.empty((rows, len(self.facts)), np.int64)
        weights = np.full((rows, len(self.facts)), WEIGHT)
        start = 0
        for place, fact in enumerate(self.facts):
            column = features.column(PREFIX + fact.name)
            column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
            if fact.kind == "numeric":
                values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
                known = np.isfinite(values)
                ids[:, place] = np.where(known, start, start + 1)
                scaled = np.clip((np.where(known, values, 0.0) - fact.mean) / fact.scale, -CLIP, CLIP)
                weights[:, place] = np.where(known, scaled, 1.0) * WEIGHT
            else:
                column = column.cast(pa.string())
                found = pc.fill_null(
                    pc.index_in(column, value_set=pa.array(fact.values, pa.string())), len(fact.values)
                )
                index = found.to_numpy(zero_copy_only=False).astype(np.int64)
                missing = pc.is_null(column).to_numpy(zero_copy_only=False)
                ids[:, place] = start + np.where(missing, len(fact.values) + 1, index)
            start += fact.size
        return ids, weights

    def to_json(self) -> list[dict[str, Any]]:
        return [
            {"name": f.name, "kind": f.kind, "mean": f.mean, "scale": f.scale, "values": list(f.values)}
            for f in self.facts
        ]

    @staticmethod
    def from_json(state: list[Mapping[str, Any]]) -> "CustomerEncoding":
        return CustomerEncoding(tuple(FactState(**{**fact, "values": tuple(fact["values"])}) for fact in state))


def fit_encoding(features: pa.Table, spec: Features) -> CustomerEncoding:
    """Means, deviations and categories of the declared facts over these rows. A constant column gets scale 1."""
    return CustomerEncoding(tuple(_fit_fact(features.column(PREFIX + fact.name), fact) for fact in spec.customer))


def _fit_fact(column: pa.ChunkedArray, fact: CrmFeature) -> FactState:
    if fact.kind == "numeric":
        values = column.cast(pa.float64()).to_numpy()
        values = np.clip(values[np.isfinite(values)], -LARGEST, LARGEST)
        mean = float(values.mean()) if values.size else 0.0
        deviation = float(values.std()) if values.size else 0.0
        return FactState(name=fact.name, kind="numeric", mean=mean, scale=deviation if deviation > 1e-12 else 1.0)
    counts = [
        (-row["counts"], row["values"])
        for row in pc.value_counts(column.cast(pa.string())).to_pylist()
        if row["values"] is not None
    ]
    kept = sorted(value for _, value in sorted(counts)[:MAX_CATEGORIES])
    return FactState(name=fact.name, kind="categorical", values=tuple(kept))

"""What spoke for a queue: the terms of one row, exact where the model can be read, else found by leaving words out.

What belongs here: the choice of method by what the model knows, and saying which it was. What does not: exact terms
(`aios_core/scoring/`), leaving words out (`occlusion.py`), and when it is asked for (`resources/explanations.py`).

Exact terms cost microseconds and are recorded with each decision. Leaving words out costs dozens of scores, so it is done when a person
looks, of the same immutable version and the recorded row: the answer is the same a year later.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from aios_core.explanation.occlusion import Floats, Predict, occlude, strongest
from aios_core.scoring.model import ScoringModel

Method = Literal["exact", "left_out", "occlusion", "recorded", "none"]
COUNT = 8
ROWS = 64  # texts a call while words are left out

TOLD: dict[Method, str] = {
    "exact": "Exact: each weight is the term's part of this queue's calibrated log-odds.",
    "left_out": "Each fact left out in turn: the weight is what this queue's log-odds lose without it.",
    "occlusion": "Approximate: each word left out in turn. The weight is the probability of this queue that is lost without it.",
    "recorded": "As recorded with the decision; the version, which can't be read any more, would say how they were made.",
    "none": "This kind of model names no terms.",
}


@dataclass(frozen=True, slots=True)
class Contribution:
    """A term and its weight: above 0 it speaks for the queue, below 0 against it."""

    term: str
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Contributions:
    """The terms of one row, strongest first. `told` says in a sentence what a weight is and how far to trust it."""

    method: Method
    told: str
    terms: tuple[Contribution, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def recorded(terms: Sequence[tuple[str, float]], *, kind: str | None, estimator: str | None) -> Contributions | None:
    """What a decision's record holds, by a version of this kind (None: nobody knows any more); None where it holds nothing."""
    if not terms:
        return None
    method = "recorded" if kind is None else method_of(kind, estimator)
    return Contributions(method=method, told=TOLD[method], terms=tuple(Contribution(t, w) for t, w in terms))


def contributions(
    model: ScoringModel, row: pa.Table | pa.RecordBatch, queue: str, *, count: int = COUNT
) -> Contributions:
    """The terms of one feature row that speak for `queue`, a class of the model.

    Raises ModelError where the row lacks what the model reads.
    """
    batch = row.combine_chunks().to_batches()[0] if isinstance(row, pa.Table) else row
    scored = model.score_batch(batch)
    if scored.column("queue")[0].as_py() == queue:
        exact = model.terms(batch, scored, count=count)
        found = exact[0].as_py() if exact is not None else None
        if found:
            method = method_of(model.manifest["kind"], model.manifest.get("estimator"))
            terms = tuple(Contribution(t["term"], t["weight"]) for t in found)
            return Contributions(method=method, told=TOLD[method], terms=terms)
    if "text" not in model.manifest["inputs"]:
        return Contributions(method="none", told=TOLD["none"], terms=())
    left = occlude(texts_under(model, batch), batch.column("text")[0].as_py() or "", model.classes.index(queue))
    terms = tuple(Contribution(each.name, round(each.weight, 4)) for each in strongest(left, count=count))
    told = (
        TOLD["occlusion"] if terms else "No single word matters: whichever is left out, the probability stays the same."
    )
    return Contributions(method="occlusion", told=told, terms=terms)


def texts_under(model: ScoringModel, row: pa.RecordBatch) -> Predict:
    """Texts -> probabilities of a model, every other input as in one row."""
    inputs = row.select(list(model.manifest["inputs"]))
    place = inputs.schema.get_field_index("text")

    def scored(texts: Sequence[str]) -> Floats:
        repeated = inputs.take(pa.array(np.zeros(len(texts), np.int64)))
        varied = repeated.set_column(place, repeated.schema.field(place), pa.array(list(texts), pa.string()))
        return model.infer(varied).probabilities.astype(np.float64)

    return lambda texts: np.concatenate([scored(texts[i : i + ROWS]) for i in range(0, len(texts), ROWS)])


def method_of(kind: str, estimator: str | None) -> Method:
    """How the engine of this kind makes its terms."""
    return "left_out" if kind == "tabular" and estimator != "logistic" else "exact"

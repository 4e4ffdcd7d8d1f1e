"""What a version goes by, queue by queue: the terms that count most over many tickets.

What belongs here: summing what is known of single rows. What does not: how a row is explained (`contributions.py`).

For a linear model it is exact: a term's mean contribution over the rows that the model gives to the queue, which is its coefficient times
its mean weight there, so a strong term that hardly occurs does not lead. For an encoder words are left out of a sample of rows, and
what each loses is summed in the same way. For customer facts a column is shuffled among the rows, and the rise of the log loss is the fact's importance
(L. Breiman (2001), "Random Forests", Machine Learning 45).

The rows are the held-back ones, but the version that is kept has learnt from them since: this says what it goes by, not how good it is.
"""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aios_core.explanation.contributions import texts_under
from aios_core.explanation.occlusion import SMALLEST, occlude, words
from aios_core.features.build import PREFIX
from aios_core.scoring.model import ScoringModel

Method = Literal["exact", "occlusion", "permutation"]
Floats = npt.NDArray[np.float64]

SHOWN = 12
TERMS_A_ROW = 40
MOST_ROWS = 5_000  # of the newest
ROWS = 512
MOST_WORDS = 24_000  # scored while words are left out of a sample; some 15 s with MiniLM at 8 bits on a busy machine
PIECES = 20
REPEATS = 3
RAREST = 2  # rows in which a term must stand: what stands in one is a name or a number, and nobody else's business
FLOOR = 1e-6

TOLD: dict[Method, str] = {
    "exact": "Exact: a term's mean part of the queue's calibrated log-odds, over the rows that the model gives to this queue.",
    "occlusion": "Approximate: the mean probability that the queue loses where the word is left out, over a sample of the rows that the "
    "model gives to this queue.",
    "permutation": "How much the log loss of this queue's rows rises when the fact is shuffled among all rows.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """A term or fact and its weight for a queue; it counted in so many `rows`."""

    term: str
    weight: float
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """The terms of each queue, the most important first. `rows` were looked at."""

    method: Method
    told: str
    rows: int
    queues: Mapping[str, tuple[Weighed, ...]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        queues = {
            queue: [{"term": w.term, "weight": w.weight, "rows": w.rows} for w in weighed]
            for queue, weighed in self.queues.items()
        }
        return {"method": self.method, "told": self.told, "rows": self.rows, "queues": queues}


def importances(
    model: ScoringModel, features: pa.Table, labels: Sequence[str], *, encoder: ScoringModel | None = None
) -> tuple[Importance, ...]:
    """One a method that says something of this version; `labels` are aligned with the rows, oldest first.

    `encoder` is the second part of a cascade. It is looked at by itself, over all rows: the version has learnt from them since, so that
    its fast part is sure of nearly all of them, and hardly any would come through to the encoder.
    """
    start = max(0, features.num_rows - MOST_ROWS)
    rows, known = features.slice(start).combine_chunks(), list(labels)[start:]
    if not rows.num_rows:
        return ()
    if model.manifest["kind"] == "tabular":
        return (by_permutation(model, rows, known),)
    scores = _scored(model, rows)
    found = [by_terms(model, rows, scores)]
    unread = encoder if encoder is not None else model if found[0] is None else None
    if unread is not None and "text" in unread.manifest["inputs"]:
        found.append(by_occlusion(unread, rows, known))
    return tuple(each for each in found if each is not None and each.queues)


def by_terms(model: ScoringModel, rows: pa.Table, scores: pa.Table) -> Importance | None:
    """From the exact terms of each row; None where the kind knows none."""
    sums: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    counts: dict[str, int] = defaultdict(int)
    looked = 0
    for start in range(0, rows.num_rows, ROWS):
        part = scores.slice(start, ROWS)
        terms = model.terms(rows.slice(start, ROWS), part, count=TERMS_A_ROW)
        if terms is None:
            return None
        for queue, found in zip(part.column("queue").to_pylist(), terms.to_pylist(), strict=True):
            counts[queue] += 1
            looked += bool(found)
            for each in found:
                sums[queue][each["term"]].append(each["weight"])
    common = _common(term for terms in sums.values() for term, parts in terms.items() for _ in parts)
    queues = _queues(sums, counts, common=common)
    return Importance(method="exact", told=TOLD["exact"], rows=looked, queues=queues) if looked else None


def by_occlusion(model: ScoringModel, rows: pa.Table, labels: Sequence[str], *, budget: int = MOST_WORDS) -> Importance:
    """From a sample of rows, in turn from each label, the newest first, until `budget` words were scored."""
    sums: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    counts: dict[str, int] = defaultdict(int)
    spent, looked = 0, 0
    for place in in_turn(labels):
        if spent >= budget:
            break
        row = rows.slice(place, 1).combine_chunks().to_batches()[0]
        text, queue = row.column("text")[0].as_py() or "", model.score_batch(row).column("queue")[0].as_py()
        predict = texts_under(model, row)

        def counting(texts: Sequence[str]) -> Floats:
            nonlocal spent
            spent += sum(len(each.split()) + 1 for each in texts)
            return predict(texts)  # noqa: B023  # called before the next row

        counts[queue] += 1
        looked += 1
        for left in occlude(counting, text, model.classes.index(queue), most=PIECES):
            sums[queue][left.name].append(left.weight)
    texts = rows.column("text").to_pylist()
    common = _common(word.name for text in texts for word in words(text or ""))
    weighed = _queues(sums, counts, common=common)
    return Importance(method="occlusion", told=TOLD["occlusion"], rows=looked, queues=weighed)


def by_permutation(model: ScoringModel, rows: pa.Table, labels: Sequence[str]) -> Importance:
    """Each fact shuffled among the rows, three times; equal versions and rows give equal numbers."""
    inputs = rows.select(list(model.manifest["inputs"])).combine_chunks().to_batches()[0]
    number = {name: place for place, name in enumerate(model.classes)}
    known = np.array([number.get(label, -1) for label in labels])
    usual, chance = _losses(model, inputs, known), np.random.default_rng(0)
    sums: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    counts = {queue: int((known == place).sum()) for place, queue in enumerate(model.classes)}
    for place, name in enumerate(inputs.schema.names):
        rise = np.zeros(known.size)
        for _ in range(REPEATS):
            shuffled = inputs.column(place).take(pa.array(chance.permutation(known.size)))
            rise += _losses(model, inputs.set_column(place, inputs.schema.field(place), shuffled), known) - usual
        for queue, column in number.items():
            own = rise[known == column] / REPEATS
            if own.size:
                sums[queue][name.removeprefix(PREFIX)] = own.tolist()
    facts = [name.removeprefix(PREFIX) for name in inputs.schema.names]
    queues = _queues(sums, counts, common=facts)
    return Importance(method="permutation", told=TOLD["permutation"], rows=int(known.size), queues=queues)


def in_turn(queues: Sequence[str]) -> list[int]:
    """Every place once: the last one of each queue, then the one before it, and so on."""
    depth: dict[str, int] = defaultdict(int)
    order = list[tuple[int, int]]()
    for place in range(len(queues) - 1, -1, -1):
        order.append((depth[queues[place]], place))
        depth[queues[place]] += 1
    return [place for _, place in sorted(order, key=lambda pair: (pair[0], -pair[1]))]


def read_importances(content: Sequence[Mapping[str, Any]]) -> tuple[Importance, ...]:
    """What `as_json` wrote."""
    return tuple(
        Importance(
            method=each["method"],
            told=each["told"],
            rows=each["rows"],
            queues={queue: tuple(Weighed(**w) for w in weighed) for queue, weighed in each["queues"].items()},
        )
        for each in content
    )


def _queues(
    sums: Mapping[str, Mapping[str, Sequence[float]]], counts: Mapping[str, int], *, common: Container[str]
) -> dict[str, tuple[Weighed, ...]]:
    """Means over all rows of a queue, the largest first; of terms that are `common` only."""
    found = {}
    for queue in sorted(sums):
        weighed = [
            Weighed(term=term, weight=round(sum(parts) / counts[queue], 4), rows=len(parts))
            for term, parts in sums[queue].items()
            if term in common
        ]
        kept = sorted((w for w in weighed if w.weight >= SMALLEST), key=lambda w: (-w.weight, w.term))[:SHOWN]
        if kept:
            found[queue] = tuple(kept)
    return found


def _common(terms: Iterable[str]) -> set[str]:
    return {term for term, rows in Counter(terms).items() if rows >= RAREST}


def _scored(model: ScoringModel, rows: pa.Table) -> pa.Table:
    return pa.Table.from_batches([model.score_batch(rows.slice(i, ROWS)) for i in range(0, rows.num_rows, ROWS)])


def _losses(model: ScoringModel, inputs: pa.RecordBatch, known: npt.NDArray[np.int64]) -> Floats:
    """Minus the log of the right class's probability; 0 where the model has no such class."""
    probabilities = model.infer(inputs).probabilities.astype(np.float64)
    own = probabilities[np.arange(known.size), np.maximum(known, 0)]
    return np.where(known < 0, 0.0, -np.log(np.maximum(own, FLOOR)))

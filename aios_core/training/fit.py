"""Fitting a `linear_text` model: rows to a calibrated, evaluated classifier with all its fitted state.

What belongs here: the order of the steps and what a fit results in. What does not: each step's own rules (modules beside this
one) and the files of a version (`export.py`).

Two models matter: the one that is kept is fitted on every row, and the ones that score rows they have not seen say how sure
it may be. The kept model has seen more, so thresholds from the others err on the careful side.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aios_core.automation import Features, LinearTextModel
from aios_core.errors import ModelError
from aios_core.features.encoding import CustomerEncoding, fit_encoding
from aios_core.scoring import schema
from aios_core.scoring.tokenizer import Tokenizer
from aios_core.scoring.vocabulary import Vocabulary
from aios_core.training.calibration import fit_temperature, reliability, softmax
from aios_core.training.corpus import Corpus, count_terms, select_terms, weigh
from aios_core.training.evaluation import at_targets, by_class, curve_of, evaluate
from aios_core.training.folds import Fold, group_rows, plan_folds, time_order
from aios_core.training.linear import Linear, fit_linear

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Progress = Callable[[str], None]

RARE = 2  # a class needs this many rows: one to learn from while the other is scored


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A fitted model with everything that export, parity and the card need.

    `metrics` are those of the held-back newest rows under a model and a calibration that never saw them. `scored` and
    `scores` are the rows with out-of-fold scores (feature and score schema, aligned): the monitor's reference.
    """

    model: LinearTextModel
    features: Features
    classes: tuple[str, ...]
    vocabulary: Vocabulary
    encoding: CustomerEncoding
    linear: Linear
    classifier: Any
    temperature: float
    operating_curve: dict[str, list[float]]
    reliability: dict[str, list[float]]
    metrics: dict[str, Any]
    out_of_fold: dict[str, float]
    by_class: list[dict[str, Any]]
    rows: int
    rows_by_class: dict[str, int]
    period: tuple[datetime, datetime]
    notes: tuple[str, ...]
    scored: pa.Table
    scores: pa.Table


@dataclass(frozen=True, slots=True)
class _Scored:
    """Out-of-fold margins of one fold's rows."""

    rows: Ints
    margins: Floats
    unseen_share: Floats


@dataclass(frozen=True, slots=True)
class _Data:
    """Rows in time order, ready for any fold."""

    features: pa.Table
    labels: Ints
    classes: tuple[str, ...]
    corpus: Corpus
    texts: list[str]


def fit(
    features: pa.Table,
    labels: Sequence[str | None],
    *,
    model: LinearTextModel,
    features_spec: Features,
    queues: tuple[str, ...],
    progress: Progress | None = None,
) -> Fitted:
    """Fit on labelled features (`features/build.py`'s table, `labels` aligned with it).

    `queues` are the declared classes; labels outside them are left out with a note; empty means that the labels are the classes.
    Classes with fewer than two rows are left out with a note. The classes of the result are those that were fitted, sorted.
    Raises ModelError where too little is left: no rows, fewer than `training.min_rows`, a single class, no usable term.
    """
    say = progress or (lambda message: None)
    table, names, notes = _usable_rows(features, labels, model=model, queues=queues)
    classes = tuple(sorted(set(names)))
    numbers = {name: number for number, name in enumerate(classes)}
    say(f"counting terms of {table.num_rows:,} rows")
    texts = [text or "" for text in table.column("text").to_pylist()]
    corpus = count_terms(texts, word_ngrams=model.word_ngrams, char_ngrams=model.char_ngrams, min_df=model.min_df)
    data = _Data(table, np.array([numbers[name] for name in names], np.int64), classes, corpus, texts)
    return _fit_and_score(data, model, features_spec, notes, say)


def _fit_and_score(data: _Data, model: LinearTextModel, spec: Features, notes: list[str], say: Progress) -> Fitted:
    plan = plan_folds(data.labels, group_rows(data.features), evaluation_share=model.training.evaluation_share)
    say(f"fitting {len(plan.folds) + 1} times: the newest {plan.newest.score.size:,} rows held back, "
        f"{len(plan.parts)} folds over the older ones, and all rows")  # fmt: skip
    everything = np.arange(data.labels.size)
    vocabulary, encoding, linear, classifier = _keep(data, everything, model, spec)
    newest, *parts = (_score_fold(data, fold, model, spec) for fold in plan.folds)
    say("calibrating")
    if not linear.converged:
        notes.append("the classifier stopped before it converged; a smaller `regularization` may help")
    metrics, newest_classes = _held_back(data, newest, parts)
    rows = np.concatenate([part.rows for part in (newest, *parts)])
    margins = np.concatenate([part.margins for part in (newest, *parts)])
    temperature = fit_temperature(margins, data.labels[rows])
    probabilities = softmax(margins * temperature)
    correct = probabilities.argmax(axis=1) == data.labels[rows]
    created = data.features.column("created_at")
    return Fitted(
        model=model,
        features=spec,
        classes=data.classes,
        vocabulary=vocabulary,
        encoding=encoding,
        linear=linear,
        classifier=classifier,
        temperature=temperature,
        operating_curve=curve_of(probabilities, data.labels[rows]),
        reliability=reliability(probabilities.max(axis=1), correct),
        metrics=metrics,
        out_of_fold=evaluate(probabilities, data.labels[rows]),
        by_class=newest_classes,
        rows=int(data.labels.size),
        rows_by_class={name: int((data.labels == i).sum()) for i, name in enumerate(data.classes)},
        period=(created[0].as_py(), created[-1].as_py()),
        notes=tuple(notes),
        scored=data.features.take(pa.array(rows)),
        scores=_score_table(data, rows, probabilities, np.concatenate([p.unseen_share for p in (newest, *parts)])),
    )


def _usable_rows(
    features: pa.Table, labels: Sequence[str | None], *, model: LinearTextModel, queues: tuple[str, ...]
) -> tuple[pa.Table, list[str], list[str]]:
    """Rows to learn from in time order, their labels, and what was left out and why."""
    if features.num_rows != len(labels):
        raise ModelError(f"{features.num_rows} feature rows but {len(labels)} labels; hand in one label a row")
    training, notes = model.training, list[str]()
    order = time_order(features)
    names = [labels[row] for row in order]
    allowed = set(queues) if queues else {name for name in names if name is not None}
    foreign = Counter(str(name) for name in names if name not in allowed)
    if foreign:
        notes.append(f"{foreign.total()} rows left out: their label is not a queue ({_listed(foreign)})")
    counts = Counter(name for name in names if name in allowed)
    rare = Counter({name: count for name, count in counts.items() if count < RARE})
    if rare:
        notes.append(f"classes left out for having fewer than {RARE} rows: {_listed(rare)}")
    keep = [i for i, name in enumerate(names) if name in allowed and name not in rare]
    if len(keep) > training.max_rows:
        notes.append(
            f"{len(keep) - training.max_rows} oldest rows left out: `training.max_rows` is {training.max_rows}"
        )
        keep = keep[-training.max_rows :]
    absent = sorted(set(queues) - {names[i] for i in keep})
    if absent:
        notes.append(f"queues without enough rows, which this version never predicts: {', '.join(absent)}")
    _require_enough(len(keep), len({names[i] for i in keep}), model, notes)
    return features.take(pa.array(order[keep])), [names[i] for i in keep], notes


def _require_enough(rows: int, classes: int, model: LinearTextModel, notes: list[str]) -> None:
    left_out = f" ({'; '.join(notes)})" if notes else ""
    if rows < model.training.min_rows:
        raise ModelError(
            f"{rows} labelled rows to train on, `training.min_rows` asks for {model.training.min_rows}{left_out}; "
            "wait for more outcomes, widen `training.window_days`, or lower `training.min_rows`"
        )
    if classes < 2:
        raise ModelError(
            f"the {rows} labelled rows have {classes} class{left_out}; a classifier needs two: check the queue mapping of the source"
        )


def _listed(counts: Counter[str]) -> str:
    shown = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items())[:10])
    return shown + (f" and {len(counts) - 10} more" if len(counts) > 10 else "")


def _weighted(data: _Data, rows: Ints, vocabulary: Any, encoding: CustomerEncoding) -> Any:
    from scipy import sparse

    ids, weights = encoding.apply(data.features.take(pa.array(rows)))
    starts = np.arange(rows.size + 1) * ids.shape[1]
    facts = sparse.csr_matrix((weights.ravel(), ids.ravel(), starts), shape=(rows.size, encoding.size))
    return weigh(data.corpus, rows, vocabulary, facts)


def _fit_rows(
    data: _Data, rows: Ints, model: LinearTextModel, spec: Features
) -> tuple[Any, CustomerEncoding, Linear, Any]:
    selection = select_terms(data.corpus, rows, min_df=model.min_df, max_features=model.max_features)
    encoding = fit_encoding(data.features.take(pa.array(rows)), spec)
    if selection.vocabulary.size + encoding.size == 0:
        raise ModelError(
            f"no word occurs in {model.min_df} of {rows.size} texts, and no customer fact is declared: there is nothing to learn "
            "from; lower `model.min_df`, or check the mapping of `subject` and `body`"
        )
    weighted = _weighted(data, rows, selection, encoding)
    linear, classifier = fit_linear(
        weighted, data.labels[rows], classes=len(data.classes), regularization=model.regularization
    )
    return selection, encoding, linear, classifier


def _keep(
    data: _Data, rows: Ints, model: LinearTextModel, spec: Features
) -> tuple[Vocabulary, CustomerEncoding, Linear, Any]:
    selection, encoding, linear, classifier = _fit_rows(data, rows, model, spec)
    return selection.vocabulary, encoding, linear, classifier


def _score_fold(data: _Data, fold: Fold, model: LinearTextModel, spec: Features) -> _Scored:
    selection, encoding, linear, _ = _fit_rows(data, fold.train, model, spec)
    margins = linear.margins(_weighted(data, fold.score, selection, encoding))
    found = Tokenizer(selection.vocabulary).occurrences([data.texts[row] for row in fold.score])
    return _Scored(fold.score, margins, np.where(found.words > 0, found.unseen / np.maximum(found.words, 1), 0.0))


def _held_back(data: _Data, newest: _Scored, parts: Sequence[_Scored]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Metrics of the newest rows, with the calibration and thresholds that the older rows alone would have given."""
    older = np.concatenate([part.rows for part in parts])
    margins = np.concatenate([part.margins for part in parts])
    temperature = fit_temperature(margins, data.labels[older])
    probabilities, labels = softmax(newest.margins * temperature), data.labels[newest.rows]
    curve = curve_of(softmax(margins * temperature), data.labels[older])
    metrics = {**evaluate(probabilities, labels), "automated": at_targets(curve, probabilities, labels)}
    return metrics, by_class(probabilities, labels, data.classes)


def _score_table(data: _Data, rows: Ints, probabilities: Floats, unseen_share: Floats) -> pa.Table:
    batch = data.features.take(pa.array(rows)).combine_chunks().to_batches()[0]
    lengths = np.fromiter((len(data.texts[row]) for row in rows), np.int64, rows.size)
    scored = schema.score_batch(
        batch,
        name="",
        version=0,
        classes=data.classes,
        probabilities=probabilities,
        unseen_share=unseen_share,
        text_length=lengths,
    )
    return pa.Table.from_batches([scored])

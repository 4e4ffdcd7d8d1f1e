"""Fitting a `linear_text` model: rows to a calibrated, assessed classifier with all its fitted state.

What belongs here: the order of the steps and what a fit results in. What does not: each step's own rules (modules beside this
one) and the files of a version (`export.py`).

Two models matter: the one that is kept is fitted on every row, and the ones that score rows they have not seen say how sure
it may be. The kept model has seen more, so thresholds from the others err on the careful side.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aios_core.automation import Features, LinearTextModel
from aios_core.errors import ModelError
from aios_core.features.encoding import CustomerEncoding, fit_encoding
from aios_core.scoring.vocabulary import Vocabulary
from aios_core.scoring.wording import METHOD, BagNovelty
from aios_core.training.assess import Assessed, FoldScores, assess
from aios_core.training.calibration import fit_temperature
from aios_core.training.corpus import Corpus, Selection, count_terms, select_terms, weigh
from aios_core.training.folds import Fold, group_rows, plan_folds
from aios_core.training.linear import Linear, fit_linear
from aios_core.training.rows import Labelled, usable_rows
from aios_core.training.wording import Read, WordModel, fit_bag_novelty, fit_word_model, read_texts

Ints = npt.NDArray[np.int64]
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A fitted `linear_text` model with everything that export, parity and the card need."""

    model: LinearTextModel
    features: Features
    vocabulary: Vocabulary
    encoding: CustomerEncoding
    linear: Linear
    classifier: Any
    words: WordModel
    novelty: BagNovelty
    assessed: Assessed


@dataclass(frozen=True, slots=True)
class _Data:
    """Rows in time order, ready for any fold."""

    labelled: Labelled
    corpus: Corpus
    texts: list[str]

    @property
    def features(self) -> pa.Table:
        return self.labelled.features

    @property
    def labels(self) -> Ints:
        return self.labelled.labels


@dataclass(frozen=True, slots=True)
class _Begun:
    """A fit that goes on: what its rows are read by, and what it will come to (the coefficients, and scikit-learn's own object)."""

    selection: Selection
    encoding: CustomerEncoding
    fitted: Future[tuple[Linear, Any]]


def fit(
    features: pa.Table,
    labels: Sequence[str | None],
    *,
    model: LinearTextModel,
    features_spec: Features,
    queues: tuple[str, ...],
    progress: Progress | None = None,
) -> Fitted:
    """Fit on labelled features; see `usable_rows` for which, and for what it raises. Raises ModelError without a usable term."""
    say = progress or (lambda message: None)
    labelled = usable_rows(features, labels, training=model.training, queues=queues)
    say(f"counting terms of {labelled.features.num_rows:,} rows")
    texts = labelled.texts
    corpus = count_terms(texts, word_ngrams=model.word_ngrams, char_ngrams=model.char_ngrams, min_df=model.min_df)
    return _fit_and_score(_Data(labelled, corpus, texts), model, features_spec, say)


def _fit_and_score(data: _Data, model: LinearTextModel, spec: Features, say: Progress) -> Fitted:
    plan = plan_folds(data.labels, group_rows(data.features), evaluation_share=model.training.evaluation_share)
    say(f"fitting {len(plan.folds) + 1} times: the newest {plan.newest.score.size:,} rows held back, "
        f"{len(plan.parts)} folds over the older ones, and all rows")  # fmt: skip
    everything = np.arange(data.labels.size)
    # the solver lets go of the interpreter: on the other core it fits while the next rows are made ready here
    with ThreadPoolExecutor(1) as beside:
        kept = _begin(data, everything, model, spec, beside)
        words = fit_word_model(data.corpus, kept.selection, everything)
        scored = list(_scored(data, plan.folds, model, spec, beside))
        linear, classifier = kept.fitted.result()
    say("calibrating")
    novelty, temperature, (newest, *parts) = _with_novelty(data.labels, scored, words)
    slow = "the classifier stopped before it converged; a smaller `regularization` may help"
    return Fitted(
        model=model,
        features=spec,
        vocabulary=kept.selection.vocabulary,
        encoding=kept.encoding,
        linear=linear,
        classifier=classifier,
        words=words,
        novelty=novelty,
        assessed=assess(
            data.labelled,
            newest=newest,
            parts=parts,
            notes=() if linear.converged else (slow,),
            temperature=temperature,
            novelty_method=METHOD,
        ),
    )


def _weighted(data: _Data, rows: Ints, vocabulary: Any, encoding: CustomerEncoding) -> Any:
    from scipy import sparse

    ids, weights = encoding.apply(data.features.take(pa.array(rows)))
    starts = np.arange(rows.size + 1) * ids.shape[1]
    facts = sparse.csr_matrix((weights.ravel(), ids.ravel(), starts), shape=(rows.size, encoding.size))
    return weigh(data.corpus, rows, vocabulary, facts)


def _begin(data: _Data, rows: Ints, model: LinearTextModel, spec: Features, beside: Executor) -> _Begun:
    """Make a fit's rows ready, and leave the fit to `beside`."""
    selection = select_terms(data.corpus, rows, min_df=model.min_df, max_features=model.max_features)
    encoding = fit_encoding(data.features.take(pa.array(rows)), spec)
    if selection.vocabulary.size + encoding.size == 0:
        raise ModelError(
            f"no word occurs in {model.min_df} of {rows.size} texts, and no customer fact is declared: there is nothing to learn "
            "from; lower `model.min_df`, or check the mapping of `subject` and `body`"
        )
    weighted = _weighted(data, rows, selection, encoding)
    fitted = beside.submit(
        fit_linear,
        weighted,
        data.labels[rows],
        classes=len(data.labelled.classes),
        regularization=model.regularization,
    )
    return _Begun(selection, encoding, fitted)


def _scored(
    data: _Data, folds: Sequence[Fold], model: LinearTextModel, spec: Features, beside: Executor
) -> Iterator[tuple[FoldScores, Read]]:
    """Fold by fold, each begun before the one before it is waited for: of all at once the rows would not fit into memory."""
    ahead: tuple[Fold, _Begun] | None = None
    for fold in folds:
        begun = _begin(data, fold.train, model, spec, beside)
        if ahead is not None:
            yield _score_fold(data, *ahead)
        ahead = fold, begun
    if ahead is not None:
        yield _score_fold(data, *ahead)


def _score_fold(data: _Data, fold: Fold, begun: _Begun) -> tuple[FoldScores, Read]:
    """The fold's scores without novelty, and its texts as its own words read them."""
    weighted = _weighted(data, fold.score, begun.selection, begun.encoding)
    words = fit_word_model(data.corpus, begun.selection, fold.train)
    read = read_texts([data.texts[row] for row in fold.score], begun.selection.vocabulary, words)
    linear, _ = begun.fitted.result()
    return FoldScores(rows=fold.score, margins=linear.margins(weighted), unseen_share=read.unseen_share), read


def _with_novelty(
    labels: Ints, scored: Sequence[tuple[FoldScores, Read]], words: WordModel
) -> tuple[BagNovelty, float, list[FoldScores]]:
    """The novelty fitted over all folds, the temperature of their margins, and the folds with their raw novelty."""
    folds = [fold for fold, _ in scored]
    rows = np.concatenate([fold.rows for fold in folds])
    margins = np.concatenate([fold.margins for fold in folds])
    temperature = fit_temperature(margins, labels[rows])
    read = [own for _, own in scored]
    novelty, raw = fit_bag_novelty(margins, labels[rows], read, temperature=temperature, unseen_surprise=words.unseen)
    parts = np.split(raw, np.cumsum([fold.rows.size for fold in folds])[:-1])
    return novelty, temperature, [replace(fold, novelty=own) for fold, own in zip(folds, parts, strict=True)]

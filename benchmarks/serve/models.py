"""What is served: texts to ask about, two versions of one model, and scikit-learn's own objects of the first one for the peers.

What belongs here: fitting and the scores to expect. What does not: servers and load.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from aios_core.automation import Automation, Features, LinearTextModel, Training
from benchmarks.serve.answers import TOLERANCE, Score
from benchmarks.texts import START, feature_table, labelled

Kind = Literal["word_and_character_ngrams", "plain_logistic_regression"]

ASKED = 1_000  # distinct texts; none of them was trained on
LEARNT, SANDBOX_ROWS = 10_000, 6_000
SETTINGS: Mapping[Kind, Mapping[str, Any]] = {
    "word_and_character_ngrams": {},
    # as cheap as a plain TF-IDF with logistic regression: single words
    "plain_logistic_regression": {"word_ngrams": (1, 1), "char_ngrams": None},
}
REGULARIZATIONS = (1.0, 0.5)  # of version 1 and 2: other numbers for every text


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts with labels to learn from, and texts to ask about."""

    source: str
    texts: list[str]
    labels: list[str]
    asked: list[str]


@dataclass(frozen=True, slots=True)
class Version:
    """One version: its files, and what it says of every text that is asked about."""

    files: Mapping[str, bytes]
    classes: tuple[str, ...]
    scores: tuple[Score, ...]


@dataclass(frozen=True, slots=True)
class PeerModel:
    """scikit-learn's objects, to be dumped, and what they say of every text that is asked about."""

    objects: Mapping[str, Any]
    scores: tuple[Score, ...]


def texts(*, rows: int | None = None) -> Texts:
    """banking77 where it lies beside the project, else the sandbox's tickets; at most `rows` to learn from."""
    source, found, labels = labelled("auto", SANDBOX_ROWS + 2 * ASKED)
    learnt = min(LEARNT, len(found) - 2 * ASKED)
    known = set(found[:learnt])
    asked = list(dict.fromkeys(text for text in found[learnt:] if text not in known))
    return Texts(source, found[:learnt][:rows], labels[:learnt][:rows], asked[:ASKED])


def fitted(found: Texts, kind: Kind) -> tuple[list[Version], PeerModel]:
    """Two versions of this kind, and the peers' model: the very objects that version 1 came from, or a logistic regression."""
    from aios_core.training.export import export
    from aios_core.training.files import with_golden
    from aios_core.training.fit import fit
    from resources.runtime import open_session

    table = feature_table(found.texts)
    versions, first = [], None
    for regularization in REGULARIZATIONS:
        settings = LinearTextModel(**SETTINGS[kind], regularization=regularization, training=Training(min_rows=20))
        done = fit(table, found.labels, model=settings, features_spec=Features(), queues=())
        first = first or done
        files = with_golden(export(done, automation=_automation(settings), snapshot_id="bench"), table, open_session)
        versions.append(Version(files, done.assessed.classes, _own_scores(files, found.asked)))
    objects = _logistic(found) if kind == "plain_logistic_regression" else _same(first)
    return versions, PeerModel(objects, _peer_scores(objects, found.asked))


def telling(versions: Sequence[Version]) -> list[int]:
    """The texts of which the versions' scores are far enough apart that an answer says whose it is."""
    first, *others = versions
    return [
        text
        for text, score in enumerate(first.scores)
        if all(_apart(score, other.scores[text]) > 100 * TOLERANCE for other in others)
    ]


def _apart(one: Score, other: Score) -> float:
    return max(abs(a - b) for a, b in zip(one.probabilities, other.probabilities, strict=True))


def _own_scores(files: Mapping[str, bytes], asked: Sequence[str]) -> tuple[Score, ...]:
    from aios_core.scoring.model import ScoringModel
    from resources.runtime import open_session

    scored = ScoringModel.from_files(files, open_session).score_batch(feature_table(list(asked)))
    rows = zip(scored.column("queue").to_pylist(), scored.column("probabilities").to_pylist(), strict=True)
    return tuple(Score(queue, tuple(probabilities)) for queue, probabilities in rows)


def _peer_scores(objects: Mapping[str, Any], asked: Sequence[str]) -> tuple[Score, ...]:
    from benchmarks.peers.text_model import TextModel

    model = TextModel(objects)
    rows = model.probabilities(list(asked))
    return tuple(Score(model.classes[row.argmax()], tuple(row.tolist())) for row in rows)


def _same(done: Any) -> dict[str, Any]:
    """scikit-learn's vectorizers and classifier with the very numbers that were fitted."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vocabulary = done.vocabulary
    split = len(vocabulary.words)
    words = TfidfVectorizer(vocabulary=_numbered(vocabulary.words), ngram_range=vocabulary.word_ngrams)
    words.idf_ = vocabulary.idf[:split]
    chars = TfidfVectorizer(
        vocabulary=_numbered(vocabulary.chars), ngram_range=vocabulary.char_ngrams, analyzer="char_wb"
    )
    chars.idf_ = vocabulary.idf[split:]
    return {
        "vectorizers": [words, chars],
        "classifier": done.classifier,
        "temperature": done.assessed.temperature,
        "classes": list(done.assessed.classes),
    }


def _logistic(found: Texts) -> dict[str, Any]:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    words = TfidfVectorizer()
    classifier = LogisticRegression(C=10.0, max_iter=200)
    classifier.fit(words.fit_transform(found.texts), found.labels)
    return {
        "vectorizers": [words],
        "classifier": classifier,
        "temperature": None,
        "classes": classifier.classes_.tolist(),
    }


def _numbered(terms: Sequence[str]) -> dict[str, int]:
    return {term: number for number, term in enumerate(terms)}


def _automation(model: LinearTextModel) -> Automation:
    return Automation.model_validate(
        {
            "name": "bench_serve",
            "start_date": START.date(),
            "sources": {"file": {"connector": "file", "provides": "tickets", "path": "tickets.csv"}},
            "model": model.model_dump(),
        }
    )


def dump(objects: Mapping[str, Any], path: Path) -> None:
    """For the peers, who read it in an environment with the same scikit-learn."""
    import joblib

    joblib.dump(dict(objects), path)

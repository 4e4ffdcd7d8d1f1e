"""Fitting novelty: probabilities of words, patterns of classes, and a limit that holds for rows nobody has seen."""

import json
import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios_core.automation import Features
from aios_core.scoring.analysis import WORD
from aios_core.scoring.model import MANIFEST_FILE, ScoringModel
from aios_core.scoring.novelty import LIMIT
from aios_core.training.assess import FoldScores, assess
from aios_core.training.corpus import count_terms, select_terms
from aios_core.training.evaluation import at_targets, curve_of
from aios_core.training.export import export
from aios_core.training.files import CARD_TEXT
from aios_core.training.fit import fit
from aios_core.training.novelty import measure, scale_of
from aios_core.training.parity import NOVELTY_TOLERANCE, Parity, parity
from aios_core.training.rows import usable_rows
from aios_core.training.wording import UNSEEN, class_patterns, fit_word_model, read_texts
from resources.runtime import open_session
from tests.aios_core.training.making import FACTS, automation, model, small, small_files, table, tickets

SENTENCES = st.lists(st.sampled_from(["red", "blue", "car", "card", "the"]), max_size=7).map(" ".join)


def learnt(texts, *, word_ngrams=(1, 2), char_ngrams=None):
    corpus = count_terms(texts, word_ngrams=word_ngrams, char_ngrams=char_ngrams, min_df=2)
    rows = np.arange(len(texts))
    selection = select_terms(corpus, rows, min_df=2, max_features=1_000)
    return selection.vocabulary, fit_word_model(corpus, selection, rows)


def by_hand(texts, text):
    """The same probabilities by plain loops over words and pairs that at least two texts have."""
    lists = [WORD.findall(t.lower()) for t in texts]
    kept = {w for w, n in Counter(w for words in lists for w in set(words)).items() if n >= 2}
    pair_rows = Counter(pair for words in lists for pair in set(pairwise(words)))
    count = Counter(w for words in lists for w in words if w in kept)
    pairs = Counter(p for words in lists for p in pairwise(words) if pair_rows[p] >= 2)
    total, words = count.total(), WORD.findall(text.lower())

    def leaving(first):
        return (count[first] - sum(n for (a, _), n in pairs.items() if a == first) + 1) / (count[first] + 1)

    found = 0.0
    for place, word in enumerate(words):
        before = words[place - 1] if place else None
        alone = count[word] / total if word in kept else UNSEEN / total
        if before in kept and (before, word) in pairs:
            found -= math.log(pairs[before, word] / (count[before] + 1) + leaving(before) * alone)
        else:
            found -= math.log(alone) + (math.log(leaving(before)) if before in kept else 0.0)
    last = words[-1] if words else None
    return found - (math.log(leaving(last)) if last in kept else 0.0)


@settings(max_examples=60, deadline=None)
@given(st.lists(SENTENCES, min_size=1, max_size=12), st.lists(SENTENCES | st.just("zebra car the zebra"), min_size=1))
def test_surprise_is_that_of_a_model_of_pairs_of_words(texts, asked):
    texts = ["the red car", "the blue card", *texts, "the red card the"]
    vocabulary, words = learnt(texts)
    read = read_texts(asked, vocabulary, words)
    assert read.words.tolist() == [len(WORD.findall(text)) for text in asked]
    assert read.total_surprise.tolist() == pytest.approx([by_hand(texts, text) for text in asked], abs=1e-9)


def test_the_reading_ignores_character_ngrams_and_longer_runs():
    texts = ["the red car", "the red card", "the red car is here"] * 2
    asked = ["the red car", "car red the", "the zebra"]
    plain = read_texts(asked, *learnt(texts)).total_surprise
    assert read_texts(asked, *learnt(texts, char_ngrams=(2, 4))).total_surprise.tolist() == pytest.approx(
        plain.tolist()
    )
    longer = read_texts(asked, *learnt(texts, word_ngrams=(1, 3))).total_surprise
    assert longer.tolist() == pytest.approx(plain.tolist())


def test_a_vocabulary_without_single_words_says_nothing():
    vocabulary, words = learnt(["the red car", "the red card"] * 2, word_ngrams=(2, 2))
    assert read_texts(["the red car", "zebra"], vocabulary, words).total_surprise.tolist() == [0.0, 0.0]


def test_patterns_are_centered_and_a_class_without_rows_has_none():
    margins = np.array([[1.0, -1.0, -9.0], [0.6, -0.2, -9.0], [-1.0, 1.0, -9.0]])
    patterns = class_patterns(margins, np.array([0, 0, 1]))
    assert patterns.sum(axis=1).tolist() == pytest.approx([0, 0, 0], abs=1e-12)
    assert np.linalg.norm(patterns, axis=1).tolist() == pytest.approx([1, 1, 0])
    assert patterns[0, 2] == pytest.approx(patterns[1, 2], rel=0.2)  # -9 of a fold that lacked the class counts as -2


@given(st.lists(st.floats(-1e3, 1e3), min_size=50, max_size=200))
def test_the_limit_is_kept_by_98_of_100_held_back_rows(raw):
    values = np.array(raw)
    within = (scale_of(values).normalised(values) <= LIMIT).mean()
    assert within >= 0.98 - 1 / values.size


def test_newest_rows_are_judged_by_the_limit_of_the_older_ones():
    older = np.linspace(0, 1, 1_000)
    calm = measure("m", newest=np.linspace(0, 1, 100), older=older)
    strange = measure("m", newest=np.linspace(0, 2, 100), older=older)
    assert calm.newest_beyond == pytest.approx(0.02, abs=0.01)
    assert strange.newest_beyond == pytest.approx(0.51, abs=0.01)
    assert strange.rows == 1_100


def test_a_kind_without_novelty_is_assessed_as_before():
    features = table([f"text {i}" for i in range(40)])
    data = usable_rows(features, ["a", "b"] * 20, training=model().training, queues=())
    random = np.random.default_rng(1)

    def fold(rows, novelty=None):
        margins = random.normal(size=(rows.size, 2))
        return FoldScores(rows=rows, margins=margins, unseen_share=np.zeros(rows.size), novelty=novelty)

    newest, part = fold(np.arange(30, 40)), fold(np.arange(30))
    plain = assess(data, newest=newest, parts=[part])
    assert plain.novelty is None
    assert plain.scores.column("novelty").null_count == 40
    half = assess(data, newest=newest, parts=[fold(np.arange(30), np.arange(30.0))], novelty_method="m")
    assert half.novelty is None  # one fold without novelty: a limit from the others would be of another population


def test_novel_rows_count_as_never_automated():
    probabilities = np.array([[0.99, 0.01]] * 60 + [[0.9, 0.1]] * 40)
    labels = np.array([0] * 55 + [1] * 5 + [0] * 40)
    novel = np.zeros(100, bool)
    novel[55:60] = True
    with_them, without = curve_of(probabilities, labels), curve_of(probabilities, labels, novel)
    assert with_them["coverage"][0] == 1.0
    assert without["coverage"][0] == 0.95
    assert min(without["accuracy"]) == 1.0 > min(with_them["accuracy"])
    (first, *_) = at_targets({"threshold": [0.5], "accuracy_lower": [0.96]}, probabilities, labels, novel)
    assert (first["coverage"], first["accuracy"]) == (0.95, 1.0)


def test_the_limit_holds_for_new_tickets_and_the_manifest_and_card_state_it():
    fitted, _, _ = small()
    measured = fitted.assessed.novelty
    manifest = json.loads(small_files()[MANIFEST_FILE])
    assert manifest["novelty"]["method"] == measured.method
    assert (manifest["novelty"]["center"], manifest["novelty"]["limit"]) == (
        measured.scale.center,
        measured.scale.limit,
    )
    assert f"{measured.newest_beyond:.1%} are beyond" in small_files()[CARD_TEXT].decode()
    held_back = fitted.assessed.scores.column("novelty").to_numpy()
    assert (held_back > LIMIT).mean() == pytest.approx(0.02, abs=0.005)
    assert np.median(held_back) == pytest.approx(0.0, abs=1e-6)


def test_novelty_agrees_with_plain_loops_and_a_version_that_says_otherwise_may_not_be_registered():
    fitted, new, _ = small()
    agreement = parity(fitted, small_files(), new, open_session)
    assert 0 < agreement.max_novelty_error <= NOVELTY_TOLERANCE
    assert agreement.agrees
    assert not Parity(5, 0, 0.0, 2 * NOVELTY_TOLERANCE).agrees


def test_a_version_with_another_word_column_is_found_out():
    from aios_core.scoring.model import MODEL_FILE
    from aios_core.training.export import wording_column
    from aios_core.training.graph import bag_graph

    fitted, new, _ = small()
    other = bag_graph(
        fitted.linear.coefficients,
        fitted.linear.intercepts,
        temperature=fitted.assessed.temperature,
        wording=wording_column(fitted)[::-1],
    )
    found = parity(fitted, small_files(), new, lambda content: open_session(other))
    assert found.label_mismatches == 0
    assert not found.agrees
    assert MODEL_FILE in small_files()


def test_two_classes_have_no_pattern_to_miss_and_still_a_novelty():
    texts, labels, _ = tickets(
        300, topics={"billing": ["invoice", "refund", "charged"], "roaming": ["abroad", "border", "holiday"]}
    )
    fitted = fit(table(texts), labels, model=model(), features_spec=Features(), queues=())
    files = export(fitted, automation=automation(Features()), snapshot_id="two")
    asked = table(["please help invoice thanks", "zebra wombat giraffe okapi lemur"])
    scored = ScoringModel.from_files(files, open_session).score_batch(asked)
    known, strange = scored.column("novelty").to_pylist()
    assert known < LIMIT < strange
    assert parity(fitted, files, asked, open_session).agrees


def test_a_model_of_facts_alone_has_a_novelty_of_its_classes_only():
    texts, labels, facts = tickets(300)
    features = table([""] * 300, facts=facts, spec=FACTS)
    fitted = fit(features, labels, model=model(), features_spec=FACTS, queues=())
    files = export(fitted, automation=automation(), snapshot_id="facts")
    assert fitted.vocabulary.size == 0
    asked = table([texts[0], "zebra wombat"], facts=facts[:2], spec=FACTS)
    novelty = ScoringModel.from_files(files, open_session).score_batch(asked).column("novelty").to_numpy()
    assert np.isfinite(novelty).all()
    assert parity(fitted, files, features.slice(0, 50), open_session).agrees

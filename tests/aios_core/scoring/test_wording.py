"""Novelty of a linear bag: strange words are far beyond the limit, known ones within, whatever rows stand around them."""

import hashlib
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios_core.errors import ModelError
from aios_core.scoring.model import MANIFEST_FILE, MODEL_FILE, ScoringModel
from aios_core.scoring.novelty import LIMIT, Scale
from aios_core.scoring.wording import PATTERNS_FILE, class_signs, mean_surprise, total_surprise
from aios_core.training.graph import bag_graph, graph_interface
from resources.runtime import open_session
from tests.aios_core.training.making import CHATTER, FACTS, TOPICS, small, small_files, table, tickets

FILES = small_files()
MODEL = ScoringModel.from_files(FILES, open_session)
SCALE = Scale.of_version(json.loads(FILES[MANIFEST_FILE]))
WORDS = [word for phrase in [*CHATTER, *(p for found in TOPICS.values() for p in found)] for word in phrase.split()]
TEXTS = st.lists(st.sampled_from([*WORDS, "zebra", "Kofi", "79.89", "💳", "ΣΑΣ"]), max_size=30).map(" ".join)


def novelty(texts):
    return MODEL.score_batch(table(texts, facts=[{}] * len(texts), spec=FACTS)).column("novelty").to_numpy()


def changed(files, **novelty_changes):
    """The files with another `novelty` in the manifest; no changes: without any."""
    manifest = json.loads(files[MANIFEST_FILE])
    said = manifest.pop("novelty")
    if novelty_changes:
        manifest["novelty"] = said | novelty_changes
    manifest["checksums"] = {p: hashlib.sha256(c).hexdigest() for p, c in files.items() if p != MANIFEST_FILE}
    return files | {MANIFEST_FILE: json.dumps(manifest).encode()}


@settings(max_examples=40, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_a_rows_novelty_is_the_same_in_any_batch_to_the_last_bit(texts, random):
    features = table(texts, facts=[{}] * len(texts), spec=FACTS).combine_chunks().to_batches()[0]
    together = MODEL._engine.score(features).novelty  # before rounding: bits are compared
    for row in range(len(texts)):
        assert MODEL._engine.score(features.slice(row, 1)).novelty[0] == together[row]
    order = list(range(len(texts)))
    random.shuffle(order)
    assert MODEL._engine.score(features.take(pa.array(order))).novelty.tolist() == together[order].tolist()


def test_texts_from_elsewhere_are_novel_and_new_tickets_of_the_same_world_are_not():
    known, _, _ = tickets(400, seed=9)
    elsewhere = [
        "Stack trace of the name node after upgrading to version three",
        "How do I cross out text in a markdown file",
        "the battery of this headset lasts four hours at most",
        "what is the airspeed of an unladen swallow",
    ]
    assert (novelty(elsewhere) > LIMIT).all()
    assert (novelty(known) > LIMIT).mean() < 0.05


def test_a_sure_class_does_not_make_strange_words_known():
    padded = "invoice refund late fee " + " ".join(f"quux{i} blarg{i}" for i in range(20))
    scored = MODEL.score_batch(table([padded], facts=[{}], spec=FACTS)).to_pylist()[0]
    assert scored["novelty"] > LIMIT
    assert scored["unseen_share"] > 0.8


@pytest.mark.parametrize("text", ["", "   ", "!?", "💳 💳"])
def test_a_text_without_words_says_nothing_strange(text):
    found = novelty([text, "zebra wombat giraffe okapi"])
    assert np.isfinite(found).all()
    assert found[0] < found[1]


def test_known_words_in_an_order_that_nobody_writes_are_stranger_than_in_a_usual_one():
    usual, odd = novelty(["please help no signal since yesterday", "yesterday signal since no help please"])
    assert odd > usual


def test_what_strange_words_give_is_beyond_what_any_doubt_gives():
    scored = MODEL.score_batch(table(["", "zebra wombat giraffe okapi"], facts=[{}, {}], spec=FACTS))
    raw = scored.column("novelty").to_numpy() * (SCALE.limit - SCALE.center) + SCALE.center
    assert -1 < raw[0] < 1
    assert raw[1] > 2


def test_a_version_that_was_made_before_there_was_novelty_still_scores_and_knows_none():
    fitted, new, _ = small()
    linear, temperature = fitted.linear, fitted.assessed.temperature
    old = {path: content for path, content in FILES.items() if path != PATTERNS_FILE}
    old[MODEL_FILE] = bag_graph(linear.coefficients, linear.intercepts, temperature=temperature)
    before = ScoringModel.from_files(changed(old), open_session).score_batch(new)
    assert before.column("novelty").null_count == new.num_rows
    assert before.column("queue").equals(MODEL.score_batch(new).column("queue"))
    assert [t["name"] for t in graph_interface(3)["outputs"]] == ["probabilities"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": "tea_leaves"}, "tea_leaves"),
        ({"units": {"doubt": [0, 1]}}, "can't be read"),
        ({"unseen_surprise": "much"}, "can't be read"),
    ],
)
def test_a_damaged_novelty_in_the_manifest_is_told(change, words):
    with pytest.raises(ModelError, match=words):
        ScoringModel.from_files(changed(FILES, **change), open_session)


def test_patterns_of_other_classes_are_refused():
    files = {**FILES, PATTERNS_FILE: FILES[PATTERNS_FILE][:-8]}
    with pytest.raises(ModelError, match=PATTERNS_FILE):
        ScoringModel.from_files(changed(files, known_share=0.98), open_session)


@given(st.integers(2, 9), st.integers(0, 2**31))
def test_misfit_is_one_minus_the_correlation_with_the_predicted_classs_pattern(classes, seed):
    random = np.random.default_rng(seed)
    margins = random.normal(size=(5, classes))
    patterns = random.normal(size=(classes, classes))
    patterns -= patterns.mean(axis=1, keepdims=True)
    patterns /= np.linalg.norm(patterns, axis=1, keepdims=True)
    probabilities = np.exp(margins) / np.exp(margins).sum(axis=1, keepdims=True)
    doubt, misfit = class_signs(3.0 * margins, probabilities, patterns)
    best = margins.argmax(axis=1)
    expected = [1 - np.corrcoef(margins[i], patterns[best[i]])[0, 1] for i in range(5)]
    assert misfit.tolist() == pytest.approx(expected, abs=1e-6)  # a root near zero keeps half the digits
    sure = probabilities.max(axis=1)
    assert doubt.tolist() == pytest.approx(np.log((1 - sure) / sure).tolist(), abs=1e-9)


def test_equal_margins_fit_no_pattern_and_break_nothing():
    doubt, misfit = class_signs(np.zeros((1, 4)), np.full((1, 4), 0.25), np.eye(4))
    assert misfit.tolist() == [1.0]
    assert doubt.tolist() == pytest.approx([np.log(3.0)])


def test_surprise_counts_known_and_unseen_words_and_is_usual_without_words():
    total = total_surprise(
        np.array([0.5, 0.0]), norms=np.array([4.0, 0.0]), unseen=np.array([1, 0]), unseen_surprise=10.0
    )
    assert total.tolist() == [0.5 * 4.0 + 10.0, 0.0]
    found = mean_surprise(total, np.array([4, 0]), usual=3.0)
    assert found.tolist() == [(12.0 + 2 * 3.0) / 6, 3.0]


def test_one_odd_word_says_less_in_a_short_text_than_many_in_a_long_one():
    few, many = mean_surprise(np.array([9.0, 90.0]), np.array([1, 10]), usual=3.0)
    assert 3.0 < few < many < 9.0

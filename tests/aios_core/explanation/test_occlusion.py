"""Leaving words out, against models whose weights are known."""

import re

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from aios_core.explanation.occlusion import (
    FEWEST_PIECES,
    MOST_PIECES,
    ZOOMS,
    Left,
    occlude,
    sentences,
    strongest,
    without,
    words,
)

TEXTS = st.lists(
    st.sampled_from(["card", "Card,", "declined.", "please", "don't", "top-up!", "ΣΑΣ", "\n", "?", "…", "12", "a"]),
    max_size=30,
).map(" ".join)
WEIGHTS = {"card": 0.3, "declined": 0.2, "please": -0.1}


def additive(texts):
    """Two classes; the first has 0.4 and the weights of the distinct words that a text has."""
    own = [0.4 + sum(w for word, w in WEIGHTS.items() if word in re.findall(r"\w+", text.lower())) for text in texts]
    return np.column_stack([own, 1 - np.array(own)])


def test_each_word_loses_what_it_brought_and_those_against_come_last():
    found = occlude(additive, "Please: my CARD was declined. Card!", 0)
    assert {left.name: left.weight for left in found} == {
        "card": 0.3,
        "declined": 0.2,
        "my": 0,
        "was": 0,
        "please": -0.1,
    }
    assert [left.name for left in strongest(found, count=1)] == ["card", "please"]
    assert [left.weight for left in occlude(additive, "card", 1)] == [-0.3]


@settings(max_examples=80, deadline=None)
@given(text=TEXTS)
def test_a_word_is_left_out_in_every_place_and_nothing_else_is(text):
    for piece in words(text):
        rest = without(text, piece)
        assert piece.name not in [word.name for word in words(rest)]
        assert len(rest) == len(text) - sum(end - start for start, end in piece.spans)
        others = [word.name for word in words(text) if word.name != piece.name]
        # what a hole joins is no new word: pieces end where words end
        assert [word.name for word in words(rest)] == others


@settings(max_examples=80, deadline=None)
@given(text=TEXTS, most=st.integers(1, 9))
def test_sentences_are_few_and_hold_every_word(text, most):
    parts = sentences(text, most)
    assert len(parts) <= most
    held = {word.name for part in parts for start, end in part.spans for word in words(text[start:end])}
    assert held == {word.name for word in words(text)}


def test_what_is_scored_is_bounded_whatever_the_length():
    for count in (1, 50, 400, 3_000, 20_000):
        scored = list[str]()

        def counting(texts):
            scored.extend(texts)  # noqa: B023
            return additive(texts)

        text = " ".join(f"w{i}." if i % 11 == 0 else f"w{i}" for i in range(count))
        found = occlude(counting, text, 0, budget=2_000)
        assert len(scored) <= (ZOOMS + 1) * (MOST_PIECES + 1)
        passes = 1 if count * FEWEST_PIECES > 2_000 else ZOOMS + 1
        assert sum(len(each.split()) for each in scored) <= passes * max(2_000 + count, (FEWEST_PIECES + 1) * count)
        assert found


def test_in_a_long_text_the_words_of_the_sentence_that_matters_are_found():
    text = (
        " ".join(f"Sentence number{i} says nothing of it." for i in range(60)) + " My card was declined. Bye now then."
    )
    found = strongest(occlude(additive, text, 0), count=2)
    assert [left.name for left in found] == ["card", "declined"]


def test_nothing_is_said_of_an_empty_text_or_by_a_model_that_gives_no_number():
    assert occlude(additive, "  … ", 0) == []
    silent = occlude(lambda texts: np.full((len(texts), 2), np.nan), "card declined", 0)
    assert strongest(silent, count=5) == []
    assert strongest([Left("x", 0.0004)], count=5) == []

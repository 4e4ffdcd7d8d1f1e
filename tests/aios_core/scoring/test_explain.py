"""The words behind a score, against a plain reading of the rules: recorded decisions hold them, and must come out the same for ever."""

import re
from collections import defaultdict

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aios_core.features.encoding import CustomerEncoding
from aios_core.scoring.analysis import char_ngrams_of, tokens_of, words_of
from aios_core.scoring.explain import Explainer
from aios_core.scoring.tokenizer import Tokenizer, as_texts
from tests.aios_core.scoring.test_tokenizer import TEXTS, learned
from tests.aios_core.training.making import FACTS, small, table

WORDS = st.lists(
    st.sampled_from(
        ["card", "Card,", "card.", "declined", "top-up", "(top)", "up", "refund", "zorp", "ΣΑΣ", "ß", "!!!", "é" * 90]
    ),
    max_size=14,
).map(" ".join)


def plain_terms(vocabulary, coefficients, text, best, norms, facts, count):
    """What `kernels.top_terms` does, as it reads in words: floats added one after the other, in the order stated there."""
    tokens = tokens_of(text)
    words = [(word, place) for place, token in enumerate(tokens) for word in words_of(token)]
    readable = [(re.sub(r"^\W+|\W+$", "", token) or token)[:80] for token in tokens]
    ids = {term: i for i, term in enumerate(vocabulary.words)}
    chars = {term: i for i, term in enumerate(vocabulary.chars, start=len(vocabulary.words))}
    sums, order = defaultdict(float), {}

    def add(key, term, norm):
        order.setdefault(key, len(order))
        sums[key] += vocabulary.idf[term] / norm * np.float64(coefficients[term, best])

    for size in range(1, vocabulary.word_ngrams[1] + 1):
        for start in range(len(words) - size + 1):
            term = ids.get(" ".join(word for word, _ in words[start : start + size]))
            if term is not None:
                key = ("name", readable[words[start][1]]) if size == 1 else ("term", vocabulary.words[term])
                add(key, term, norms[0])
    for place, token in enumerate(tokens):
        for gram in char_ngrams_of(token, *vocabulary.char_ngrams):
            if gram in chars:
                add(("name", readable[place]), chars[gram], norms[1])
    for name, row, weight in facts:
        order.setdefault(("fact", name), len(order))
        sums[("fact", name)] = weight * np.float64(coefficients[row, best])
    rounded = {key: float(np.round(value, 4)) for key, value in sums.items()}
    kept = sorted((key for key in rounded if rounded[key] > 0), key=lambda key: (-rounded[key], order[key]))
    return [{"term": key[1], "weight": rounded[key]} for key in kept[:count]]


@pytest.mark.parametrize("ngrams", [(1, 1), (1, 2), (2, 3)])
@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.one_of(WORDS, TEXTS), min_size=1, max_size=5), count=st.integers(1, 9), seed=st.integers(0, 3))
@example(texts=["card. card, CARD card", "top-up top up top", "", "x" * 70 + " card"], count=9, seed=0)
def test_the_terms_are_those_of_the_rules_to_the_last_digit(ngrams, texts, count, seed):
    vocabulary, _ = learned(ngrams)
    chance = np.random.default_rng(seed)
    coefficients = np.round(chance.normal(size=(vocabulary.size + 3, 4)), 1).astype(np.float32)  # rounded: ties happen
    tokenizer = Tokenizer(vocabulary)
    explainer = Explainer(tokenizer, coefficients=coefficients, fact_terms=["plan=basic", "alter größer", "c"])
    read = as_texts(texts)
    bags = tokenizer.bags(read)
    best = chance.integers(0, 4, len(texts))
    fact_ids = vocabulary.size + chance.integers(0, 2, (len(texts), 1)) + np.array([[0, 1]])
    fact_ids[:, 1] = vocabulary.size + 2
    fact_weights = chance.normal(size=fact_ids.shape)
    found = explainer.top_terms(read, bags, fact_ids, fact_weights, best=best, count=count).to_pylist()
    names = {vocabulary.size: "plan=basic", vocabulary.size + 1: "alter größer", vocabulary.size + 2: "c"}
    for row, text in enumerate(texts):
        facts = [(names[i], i, w) for i, w in zip(fact_ids[row].tolist(), fact_weights[row].tolist(), strict=True)]
        expected = plain_terms(vocabulary, coefficients, text, best[row], bags.norms[row], facts, count)
        assert found[row] == expected, text


def test_a_text_of_a_megabyte_is_explained():
    fitted, _, _ = small()
    tokenizer = Tokenizer(fitted.vocabulary)
    encoding = CustomerEncoding(fitted.encoding.facts)
    explainer = Explainer(
        tokenizer, coefficients=fitted.linear.coefficients.astype(np.float32), fact_terms=encoding.terms
    )
    rows = table(["invoice " * 130_000, "no signal"], facts=[{}, {}], spec=FACTS)
    read = as_texts(rows.column("text").combine_chunks())
    ids, weights = encoding.apply(rows)
    terms = explainer.top_terms(
        read, tokenizer.bags(read), ids + fitted.vocabulary.size, weights, best=np.array([0, 1]), count=3
    )
    assert isinstance(terms, pa.ListArray)
    assert terms.to_pylist()[0][0]["term"] == "invoice"

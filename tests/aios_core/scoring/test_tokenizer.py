"""Our cutting against scikit-learn's, on anything that text may be."""

import re
import threading

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from aios_core.errors import ModelError
from aios_core.scoring import kernels
from aios_core.scoring.analysis import char_ngrams_of, tokens_of, words_of
from aios_core.scoring.kernels import is_space
from aios_core.scoring.lexicon import word_characters
from aios_core.scoring.tokenizer import Tokenizer, as_texts
from aios_core.scoring.vocabulary import IDF_FILE, VOCABULARY_FILE, Vocabulary

CORPUS = [
    "My card has not arrived yet", "the card was declined, why?", "I can't top-up; top up failed!", "refund refund REFUND",
    "wo ist meine Karte? Straße 12", "¿Dónde está mi tarjeta?", "أين بطاقتي", "card 💳 lost in Σίσυφος ΣΑΣ", "a b c de fg", "",
]  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=80),
    st.lists(
        st.sampled_from(
            [
                "card",
                "declined",
                "my",
                "Refund",
                "top-up",
                "ΣΑΣ",
                "ß",
                "İ",
                "é",
                "💳",
                "\xa0",
                "\x1c",
                "\x85",
                "\n",
                "_x",
                "a't",
                "أين",
            ]
        ),
        max_size=15,
    ).map(" ".join),
)


def learned(word_ngrams=(1, 2), char_ngrams=(2, 5), corpus=CORPUS):
    vectorizers = [TfidfVectorizer(ngram_range=word_ngrams)]
    if char_ngrams:
        vectorizers.append(TfidfVectorizer(analyzer="char_wb", ngram_range=char_ngrams))
    terms = []
    for vectorizer in vectorizers:
        vectorizer.fit(corpus)
        terms.append(tuple(vectorizer.get_feature_names_out()))
    vocabulary = Vocabulary(
        word_ngrams=word_ngrams,
        char_ngrams=char_ngrams,
        words=terms[0],
        chars=terms[1] if char_ngrams else (),
        idf=np.concatenate([v.idf_ for v in vectorizers]),
    )
    return vocabulary, vectorizers


VOCABULARY, VECTORIZERS = learned()
SHARED = Tokenizer(VOCABULARY)


def dense(tokenizer, texts):
    bags = tokenizer.bags(as_texts(texts))
    return sparse.csr_matrix(
        (bags.weights, bags.ids, bags.start), shape=(len(texts), tokenizer.vocabulary.size)
    ).toarray()


def theirs(vectorizers, texts):
    return np.hstack([v.transform(texts).toarray() for v in vectorizers])


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=6))
@example(["\x00\x00", "\u200f\u202e", "ΑΣ ΑΣ.", "İstanbul", "a" * 300, " x ", "\x1fcard\x1fdeclined"])
def test_any_batch_of_texts_has_scikit_learns_weights(texts):
    assert np.allclose(dense(SHARED, texts), theirs(VECTORIZERS, texts), atol=1e-12)


@pytest.mark.parametrize("word_ngrams", [(1, 1), (1, 3), (2, 2), (2, 3)])
@pytest.mark.parametrize("char_ngrams", [None, (1, 1), (3, 3), (2, 4)])
def test_every_range_of_ngrams_agrees_with_scikit_learn(word_ngrams, char_ngrams):
    vocabulary, vectorizers = learned(word_ngrams, char_ngrams)
    texts = [*CORPUS, "declined card the card was", "not arrived yet my card has not"]
    assert np.allclose(dense(Tokenizer(vocabulary), texts), theirs(vectorizers, texts), atol=1e-12)


@settings(max_examples=100, deadline=None)
@given(TEXTS, st.integers(1, 4), st.integers(0, 3))
def test_tokens_words_and_characters_are_those_of_the_analyzers(text, low, more):
    word = TfidfVectorizer().build_analyzer()
    char = TfidfVectorizer(analyzer="char_wb", ngram_range=(low, low + more)).build_analyzer()
    assert [w for token in tokens_of(text) for w in words_of(token)] == word(text)
    ours = [g for token in tokens_of(text) for g in char_ngrams_of(token, low, low + more)]
    assert sorted(ours) == sorted(char(text))


def test_a_full_memory_starts_afresh_and_changes_nothing():
    tight = Tokenizer(VOCABULARY, max_tokens=3)
    for text in CORPUS * 2:
        assert np.array_equal(dense(tight, [text]), dense(SHARED, [text]))


def test_threads_sharing_a_tokenizer_get_the_same_weights():
    texts = [f"{text} {i}" for i in range(40) for text in CORPUS]
    expected = dense(Tokenizer(VOCABULARY), texts)
    shared, wrong = Tokenizer(VOCABULARY, max_tokens=20), []

    def run():
        starts = range(0, len(texts), 10)
        wrong.extend(s for s in starts if not np.array_equal(dense(shared, texts[s : s + 10]), expected[s : s + 10]))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_megabyte_without_a_space_is_cut_whole():
    found = SHARED.bags(as_texts(["card" * 250_000, "card"]))
    repeated = "ardc"  # whatever of "card" + "card" has four letters, it has once every four characters
    place = found.ids[: found.start[1]].tolist().index(len(VOCABULARY.words) + VOCABULARY.chars.index(repeated[:3]))
    share = found.weights[place] * found.norms[0, 1] / VOCABULARY.idf[found.ids[place]]
    assert share == pytest.approx(250_000)
    assert found.words.tolist() == [1, 1]
    assert found.unseen.tolist() == [1, 0]


def test_unseen_words_are_counted():
    found = SHARED.bags(as_texts(["my card was zorped by a zorper", "", "!!! ?"]))
    assert found.words.tolist() == [6, 0, 0]
    assert found.unseen.tolist() == [3, 0, 0]  # zorped, by, zorper
    assert found.unseen_share.tolist() == [0.5, 0.0, 0.0]


@given(st.lists(st.one_of(TEXTS, st.none()), min_size=1, max_size=8), st.integers(0, 3), st.integers(0, 3))
def test_a_column_that_is_a_slice_or_has_nulls_reads_as_its_texts(texts, before, after):
    column = pa.array(["x ß"] * before + texts + ["y"] * after, pa.string()).slice(before, len(texts))
    plain = [text or "" for text in texts]
    read = as_texts(column)
    assert read.lengths.tolist() == [len(text) for text in plain]
    cut = [read.data[start:end].tobytes().decode() for start, end in zip(read.starts, read.ends, strict=True)]
    assert cut == [text.lower() for text in plain]
    for kind in (pa.large_string(), pa.string_view()):
        assert as_texts(column.cast(kind)).lengths.tolist() == read.lengths.tolist()


def test_bytes_that_are_no_text_are_refused_and_not_read_beyond():
    broken = pa.StringArray.from_buffers(1, pa.py_buffer(np.array([0, 1], np.int32)), pa.py_buffer(b"\xf0"))
    with pytest.raises(UnicodeDecodeError):
        as_texts(broken)


def test_white_space_and_word_characters_are_pythons_own():
    every = "".join(f"a{chr(c)}b " for c in range(0x80, 0x3100)) + "a\x1cb c\x0bd"
    assert np.array_equal(dense(SHARED, [every]), dense(Tokenizer(VOCABULARY, max_tokens=2), [every]))
    spaces = [chr(c) for c in range(0x110000) if chr(c).isspace()]
    assert [bool(is_space(ord(c))) for c in spaces] == [True] * len(spaces)
    assert not any(is_space(c) for c in range(0x3100) if not chr(c).isspace())
    inside = word_characters()
    assert all(bool(inside[c]) == bool(re.fullmatch(r"\w", chr(c))) for c in range(0x20000))


def test_tokens_made_to_meet_in_the_memory_are_cut_all_the_same():
    """More tokens than the memory's probes allow, in a memory of eight slots."""
    texts = [" ".join(f"card{i}" for i in range(start, start + 90)) for start in range(0, 900, 90)]
    assert np.array_equal(dense(Tokenizer(VOCABULARY, max_tokens=4), texts), dense(Tokenizer(VOCABULARY), texts))


def test_a_vocabulary_survives_its_files_and_says_what_is_wrong_with_damaged_ones():
    files = VOCABULARY.to_files()
    back = Vocabulary.from_files(files)
    assert (back.words, back.chars, back.word_ngrams, back.char_ngrams) == (
        VOCABULARY.words, VOCABULARY.chars, (1, 2), (2, 5),
    )  # fmt: skip
    assert np.array_equal(back.idf, VOCABULARY.idf)
    for damaged in (
        {VOCABULARY_FILE: b"{"},
        {IDF_FILE: b"\x93NUMPY"},
        {IDF_FILE: learned((1, 1))[0].to_files()[IDF_FILE]},
    ):
        with pytest.raises(ModelError, match=f"{VOCABULARY_FILE}|{IDF_FILE}"):
            Vocabulary.from_files(files | damaged)


def test_code_is_compiled_where_no_folder_can_keep_it(monkeypatch):
    real = kernels._jit

    def nowhere(**options):
        if "cache" in options:
            raise RuntimeError("cannot cache function: no locator available")
        return real(**options)

    monkeypatch.setattr(kernels, "_jit", nowhere)
    assert kernels.compiled(lambda x: x + 1)(2) == 3

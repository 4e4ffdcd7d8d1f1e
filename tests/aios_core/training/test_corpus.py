"""The corpus counted once gives each fold what scikit-learn would learn from the fold's own rows."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from aios_core.training.corpus import count_terms, select_terms, weigh
from tests.aios_core.training.making import tickets

TEXTS = [*tickets(120, seed=3)[0], "", "   ", "single", "naïve café 💳 naïve", "no no no no"]


@pytest.mark.parametrize(
    ("word_ngrams", "char_ngrams", "min_df"), [((1, 2), (2, 5), 2), ((1, 3), None, 1), ((2, 3), (3, 3), 3)]
)
@pytest.mark.parametrize("rows", [np.arange(len(TEXTS)), np.arange(0, len(TEXTS), 3)])
def test_terms_and_weights_are_those_scikit_learn_learns_from_the_same_rows(word_ngrams, char_ngrams, min_df, rows):
    corpus = count_terms(TEXTS, word_ngrams=word_ngrams, char_ngrams=char_ngrams, min_df=min_df)
    selection = select_terms(corpus, rows, min_df=min_df, max_features=100_000)
    texts = [TEXTS[row] for row in rows]
    words = TfidfVectorizer(ngram_range=word_ngrams, min_df=min_df)
    expected = [words.fit_transform(texts)]
    assert list(words.get_feature_names_out()) == list(selection.vocabulary.words)
    if char_ngrams:
        chars = TfidfVectorizer(analyzer="char_wb", ngram_range=char_ngrams, min_df=min_df)
        expected.append(chars.fit_transform(texts))
        assert list(chars.get_feature_names_out()) == list(selection.vocabulary.chars)
    ours = weigh(corpus, rows, selection, sparse.csr_matrix((rows.size, 0)))
    assert np.allclose(ours.toarray(), sparse.hstack(expected).toarray(), atol=1e-12)


def test_too_many_terms_are_cut_to_the_most_frequent_half_words_half_characters():
    corpus = count_terms(TEXTS, word_ngrams=(1, 2), char_ngrams=(2, 4), min_df=1)
    vocabulary = select_terms(corpus, np.arange(len(TEXTS)), min_df=1, max_features=60).vocabulary
    assert (len(vocabulary.words), len(vocabulary.chars)) == (30, 30)
    assert "please" in vocabulary.words


def test_texts_without_any_word_give_an_empty_vocabulary():
    corpus = count_terms(["", "!", "?"], word_ngrams=(1, 2), char_ngrams=None, min_df=1)
    assert select_terms(corpus, np.arange(3), min_df=1, max_features=100).vocabulary.size == 0

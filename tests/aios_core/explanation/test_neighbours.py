"""The nearest examples, against plain loops."""

import math
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios_core.errors import ModelError
from aios_core.explanation.neighbours import (
    KEYS_FILE,
    VECTORS_FILE,
    BagSpace,
    by_embeddings,
    by_facts,
    by_terms,
    chosen,
    example_files,
)
from aios_core.features.encoding import CustomerEncoding, FactState
from tests.aios_core.training import tabular_making
from tests.aios_core.training.making import small, table, tickets


def labelled(texts, labels):
    return table(texts).append_column("label", pa.array(labels, pa.string()))


def one(text, ticket_id="new"):
    return table([text], ids=[ticket_id]).combine_chunks().to_batches()[0]


def test_a_linear_models_examples_are_those_whose_terms_have_the_largest_cosine():
    fitted, _, _ = small()
    texts, labels, _ = tickets(400, seed=5)
    found = by_terms(fitted.vocabulary, labelled(texts, labels)).nearest(
        one("the direct debit was charged again"), count=5
    )
    bags = fitted.vocabulary
    from aios_core.scoring.analysis import char_ngrams_of, tokens_of, words_of

    def bag(text):
        terms = Counter()
        for token in tokens_of(text):
            terms.update(g for g in char_ngrams_of(token, *bags.char_ngrams))
        words = [w for token in tokens_of(text) for w in words_of(token)]
        runs = Counter(
            " ".join(words[i : i + n]) for n in range(1, bags.word_ngrams[1] + 1) for i in range(len(words) - n + 1)
        )
        blocks = []
        for names, counts, idf in ((bags.words, runs, bags.idf), (bags.chars, terms, bags.idf[len(bags.words) :])):
            vector = np.array([counts.get(name, 0) * idf[i] for i, name in enumerate(names)])
            blocks.append(vector / (np.linalg.norm(vector) or 1))
        whole = np.concatenate(blocks)
        return whole / (np.linalg.norm(whole) or 1)

    own = bag("the direct debit was charged again")
    best = sorted(-round(float(bag(text) @ own), 4) for text in texts)[:5]
    assert [-n.similarity for n in found] == pytest.approx(best, abs=2e-4)
    assert Counter(n.label for n in found).most_common(1)[0][0] == "billing"


def test_the_ticket_itself_is_not_its_own_neighbour_and_nothing_in_common_is_no_neighbour():
    fitted, _, _ = small()
    examples = by_terms(
        fitted.vocabulary, labelled(["late fee", "late fee", "no signal"], ["billing", "billing", "outage"])
    )
    found = examples.nearest(one("late fee", ticket_id="t1"))
    assert [n.ticket_id for n in found][:1] == ["t0"]
    assert "t1" not in [n.ticket_id for n in found]
    assert examples.nearest(one("")) == []


def test_memory_is_bounded_by_entries_and_the_newest_stay():
    fitted, _, _ = small()
    space = BagSpace(fitted.vocabulary, ["late fee invoice"] * 3_000, most=10_000)
    assert space.rows < 2_000
    few = BagSpace(fitted.vocabulary, [""] * 3, most=10_000)
    assert (few.rows, few.similarities(one("late fee")).tolist()) == (3, [0, 0, 0])


@settings(max_examples=60, deadline=None)
@given(labels=st.lists(st.sampled_from(["a", "b", "c", None]), max_size=60), most=st.integers(1, 30))
def test_of_each_label_the_newest_are_chosen_as_evenly_as_they_can_be(labels, most):
    rows = chosen(labels, most=most).tolist()
    known = [i for i, label in enumerate(labels) if label is not None]
    assert rows == sorted(set(rows))
    assert len(rows) == min(most, len(known))
    counts, total = Counter(labels[i] for i in rows), Counter(labels[i] for i in known)
    for label, count in counts.items():
        assert rows and [i for i in known if labels[i] == label][-count:] == [i for i in rows if labels[i] == label]
    spare = [label for label in total if counts[label] < total[label]]
    if spare:
        assert max(counts.values()) - min(counts[label] for label in spare) <= 1


class Fixed:
    """An encoder of two dimensions."""

    def embed(self, texts):
        angles = np.array([float(text) for text in texts])
        return np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


def test_an_encoders_examples_are_those_with_the_largest_cosine_and_survive_the_files():
    angles = [0.0, 0.5, 1.0, 1.5, 3.0]
    files = example_files(table([str(a) for a in angles]), list("aabbb"), Fixed().embed(angles))
    found = by_embeddings(Fixed(), files[VECTORS_FILE], files[KEYS_FILE]).nearest(one("1.1"))
    assert [(n.ticket_id, n.label) for n in found] == [("t2", "b"), ("t3", "b"), ("t1", "a")]
    assert found[0].similarity == pytest.approx(math.cos(0.1), abs=1e-3)


def test_files_that_do_not_go_together_are_a_model_error():
    files = example_files(table(["0", "1"]), ["a", "b"], Fixed().embed(["0", "1"]))
    other = example_files(table(["0"]), ["a"], Fixed().embed(["0"]))
    with pytest.raises(ModelError, match="train the model again"):
        by_embeddings(Fixed(), files[VECTORS_FILE], other[KEYS_FILE])
    with pytest.raises(ModelError, match="can't be read"):
        by_embeddings(Fixed(), b"nonsense", files[KEYS_FILE])


def test_customers_are_as_alike_as_gower_says():
    encoding = CustomerEncoding(
        (
            FactState(name="contract", kind="categorical", values=("monthly", "yearly")),
            FactState(name="tenure", kind="numeric"),
            FactState(name="charges", kind="numeric"),
        )
    )
    facts = [
        {"tenure": 10.0, "contract": "monthly", "charges": 20.0},
        {"tenure": 60.0, "contract": "monthly", "charges": 20.0},
        {"tenure": 10.0, "contract": "yearly", "charges": None},
    ]
    rows = tabular_making.rows(facts).append_column("label", pa.array(["a", "b", "b"]))
    new = tabular_making.rows([{"tenure": 20.0, "contract": "monthly", "charges": None}])
    new = (
        new.set_column(new.schema.get_field_index("ticket_id"), "ticket_id", [["new"]]).combine_chunks().to_batches()[0]
    )
    found = {n.ticket_id: n.similarity for n in by_facts(encoding, rows).nearest(new)}
    # tenures lie between 10 and 60; a fact that both lack does not count
    assert found == pytest.approx({"t0": (1 + 0.8 + 0) / 3, "t2": (0 + 0.8) / 2, "t1": (1 + 0.2 + 0) / 3}, abs=1e-4)

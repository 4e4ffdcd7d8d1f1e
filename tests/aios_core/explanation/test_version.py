"""What is said of a version as a whole, against plain counting."""

import json
from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios_core.errors import ModelError
from aios_core.explanation.confusion import confusion, read_confusion
from aios_core.explanation.importance import by_occlusion, in_turn
from aios_core.explanation.page import explanation_markdown, summary
from aios_core.explanation.segments import FEW, LENGTH, dimensions, length_of, segments
from aios_core.explanation.version import (
    EXPLANATION_FILE,
    count,
    encoder_of,
    explain_version,
    read_explanation,
    with_explanation,
    written,
)
from aios_core.lifecycle.evaluation import EVALUATION_FILE, read_evaluation
from aios_core.scoring.model import ScoringModel, read_manifest
from resources.runtime import open_session
from tests.aios_core.training import encoder_making, tabular_making
from tests.aios_core.training.making import FACTS, small_files, table, tickets

NAMES = st.sampled_from(["billing", "outage", "roaming"])


@pytest.fixture(scope="module")
def world():
    texts, labels, facts = tickets(800)
    return table(texts, facts=facts, spec=FACTS), labels


@pytest.fixture(scope="module")
def files(world):
    return with_explanation(small_files(), world[0], open_session, tier="plan")


def test_the_counts_are_those_of_the_frozen_evaluation_set_and_the_version_stays_whole(files):
    found, rows = read_explanation(files[EXPLANATION_FILE]), read_evaluation(files[EVALUATION_FILE]).to_pylist()
    assert (found.rows, found.wrong) == (len(rows), sum(row["label"] != row["queue"] for row in rows))
    assert found.confusion.counts == Counter((row["label"], row["queue"]) for row in rows)
    for dimension in ("queue", "tier", LENGTH):
        own = [segment for segment in found.segments if segment.dimension == dimension]
        assert sum(segment.rows for segment in own) == len(rows)
        assert sum(segment.wrong for segment in own) == found.wrong
    read_manifest(files)  # checksums hold
    assert json.loads(files[EXPLANATION_FILE])["error"] == round(found.error, 6)


def test_a_linear_version_goes_by_the_words_of_its_queues(files):
    [found] = read_explanation(files[EXPLANATION_FILE]).importances
    assert found.method == "exact"
    assert {"invoice", "payment"} <= {w.term for w in found.queues["billing"]}
    assert found.queues["roaming"][0].term == "plan=premium"
    weights = [w.weight for w in found.queues["billing"]]
    assert weights == sorted(weights, reverse=True)


def test_equal_versions_are_explained_by_equal_bytes_that_read_back(files, world):
    again = with_explanation(small_files(), world[0], open_session, tier="plan")
    assert again[EXPLANATION_FILE] == files[EXPLANATION_FILE]
    assert written(read_explanation(files[EXPLANATION_FILE])) == files[EXPLANATION_FILE]


def test_without_the_training_set_the_counts_are_still_told(files):
    table = read_evaluation(files[EVALUATION_FILE])
    found = count(table, ("billing", "outage", "roaming"))
    assert found.confusion == read_explanation(files[EXPLANATION_FILE]).confusion
    assert found.importances == ()
    assert "gone" in explanation_markdown(found)


def test_what_is_no_explanation_is_a_model_error():
    for content in (b"{}", b"nonsense", b'{"format": 9}'):
        with pytest.raises(ModelError):
            read_explanation(content)


def test_a_word_that_stands_in_one_ticket_alone_is_nobodys_importance(world):
    features, _ = world
    model = ScoringModel.from_files(small_files(), open_session)
    rows = features.slice(0, 12)
    texts = rows.column("text").to_pylist()
    named = [f"{text} maria77" if i == 3 else f"{text} invoice" for i, text in enumerate(texts)]
    rows = rows.set_column(rows.schema.get_field_index("text"), "text", [named])
    found = by_occlusion(model, rows, ["billing"] * 12, budget=100_000)
    assert "invoice" in {w.term for weighed in found.queues.values() for w in weighed}
    assert "maria77" not in {w.term for weighed in found.queues.values() for w in weighed}
    assert by_occlusion(model, rows, ["billing"] * 12, budget=1).rows == 1


def test_a_fact_that_says_nothing_is_not_what_a_version_of_facts_goes_by():
    trained = tabular_making.trained("gradient_boosting")
    [found] = read_explanation(trained.files[EXPLANATION_FILE]).importances
    assert found.method == "permutation"
    assert set(found.queues["offer"][0].term.split()) <= {"tenure", "contract", "charges"}
    model = ScoringModel.from_files(trained.files, open_session)
    facts, labels = tabular_making.customers(300, seed=4)
    same = tabular_making.rows([{**each, "charges": 20.0} for each in facts])
    from aios_core.explanation.importance import by_permutation

    weighed = by_permutation(model, same, labels).queues
    assert weighed
    assert all(w.term != "charges" for terms in weighed.values() for w in terms)


def test_an_encoder_and_a_cascade_are_explained_by_words_left_out():
    learnt, known, _, _ = encoder_making.rows()
    files = encoder_making.trained("cascade", "fp32").files
    methods = [each.method for each in read_explanation(files[EXPLANATION_FILE]).importances]
    assert methods == ["exact", "occlusion"]
    encoder = encoder_of(files, open_session)
    found = explain_version(encoder, read_evaluation(files[EVALUATION_FILE]), learnt, tier=None)
    assert [each.method for each in found.importances] == ["occlusion"]
    assert found.importances[0].rows > 10
    assert known


@settings(max_examples=50, deadline=None)
@given(pairs=st.lists(st.tuples(NAMES, NAMES), max_size=60))
def test_a_confusion_counts_every_row_once_and_reads_back(pairs):
    labels, predicted = [a for a, _ in pairs], [b for _, b in pairs]
    found = confusion(labels, predicted, ["billing", "outage", "roaming"])
    assert found.rows == len(pairs)
    assert read_confusion(json.loads(json.dumps(found.as_json()))) == found
    wrong = found.mistakes(100)
    assert sum(cell.rows for cell in wrong) == sum(a != b for a, b in pairs)
    assert all(cell.label != cell.predicted and 0 < cell.share <= 1 for cell in wrong)
    assert [cell.rows for cell in wrong] == sorted((cell.rows for cell in wrong), reverse=True)


def test_a_segment_is_called_worse_where_it_is_and_hardly_ever_by_chance():
    random = Random(3)
    called = 0
    for _ in range(60):
        columns = {f"d{i}": [random.choice("abcde") for _ in range(600)] for i in range(4)}
        wrong = [random.random() < 0.15 for _ in range(600)]
        called += any(segment.verdict != "usual" for segment in segments(columns, wrong))
    assert called <= 6  # 5% are expected: 3 of 60
    planted = [random.random() < (0.5 if value == "a" else 0.1) for value in columns["d0"]]
    worse = [s for s in segments(columns, planted) if s.verdict == "worse"]
    assert [(s.dimension, s.name) for s in worse] == [("d0", "a")]
    assert all(s.verdict == "few" for s in segments({"d": ["x"] * (FEW - 1)}, [True] * (FEW - 1)))


def test_rows_are_cut_by_what_is_known_of_them(world):
    features, labels = world
    found = dimensions(features, labels, tier="plan")
    assert list(found) == ["queue", "tier", "language (guessed)", "text length"]  # no ticket here has a channel
    assert set(found["tier"]) == {"basic", "plus", "premium", "not known"}
    assert [length_of("x" * n) for n in (99, 100, 2_999, 3_000)] == [
        "under 100 characters", "100 to 299", "1,000 to 2,999", "3,000 and more",
    ]  # fmt: skip


def test_queues_take_turns_in_a_sample_the_newest_first():
    assert in_turn(["a", "a", "b", "a"]) == [3, 2, 1, 0]


def test_the_page_names_the_worst_first(files):
    told = explanation_markdown(read_explanation(files[EXPLANATION_FILE]))
    assert "taken for" in told
    assert "| billing | invoice" in told
    assert summary(count(read_evaluation(files[EVALUATION_FILE]).slice(0, 0), ("a", "b"))).startswith("No held-back")

"""A version's scores: the same to the last bit in any batch, and explained in words."""

import json
import threading

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios_core.errors import ModelError
from aios_core.scoring.model import MANIFEST_FILE, MODEL_FILE, ScoringModel
from aios_core.scoring.schema import SCORE_SCHEMA, as_scores, rounded
from aios_core.scoring.tokenizer import Tokenizer, as_texts
from aios_core.scoring.triton import triton_config
from resources.runtime import open_session
from tests.aios_core.training.making import FACTS, TOPICS, small, small_files, table, tickets

FILES = small_files()
MODEL = ScoringModel.from_files(FILES, open_session, name="triage", version=3)
STRANGE = ["", " ", "\x00", "💳 💳", "أين بطاقتي", "invoice " * 3_000, "zorp", "no signal abroad invoice"]
TEXTS, _, CUSTOMERS = tickets(40, seed=9)
ROWS = table(TEXTS + STRANGE, facts=CUSTOMERS + [{}] * len(STRANGE), spec=FACTS)
ALONE = [MODEL.score_batch(ROWS.slice(i, 1), explain=4).to_pylist()[0] for i in range(ROWS.num_rows)]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, ROWS.num_rows - 1), min_size=1, max_size=60))
def test_a_rows_score_and_terms_are_the_same_to_the_last_bit_in_any_batch(rows):
    scored = MODEL.score_batch(ROWS.take(pa.array(rows)), explain=4).to_pylist()
    assert scored == [ALONE[row] for row in rows]


class Recording:
    """A session that keeps what the real one answered, unrounded, by the row's own input."""

    def __init__(self, session):
        self.session, self.answers = session, {}

    def run(self, inputs, outputs=None):
        result = self.session.run(inputs, outputs)
        for ids, weights, row in zip(inputs["ids"], inputs["weights"], result["probabilities"], strict=True):
            self.answers.setdefault((ids.tobytes(), weights.tobytes()), set()).add(row.tobytes())
        return result


@pytest.mark.parametrize("threads", [1, 2])
def test_the_session_itself_answers_bit_for_bit_alike_alone_and_in_a_crowd(threads):
    session = Recording(open_session(FILES[MODEL_FILE], intra_threads=threads))
    model = ScoringModel.from_files(FILES, lambda _: session)
    for size in (1, 7, ROWS.num_rows):
        for start in range(0, ROWS.num_rows, size):
            model.score_batch(ROWS.slice(start, size))
    model.score_batch(pa.concat_tables([ROWS] * 8))
    assert len(session.answers) > 30
    assert all(len(answers) == 1 for answers in session.answers.values())


def test_scores_have_the_agreed_columns_and_point_back_to_their_tickets():
    scored = MODEL.score_batch(ROWS)
    assert scored.schema == SCORE_SCHEMA
    assert scored.column("ticket_id").to_pylist() == ROWS.column("ticket_id").to_pylist()
    first = scored.to_pylist()[0]
    assert (first["model_name"], first["model_version"]) == ("triage", 3)
    assert "terms" not in first
    assert first["text_length"] == len(TEXTS[0])
    assert first["confidence"] == pytest.approx(max(first["probabilities"]), abs=1e-6)
    assert MODEL.classes[int(np.argmax(first["probabilities"]))] == first["queue"]
    assert sum(first["probabilities"]) == pytest.approx(1, abs=1e-5)
    told = rounded(scored.column("probabilities")).to_pylist()[0]
    assert all(round(p, 6) == p for p in told)
    assert told == pytest.approx(first["probabilities"], abs=1e-6)


def test_the_words_that_speak_for_a_queue_are_named_as_people_read_them():
    asked = table(["Please help: my INVOICE, the direct debit!"], facts=[{"plan": "premium"}], spec=FACTS)
    (scored,) = MODEL.score_batch(asked, explain=6).to_pylist()
    named = {entry["term"] for entry in scored["terms"]}
    assert scored["queue"] == "billing"
    assert {"invoice", "debit"} <= named
    weights = [entry["weight"] for entry in scored["terms"]]
    assert weights == sorted(weights, reverse=True)
    assert min(weights) > 0
    (abroad,) = MODEL.score_batch(table(["hello"], facts=[{"plan": "premium"}], spec=FACTS), explain=9).to_pylist()
    assert abroad["queue"] == "roaming"
    assert "plan=premium" in {entry["term"] for entry in abroad["terms"]}


def test_a_words_weight_is_all_that_it_and_its_letters_add_to_the_log_odds():
    fitted, _, _ = small()
    (scored,) = MODEL.score_batch(table(["invoice"], facts=[{}], spec=FACTS), explain=9).to_pylist()
    queue = fitted.assessed.classes.index(scored["queue"])
    tokenizer = Tokenizer(fitted.vocabulary)
    bag = tokenizer.bags(as_texts(["invoice"]))
    whole = float(bag.weights @ fitted.linear.coefficients[bag.ids, queue]) * fitted.assessed.temperature
    shown = {entry["term"]: entry["weight"] for entry in scored["terms"]}
    assert shown["invoice"] == pytest.approx(whole, abs=1e-3)


def test_no_rows_give_no_scores():
    assert MODEL.score_batch(ROWS.slice(0, 0), explain=3).num_rows == 0


def test_threads_may_share_a_model():
    expected = MODEL.score_batch(ROWS, explain=2)
    results = []
    threads = [threading.Thread(target=lambda: results.append(MODEL.score_batch(ROWS, explain=2))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.equals(expected) for result in results] == [True] * 4


def test_a_missing_customer_fact_column_is_named():
    with pytest.raises(ModelError, match="crm_plan"):
        MODEL.score_batch(ROWS.drop_columns(["crm_plan"]))


@pytest.mark.parametrize("path", sorted(FILES))
def test_a_missing_or_changed_file_is_named(path):
    without = {p: c for p, c in FILES.items() if p != path}
    with pytest.raises(ModelError, match=path.replace(".", r"\.")):
        ScoringModel.from_files(without, open_session)
    if path != MANIFEST_FILE:
        with pytest.raises(ModelError, match=path.replace(".", r"\.")):
            ScoringModel.from_files(FILES | {path: FILES[path] + b" "}, open_session)


def test_a_manifest_of_another_kind_or_format_is_refused():
    manifest = json.loads(FILES[MANIFEST_FILE])
    for change, words in (({"kind": "oracle"}, "oracle"), ({"format": 99}, "format 99")):
        changed = FILES | {MANIFEST_FILE: json.dumps(manifest | change).encode()}
        with pytest.raises(ModelError, match=words):
            ScoringModel.from_files(changed, open_session)
    with pytest.raises(ModelError, match="can't be read"):
        ScoringModel.from_files(FILES | {MANIFEST_FILE: b"not json"}, open_session)


def test_the_triton_configuration_states_the_graphs_true_inputs_and_outputs():
    import onnx

    graph = onnx.load_from_string(FILES[MODEL_FILE]).graph
    types = {onnx.TensorProto.INT32: "TYPE_INT32", onnx.TensorProto.FLOAT: "TYPE_FP32"}
    text = triton_config("triage", json.loads(FILES[MANIFEST_FILE]))
    assert 'name: "triage"' in text
    for tensor in graph.input:
        assert f'name: "{tensor.name}" data_type: {types[tensor.type.tensor_type.elem_type]} dims: [ -1 ]' in text
    widths = {output.name: output.type.tensor_type.shape.dim[1].dim_value for output in graph.output}
    assert widths == {"probabilities": len(TOPICS), "logits": len(TOPICS), "wording": 1}
    for name, width in widths.items():
        assert f'name: "{name}" data_type: TYPE_FP32 dims: [ {width} ]' in text
    dense = {"Gather", "Unsqueeze", "MatMul", "Squeeze", "Split", "Add", "Softmax"}
    assert {node.op_type for node in graph.node} <= dense


def test_terms_named_apart_are_those_that_come_with_the_score():
    together = MODEL.score_batch(ROWS, explain=4)
    alone = MODEL.terms(ROWS, MODEL.score_batch(ROWS), count=4)
    assert alone.to_pylist() == together.column("terms").to_pylist()
    assert any(alone.to_pylist())
    assert MODEL.terms(ROWS.slice(0, 0), MODEL.score_batch(ROWS.slice(0, 0)), count=4) is None


def test_scores_that_an_earlier_version_wrote_are_read_as_todays():
    today = pa.Table.from_batches([MODEL.score_batch(ROWS)])
    earlier = pa.Table.from_batches([MODEL.score_batch(ROWS, explain=2)])
    place = earlier.schema.get_field_index("probabilities")
    doubles = earlier.column("probabilities").cast(pa.list_(pa.float64()))
    earlier = earlier.set_column(place, "probabilities", doubles)
    assert as_scores(earlier).equals(today)


@pytest.mark.parametrize("column", [[[0.12345678, 0.5], None, [], [float("nan")]], [[]]])
def test_probabilities_are_rounded_list_by_list_and_what_is_no_number_stays_none(column):
    shown = rounded(pa.array(column)).to_pylist()
    assert shown == [[0.123457, 0.5], [], [], [None]] if len(column) > 1 else shown == [[]]

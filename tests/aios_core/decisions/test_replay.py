"""A record alone makes the same decision again, byte for byte, and says where it no longer does."""

import json
import math
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_core.automation import Queue
from aios_core.decisions.decide import decide
from aios_core.decisions.model import DecisionError
from aios_core.decisions.record import canonical, decode_row, decode_rows, encode_row, feature_rows, parse
from aios_core.decisions.replay import replay
from tests.aios_core.decisions.making import CLASSES, agree, features, rules, score, scores, ticket

RULES = rules(
    queues=[Queue(name="billing", wrong_cost=20), Queue(name="fraud", never_automate=True), Queue(name="outage")],
    modes={"outage": "review_only"},
    audit_share=0.01,
    fallback_queue="outage",
)


def recorded(probabilities: list[float] | None, **row: Any) -> bytes:
    subject = ticket(**row)
    table = None if probabilities is None else scores([score(subject, probabilities, queue="billing")])
    return decide(features([subject]), table, rules=RULES, policy=agree)[0].record


def test_a_replay_from_the_record_alone_is_byte_identical() -> None:
    for probabilities in ([0.98, 0.01, 0.01], [0.7, 0.2, 0.1], [math.nan, 0.5, 0.5], [0.9, 0.05], None):
        record = recorded(probabilities)
        again = replay(record, score=None, policy=agree)
        assert again.identical
        assert again.record == record
        assert again.differences == ()


def test_a_replay_scores_the_very_row_that_was_decided() -> None:
    subject = ticket(crm_tenure_months=math.nan, crm_segment=None, text="a\nb")
    original = features([subject])
    seen: list[pa.Table] = []

    def scorer(table: pa.Table) -> pa.Table:
        seen.append(table)
        return scores([score(subject, [0.98, 0.01, 0.01])])

    record = decide(original, scorer(original), rules=RULES, policy=agree)[0].record
    assert replay(record, score=scorer, policy=agree).identical
    assert seen[1].schema.equals(original.schema)
    assert repr(seen[1].to_pylist()) == repr(original.to_pylist())  # repr: NaN is not equal to itself


def test_a_correction_names_the_decision_it_is_made_instead_of_and_replays() -> None:
    key = ("helpdesk", "1", "v1")
    [plain] = decide(features([ticket()]), scores([score(ticket(), [0.98, 0.01, 0.01])]), rules=RULES, policy=agree)
    [made] = decide(
        features([ticket()]),
        scores([score(ticket(), [0.98, 0.01, 0.01])]),
        rules=RULES,
        policy=agree,
        corrects={key: "abc"},
    )
    assert parse(made.record)["corrects"] == "abc"
    assert made.reason == f"{plain.reason}; corrects decision abc"
    assert "corrects" not in parse(plain.record)  # what corrects nothing is written as it always was
    assert replay(made.record, score=None, policy=agree).identical


def test_recorded_rows_come_back_as_one_table() -> None:
    table = features([ticket(1), ticket(2, crm_segment=None, crm_tenure_months=math.nan)])
    known = feature_rows(table)
    again = decode_rows(known.columns, [encode_row(row) for row in known.rows])
    assert again.schema.equals(table.schema)
    assert repr(again.to_pylist()) == repr(table.to_pylist())


def test_another_score_shows_as_differences() -> None:
    again = replay(
        recorded([0.98, 0.01, 0.01]), score=lambda _: scores([score(ticket(), [0.1, 0.1, 0.8])]), policy=agree
    )
    assert not again.identical
    changed = {d.path for d in again.differences}
    assert {"verdict", "queue", "confidence", "probabilities[0]", "rule"} <= changed
    by_path = {d.path: (d.recorded, d.replayed) for d in again.differences}
    assert by_path["queue"] == ("billing", "outage")


def test_a_policy_that_now_answers_otherwise_shows_as_a_difference() -> None:
    again = replay(
        recorded([0.98, 0.01, 0.01]),
        score=None,
        policy=lambda facts: [{"verdict": "review", "rule": "new"} for _ in facts],
    )
    assert ("policy.answer.rule", "as_proposed", "new") in [(d.path, d.recorded, d.replayed) for d in again.differences]


def test_a_failing_policy_replays_too() -> None:
    def broken(facts: Any) -> Any:
        raise RuntimeError("no")

    subject = ticket()
    made = decide(features([subject]), scores([score(subject, [0.98, 0.01, 0.01])]), rules=RULES, policy=broken)[0]
    assert replay(made.record, score=None, policy=broken).identical


def test_a_record_edited_by_hand_does_not_replay() -> None:
    content = json.loads(recorded([0.98, 0.01, 0.01]))
    content["verdict"], content["reason"] = "review", "because"
    again = replay(canonical(content), score=None, policy=agree)
    assert {d.path for d in again.differences} == {"verdict", "reason"}


@pytest.mark.parametrize("record", [b"", b"\xff", b"[]", b"{}", b'{"format":"other"}'])
def test_what_is_no_record_is_refused(record: bytes) -> None:
    with pytest.raises(DecisionError, match="record"):
        replay(record, score=None, policy=agree)


def test_a_record_with_a_part_missing_is_refused_by_name() -> None:
    content = json.loads(recorded([0.98, 0.01, 0.01]))
    del content["thresholds"]
    with pytest.raises(DecisionError, match=r"incomplete: KeyError\('thresholds'\)"):
        replay(canonical(content), score=None, policy=agree)


def test_a_record_is_canonical() -> None:
    record = recorded([0.98, 0.01, 0.01])
    assert canonical(json.loads(record)) == record
    assert "שלום".encode() in record
    assert b"\\u" not in record


def test_what_json_can_not_hold_is_refused() -> None:
    for value in (math.nan, {1, 2}, "\ud800"):
        with pytest.raises(DecisionError):
            canonical({"x": value})


def test_77_plain_queues_are_not_repeated_in_each_record() -> None:
    names = tuple(f"intent_{i}" for i in range(77))
    many = rules(classes=names, queues=[Queue(name=n) for n in names])
    subject = ticket()
    uniform = [round(1 / 77, 6)] * 77
    row = score(subject, uniform, queue="intent_0")
    record = decide(features([subject]), scores([row]), rules=many, policy=agree)[0].record
    assert parse(record)["queues"] == {}
    assert replay(record, score=None, policy=agree).identical


@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "text": st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30),
                "number": st.none() | st.floats(),
                "whole": st.none() | st.integers(-(2**63), 2**63 - 1),
                "flag": st.none() | st.booleans(),
                "at": st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
            }
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_feature_row_comes_back_as_it_was(rows: list[dict[str, Any]]) -> None:
    schema = pa.schema(
        [
            ("text", pa.string()),
            ("number", pa.float64()),
            ("whole", pa.int64()),
            ("flag", pa.bool_()),
            ("at", pa.timestamp("us", tz="UTC")),
        ]
    )
    table = pa.Table.from_pylist(rows, schema=schema)
    known = feature_rows(table)
    for index, row in enumerate(known.rows):
        back = decode_row(known.columns, json.loads(canonical(encode_row(row))))
        assert back.schema == schema
        assert repr(back.to_pylist()) == repr(table.slice(index, 1).to_pylist())


@given(
    weights=st.lists(st.integers(0, 1000), min_size=3, max_size=3).filter(any),
    text=st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    tenure=st.none() | st.floats(),
    number=st.integers(0, 10**6),
)
def test_every_decision_replays(weights: list[int], text: str, tenure: float | None, number: int) -> None:
    probabilities = [round(w / sum(weights), 6) for w in weights]
    subject = ticket(number, text=text, crm_tenure_months=tenure)
    best = CLASSES[probabilities.index(max(probabilities))]
    table = scores([score(subject, probabilities, queue=best)])
    record = decide(features([subject]), table, rules=RULES, policy=agree)[0].record
    assert replay(record, score=None, policy=agree).record == record
    assert replay(record, score=lambda _: table, policy=agree).record == record

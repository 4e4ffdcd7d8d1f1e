"""What is monitored, out of feature and score tables."""

import pyarrow as pa
import pytest

from aios_core.monitoring.columns import key_columns, monitor_columns, monitor_rows, role_of
from aios_core.monitoring.errors import MonitorError


def features(tickets, **more):
    return pa.table({
        "source": ["helpdesk"] * len(tickets),
        "ticket_id": tickets,
        "ticket_version": ["1"] * len(tickets),
        "language": [None if t == "3" else f"lang-{t}" for t in tickets],
        "channel": ["web"] * len(tickets),
        "crm_tenure": pa.array([None if t == "2" else float(t) for t in tickets], pa.float64()),
        **more,
    })  # fmt: skip


def scores(tickets):
    return pa.table({
        "source": ["helpdesk"] * len(tickets),
        "ticket_id": tickets,
        "ticket_version": ["1"] * len(tickets),
        "text_length": [10 * int(t) for t in tickets],
        "unseen_share": [0.1] * len(tickets),
        "confidence": [0.9] * len(tickets),
        "queue": [f"queue-{t}" for t in tickets],
        "model_version": [3] * len(tickets),
    })  # fmt: skip


def test_each_scored_ticket_is_one_row_with_its_own_features():
    frame = monitor_columns(features(["1", "2", "3"]), scores(["1", "2", "3"]))
    assert frame.column_names == [
        "text_length",
        "unseen_share",
        "confidence",
        "queue",
        "language",
        "channel",
        "crm_tenure",
        "source",
    ]
    assert frame["queue"].to_pylist() == ["queue-1", "queue-2", "queue-3"]
    assert frame["language"].is_null().to_pylist() == [False, False, True]
    assert frame["crm_tenure"].is_null().to_pylist() == [False, True, False]


def test_rows_in_another_order_still_meet_their_own_features():
    frame = monitor_columns(features(["3", "1", "2"]), scores(["1", "2", "3"]))
    assert frame["queue"].to_pylist() == ["queue-1", "queue-2", "queue-3"]
    assert frame["language"].to_pylist()[:2] == ["lang-1", "lang-2"]


def test_a_ticket_that_was_not_scored_is_left_out():
    frame = monitor_columns(features(["1", "2", "3"]), scores(["2"]))
    assert frame["queue"].to_pylist() == ["queue-2"]
    assert frame["language"].to_pylist() == ["lang-2"]


def test_a_row_that_comes_twice_counts_once():
    frame = monitor_columns(features(["1", "2", "2"]), scores(["2", "1"]))
    assert sorted(frame["queue"].to_pylist()) == ["queue-1", "queue-2"]


def test_a_score_without_features_is_an_error_that_names_the_ticket():
    with pytest.raises(MonitorError, match=r"1 of 2 scores have no features, first helpdesk/9/1"):
        monitor_columns(features(["1", "2", "3"]), scores(["1", "9"]))


def test_a_missing_column_is_named():
    with pytest.raises(MonitorError, match="the score table lacks confidence"):
        monitor_columns(features(["1"]), scores(["1"]).drop_columns(["confidence"]))


def test_an_empty_day_has_all_columns_and_no_rows():
    frame = monitor_columns(features([]), scores([]))
    assert len(frame) == 0
    assert "crm_tenure" in frame.column_names


def test_dictionary_encoded_columns_come_out_as_plain_text():
    plain = features(["1", "2"])
    encoded = plain.set_column(
        plain.column_names.index("channel"), "channel", plain.column("channel").dictionary_encode()
    )
    assert monitor_columns(encoded, scores(["1", "2"]))["channel"].to_pylist() == ["web", "web"]


def test_columns_know_what_they_stand_for():
    assert [role_of(c) for c in ("queue", "confidence", "crm_plan")] == ["prediction", "score", "feature"]


def test_text_novelty_and_probabilities_come_along_where_there_are_any():
    scored = scores(["2", "1"])
    scored = scored.append_column("novelty", pa.array([0.4, None]))
    scored = scored.append_column("probabilities", pa.array([[0.9, 0.1], [0.8, 0.2]]))
    rows = monitor_rows(features(["1", "2"], text=["the bill is not right", "die Rechnung ist nicht da"]), scored)
    assert rows["text"].to_pylist() == ["die Rechnung ist nicht da", "the bill is not right"]
    assert rows["text_language"].to_pylist() == ["de", "en"]
    assert rows["novelty"].to_pylist() == [0.4, None]
    assert rows["probabilities"].to_pylist() == [[0.9, 0.1], [0.8, 0.2]]
    assert key_columns(rows) == [("helpdesk", "2"), ("helpdesk", "1")]
    plain = monitor_columns(features(["1", "2"], text=["a", "b"]), scored)
    assert not {"text", "probabilities", "ticket_id"} & set(plain.column_names)


def test_a_version_that_knows_no_novelty_has_no_such_column():
    scored = scores(["1"]).append_column("novelty", pa.nulls(1, pa.float64()))
    assert "novelty" not in monitor_rows(features(["1"]), scored).column_names

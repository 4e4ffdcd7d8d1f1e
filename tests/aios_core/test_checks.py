from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aios_core import checks
from aios_core.automation import Checks
from aios_core.checks import validate_customers, validate_tickets
from aios_core.errors import DeclarationError

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def tickets(*changes: dict[str, Any]) -> pd.DataFrame:
    """A good ticket for each dict, changed by it."""
    good = {
        "source": "desk",
        "version": "v",
        "event_time": NOW,
        "known_at": NOW,
        "created_at": NOW,
        "subject": "s",
        "body": "b",
        "status": "new",
        "queue": None,
    }
    return pd.DataFrame([{"ticket_id": str(n), **good, **change} for n, change in enumerate(changes)])


def failed(frame: pd.DataFrame, **options: Any) -> dict[int, str]:
    report = validate_tickets(frame, checks=options.pop("checks", Checks()), now=NOW, **options)
    return {row: code for row, (code, _) in report.failed.items()}


def test_good_tickets_pass() -> None:
    report = validate_tickets(tickets({}, {}), checks=Checks(), queues=("a", "b"), now=NOW)
    assert (report.rows, report.failed, report.failure_rate) == (2, {}, 0)
    assert all(e["success"] for e in report.expectations)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"ticket_id": ""}, "check.ticket_id_given"),
        ({"ticket_id": None}, "check.ticket_id_given"),
        ({"created_at": None}, "check.created_at_given"),
        ({"body": "x" * 1000}, "check.text_length"),
        ({"created_at": datetime(1980, 1, 1, tzinfo=UTC)}, "check.created_at_sane"),
        ({"created_at": NOW + timedelta(days=1000), "event_time": NOW + timedelta(days=1000)}, "check.created_at_sane"),
        ({"event_time": NOW - timedelta(days=3)}, "check.times_in_order"),
        ({"status": "vanished"}, "check.status_known"),
        ({"queue": "only_in_test"}, "check.queue_declared"),
    ],
)
def test_a_row_that_fails_has_the_code_of_its_expectation_and_the_others_pass(
    change: dict[str, Any], code: str
) -> None:
    checks = Checks(max_text_chars=500)
    assert failed(tickets({}, change, {}), checks=checks, queues=("billing", "outage")) == {1: code}


def test_the_message_says_what_is_wrong_and_which_limit_it_broke() -> None:
    report = validate_tickets(tickets({"body": "x" * 1000}), checks=Checks(max_text_chars=500), now=NOW)
    assert report.failed[0][1] == "subject and body have 1,001 characters; checks.max_text_chars allows 500"


def test_clocks_that_differ_by_a_time_zone_pass() -> None:
    assert failed(tickets({"event_time": NOW - timedelta(hours=14)})) == {}


def test_queues_are_not_checked_where_none_is_declared() -> None:
    assert failed(tickets({"queue": "anything"})) == {}


def test_of_a_version_that_comes_twice_the_first_passes() -> None:
    frame = tickets({"ticket_id": "7"}, {"ticket_id": "7"}, {"ticket_id": "7", "version": "w"})
    assert failed(frame) == {1: "check.version_unique"}


def test_declared_fields_are_required_and_empty_texts_are_nothing() -> None:
    frame = tickets({"subject": ""}, {})
    assert failed(frame, checks=Checks(required=("ticket_id", "subject"))) == {0: "check.subject_given"}
    assert failed(frame, checks=Checks(required=("text",))) == {}


def test_an_unknown_required_field_is_an_error_in_the_declaration() -> None:
    with pytest.raises(DeclarationError, match="no ticket field is called `sujet`; there are: "):
        validate_tickets(tickets({}), checks=Checks(required=("sujet",)))


def test_the_failure_rate_counts_rows_not_failures() -> None:
    report = validate_tickets(tickets({"status": "x", "ticket_id": ""}, {}, {}, {}), checks=Checks(), now=NOW)
    assert report.failure_rate == 0.25
    assert {e["name"]: e["failed"] for e in report.expectations if e["failed"]} == {
        "ticket_id_given": 1,
        "status_known": 1,
    }


def test_an_empty_batch_passes() -> None:
    report = validate_tickets(tickets({}).iloc[:0], checks=Checks(), now=NOW)
    assert (report.rows, report.failure_rate) == (0, 0)
    assert len(report.expectations) >= 6


def test_the_index_of_the_frame_does_not_matter() -> None:
    frame = tickets({}, {"status": "x"}, {})
    frame.index = pd.Index([10, 10, 7])
    assert failed(frame) == {1: "check.status_known"}


def test_customers_need_an_id_and_sane_clocks() -> None:
    good = {"source": "crm", "version": "v", "event_time": NOW, "known_at": NOW}
    frame = pd.DataFrame(
        [
            {"customer_id": "1", **good},
            {"customer_id": "", **good},
            {"customer_id": "3", **good, "known_at": datetime(1970, 1, 1, tzinfo=UTC)},
        ]
    )
    report = validate_customers(frame, checks=Checks(), now=NOW)
    assert {row: code for row, (code, _) in report.failed.items()} == {
        1: "check.customer_id_given",
        2: "check.known_at_sane",
    }


MOMENTS = st.sampled_from([NOW, NOW - timedelta(days=3), NOW + timedelta(days=800), datetime(1980, 1, 1, tzinfo=UTC)])
# a row differs in little from the others, so that it is not looked at for another reason
CHANGES = st.just({}) | st.one_of(
    st.builds(lambda name, value: {name: value}, st.just(name), values)
    for name, values in {
        "ticket_id": st.sampled_from(["0", "1", "", None]),
        "created_at": MOMENTS,
        "event_time": MOMENTS,
        "status": st.sampled_from(["open", "odd", "", None]),
        "queue": st.sampled_from(["billing", "odd", "", None]),
        "body": st.sampled_from(["", "b" * 200]),
    }.items()
)


@settings(max_examples=40)
@given(st.lists(CHANGES, min_size=1, max_size=8))
@example([{}, {"ticket_id": None}])
def test_the_rows_that_are_looked_at_first_tell_of_all(changes: list[dict[str, Any]]) -> None:
    frame, limits = tickets(*changes), Checks(max_text_chars=100, required=("ticket_id", "created_at", "text"))
    told = validate_tickets(frame, checks=limits, queues=("billing",), now=NOW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "telling", lambda rows, _: list(range(len(rows))))
        assert validate_tickets(frame, checks=limits, queues=("billing",), now=NOW) == told

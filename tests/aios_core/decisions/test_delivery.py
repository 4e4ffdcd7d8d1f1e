"""After an attempt to send: what is final, what comes back, and when."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_core.decisions.delivery import FIRST_PAUSE, LONGEST_PAUSE, Status, backoff, settle

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def after(status: Status, attempts: int = 0, max_attempts: int = 3) -> tuple[str, bool]:
    settled = settle(status, "why", attempts=attempts, max_attempts=max_attempts, idempotency_key="k", now=NOW)
    return settled.state, settled.to_review


def test_what_was_sent_is_done() -> None:
    assert after("sent") == ("sent", False)


def test_a_conflict_is_withdrawn_and_goes_to_a_person() -> None:
    assert after("conflict") == ("superseded", True)


@pytest.mark.parametrize("status", ["gone", "failed"])
def test_what_can_never_work_is_dead_at_once(status: Status) -> None:
    assert after(status) == ("dead", False)


def test_what_may_work_later_comes_back_until_its_attempts_are_used_up() -> None:
    assert [after("retry", attempts=n)[0] for n in range(4)] == ["pending", "pending", "dead", "dead"]


@given(attempts=st.integers(0, 200), key=st.text())
def test_pauses_are_bounded_and_the_same_each_time(attempts: int, key: str) -> None:
    pause = backoff(attempts, key=key)
    assert FIRST_PAUSE * 0.75 <= pause <= LONGEST_PAUSE
    assert pause == backoff(attempts, key=key)


def test_pauses_double_and_are_spread() -> None:
    pauses = [backoff(n, key="k") for n in range(1, 7)]
    assert all(b > a for a, b in pairwise(pauses))
    assert len({backoff(3, key=str(k)) for k in range(50)}) > 40
    assert backoff(1, key="k") <= timedelta(seconds=30)


def test_what_was_not_tried_waits_without_using_up_an_attempt() -> None:
    settled = settle("later", "left alone", attempts=2, max_attempts=3, idempotency_key="k", now=NOW)
    assert (settled.state, settled.attempts, settled.error) == ("pending", 2, "left alone")
    assert NOW < settled.next_attempt_at <= NOW + FIRST_PAUSE

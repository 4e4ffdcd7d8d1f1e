"""Since when a version decided badly, and what becomes of each of its decisions."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_core.decisions.proposal import CAUTION
from aios_core.monitoring.blast import FATES, MIN_BEFORE, fate, onset, untouched

PROMOTED = datetime(2026, 11, 18, 9, tzinfo=UTC)
DRIFTED = date(2026, 11, 20)
VERDICTS, QUEUES = st.sampled_from(list(CAUTION)), st.sampled_from(["billing", "fraud", None])


def test_a_version_is_at_fault_since_its_promotion():
    found = onset(promoted_at=PROMOTED, drifted=None, before=[])
    assert (found.at, found.since_day, found.why) == (PROMOTED, None, "its promotion")


@pytest.mark.parametrize("day", [date(2026, 11, 17), date(2026, 11, 18)])
def test_drift_from_before_the_promotion_says_nothing_of_the_version(day):
    assert onset(promoted_at=PROMOTED, drifted=day, before=[(True, True)] * 99).since_day is None


def test_a_version_that_was_well_until_the_first_drifted_day_is_at_fault_since_then():
    found = onset(promoted_at=PROMOTED, drifted=DRIFTED, before=[(True, True)] * 30 + [(True, False)])
    assert (found.at, found.since_day) == (PROMOTED, DRIFTED)
    assert "on 31 settled tickets before it, it was no worse" in found.why


@pytest.mark.parametrize(
    ("before", "says"),
    [
        ([(True, True)] * (MIN_BEFORE - 1), "only 19 settled tickets"),
        ([(False, True)] * 30, "already (30 to 0 tickets)"),
    ],
    ids=["too few", "worse already"],
)
def test_where_that_is_not_shown_it_is_at_fault_since_its_promotion(before, says):
    found = onset(promoted_at=PROMOTED, drifted=DRIFTED, before=before)
    assert found.since_day is None
    assert says in found.why


@pytest.mark.parametrize(
    ("verdict", "queue", "new_verdict", "new_queue", "becomes"),
    [
        ("automate", "billing", "automate", "fraud", "corrected"),
        ("automate", "billing", "automate", "billing", "unchanged"),
        ("automate", "billing", "review", "billing", "unchanged"),  # less sure, but of the same mind
        ("automate", "billing", "draft", "fraud", "review"),
        ("automate", "billing", "review", "fraud", "review"),
        ("automate", "billing", "review", None, "review"),
        ("draft", "billing", "draft", "fraud", "corrected"),
        ("draft", "billing", "automate", "fraud", "corrected"),
        ("fallback", "billing", "automate", "fraud", "corrected"),
    ],
)
def test_a_ticket_moves_only_where_the_good_version_names_another_queue(
    verdict, queue, new_verdict, new_queue, becomes
):
    assert fate(verdict=verdict, queue=queue, new_verdict=new_verdict, new_queue=new_queue) == becomes


@given(VERDICTS, QUEUES, VERDICTS, QUEUES)
def test_a_machine_never_corrects_with_less_certainty_than_it_erred_with(verdict, queue, new_verdict, new_queue):
    found = fate(verdict=verdict, queue=queue, new_verdict=new_verdict, new_queue=new_queue)
    assert found in FATES
    assert found != "corrected" or (CAUTION[new_verdict] <= CAUTION[verdict] and queue != new_queue)
    assert found != "unchanged" or queue == new_queue


def test_what_people_have_spoken_on_stands_and_what_they_were_asked_is_left_with_them():
    assert untouched(verdict="automate", settled=True) == "settled"
    assert untouched(verdict="review", settled=False) == "unchanged"
    assert untouched(verdict="automate", settled=False) is None

"""Words of a window: counted within the bound that is stated, without what belongs to one customer, and what rises is named."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_core.monitoring.words import MIN_TICKETS, Words, add_words, count_words, rising, words_of

TICKET = st.lists(st.sampled_from(["bill", "nova", "phone", "paid", "router", "line", "plan", "call"]), max_size=6)
DAYS = st.lists(st.lists(TICKET.map(" ".join), max_size=12), min_size=1, max_size=6)


def truth(tickets):
    return Counter(word for ticket in tickets for word in set(ticket.split()))


@given(days=DAYS, keep=st.integers(1, 9), cut=st.integers(0, 6))
def test_however_days_are_merged_no_count_is_too_high_and_none_too_low_by_more_than_is_said(days, keep, cut):
    counted = [count_words(day, keep=keep) for day in days]
    first, second = counted[:cut], counted[cut:]
    for merged in (
        add_words(counted, keep=keep),
        add_words([add_words(first, keep=keep), add_words(second, keep=keep)], keep=keep),
        count_words([ticket for day in days for ticket in day], keep=keep),
    ):
        true = truth([ticket for day in days for ticket in day])
        assert len(merged.counts) <= keep
        for word in {*true, *merged.counts}:
            assert merged.counts.get(word, 0) <= true[word] <= merged.counts.get(word, 0) + merged.lost


@given(days=DAYS)
def test_the_order_of_merging_does_not_matter_and_nothing_changes_nothing(days):
    counted = [count_words(day) for day in days]
    assert add_words(counted) == add_words(counted[::-1]) == add_words([*counted, Words()])
    for before, after in pairwise(counted):
        assert add_words([before, add_words([after, counted[0]])]) == add_words(
            [add_words([before, after]), counted[0]]
        )


def test_what_fewer_than_three_tickets_hold_is_not_kept():
    found = count_words(["i am Zbigniew", "Zbigniew again", "my bill", "bill please", "the bill"])
    assert found.counts == {"bill": 3}
    assert found.lost == MIN_TICKETS - 1


def test_mail_addresses_and_everything_with_a_digit_are_no_words():
    text = "Write to mara.lopez@example.com, order AB12x of 3rd May, ref 99887766, ÉCRAN cassé!"
    assert words_of(text) == {"write", "order", "may", "ref", "écran", "cassé"}
    assert count_words([None, "", "   "]).counts == {}


def window(rows, **shares):
    return Words(counts={word: round(share * rows) for word, share in shares.items()}, lost=2), rows


def test_a_new_word_in_many_tickets_comes_first_and_a_word_as_frequent_as_ever_does_not_come():
    reference = window(2_000, bill=0.5, invoice=0.02, satellite=0.001)
    found = rising(*reference, *window(500, bill=0.52, invoice=0.1, nova=0.3, satellite=0.12))
    assert [r.word for r in found] == ["nova", "satellite", "invoice"]
    assert found[0].reference == pytest.approx(2 / 2_000)
    assert found[0].current == pytest.approx(0.3)


def test_a_word_that_rose_by_chance_or_by_too_little_is_not_named():
    reference = window(2_000, bill=0.5, refund=0.02)
    assert rising(*reference, *window(200, bill=0.6, refund=0.035)) == []
    assert rising(*reference, *window(100_000, bill=0.55, refund=0.025)) == []


def test_without_rows_nothing_rises():
    assert rising(Words(), 0, Words(counts={"nova": 5}), 10) == []
    assert rising(Words(), 10, Words(), 0) == []

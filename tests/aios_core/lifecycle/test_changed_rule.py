"""After a changed rule, older labels of the kinds of tickets that it concerns are outdated, and no others."""

from datetime import date, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from aios_core.automation import Monitoring
from aios_core.lifecycle.changed_rule import ALL, Answer, ChangedKind, Known, changed_kinds, outdated

LIMITS = Monitoring()
MONDAY = date(2026, 11, 16)
CHANGED = MONDAY + timedelta(days=4)
BUSINESS, PLUS, MAIL = ("crm_segment", "business"), ("crm_plan", "plus"), ("channel", "email")


def answers(*, wrong_if, seed=1, a_day=80, days=8, promised=0.95):
    """Tickets of a week, right as promised but where `wrong_if` says so: (day, kinds) -> how often they are wrong."""
    random, found = Random(seed), []
    for number in range(a_day * days):
        day = MONDAY + timedelta(days=number // a_day)
        business = random.random() < 0.28
        plus = random.random() < (0.7 if business else 0.3)
        kinds = {
            ("crm_segment", "business" if business else "consumer"),
            ("crm_plan", "plus" if plus else "basic"),
            ("channel", random.choice(["email", "web"])),
            ("queue", random.choice(["billing", "outage", "roaming"])),
        }
        right = random.random() >= (wrong_if(day, kinds) or 1 - promised)
        found.append(Answer(day=day, right=right, promised=promised, kinds=frozenset(kinds)))
    return found


def business_belongs_elsewhere(day, kinds):
    return 0.85 if BUSINESS in kinds and day >= CHANGED else 0.0


def test_the_kind_of_ticket_behind_it_is_named_with_its_first_day_though_others_are_off_too():
    (found,) = changed_kinds(answers(wrong_if=business_belongs_elsewhere), limits=LIMITS)
    assert (found.kind, found.since) == (BUSINESS, CHANGED)
    assert found.wrong > 0.7 * found.rows
    assert found.told.startswith(f"crm_segment business since {CHANGED}: {found.wrong} of {found.rows} wrong")


def test_two_kinds_that_changed_on_two_days_are_told_apart():
    def both(day, kinds):
        return 0.9 if ("queue", "outage") in kinds and day > CHANGED else business_belongs_elsewhere(day, kinds)

    found = changed_kinds(answers(wrong_if=both), limits=LIMITS)
    assert {(f.kind, f.since) for f in found} == {
        (BUSINESS, CHANGED),
        (("queue", "outage"), CHANGED + timedelta(days=1)),
    }


def test_what_is_wrong_everywhere_is_named_as_all_tickets():
    (found,) = changed_kinds(answers(wrong_if=lambda day, kinds: 0.5 if day >= CHANGED else 0.0), limits=LIMITS)
    assert (found.kind, found.since) == (ALL, CHANGED)


def test_ordinary_weeks_name_nothing():
    weeks = [answers(wrong_if=lambda day, kinds: 0.0, seed=seed) for seed in range(40)]
    assert [changed_kinds(week, limits=LIMITS) for week in weeks] == [()] * 40


def test_a_version_that_was_always_too_sure_is_forgiven_that_much():
    too_sure = answers(wrong_if=lambda day, kinds: 0.15)
    assert changed_kinds(too_sure, limits=LIMITS)
    assert changed_kinds(too_sure, limits=LIMITS, forgiven=0.1) == ()


def known(day=0, *kinds, settled=None, reviewed=False):
    at = MONDAY + timedelta(days=day)
    settled_on = at if settled is None else MONDAY + timedelta(days=settled)
    return Known(day=at, settled=settled_on, reviewed=reviewed, kinds=frozenset(kinds))


def changed(kind=BUSINESS):
    return [ChangedKind(kind=kind, since=CHANGED, rows=50, wrong=40, expected=2.0)]


def test_older_labels_of_the_kind_are_outdated_and_no_others():
    labels = [known(0, BUSINESS, PLUS), known(3, BUSINESS), known(4, BUSINESS), known(0, PLUS), known(9, BUSINESS)]
    assert outdated(labels, changed()) == [True, True, False, False, False]
    assert outdated(labels, changed(ALL)) == [True, True, False, True, False]
    assert outdated(labels, []) == [False] * 5


def test_what_a_reviewer_has_said_since_counts_though_the_ticket_is_older():
    late = [
        known(3, BUSINESS, settled=5, reviewed=True),
        known(3, BUSINESS, settled=5),
        known(3, BUSINESS, reviewed=True),
    ]
    assert outdated(late, changed()) == [False, True, True]


@given(seed=st.integers(0, 5), order=st.randoms())
def test_the_order_of_tickets_makes_no_difference(seed, order):
    rows = answers(wrong_if=business_belongs_elsewhere, seed=seed, a_day=30)
    shuffled = list(rows)
    order.shuffle(shuffled)
    ours, theirs = (changed_kinds(r, limits=LIMITS) for r in (rows, shuffled))
    assert [(f.kind, f.since, f.rows, f.wrong) for f in ours] == [(f.kind, f.since, f.rows, f.wrong) for f in theirs]

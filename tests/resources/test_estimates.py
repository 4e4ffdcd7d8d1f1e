"""Estimated days, their groups and their error in a real Postgres."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from aios_core.monitoring.estimate import add, estimate, promise
from resources.estimates import EstimateStore, GroupDay, NewDay
from resources.settled import SettledSum

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = date(2026, 11, 19)
NEXT = DAY + timedelta(days=1)
SCORES = np.array([[0.9, 0.1], [0.4, 0.6]])
PROMISE = promise(SCORES, classes=2)


@pytest.fixture
def store(database):
    return EstimateStore(database)


def save(store, *, day=DAY, version=1, now=NOW, confidence=0.75, overstated=0.0, groups=()):
    found = NewDay(
        day=day,
        model_version=version,
        promise=PROMISE,
        estimate=estimate(PROMISE, calibration_error=0.01, overstated=overstated),
        confidence=confidence,
        overstated=overstated,
        groups=groups,
    )
    store.save(found, automation="desk", model_name="desk", now=now)


def settle(store, *, settled=2, right=1, expected=1.5, day=DAY):
    turned_out = SettledSum(day=day, model_version=1, settled=settled, right=right, expected=expected, variance=0.33)
    return store.settle([turned_out], automation="desk", model_name="desk")


def test_a_day_comes_back_and_the_later_estimate_holds(store):
    save(store, overstated=0.05, now=NOW + timedelta(hours=1))
    save(store)  # a slow run that read earlier comes last
    (day,) = store.days(automation="desk", since=DAY, until=NEXT)
    assert (day.realised, day.settled) == (None, 0)
    assert day.estimate == estimate(PROMISE, calibration_error=0.01, overstated=0.05)
    assert store.days(automation="other", since=DAY, until=NEXT) == []


def test_outcomes_settle_a_day_that_was_estimated_and_estimating_it_again_keeps_them(store):
    assert settle(store) == 0  # nothing was estimated: nothing to settle
    save(store)
    assert (settle(store), settle(store)) == (1, 0)
    save(store, now=NOW + timedelta(hours=1))
    (day,) = store.days(automation="desk", since=DAY, until=NEXT)
    assert (day.realised, day.settled) == (0.5, 2)
    assert settle(store, settled=3, right=2) == 1


def test_the_error_of_a_day_is_that_of_what_the_estimate_made_of_its_confidence(store):
    save(store, confidence=0.85, overstated=0.05)  # the promise says 0.75, class shares having moved
    settle(store, settled=100, right=60, expected=84.0)
    (error,) = store.errors(automation="desk", since=DAY, until=NEXT, model_version=1)
    assert error.error == pytest.approx(0.84 + (0.75 - 0.85) - 0.05 - 0.60)
    assert store.errors(automation="desk", since=DAY, until=NEXT, model_version=2) == []


def test_days_of_one_version_add_up(store):
    for number, version in enumerate((1, 1, 2)):
        save(store, day=DAY - timedelta(days=number), version=version)
    parts = store.window(automation="desk", since=DAY - timedelta(days=6), until=NEXT, model_version=1)
    whole = add(parts)
    assert (whole.rows, whole.expected) == (4, pytest.approx(3.0))


def test_groups_are_those_of_the_newest_estimate_of_their_day(store):
    old, new = (GroupDay(dimension="tier", name=name, promise=PROMISE, settled=2, right=1) for name in ("old", "new"))
    save(store, groups=[old])
    save(store, groups=[new], now=NOW + timedelta(hours=1))
    save(store, groups=[old])
    (found,) = store.groups(automation="desk", since=DAY, until=NEXT, model_version=1)
    assert (found.name, found.promise.rows, found.settled, found.right) == ("new", 2, 2, 1)

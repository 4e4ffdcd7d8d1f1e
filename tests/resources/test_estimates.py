"""Estimated days in a real Postgres."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from aios_core.monitoring.estimate import add, estimate, promise
from resources.estimates import EstimateStore

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = date(2026, 11, 19)
PROMISE = promise(np.array([[0.9, 0.1], [0.4, 0.6]]), classes=2)


@pytest.fixture
def store(database):
    return EstimateStore(database)


def save(store, *, day=DAY, version=1, realised=None, now=NOW):
    store.save(
        automation="desk",
        day=day,
        model_name="desk",
        model_version=version,
        promise=PROMISE,
        estimate=estimate(PROMISE, calibration_error=0.01),
        realised=realised,
        settled=0 if realised is None else 2,
        now=now,
    )


def test_a_day_comes_back_and_the_later_estimate_holds(store):
    save(store)
    save(store, realised=0.5, now=NOW + timedelta(hours=1))
    save(store)  # a slow run that read earlier comes last
    (day,) = store.days(automation="desk", since=DAY, until=DAY + timedelta(days=1))
    assert (day.realised, day.settled, day.estimate) == (0.5, 2, estimate(PROMISE, calibration_error=0.01))
    assert store.days(automation="other", since=DAY, until=DAY + timedelta(days=1)) == []


def test_days_of_one_version_add_up(store):
    for number, version in enumerate((1, 1, 2)):
        save(store, day=DAY - timedelta(days=number), version=version)
    parts = store.window(
        automation="desk", since=DAY - timedelta(days=6), until=DAY + timedelta(days=1), model_version=1
    )
    whole = add(parts)
    assert (whole.rows, whole.expected) == (4, pytest.approx(3.0))

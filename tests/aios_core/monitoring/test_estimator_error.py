"""The error of the estimate over time: chance raises no alarm, a small error that stays does."""

from datetime import date, timedelta

import numpy as np

from aios_core.monitoring.estimator_error import SettledDay, watch, within

START = date(2026, 6, 1)
TOLERANCE = 0.01


def series(seed, days, *, settled=60, wrong_by=0.0, from_day=0):
    """Days whose tickets are right as often as promised, and from a day on less often by `wrong_by`."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(days):
        sure = rng.uniform(0.7, 1.0, settled)
        chance = sure - (wrong_by if number >= from_day else 0.0)
        found.append(
            SettledDay(
                day=START + timedelta(days=number),
                model_version=1,
                settled=settled,
                expected=float(sure.sum()),
                variance=float((sure * (1 - sure)).sum()),
                right=int((rng.random(settled) < chance).sum()),
            )
        )
    return found


def test_in_two_hundred_seasons_of_honest_promises_hardly_any_raises_the_alarm():
    alarms = sum(watch(series(seed, 60), tolerance=TOLERANCE).drifted for seed in range(200))
    assert alarms <= 4


def test_an_error_of_eight_points_that_stays_is_found_within_ten_days_and_dated():
    found = [watch(series(seed, 40, wrong_by=0.08, from_day=30), tolerance=TOLERANCE) for seed in range(40)]
    assert sum(w.drifted for w in found) >= 36
    began = [(w.since - START).days for w in found if w.drifted]
    assert np.median(np.abs(np.array(began) - 30)) <= 5
    assert all(w.error > 0.03 for w in found if w.drifted)
    calm = watch(series(1, 30), tolerance=TOLERANCE)
    assert (calm.drifted, calm.days, calm.settled) == (False, 30, 1_800)


def test_an_estimate_that_is_too_low_drifts_too_and_an_error_that_is_over_is_forgotten():
    assert watch(series(3, 30, wrong_by=-0.1), tolerance=TOLERANCE).error < 0
    assert watch(series(3, 30, wrong_by=-0.1), tolerance=TOLERANCE).drifted
    over = series(4, 20, wrong_by=0.15) + [
        SettledDay(**{**{f: getattr(d, f) for f in d.__slots__}, "day": d.day + timedelta(days=20)})
        for d in series(5, 20)
    ]
    assert not watch(over, tolerance=TOLERANCE).drifted


def test_days_with_few_settled_tickets_are_watched_together():
    found = [watch(series(seed, 200, settled=4, wrong_by=0.15), tolerance=TOLERANCE).drifted for seed in range(5)]
    assert all(found)


def test_no_settled_tickets_say_nothing_and_contradict_nothing():
    nothing = watch([], tolerance=TOLERANCE)
    assert (nothing.drifted, nothing.error, nothing.days) == (False, None, 0)
    assert within([], tolerance=TOLERANCE)
    assert within(series(1, 5), tolerance=TOLERANCE)
    assert not within(series(1, 5, wrong_by=0.15), tolerance=TOLERANCE)

"""What is planned for a play, before anything runs."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_assets.simulation.story import BAD_LABELS, CHANGED_RULE, NEW_PRODUCT, begins, first_day, seeds_of, six_months
from aios_core.errors import ConfigurationError


def test_six_months_hold_the_three_incidents_with_room_for_a_remedy_after_each() -> None:
    story = six_months(months=6, seed=7, tickets=120)
    assert story.days == 183
    assert [(p.kind, p.right) for p in story.planted] == [
        (NEW_PRODUCT, "narrow"),
        (BAD_LABELS, "rollback"),
        (CHANGED_RULE, "pause"),
    ]
    ends = [*(p.day for p in story.planted[1:]), story.days]
    assert all(end - p.day >= 14 for p, end in zip(story.planted, ends, strict=True))


def test_a_play_of_days_has_no_incident_that_there_is_no_time_for() -> None:
    assert six_months(months=0.3, seed=7, tickets=120).planted == ()


def test_arrivals_follow_the_week_and_the_seed() -> None:
    story = six_months(months=6, seed=7, tickets=120)
    by_weekday = [sum(story.arrivals(day) for day in range(offset, 182, 7)) / 26 for offset in range(7)]
    friday, saturday, sunday, monday = by_weekday[:4]
    assert monday > friday > saturday > sunday
    assert sum(by_weekday) / 7 == pytest.approx(120, rel=0.03)
    again, other = (six_months(months=6, seed=seed, tickets=120) for seed in (7, 8))
    assert [story.arrivals(d) for d in range(30)] == [again.arrivals(d) for d in range(30)]
    assert [story.arrivals(d) for d in range(30)] != [other.arrivals(d) for d in range(30)]


@given(
    days=st.integers(1, 400),
    now=st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),
)
def test_a_play_begins_where_its_world_does_and_ends_in_the_week_before_now(days: int, now: datetime) -> None:
    begin = begins(days, now=now)
    end = datetime.combine(first_day(begin), datetime.min.time(), tzinfo=UTC) + timedelta(days=days)
    assert (begin.weekday(), begin.hour) == (3, 15)
    assert timedelta(0) <= now - end <= timedelta(days=9)


def test_seeds_are_a_number_of_plays_or_a_list() -> None:
    assert seeds_of("1", first=7) == [7]
    assert seeds_of("3", first=7) == [7, 8, 9]
    assert seeds_of("4, 2", first=7) == [4, 2]
    for wrong in ("0", "7,7", "-1", "7,", "many", "51"):
        with pytest.raises(ConfigurationError, match="--seeds"):
            seeds_of(wrong, first=7)

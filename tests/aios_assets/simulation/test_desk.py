"""When the people of the desk get to what waits for them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_assets.simulation.desk import Desk, Task
from aios_assets.simulation.story import People

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def at(hours: float, *, day: int = 0) -> datetime:
    return MONDAY + timedelta(days=day, hours=hours)


def task(ticket: str, since: datetime, *, minutes: float = 6.0) -> Task:
    return Task(ticket=ticket, since=since, minutes=minutes)


def test_a_free_person_takes_a_ticket_as_it_comes() -> None:
    assert Desk(People(desk=1)).work([task("a", at(10))]) == {"a": at(10.1)}


def test_what_comes_at_night_waits_for_the_morning() -> None:
    done = Desk(People(desk=1)).work([task("early", at(3)), task("late", at(20))])
    assert done == {"early": at(8.1), "late": at(8.1, day=1)}


def test_tickets_wait_in_one_queue_for_whoever_is_free_first() -> None:
    done = Desk(People(desk=2)).work([task("c", at(9)), task("a", at(9)), task("b", at(9))])
    assert done == {"a": at(9.1), "b": at(9.1), "c": at(9.2)}


def test_yesterdays_work_is_in_the_way_of_todays() -> None:
    desk = Desk(People(desk=1))
    desk.work([task("long", at(17.9), minutes=60)])
    assert desk.work([task("next", at(18.5))]) == {"next": at(8.1, day=1)}


@given(
    st.lists(st.tuples(st.floats(0, 72), st.floats(0.5, 30)), max_size=40),
    st.integers(1, 4),
)
def test_everything_is_done_after_it_came_and_nobody_does_two_things_at_once(
    work: list[tuple[float, float]], people: int
) -> None:
    tasks = [task(f"{n:02}", at(hours), minutes=minutes) for n, (hours, minutes) in enumerate(work)]
    desk = Desk(People(desk=people))
    done = desk.work(tasks)
    spans = [(done[t.ticket] - timedelta(minutes=t.minutes), done[t.ticket]) for t in tasks]
    assert done.keys() == {t.ticket for t in tasks}
    assert all(begin >= t.since for t, (begin, _) in zip(tasks, spans, strict=True))
    assert all(8 <= begin.hour + begin.minute / 60 < 18 for begin, _ in spans)
    assert all(sum(b <= begin < e for b, e in spans) <= people for begin, _ in spans)
    assert desk.minutes == pytest.approx(sum(t.minutes for t in tasks))

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.clock import SECOND
from sandbox.helpdesk.changes import Change, ChangeError, Comment, read_change
from sandbox.helpdesk.lifecycle import CLOSED, NEW, OPEN, SOLVED, rescheduled
from sandbox.helpdesk.store import FIRST_TICKET_ID, Position, TicketStore
from sandbox.world.arrivals import spread
from sandbox.world.queues import group_id
from sandbox.world.spec import WorldSpec
from sandbox.world.world import World

START = 1_800_000_000 * SECOND
HOUR = 3_600 * SECOND
WORLD = World(WorldSpec(seed=5, tickets=60, new_days=1, history=240, history_days=10))
COLUMNS = [WORLD.columns(block) for block in WORLD.past()]
TRUTH = [label for columns in COLUMNS for label in columns.truth.tolist()]
VERDICTS = [label for columns in COLUMNS for label in columns.first_label.tolist()]


def store() -> TicketStore:
    return TicketStore(WORLD, start=START)


def truth_of(place: int) -> int:
    """What only the world knows."""
    return group_id(TRUTH[place])


def right_label(place: int) -> bool:
    return TRUTH[place] == VERDICTS[place]


def first_untouched(tickets: TicketStore) -> int:
    return next(place for place in range(240, len(tickets)) if tickets.status[place] == NEW and right_label(place))


def run_until(tickets: TicketStore, place: int, status: int, *, hours: int = 400) -> int | None:
    """The hour in which a ticket gets to a status."""
    for hour in range(1, hours):
        tickets.catch_up(START + hour * HOUR)
        if tickets.status[place] == status:
            return hour
    return None


def test_history_is_nearly_all_resolved_at_the_start_and_the_new_window_is_untouched() -> None:
    tickets = store()
    history, new = list(tickets.status[:240]), list(tickets.status[240:])
    assert sum(status in (SOLVED, CLOSED) for status in history) > 0.9 * len(history)
    assert set(new) == {NEW}
    assert set(tickets.group[240:]) == {0}


def test_laying_out_the_past_at_once_gives_what_walking_through_it_gives() -> None:
    """The start state, against a store whose past is played event by event from the first moment on."""
    tickets, walked = store(), TicketStore(World(WorldSpec(seed=5, tickets=0, history=0)), start=START)
    walked.world = WORLD
    walked.add(block for block in WORLD.past() if block.kind == "history")
    walked.catch_up(START)
    for name in ("status", "group", "versions", "updated"):
        assert list(getattr(tickets, name)[:240]) == list(getattr(walked, name)), name


def test_agents_route_and_solve_as_the_clock_moves() -> None:
    tickets = store()
    tickets.catch_up(START + 200 * HOUR)
    settled = [place for place in range(240, 300) if tickets.status[place] in (SOLVED, CLOSED, OPEN)]
    assert len(settled) > 55
    agreed = [tickets.group[place] == truth_of(place) for place in settled]
    assert 0.9 < sum(agreed) / len(agreed) <= 1


def test_a_ticket_in_its_right_queue_is_resolved_sooner() -> None:
    alone, routed = store(), store()
    place = first_untouched(alone)
    routed.change(place, Change(group_id=truth_of(place)), author_id=1, at=START + SECOND)
    waited = run_until(alone, place, SOLVED)
    assert waited is not None
    assert run_until(routed, place, SOLVED) == pytest.approx(waited / 2.5, abs=1.1)
    assert alone.group[place] == routed.group[place] == truth_of(place)


def test_a_ticket_sent_to_the_wrong_queue_is_put_right_by_an_agent() -> None:
    tickets = store()
    place = first_untouched(tickets)
    wrong = group_id((truth_of(place) - group_id(0) + 1) % 10)
    tickets.change(place, Change(group_id=wrong), author_id=1, at=START + SECOND)
    assert tickets.group[place] == wrong
    run_until(tickets, place, SOLVED)
    assert tickets.group[place] == truth_of(place)


def test_a_ticket_solved_in_the_wrong_queue_is_reopened_and_put_right() -> None:
    tickets = store()
    place = first_untouched(tickets)
    wrong = group_id((truth_of(place) - group_id(0) + 1) % 10)
    tickets.change(place, Change(group_id=wrong, status="solved"), author_id=1, at=START + SECOND)
    assert run_until(tickets, place, OPEN, hours=14) == 13
    assert run_until(tickets, place, SOLVED) is not None
    assert tickets.group[place] == truth_of(place)


def test_a_ticket_solved_in_the_right_queue_stays_so_and_is_closed() -> None:
    tickets = store()
    place = first_untouched(tickets)
    tickets.change(place, Change(group_id=truth_of(place), status="solved"), author_id=1, at=START + SECOND)
    assert run_until(tickets, place, OPEN, hours=90) is None
    assert run_until(tickets, place, CLOSED) == 97


def test_moving_a_ticket_changes_the_speed_of_the_waiting_that_is_left() -> None:
    assert rescheduled(1_000, 200, was_right=False, is_right=True) == 200 + 320
    assert rescheduled(520, 200, was_right=True, is_right=False) == 200 + 800
    assert rescheduled(100, 200, was_right=False, is_right=True) == 200


def test_every_version_of_a_ticket_shows_a_later_second() -> None:
    tickets = store()
    seen = []
    for _ in range(5):
        tickets.change(270, Change(priority="high"), author_id=1, at=START + SECOND)
        seen.append(tickets.updated[270])
    assert seen == sorted(set(seen))


def test_a_deleted_ticket_is_exported_once_more_and_then_left_alone() -> None:
    tickets = store()
    _, position, _ = tickets.changed_after(Position(0), until=START, limit=10_000)
    tickets.delete(250, at=START + SECOND)
    tickets.catch_up(START + 500 * HOUR)
    later, _, _ = tickets.changed_after(position, until=START + 500 * HOUR, limit=10_000)
    assert later.count(250) == 1
    assert tickets.place_of(250 + FIRST_TICKET_ID) is None


steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 299)),
        st.tuples(st.just("hours"), st.integers(1, 30)),
        st.tuples(st.just("arrive"), st.integers(1, 20)),
        st.tuples(st.just("delete"), st.integers(0, 299)),
        st.tuples(st.just("page"), st.integers(1, 150)),
    ),
    max_size=25,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps)
def test_whoever_follows_the_export_ends_with_every_ticket_as_it_stands(steps) -> None:
    """Pages of any size between writes, agents, arrivals and deletions: nothing is lost, and nothing is old at the end."""
    tickets, now, position, arrived = store(), START, Position(0), 0
    known: dict[int, int] = {}

    def page(limit: int) -> bool:
        nonlocal position
        places, position, end = tickets.changed_after(position, until=now, limit=limit)
        assert len(places) <= limit
        known.update({place: tickets.versions[place] for place in places})
        return end

    for kind, amount in steps:
        now += SECOND // 3
        tickets.catch_up(now)
        if kind == "write" and tickets.place_of(amount + FIRST_TICKET_ID) is not None:
            tickets.change(amount, Change(additional_tags=("seen",)), author_id=1, at=now)
        elif kind == "delete" and tickets.place_of(amount + FIRST_TICKET_ID) is not None:
            tickets.delete(amount, at=now)
        elif kind == "hours":
            now += amount * HOUR
            tickets.catch_up(now)
        elif kind == "arrive":
            start = (now - START) / SECOND
            tickets.add(spread("advance", seed=5, serial=arrived, start=start, seconds=60, count=amount, first=0))
            arrived += 1
        elif kind == "page":
            page(amount)
    while not page(7):
        pass
    assert known == {place: version for place, version in enumerate(tickets.versions) if version}


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ([], "ticket"),
        ({"group_id": 9}, "group_id"),
        ({"group_id": "billing"}, "group_id"),
        ({"group_id": True}, "group_id"),
        ({"status": "done"}, "status"),
        ({"priority": 3}, "priority"),
        ({"tags": 5}, "tags"),
        ({"tags": [1]}, "tags"),
        ({"custom_fields": "x"}, "custom_fields"),
        ({"custom_fields": [{"value": 1}]}, "custom_fields"),
        ({"comment": {}}, "comment"),
        ({"subject": 1}, "subject"),
        ({"safe_update": True}, "updated_stamp"),
    ],
)
def test_a_change_that_makes_no_sense_names_its_field(raw, field) -> None:
    with pytest.raises(ChangeError) as refused:
        read_change(raw)
    assert refused.value.field == field


def test_what_the_journal_keeps_of_a_change_reads_back_as_the_same_change() -> None:
    change = Change(
        group_id=4003,
        status="open",
        priority="low",
        tags=("a", "b"),
        additional_tags=("c",),
        remove_tags=("a",),
        custom_fields={900_001: "automate", 900_002: None},
        comment=Comment(body="hello", public=False),
        assignee_id=0,
    )
    assert read_change(change.as_json()) == change

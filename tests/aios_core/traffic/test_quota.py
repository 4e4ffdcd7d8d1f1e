from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from aios_core.traffic.quota import Limit, free_at

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LIMIT = Limit(name="exports", requests=3, seconds=10)


def ends(*seconds: float) -> list[datetime]:
    return [NOW + timedelta(seconds=s) for s in seconds]


def test_below_the_limit_a_request_may_go_at_once() -> None:
    assert free_at(LIMIT, ends(4, 9), now=NOW) is None
    assert free_at(LIMIT, ends(-1, -5, 4, 9), now=NOW) is None, "what counts no more is not counted"


def test_at_the_limit_it_waits_for_the_first_to_count_no_more() -> None:
    assert free_at(LIMIT, ends(7, 4, 9), now=NOW) == NOW + timedelta(seconds=4)


def test_over_the_limit_which_a_lowered_limit_leads_to_it_waits_for_enough_of_them() -> None:
    assert free_at(LIMIT, ends(1, 2, 3, 4, 5), now=NOW) == NOW + timedelta(seconds=3)


@given(
    requests=st.integers(1, 6),
    seconds=st.integers(1, 20),
    tries=st.lists(st.tuples(st.floats(0, 8), st.floats(0, 3), st.floats(0, 1)), max_size=60),
    offset=st.floats(0, 20),
)
def test_however_long_answers_take_no_server_sees_more_than_its_limit(
    requests: int, seconds: int, tries: list[tuple[float, float, float]], offset: float
) -> None:
    """Each try is (pause before it, time until its answer, share of that after which it arrived). The server's minutes begin anywhere."""
    limit = Limit(name="any", requests=requests, seconds=seconds)
    counting: list[datetime] = []
    arrived: list[float] = []
    now = NOW
    for pause, answered, share in tries:
        now += timedelta(seconds=pause)
        free = free_at(limit, counting, now=now)
        now = free or now
        arrived.append((now - NOW).total_seconds() + answered * share)
        now += timedelta(seconds=answered)
        counting.append(now + limit.window)
    for first, later in zip(arrived, arrived[requests:], strict=False):
        assert later - first >= seconds - 1e-5, "sliding"
    fixed = [int((a + offset) // seconds) for a in arrived]
    assert all(fixed.count(window) <= requests for window in fixed), "fixed"

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from aios_core.traffic.breaker import Breaker, BreakerRules, admit, failed, succeeded

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
RULES = BreakerRules(failures=3, pause=timedelta(seconds=10), longest_pause=timedelta(seconds=40))


def opened() -> Breaker:
    breaker = Breaker()
    for _ in range(3):
        breaker = failed(breaker, now=NOW, rules=RULES, why="no answer")
    return breaker


def test_it_opens_after_so_many_failures_in_a_row_and_says_why() -> None:
    breaker = opened()
    assert (breaker.state, breaker.why) == ("open", "no answer")
    refused = admit(breaker, now=NOW + timedelta(seconds=4), rules=RULES)
    assert (refused.passes, refused.wait) == (False, timedelta(seconds=6))


def test_a_success_in_between_starts_the_count_again() -> None:
    breaker = succeeded(failed(failed(Breaker(), now=NOW, rules=RULES), now=NOW, rules=RULES))
    assert failed(breaker, now=NOW, rules=RULES).state == "closed"


def test_after_the_pause_one_call_is_the_probe_and_the_others_wait() -> None:
    later = NOW + timedelta(seconds=10)
    probe = admit(opened(), now=later, rules=RULES)
    assert (probe.passes, probe.breaker.state) == (True, "half_open")
    assert not admit(probe.breaker, now=later, rules=RULES).passes
    assert succeeded(probe.breaker) == Breaker()


def test_a_probe_that_never_says_anything_is_followed_by_another() -> None:
    probe = admit(opened(), now=NOW + timedelta(seconds=10), rules=RULES)
    assert admit(probe.breaker, now=NOW + timedelta(seconds=70), rules=RULES).passes


def test_each_failed_probe_doubles_the_pause_up_to_the_longest() -> None:
    breaker, now, pauses = opened(), NOW, []
    for _ in range(5):
        assert breaker.until is not None
        pauses.append((breaker.until - now).total_seconds())
        now = breaker.until
        breaker = failed(admit(breaker, now=now, rules=RULES).breaker, now=now, rules=RULES)
    assert pauses == [10, 20, 40, 40, 40]


def test_a_late_answer_from_before_it_opened_does_not_close_it() -> None:
    assert succeeded(opened()).state == "open"
    assert failed(opened(), now=NOW + timedelta(seconds=5), rules=RULES) == opened()


@given(st.lists(st.tuples(st.sampled_from(["call fails", "call succeeds", "time passes"]), st.integers(0, 60))))
def test_no_call_passes_while_it_is_open_and_one_at_most_while_it_is_probed(steps: list[tuple[str, int]]) -> None:
    breaker, now, probing_until = Breaker(), NOW, None
    for step, seconds in steps:
        if step == "time passes":
            now += timedelta(seconds=seconds)
            continue
        answer = admit(breaker, now=now, rules=RULES)
        if breaker.state == "open" and breaker.until is not None and now < breaker.until:
            assert not answer.passes
        if answer.breaker.state == "half_open" and answer.passes:
            assert probing_until is None or now >= probing_until
            probing_until = answer.breaker.until
        breaker = answer.breaker
        if answer.passes:
            breaker = succeeded(breaker) if step == "call succeeds" else failed(breaker, now=now, rules=RULES)
            probing_until = None
        assert (breaker.state == "closed") == (breaker.until is None)

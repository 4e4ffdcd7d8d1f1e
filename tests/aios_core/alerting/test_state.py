"""What stands: from ok to firing and back, whatever the signal does."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from aios_core.alerting.signals import Reading
from aios_core.alerting.state import Standing, breached, clear_at, step
from aios_core.automation import AlertRule

NOW = datetime(2026, 11, 20, 14, tzinfo=UTC)
RULE = AlertRule(name="old", signal="backlog_age_hours", above=8, for_minutes=10, clear_minutes=5, costs="c", do="d")
MINUTE = timedelta(minutes=1)

values = st.one_of(st.none(), st.floats(0, 16), st.sampled_from([7.2, 7.3, 8.0, 8.1]))


def played(found: list[float | None], *, rule: AlertRule = RULE) -> list[tuple[Standing | None, str | None]]:
    """A look a minute."""
    standing, seen = None, list[tuple[Standing | None, str | None]]()
    for i, value in enumerate(found):
        standing, change = step(standing, Reading(value=value), rule=rule, now=NOW + i * MINUTE)
        seen.append((standing, change))
    return seen


def test_it_fires_once_the_condition_has_held_long_enough() -> None:
    seen = played([9.0] * 13)
    assert [i for i, (_, change) in enumerate(seen) if change == "fired"] == [10]


def test_a_value_that_trembles_around_its_limit_fires_once_and_does_not_end() -> None:
    seen = played([9.0] * 11 + [7.5, 8.5] * 20)  # well again is 7.2 and less
    assert [change for _, change in seen if change] == ["fired"]


def test_it_ends_by_itself_once_well_for_long_enough_and_not_before() -> None:
    seen = played([9.0] * 11 + [5.0] * 4 + [9.0] + [5.0] * 6)
    assert [(i, change) for i, (_, change) in enumerate(seen) if change] == [(10, "fired"), (21, "resolved")]


def test_what_was_not_seen_to_hold_does_not_count_towards_firing_and_ends_nothing() -> None:
    assert not [c for _, c in played([9.0] * 9 + [None] + [9.0] * 9) if c]
    assert [c for _, c in played([9.0] * 11 + [None] * 30) if c] == ["fired"]


def test_a_subject_that_is_gone_is_well() -> None:
    standing, _ = step(None, Reading(value=9), rule=RULE.model_copy(update={"for_minutes": 0}), now=NOW)
    standing, _ = step(standing, None, rule=RULE, now=NOW)
    assert step(standing, None, rule=RULE, now=NOW + 5 * MINUTE) == (None, "resolved")


def test_a_limit_below_is_the_mirror_of_one_above() -> None:
    rule = AlertRule(name="fell", signal="share_automated", below=0.5, costs="c", do="d")
    assert breached(rule, 0.4, firing=False)
    assert not breached(rule, 0.5, firing=False)
    assert breached(rule, 0.54, firing=True)
    assert clear_at(rule) == 0.55


@given(st.lists(values, max_size=60))
def test_it_never_fires_while_it_fires_and_never_ends_what_did_not_fire(found: list[float | None]) -> None:
    changes = [change for _, change in played(found) if change]
    assert changes == ["fired", "resolved"] * (len(changes) // 2) + ["fired"] * (len(changes) % 2)


@given(st.lists(values, max_size=30))
def test_looking_twice_at_one_moment_is_looking_once(found: list[float | None]) -> None:
    standing = None
    for i, value in enumerate(found):
        now, reading = NOW + i * MINUTE, Reading(value=value)
        standing, _ = step(standing, reading, rule=RULE, now=now)
        assert step(standing, reading, rule=RULE, now=now) == (standing, None)


@given(st.lists(values, max_size=40))
def test_whatever_happened_some_well_minutes_leave_nothing_standing(found: list[float | None]) -> None:
    assert played([*found, *[0.0] * 6])[-1][0] is None

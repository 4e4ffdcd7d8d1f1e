"""Modes: the newest row of a queue holds, and nothing is ever overwritten."""

from datetime import UTC, datetime, timedelta

from resources.database import Database
from resources.modes import ModeStore

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def test_an_automation_that_was_never_narrowed_has_no_modes(database: Database) -> None:
    assert ModeStore(database).current("care") == {}


def test_the_newest_mode_of_each_queue_holds(database: Database) -> None:
    store = ModeStore(database)
    store.set(automation="care", queue="billing", mode="review_only", reason="errors", actor="judge", now=NOW)
    store.set(automation="care", mode="review_only", reason="drift", actor="judge", now=NOW)
    store.set(automation="care", mode="normal", reason="new version", actor="ada", now=NOW - timedelta(hours=1))
    store.set(automation="other", queue="billing", mode="review_only", reason="x", actor="judge", now=NOW)
    assert store.current("care") == {"billing": "review_only", "*": "normal"}


def test_setting_what_holds_already_leaves_no_second_row(database: Database) -> None:
    store = ModeStore(database)
    assert not store.set(automation="care", mode="normal", reason="r", actor="a", now=NOW)
    assert store.set(automation="care", mode="review_only", reason="r", actor="a", now=NOW)
    assert not store.set(automation="care", mode="review_only", reason="again", actor="a", now=NOW)
    assert [(c.queue, c.mode, c.reason) for c in store.history("care")] == [("*", "review_only", "r")]

from datetime import UTC, datetime, timedelta

import pytest

from aios_core.traffic.breaker import BreakerRules
from resources.breakers import BreakerOpen, Breakers
from resources.database import Database

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
RULES = BreakerRules(failures=2, pause=timedelta(seconds=10))
KEY = "desk https://desk.example.com"


class Broken(Exception):
    pass


@pytest.fixture
def breakers(database: Database) -> Breakers:
    return Breakers(database, rules=RULES)


def ask(breakers: Breakers, error: Exception | None = None, *, now: datetime = NOW) -> None:
    with breakers.guard(KEY, clock=lambda: now, failures=(Broken,)):
        if error is not None:
            raise error


def test_what_one_process_found_broken_is_left_alone_by_all(breakers: Breakers, database: Database) -> None:
    for _ in range(2):
        with pytest.raises(Broken):
            ask(breakers, Broken("no answer for 30 s"))
    with pytest.raises(BreakerOpen, match="left alone for 10 s: no answer for 30 s") as refused:
        ask(Breakers(database, rules=RULES))
    assert refused.value.retry_after == 10
    (kept,) = breakers.all()
    assert (kept.key, kept.breaker.state) == (KEY, "open")


def test_an_error_of_ours_is_no_failure_of_theirs(breakers: Breakers) -> None:
    for _ in range(5):
        with pytest.raises(ValueError, match="ours"):
            ask(breakers, ValueError("ours"))
    assert breakers.all() == []


def test_only_one_of_two_processes_probes_and_its_answer_lets_all_in(breakers: Breakers, database: Database) -> None:
    for _ in range(2):
        breakers.failed(KEY, now=NOW)
    later = NOW + timedelta(seconds=10)
    breakers.admit(KEY, now=later)
    with pytest.raises(BreakerOpen):
        Breakers(database, rules=RULES).admit(KEY, now=later)
    breakers.succeeded(KEY, now=later)
    Breakers(database, rules=RULES).admit(KEY, now=later)


def test_other_keys_are_not_concerned(breakers: Breakers) -> None:
    for _ in range(2):
        breakers.failed(KEY, now=NOW)
    breakers.admit("crm https://crm.example.com", now=NOW)

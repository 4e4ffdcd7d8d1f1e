import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.database import Database
from resources.users import LONGEST_WAIT, UserError, UserStore, waiting_time

NOW = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
PASSWORD = "correct horse battery"


def test_the_first_start_makes_an_admin_with_a_password_that_works(database):
    users = UserStore(database)
    password = users.ensure_admin()
    assert users.verify("admin", password).role == "admin"
    assert users.ensure_admin() is None
    assert users.verify("admin", password) is not None


def test_a_given_admin_password_is_used_and_not_shown_again(database):
    users = UserStore(database)
    assert users.ensure_admin(PASSWORD) is None
    assert users.verify("admin", PASSWORD) is not None


def test_of_two_starts_at_once_one_shows_a_password_and_it_works(database_url, database):
    shown: list[str | None] = []

    def start() -> None:
        with Database(database_url, max_size=1) as own:
            shown.append(UserStore(own).ensure_admin())

    threads = [threading.Thread(target=start) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    (password,) = [p for p in shown if p]
    assert UserStore(database).verify("admin", password) is not None


def test_the_password_itself_is_nowhere_in_the_database(database):
    UserStore(database).add("ana", PASSWORD)
    with database.connection() as conn:
        (stored,) = conn.execute("select password_hash from users").fetchone()
    assert stored.startswith("$argon2id$")
    assert PASSWORD not in stored


def test_a_wrong_password_and_an_unknown_name_are_refused_alike(database):
    users = UserStore(database)
    users.add("ana", PASSWORD)
    assert users.verify("ana", PASSWORD + "x") is None
    assert users.verify("eve", PASSWORD) is None


def test_a_new_password_changes_the_stamp_that_sessions_carry(database):
    users = UserStore(database)
    before = users.add("ana", PASSWORD)
    users.set_password("ana", "another long password")
    assert users.get("ana").stamp != before.stamp
    assert users.verify("ana", PASSWORD) is None


@pytest.mark.parametrize(
    ("name", "password", "role", "why"),
    [
        ("ana", "short", "reviewer", "at least 10"),
        ("a na", PASSWORD, "reviewer", "can't be a user name"),
        ("", PASSWORD, "reviewer", "can't be a user name"),
        ("ana", PASSWORD, "boss", "reviewer, lead, admin"),
    ],
)
def test_an_account_that_can_not_be_made_says_why(database, name, password, role, why):
    with pytest.raises(UserError, match=why):
        UserStore(database).add(name, password, role=role)


def test_a_name_is_given_once(database):
    users = UserStore(database)
    users.add("ana", PASSWORD)
    with pytest.raises(UserError, match="exists already"):
        users.add("ana", PASSWORD)
    with pytest.raises(UserError, match="no user ben"):
        users.set_password("ben", PASSWORD)


def test_after_five_failures_even_the_right_password_has_to_wait(database):
    users = UserStore(database)
    users.add("ana", PASSWORD)
    for _ in range(4):
        assert users.sign_in("ana", "wrong", client="1.2.3.4", now=NOW).wait == timedelta(0)
    assert users.sign_in("ana", "wrong", client="1.2.3.4", now=NOW).wait == timedelta(seconds=2)
    refused = users.sign_in("ana", PASSWORD, client="1.2.3.4", now=NOW + timedelta(seconds=1))
    assert (refused.user, refused.wait) == (None, timedelta(seconds=1))
    assert users.sign_in("ana", PASSWORD, client="1.2.3.4", now=NOW + timedelta(seconds=2)).user is not None


def test_somebody_elses_failures_do_not_lock_the_owner_out(database):
    users = UserStore(database)
    users.add("ana", PASSWORD)
    for _ in range(6):
        users.sign_in("ana", "wrong", client="6.6.6.6", now=NOW)
    assert users.sign_in("ana", PASSWORD, client="1.2.3.4", now=NOW).user is not None


def test_failures_are_forgotten_after_a_quarter_of_an_hour_and_after_a_success(database):
    users = UserStore(database)
    users.add("ana", PASSWORD)
    for _ in range(5):
        users.sign_in("ana", "wrong", client="c", now=NOW)
    later = NOW + timedelta(minutes=16)
    assert users.sign_in("ana", "wrong", client="c", now=later).wait == timedelta(0)
    assert users.sign_in("ana", PASSWORD, client="c", now=later).user is not None
    with database.connection() as conn:
        assert conn.execute("select count(*) from sign_in_failures").fetchone() == (0,)


@given(st.integers(0, 5_000), st.integers(0, 10_000))
def test_the_wait_never_passes_its_limit(failures, seconds):
    times = [NOW] * failures
    wait = waiting_time(times, now=NOW + timedelta(seconds=seconds), free=5)
    assert timedelta(0) <= wait <= LONGEST_WAIT
    assert failures >= 5 or wait == timedelta(0)

"""The console's local accounts: argon2 hashes, roles, and the brake on guessing.

What belongs here: the users table and failed sign-ins. What does not: sessions and cookies (`gateway/security.py`).
"""

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from psycopg import Connection

from aios_core.errors import PermanentError
from resources.database import Database

Role = Literal["reviewer", "lead", "admin"]
ROLES: tuple[Role, ...] = ("reviewer", "lead", "admin")
ADMIN = "admin"
MIN_PASSWORD = 10
FREE_TRIES = 5  # a person mistypes; a machine tries on
WINDOW = timedelta(minutes=15)
LONGEST_WAIT = timedelta(minutes=5)
ACCOUNT_TRIES = 40  # from all addresses together: slows guessing from many, without locking the owner out for long


class UserError(PermanentError):
    """An account can't be made or changed as asked."""

    code = "user.invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One account. `stamp` changes with the password: sessions that carry an older one end."""

    username: str
    role: Role
    stamp: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """`user` is None when refused; `wait` is how long no further try is looked at."""

    user: User | None
    wait: timedelta = timedelta(0)


class UserStore:
    """Local accounts in Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ensure_admin(self, password: str | None = None) -> str | None:
        """Make the account `admin` where there is none; returns the password it generated, None if it generated none.

        Raises UserError where the password given is too short.
        """
        if password:
            _check(ADMIN, password, "admin")
        generated = None if password else secrets.token_urlsafe(12)
        with self._database.connection() as conn:
            if conn.execute("select 1 from users where username = %s", (ADMIN,)).fetchone():
                return None
            made = _insert(conn, ADMIN, password or generated or "", "admin")
        return generated if made else None

    def add(self, username: str, password: str, *, role: Role = "reviewer") -> User:
        """Make an account. Raises UserError."""
        _check(username, password, role)
        with self._database.connection() as conn:
            if not _insert(conn, username, password, role):
                raise UserError(f"user {username} exists already; set a new password instead")
        found = self.get(username)
        assert found is not None
        return found

    def set_password(self, username: str, password: str) -> None:
        """Change a password; sessions opened with the old one end. Raises UserError."""
        _check(username, password, "reviewer")
        with self._database.connection() as conn:
            changed = conn.execute(
                "update users set password_hash = %s where username = %s", (_hasher().hash(password), username)
            )
            if not changed.rowcount:
                raise UserError(f"there is no user {username}; add it first")
            conn.execute("delete from sign_in_failures where username = %s", (username,))

    def get(self, username: str) -> User | None:
        """One account, or None."""
        row = self._row(username)
        return None if row is None else _user(*row)

    def users(self) -> list[User]:
        """All accounts by name."""
        with self._database.connection() as conn:
            rows = conn.execute("select username, role, password_hash from users order by username").fetchall()
        return [_user(*r) for r in rows]

    def verify(self, username: str, password: str) -> User | None:
        """The user when the password is right. Takes as long for an account that doesn't exist."""
        row = self._row(username)
        try:
            _hasher().verify(row[2] if row else _decoy(), password)
        except (VerifyMismatchError, InvalidHashError):
            return None
        if row is None:
            return None
        if _hasher().check_needs_rehash(row[2]):
            with self._database.connection() as conn:
                conn.execute(
                    "update users set password_hash = %s where username = %s and password_hash = %s",
                    (_hasher().hash(password), username, row[2]),
                )
            return self.get(username)
        return _user(*row)

    def sign_in(self, username: str, password: str, *, client: str, now: datetime) -> SignIn:
        """Verify behind a brake: after some failures, tries are refused unseen for a time that doubles."""
        username = username[:200]  # an attacker's megabyte is not worth a row
        with self._database.connection() as conn:
            failed = conn.execute(
                "select client, at from sign_in_failures where username = %s and at > %s order by at",
                (username, now - WINDOW),
            ).fetchall()
        here = [at for at_client, at in failed if at_client == client]
        wait = max(
            waiting_time(here, now=now, free=FREE_TRIES),
            waiting_time([at for _, at in failed], now=now, free=ACCOUNT_TRIES),
        )
        if wait > timedelta(0):
            return SignIn(user=None, wait=wait)
        user = self.verify(username, password)
        with self._database.connection() as conn:
            if user is None:
                conn.execute("insert into sign_in_failures values (%s, %s, %s)", (username, client, now))
                here = [*here, now]
            else:
                conn.execute("delete from sign_in_failures where username = %s and client = %s", (username, client))
            conn.execute("delete from sign_in_failures where at < %s", (now - WINDOW,))
        return SignIn(user=user, wait=timedelta(0) if user else waiting_time(here, now=now, free=FREE_TRIES))

    def _row(self, username: str) -> tuple[str, Role, str] | None:
        with self._database.connection() as conn:
            return conn.execute(
                "select username, role, password_hash from users where username = %s", (username,)
            ).fetchone()


def waiting_time(failures: Sequence[datetime], *, now: datetime, free: int) -> timedelta:
    """How long from `now` no try is looked at: none for the first `free` failures, then 2, 4, 8 … seconds after each."""
    beyond = len(failures) - free
    if beyond < 0:
        return timedelta(0)
    pause = min(timedelta(seconds=2 ** min(beyond + 1, 20)), LONGEST_WAIT)
    return max(max(failures) + pause - now, timedelta(0))


def _check(username: str, password: str, role: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}", username):
        raise UserError(f"{username!r} can't be a user name: letters, digits and . _ @ + - only, at most 100")
    if len(password) < MIN_PASSWORD:
        raise UserError(f"the password of {username} is too short; use at least {MIN_PASSWORD} characters")
    if role not in ROLES:
        raise UserError(f"{role!r} is not a role; there are: {', '.join(ROLES)}")


def _insert(conn: Connection[Any], username: str, password: str, role: str) -> bool:
    made = conn.execute(
        "insert into users (username, password_hash, role) values (%s, %s, %s) on conflict do nothing",
        (username, _hasher().hash(password), role),
    )
    return made.rowcount == 1


def _user(username: str, role: Role, password_hash: str) -> User:
    return User(username=username, role=role, stamp=hashlib.sha256(password_hash.encode()).hexdigest()[:16])


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _decoy() -> str:
    return _hasher().hash(secrets.token_urlsafe(16))

"""Quotas that all processes with the same credential share, as rows.

What belongs here: taking and giving back a place under a limit. What does not: the arithmetic (`aios_core/traffic/quota.py`), and waiting.

Times are Postgres's own: processes on several machines have several clocks, and a vendor's window is real time, also where a
platform plays months in minutes. A process that dies while it asks leaves a place taken until its answer can't come any more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

from aios_core.traffic.quota import Limit, free_at
from resources.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One request under its limits. `wait` > 0: none was taken, ask again after so many seconds."""

    slots: tuple[int, ...] = ()
    wait: float = 0.0


class Quotas:
    """Places under limits, by key: `key` names the vendor and credential, each limit counts apart."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, key: str, limits: Sequence[Limit], *, answer_within: timedelta) -> Place:
        """A place under all of the limits, or how long to wait for one; never under some of them only."""
        keys = {_key(key, limit): limit for limit in limits}
        with self._database.connection() as connection:
            # in order, so that two requests with several limits never wait for each other
            connection.execute(
                "select pg_advisory_xact_lock(hashtextextended('quota:' || name, 0)) from unnest(%s::text[]) name",
                (sorted(keys),),
            )
            now, paused, counting = _standing(connection, key, list(keys))
            full = {
                n: limit for (n, limit), count in zip(keys.items(), counting, strict=True) if count >= limit.requests
            }
            frees = [free_at(limit, _ends(connection, name), now=now) for name, limit in full.items()]
            wait = max(paused, *((free - now).total_seconds() for free in frees if free is not None), 0.0)
            if wait > 0:
                return Place(wait=wait)
            return Place(
                slots=_insert(connection, {n: now + answer_within + limit.window for n, limit in keys.items()})
            )

    def answered(self, place: Place, limits: Sequence[Limit]) -> None:
        """The answer is there, or the connection is gone: from now on the request counts for one window."""
        with self._database.connection() as connection:
            connection.execute(
                "update quota_slots set counts_until = clock_timestamp() + a.window_after"
                " from unnest(%s::bigint[], %s::interval[]) a (slot_id, window_after)"
                " where quota_slots.slot_id = a.slot_id",
                (list(place.slots), [limit.window for limit in limits]),
            )

    def unused(self, place: Place) -> None:
        """The request was never sent."""
        with self._database.connection() as connection:
            connection.execute("delete from quota_slots where slot_id = any(%s)", (list(place.slots),))

    def pause(self, key: str, seconds: float) -> None:
        """The vendor said how long to wait: nobody with this key asks before. A shorter pause never shortens a longer one."""
        with self._database.connection() as connection:
            connection.execute(
                "insert into quota_pauses as p (key, until) values (%s, clock_timestamp() + %s)"
                " on conflict (key) do update set until = greatest(p.until, excluded.until)",
                (key, timedelta(seconds=seconds)),
            )

    def learn(self, key: str, limits: Sequence[Limit]) -> None:
        """What the vendor says of its own limits, where it says it."""
        with self._database.connection() as connection:
            for limit in limits:
                connection.execute(
                    "insert into quota_limits (key, name, requests, seconds) values (%s, %s, %s, %s)"
                    " on conflict (key, name) do update set requests = excluded.requests, seconds = excluded.seconds",
                    (key, limit.name, limit.requests, limit.seconds),
                )

    def know(self, key: str, limits: Sequence[Limit]) -> None:
        """Limits that are sure without being told: kept for who wants to see what is left of them."""
        with self._database.connection() as connection:
            for limit in limits:
                connection.execute(
                    "insert into quota_known as k (key, name, requests, seconds) values (%s, %s, %s, %s) on conflict (key, name)"
                    " do update set requests = excluded.requests, seconds = excluded.seconds"
                    " where (k.requests, k.seconds) is distinct from (excluded.requests, excluded.seconds)",
                    (key, limit.name, limit.requests, limit.seconds),
                )

    def learnt(self, key: str) -> dict[str, Limit]:
        """Limits by name, as the vendor said last."""
        with self._database.connection() as connection:
            found = connection.execute("select name, requests, seconds from quota_limits where key = %s", (key,))
            return {name: Limit(name=name, requests=requests, seconds=seconds) for name, requests, seconds in found}

    def used(self, key: str, limits: Sequence[Limit]) -> dict[str, int]:
        """How many requests count towards each limit now."""
        with self._database.connection() as connection:
            _, _, counting = _standing(connection, key, [_key(key, limit) for limit in limits])
        return {limit.name: count for limit, count in zip(limits, counting, strict=True)}


def _key(key: str, limit: Limit) -> str:
    return f"{key}\x1f{limit.name}"


def _standing(connection: Connection[Any], key: str, names: Sequence[str]) -> tuple[datetime, float, list[int]]:
    """(the moment, seconds of a vendor's pause that are left, how many count towards each name); what counts no more is forgotten."""
    row = connection.execute(
        "with gone as (delete from quota_slots where key = any(%(names)s) and counts_until <= statement_timestamp())"
        " select statement_timestamp(),"
        " (select extract(epoch from until - statement_timestamp())::float8 from quota_pauses where key = %(key)s),"
        " array(select (select count(*) from quota_slots s where s.key = name and s.counts_until > statement_timestamp())"
        " from unnest(%(names)s::text[]) with ordinality n (name, place) order by place)",
        {"key": key, "names": list(names)},
    ).fetchone()
    assert row is not None  # it always gives one row
    return row[0], max(0.0, row[1] or 0.0), row[2]


def _ends(connection: Connection[Any], name: str) -> list[datetime]:
    """Until when each request counts that does."""
    return [row[0] for row in connection.execute("select counts_until from quota_slots where key = %s", (name,))]


def _insert(connection: Connection[Any], until: Mapping[str, datetime]) -> tuple[int, ...]:
    """A slot for each name."""
    if not until:
        return ()
    found = connection.execute(
        "insert into quota_slots (key, counts_until) select * from unnest(%s::text[], %s::timestamptz[])"
        " returning key, slot_id",
        (list(until), list(until.values())),
    )
    slots = dict(found.fetchall())
    return tuple(slots[name] for name in until)

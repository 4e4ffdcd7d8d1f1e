"""How sources were read, and how what they ask is doing: quotas and circuit breakers.

What belongs here: the table `source_reads`, and one view of it for the console, metrics and the command line. What does not: reading (`landing.py`),
taking places under a quota (`quotas.py`) and the breakers themselves (`breakers.py`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from resources.database import Database, rows


@dataclass(slots=True)
class Read:
    """One read of a source under way; the reader fills in what it brought."""

    landed: int = 0
    rejected: int = 0
    changes: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """One of a vendor's limits: how many requests count towards it now."""

    name: str
    used: int
    requests: int
    seconds: float

    @property
    def left(self) -> int:
        return max(0, self.requests - self.used)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """One source, as people want to know it. `breaker` is closed, open or half_open."""

    automation: str
    source: str
    connector: str
    contract: str
    read_at: datetime | None
    seconds: float | None
    landed: int | None
    rejected: int | None
    changes: tuple[str, ...]
    failed_at: datetime | None
    error: str | None
    newest_at: datetime | None
    quarantined: int
    webhooks_waiting: int
    webhook_at: datetime | None
    webhooks_today: int = 0  # of the last 24 hours
    breaker: str = "closed"
    breaker_since: datetime | None = None
    breaker_until: datetime | None = None
    breaker_why: str = ""
    paused_until: datetime | None = None
    limits: tuple[Used, ...] = field(default=())

    @property
    def failing(self) -> bool:
        """Its last read ended in an error."""
        return self.failed_at is not None and (self.read_at is None or self.failed_at > self.read_at)

    @property
    def notable(self) -> bool:
        """Somebody should look at it."""
        return self.failing or self.breaker != "closed" or bool(self.changes)


class SourceReads:
    """Reads of all automations' sources."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def reading(
        self, *, automation: str, source: str, connector: str, contract: str, clock: Any, traffic: Sequence[Any] = ()
    ) -> Iterator[Read]:
        """Around one read: how it ended is noted. `traffic` may be filled inside, by who opens the connector."""
        began, read = clock(), Read()
        key = {"automation": automation, "source": source, "connector": connector, "contract": contract}
        try:
            yield read
        except Exception as error:
            self._note(_FAILED, key, traffic, {"at": clock(), "error": f"{error}"[:1000]})
            raise
        told = {"landed": read.landed, "rejected": read.rejected, "changes": Jsonb(list(read.changes))}
        self._note(_READ, key, traffic, told | {"at": clock(), "seconds": (clock() - began).total_seconds()})

    def states(self) -> list[SourceState]:
        """Every source that was ever read, or tried."""
        with self._database.connection() as conn:
            found = rows(conn, _STATES)
            limits = rows(conn, _LIMITS)
        by_key: dict[str, list[Used]] = {}
        for row in limits:
            by_key.setdefault(row.pop("key"), []).append(Used(**row))
        return [
            SourceState(**{**row, "changes": tuple(row["changes"])}, limits=tuple(by_key.get(traffic or "", ())))
            for row in found
            for traffic in [row.pop("traffic")]
        ]

    def _note(self, query: str, key: dict[str, Any], traffic: Sequence[Any], told: dict[str, Any]) -> None:
        shared = traffic[0] if traffic else None
        names = {"traffic": getattr(shared, "key", None), "breaker": getattr(shared, "name", None)}
        with self._database.connection() as conn:
            conn.execute(query, key | names | told)


def asking(conn: Connection[Any]) -> dict[str, list[DictRow]]:
    """Reads, breakers and quotas as gauges: rows of labels and a `value`, by metric."""
    return {
        "aios_source_read_seconds": rows(
            conn,
            "select automation, source, extract(epoch from read_at)::float8 as value from source_reads where read_at is not null",
        ),
        "aios_source_failing": rows(
            conn,
            "select automation, source, (failed_at is not null and (read_at is null or failed_at > read_at))::int as value from source_reads",
        ),
        "aios_breaker_open": rows(
            conn,
            "select key as system, case state when 'open' then 1 when 'half_open' then 0.5 else 0 end::float8 as value from breakers",
        ),
        "aios_quota_left": rows(
            conn,
            f"select r.automation, r.source, l.name as quota, greatest(0, l.requests - l.used) as value"
            f" from ({_LIMITS}) l join source_reads r on r.traffic = l.key",
        ),
    }


_READ = """
insert into source_reads (automation, source, connector, contract, traffic, breaker, read_at, seconds, landed, rejected, changes)
values (%(automation)s, %(source)s, %(connector)s, %(contract)s, %(traffic)s, %(breaker)s, %(at)s, %(seconds)s, %(landed)s,
    %(rejected)s, %(changes)s)
on conflict (automation, source) do update set connector = excluded.connector, contract = excluded.contract,
    traffic = coalesce(excluded.traffic, source_reads.traffic), breaker = coalesce(excluded.breaker, source_reads.breaker),
    read_at = excluded.read_at, seconds = excluded.seconds, landed = excluded.landed, rejected = excluded.rejected,
    changes = excluded.changes
"""

_FAILED = """
insert into source_reads (automation, source, connector, contract, traffic, breaker, failed_at, error)
values (%(automation)s, %(source)s, %(connector)s, %(contract)s, %(traffic)s, %(breaker)s, %(at)s, %(error)s)
on conflict (automation, source) do update set connector = excluded.connector, contract = excluded.contract,
    traffic = coalesce(excluded.traffic, source_reads.traffic), breaker = coalesce(excluded.breaker, source_reads.breaker),
    failed_at = excluded.failed_at, error = excluded.error
"""

_STATES = """
select r.automation, r.source, r.connector, r.contract, r.read_at, r.seconds, r.landed, r.rejected, r.changes, r.failed_at, r.error,
  n.newest_at, q.quarantined, w.webhooks_waiting, w.webhook_at, w.webhooks_today,
  coalesce(b.state, 'closed') as breaker, b.changed_at as breaker_since, b.until as breaker_until, coalesce(b.why, '') as breaker_why, p.until as paused_until, r.traffic
from source_reads r
cross join lateral (
  select max(l.landed_at) as newest_at from cursors c cross join lateral (
    select landed_at from landing_records l where l.automation = c.automation and l.source = c.source and l.object = c.object
    order by landing_id desc limit 1) l
  where c.automation = r.automation and c.source = r.source) n
cross join lateral (
  select count(*) as quarantined from quarantine q
  where q.automation = r.automation and q.source = r.source and q.replayed_at is null) q
cross join lateral (
  select count(*) filter (where read_at is null) as webhooks_waiting, max(received_at) as webhook_at,
    count(*) filter (where received_at > now() - interval '1 day') as webhooks_today from webhook_deliveries d
  where d.automation = r.automation and d.source = r.source and d.received_at > now() - interval '30 days') w
left join breakers b on b.key = r.breaker
left join quota_pauses p on p.key = r.traffic and p.until > clock_timestamp()
order by r.automation, r.source
"""

# what a vendor has said of a limit is newer than what is known of it
_LIMITS = """
select l.key, l.name, l.requests, l.seconds,
  (select count(*) from quota_slots s where s.key = l.key || chr(31) || l.name and s.counts_until > clock_timestamp())::int as used
from (
  select key, name, requests, seconds from quota_limits
  union all
  select key, name, requests, seconds from quota_known k
  where not exists (select from quota_limits l where l.key = k.key and l.name = k.name)
) l where l.key in (select traffic from source_reads) order by l.key, l.name
"""

"""Requesters and the customers they are: kept up with what landed, a step at a time and only where something changed.

What belongs here: reading newest states, keeping links. What does not: who is joined to whom (`aios_core/identity/`).

Who asks whose ticket it is reads the view `linked_contacts`, never `contacts` or the links themselves.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import orjson
from psycopg import Connection, sql
from psycopg.rows import dict_row

from aios_core.automation import Automation
from aios_core.identity.addresses import Addresses, addresses_of
from aios_core.identity.resolve import WAYS, Candidate, Link, Requester, Way, resolve
from resources.database import Database, rows

Side = Literal["contact", "customer"]
STEP = 5000
REVISION = 1  # of how addresses are read and spelt: another one reads all again


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What one look found. `requesters` counts all there are by how they are joined; `moved` had another customer, or none, before."""

    read: int
    resolved: int
    moved: int
    requesters: dict[Way, int]

    @property
    def total(self) -> int:
        return sum(self.requesters.values())

    @property
    def ambiguous(self) -> int:
        return self.requesters["ambiguous_email"] + self.requesters["ambiguous_phone"]


class RequesterStore:
    """Rows of `identity_people` and `requester_links`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def catch_up(self, automation: Automation, *, now: datetime) -> Resolved:
        """Read what is new of users and customers, and join again whom it may concern. In one transaction: all of it or nothing."""
        rules = rules_of(automation)
        with self._database.connection() as connection:
            connection.execute(
                "select pg_advisory_xact_lock(hashtext('aios.requesters'), hashtext(%s))", (automation.name,)
            )
            connection.execute(_TOUCHED)
            read = sum(_read(connection, automation, side, rules) for side in _NEWEST)
            if read > STEP:  # what was just written has no statistics yet, and plans without them are quadratic
                connection.execute("analyze identity_people; analyze touched")
            for side in _NEWEST:
                connection.execute(_VANISHED[side], {"automation": automation.name, "side": side})
            resolved = moved = 0
            for requesters in _concerned(connection, automation.name):
                links = _links(connection, automation, requesters)
                resolved, moved = resolved + len(links), moved + _keep(connection, automation.name, links, now)
            connection.execute(_GONE, (automation.name,))
            return Resolved(read=read, resolved=resolved, moved=moved, requesters=_counts(connection, automation.name))

    def counts(self, automation: str) -> dict[Way, int]:
        """All requesters by how they are joined."""
        with self._database.connection() as connection:
            return _counts(connection, automation)


def rules_of(automation: Automation) -> str:
    """What a link depends on beside the two records: other rules, or other sources, join all again."""
    said = {
        "revision": REVISION,
        "identity": automation.identity.model_dump(mode="json", exclude={"max_ambiguous"}),
        "order": automation.sources_of("customers"),
        "mapped": {
            name: source.model_dump(mode="json", include={"mapping"}) for name, source in automation.sources.items()
        },
    }
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def _read(connection: Connection[Any], automation: Automation, side: Side, rules: str) -> int:
    """Newest states that were not read yet, or by other rules, into `identity_people`; whom they were and are is noted as touched."""
    about, read = {"automation": automation.name, "side": side, "rules": rules}, 0
    # a cursor on the server: finding what is new looks at everybody, and does so once
    with connection.cursor(name=f"newest_{side}", row_factory=dict_row) as newest:
        newest.execute(_NEWEST[side], about)
        while found := newest.fetchmany(STEP):
            ids = {"sources": [r["source"] for r in found], "ids": [r["id"] for r in found]}
            people = [about | row | _columns(_state(automation, row)) for row in found]
            connection.execute(_TOUCH, about | ids)
            with connection.cursor() as cursor:
                cursor.executemany(_PERSON, people)
            connection.execute(_TOUCH, about | ids)
            read += len(found)
    return read


def _state(automation: Automation, row: dict[str, Any]) -> Addresses:
    """Of a source that is no longer declared, and of a record that was erased, nothing is known but that it is there."""
    source, payload = automation.sources.get(row["source"]), row["payload"]
    if source is None:
        return Addresses(gone=True)
    return addresses_of(source, payload, automation.identity) if isinstance(payload, dict) else Addresses()


def _columns(state: Addresses) -> dict[str, Any]:
    return {"emails": list(state.emails), "phones": list(state.phones), "gone": state.gone}


def _concerned(connection: Connection[Any], automation: str) -> Iterator[Sequence[Requester]]:
    """The requesters who may have another customer now, in portions."""
    connection.execute(_CONCERNED, {"automation": automation})
    after = ("", "")
    while found := rows(
        connection, _PORTION, {"automation": automation, "source": after[0], "id": after[1], "limit": STEP}
    ):
        yield [Requester(source=r["source"], contact_id=r["id"], key=r["key"], addresses=_addresses(r)) for r in found]
        after = found[-1]["source"], found[-1]["id"]


def _links(connection: Connection[Any], automation: Automation, requesters: Sequence[Requester]) -> list[Link]:
    about = {
        "automation": automation.name,
        "keys": sorted({r.key for r in requesters if r.key is not None}),
        "emails": sorted({a for r in requesters for a in r.addresses.emails}),
        "phones": sorted({a for r in requesters for a in r.addresses.phones}),
    }
    candidates = (
        Candidate(source=r["source"], customer_id=r["id"], addresses=_addresses(r))
        for r in rows(connection, _CANDIDATES, about)
    )
    return list(resolve(requesters, candidates, order=automation.sources_of("customers"), rules=automation.identity))


def _addresses(row: dict[str, Any]) -> Addresses:
    return Addresses(emails=tuple(row["emails"]), phones=tuple(row["phones"]), gone=row["gone"])


def _keep(connection: Connection[Any], automation: str, links: Sequence[Link], now: datetime) -> int:
    """How many have another customer than before."""
    connection.execute(_STAGE)
    copy = "copy links_stage (source, contact_id, key, joined_by, customer_source, customer_id) from stdin"
    with connection.cursor() as cursor, cursor.copy(sql.SQL(copy)) as target:
        for link in links:
            target.write_row(
                (link.source, link.contact_id, link.key, link.joined_by, link.customer_source, link.customer_id)
            )
    about = {"automation": automation, "now": now}
    (moved,) = connection.execute(_MOVED, about).fetchone() or (0,)
    connection.execute(_LINK, about)
    return int(moved)


def _counts(connection: Connection[Any], automation: str) -> dict[Way, int]:
    query = "select joined_by, count(*) as n from requester_links where automation = %s group by joined_by"
    with connection.cursor(row_factory=dict_row) as cursor:
        found = {row["joined_by"]: int(row["n"]) for row in cursor.execute(query, (automation,))}
    return {way: found.get(way, 0) for way in WAYS}


def _newest(table: str, id: str, key: str) -> str:
    return f"""
with newest as (
  select distinct on (source, {id}) source, {id} as id, {key} as key, landing_id from {table}
  where automation = %(automation)s order by source, {id}, event_time desc, known_at desc, landing_id desc
)
select n.*, l.payload from newest n
left join identity_people p on p.automation = %(automation)s and p.side = %(side)s and p.source = n.source and p.id = n.id
left join landing_records l on l.landing_id = n.landing_id
where p.landing_id is distinct from n.landing_id or p.rules is distinct from %(rules)s
"""


def _vanished(table: str, id: str) -> str:
    return f"""
with lost as (
  delete from identity_people p where p.automation = %(automation)s and p.side = %(side)s
    and not exists (select from {table} t where t.automation = p.automation and t.source = p.source and t.{id} = p.id)
  returning p.side, p.id, p.emails, p.phones
)
insert into touched (kind, value)
select 'key', id from lost where side = 'customer'
union all select 'email', unnest(emails) from lost where side = 'customer'
union all select 'phone', unnest(phones) from lost where side = 'customer'
"""


_NEWEST: dict[Side, str] = {
    "contact": _newest("contacts", "contact_id", "customer_id"),
    "customer": _newest("customers", "customer_id", "null::text"),
}
_VANISHED: dict[Side, str] = {
    "contact": _vanished("contacts", "contact_id"),
    "customer": _vanished("customers", "customer_id"),
}

_TOUCHED = """
create temp table if not exists touched (kind text, value text, source text) on commit delete rows;
create temp table if not exists concerned (source text, id text, primary key (source, id)) on commit delete rows
"""

_STAGE = """
create temp table if not exists links_stage (like requester_links including defaults) on commit delete rows;
alter table links_stage alter column automation drop not null, alter column resolved_at drop not null;
alter table links_stage drop constraint if exists links_stage_pkey;
truncate links_stage
"""

# called before and after a state is written: whoever shares what a customer had is concerned as much as who shares what it has
_TOUCH = """
with own as (
  select p.* from identity_people p
  join unnest(%(sources)s::text[], %(ids)s::text[]) as n(source, id) on n.source = p.source and n.id = p.id
  where p.automation = %(automation)s and p.side = %(side)s
)
insert into touched (kind, value, source)
select 'contact', id, source from own where side = 'contact'
union all select 'key', id, null from own where side = 'customer'
union all select 'email', unnest(emails), null from own where side = 'customer'
union all select 'phone', unnest(phones), null from own where side = 'customer'
"""

_PERSON = """
insert into identity_people (automation, side, source, id, landing_id, key, emails, phones, gone, rules)
values (%(automation)s, %(side)s, %(source)s, %(id)s, %(landing_id)s, %(key)s, %(emails)s, %(phones)s, %(gone)s, %(rules)s)
on conflict (automation, side, source, id) do update set landing_id = excluded.landing_id, key = excluded.key,
  emails = excluded.emails, phones = excluded.phones, gone = excluded.gone, rules = excluded.rules
"""

# each address is a row of its own here, so that many are joined by hashing and not looked up one by one
_CONCERNED = """
insert into concerned (source, id)
select source, value from touched where kind = 'contact'
union select p.source, p.id from touched t join identity_people p on p.key = t.value
  where t.kind = 'key' and p.automation = %(automation)s and p.side = 'contact'
union select p.source, p.id from identity_people p cross join unnest(p.emails) as a(value) join touched t on t.value = a.value
  where t.kind = 'email' and p.automation = %(automation)s and p.side = 'contact'
union select p.source, p.id from identity_people p cross join unnest(p.phones) as a(value) join touched t on t.value = a.value
  where t.kind = 'phone' and p.automation = %(automation)s and p.side = 'contact'
"""

_PORTION = """
select p.source, p.id, p.key, p.emails, p.phones, p.gone from concerned c
join identity_people p on p.automation = %(automation)s and p.side = 'contact' and p.source = c.source and p.id = c.id
where (c.source, c.id) > (%(source)s, %(id)s) order by c.source, c.id limit %(limit)s
"""

_CANDIDATES = """
with people as (
  select source, id, emails, phones, gone from identity_people where automation = %(automation)s and side = 'customer'
), asked as (
  select p.source, p.id from people p join unnest(%(keys)s::text[]) as k(value) on k.value = p.id
  union select p.source, p.id from people p cross join unnest(p.emails) as a(value)
    join unnest(%(emails)s::text[]) as k(value) on k.value = a.value
  union select p.source, p.id from people p cross join unnest(p.phones) as a(value)
    join unnest(%(phones)s::text[]) as k(value) on k.value = a.value
)
select p.* from people p join asked using (source, id)
"""

_MOVED = """
select count(*) from links_stage s left join requester_links l
  on l.automation = %(automation)s and l.source = s.source and l.contact_id = s.contact_id
where l.customer_id is distinct from s.customer_id
"""

_LINK = """
insert into requester_links as l (automation, source, contact_id, key, joined_by, customer_source, customer_id, resolved_at)
select %(automation)s, source, contact_id, key, joined_by, customer_source, customer_id, %(now)s from links_stage
on conflict (automation, source, contact_id) do update set key = excluded.key, joined_by = excluded.joined_by,
  customer_source = excluded.customer_source, customer_id = excluded.customer_id, resolved_at = excluded.resolved_at
where (l.key, l.joined_by, l.customer_source, l.customer_id)
  is distinct from (excluded.key, excluded.joined_by, excluded.customer_source, excluded.customer_id)
"""

_GONE = """
delete from requester_links l where automation = %s and not exists (select from identity_people p
  where p.automation = l.automation and p.side = 'contact' and p.source = l.source and p.id = l.contact_id)
"""

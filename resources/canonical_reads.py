"""Canonical tables as Arrow tables.

What belongs here: queries, and their way from Postgres to Arrow: COPY as CSV, parsed by Arrow, which is about ten times as fast
as fetching rows. What does not: writing (`canonical_writes.py`).

A ticket's first version with a given content is the first that landed, not the first by the source's clock: a late update
then never changes which version a decision was made on.
"""

import io
from collections.abc import Mapping
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.csv as pc
from psycopg import Connection, sql

from resources.review_contradictions import DISPUTED

TIMESTAMP = pa.timestamp("us", tz="UTC")
CHUNK = 32 * 1024 * 1024

TICKETS = pa.schema(
    [
        *((name, pa.string()) for name in ("automation", "source", "ticket_id", "version", "correlation_id")),
        *((name, TIMESTAMP) for name in ("event_time", "known_at", "created_at")),
        *((name, pa.string()) for name in ("subject", "body", "status", "priority", "channel", "language", "queue")),
        *((name, pa.string()) for name in ("requester_id", "customer_id")),
        ("tags", pa.list_(pa.string())),
        ("custom", pa.string()),
        ("content_hash", pa.string()),
        ("landing_id", pa.int64()),
    ]
)
LABELLED = pa.schema(
    [
        *TICKETS,
        pa.field("label", pa.string()),
        pa.field("label_known_at", TIMESTAMP),
        pa.field("label_origin", pa.string()),
    ]
)
CONTACTS = pa.schema(
    [
        *((name, pa.string()) for name in ("source", "contact_id", "version", "customer_id")),
        *((name, TIMESTAMP) for name in ("event_time", "known_at")),
    ]
)
CUSTOMERS = pa.schema(
    [
        *((name, pa.string()) for name in ("source", "customer_id", "version", "correlation_id")),
        *((name, TIMESTAMP) for name in ("event_time", "known_at")),
        ("attributes", pa.string()),
    ]
)
OUTCOMES = pa.schema(
    [
        *((name, pa.string()) for name in ("source", "ticket_id", "queue", "origin", "actor", "correlation_id")),
        *((name, TIMESTAMP) for name in ("event_time", "known_at")),
    ]
)

TICKETS_FOR_DAYS = """
    select {columns} from (
        select distinct on (source, ticket_id, content_hash) * from tickets
        where automation = {automation} and created_at >= {start} and created_at < {end}
        order by source, ticket_id, content_hash, landing_id
    ) t
    where status <> 'deleted' and ({include_resolved} or status not in ('solved', 'closed'))
    order by created_at, source, ticket_id, landing_id
"""

# a reviewer's verdict beats an agent's, then the latest known counts
SETTLED = """
    select distinct on (source, ticket_id) * from outcomes
    where automation = {automation} and known_at < {until}
    order by source, ticket_id, (origin = 'review') desc, known_at desc, event_time desc
"""

TICKETS_LABELLED = (
    "with settled as (" + SETTLED + "), disputed as (" + DISPUTED + "), newest as ("
    """
        select t.*, s.queue as label, s.known_at as label_known_at, s.origin as label_origin from (
            select distinct on (source, ticket_id, content_hash) * from tickets
            where automation = {automation} and known_at < {until}
              and created_at >= {until} - make_interval(days => {window_days}) and created_at < {until}
            order by source, ticket_id, content_hash, landing_id
        ) t join settled s on s.source = t.source and s.ticket_id = t.ticket_id
        where t.status <> 'deleted' and (t.source, t.ticket_id) not in (select source, ticket_id from disputed)
        order by t.created_at desc, t.source, t.ticket_id, t.landing_id
        limit {limit}
    )
    select {columns} from newest t order by created_at, source, ticket_id, landing_id
"""
)

SETTLED_OUTCOMES = (
    "select {columns} from (" + SETTLED + ") t where known_at >= {since} order by known_at, source, ticket_id"
)

NEWEST_TICKETS = (
    "select {columns} from tickets t where automation = {automation} order by landing_id desc limit {limit}"
)

NEWEST_CUSTOMERS = (
    "select {columns} from customers t where automation = {automation} order by landing_id desc limit {limit}"
)

ALL_CONTACTS = (
    "select {columns} from linked_contacts t where automation = {automation} order by known_at, contact_id, version"
)

ALL_CUSTOMERS = """
    select {columns} from customers t
    where automation = {automation} and ({until}::timestamptz is null or known_at < {until})
    order by known_at, customer_id, version
"""

# The newest content of each ticket asks for a decision, if no version with that content has one yet. A decision without a
# model counts only while there is no champion; but what a person has decided, or an agent has resolved, asks no more.
UNDECIDED_DAYS = """
    with model as (
        select exists (select from alias_moves where name = %(model)s and alias = 'champion') as there
    ), newest as (
        select distinct on (source, ticket_id) source, ticket_id, content_hash, status from tickets
        where automation = %(automation)s
        order by source, ticket_id, known_at desc, landing_id desc
    ), asking as (
        select distinct on (t.source, t.ticket_id)
               t.source, t.ticket_id, t.content_hash, t.created_at, t.status, t.landing_id, n.status as newest_status
        from newest n join tickets t on t.automation = %(automation)s and t.source = n.source
             and t.ticket_id = n.ticket_id and t.content_hash = n.content_hash
        where n.status <> 'deleted'
        order by t.source, t.ticket_id, t.landing_id
    )
    select (created_at at time zone 'UTC')::date as day, count(*), max(landing_id) from asking a
    where created_at >= %(start)s and a.status <> 'deleted'
      and (%(include_resolved)s or a.status not in ('solved', 'closed'))
      and not exists (
        select from decisions d
        join tickets v on v.automation = d.automation and v.source = d.source and v.ticket_id = d.ticket_id
             and v.version = d.ticket_version
        where d.automation = %(automation)s and d.source = a.source and d.ticket_id = a.ticket_id
          and v.content_hash = a.content_hash
          and (d.model_version > 0 or not (select there from model)
               or (not %(include_resolved)s and a.newest_status in ('solved', 'closed'))
               or exists (select from review_cases c where c.case_id = d.decision_id and c.state = 'decided'))
      )
    group by 1 order by 1
"""


def read_table(connection: Connection, query: str, schema: pa.Schema, parameters: Mapping[str, Any]) -> pa.Table:
    """The query's rows. `{columns}` becomes the schema's columns of the alias `t`, `{name}` a parameter."""
    literals = {name: sql.Literal(value) for name, value in parameters.items()}
    select = sql.SQL(query).format(columns=_columns(schema), **literals)
    flat = pa.schema([f if not pa.types.is_list(f.type) else pa.field(f.name, pa.string()) for f in schema])
    tables, chunk = [], io.BytesIO()
    with (
        connection.cursor() as cursor,
        cursor.copy(sql.SQL("copy ({}) to stdout with (format csv)").format(select)) as copy,
    ):
        for row in copy:  # one message a row, so that a chunk never ends within one
            chunk.write(row)
            if chunk.tell() >= CHUNK:
                tables.append(_parsed(chunk.getvalue(), flat))
                chunk = io.BytesIO()
    if chunk.tell():
        tables.append(_parsed(chunk.getvalue(), flat))
    table = pa.concat_tables(tables) if tables else flat.empty_table()
    return _with_lists(table, schema)


def _columns(schema: pa.Schema) -> sql.Composed:
    parts = []
    for field in schema:
        name = sql.Identifier(field.name)
        if pa.types.is_list(field.type):
            parts.append(sql.SQL("array_to_json(t.{})").format(name))
        else:
            parts.append(sql.SQL("t.{}").format(name))
    return sql.SQL(", ").join(parts)


def _parsed(data: bytes, schema: pa.Schema) -> pa.Table:
    return pc.read_csv(
        pa.py_buffer(data),
        read_options=pc.ReadOptions(column_names=schema.names, block_size=len(data) + 1),
        parse_options=pc.ParseOptions(newlines_in_values=True),
        # an unquoted nothing is null, a quoted one is an empty text: as COPY writes them
        convert_options=pc.ConvertOptions(
            column_types=schema, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    )


def _with_lists(table: pa.Table, schema: pa.Schema) -> pa.Table:
    for place, field in enumerate(schema):
        if pa.types.is_list(field.type):
            parsed: dict[str, list[str]] = {}
            texts = table.column(place).to_pylist()
            values = [parsed.setdefault(t, orjson.loads(t)) if t not in parsed else parsed[t] for t in texts]
            table = table.set_column(place, field, pa.array(values, field.type))
    return table

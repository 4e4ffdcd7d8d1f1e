"""The ledger in Postgres: appended in the transaction of what it attests, checked as a whole.

What belongs here: reading and writing entries. What does not: hashes (`aios_core/ledger/`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row, dict_row

from aios_core.decisions.model import DecisionError
from aios_core.decisions.record import parse
from aios_core.ledger.chain import GENESIS, Entry, entry_hash, problem
from aios_core.ledger.merkle import root
from resources.database import Database

APPEND_LOCK = 4_716_110_916  # any constant will do, as long as every release uses the same
DECISIONS = "decisions"
CHUNK = 2_000

# columns that a reader trusts, and that must say what the attested record says
ATTESTED = ("decision_id", "automation", "source", "ticket_id", "ticket_version", "correlation_id", "model_name",
            "model_version", "policy_revision", "declaration", "verdict", "queue", "confidence", "rule", "reason",
            "audit")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerCheck:
    """`broken` is the sequence of the first entry that does not hold, None where all do. `problem` says what is wrong,
    `decision_id` with which decision, where it can be told. `unattested` counts decisions without an entry.
    """

    ok: bool
    entries: int
    decisions: int
    broken: int | None = None
    problem: str | None = None
    decision_id: str | None = None
    unattested: int = 0


def append(
    conn: Connection[Any],
    *,
    automation: str,
    kind: str,
    subject: str,
    items: Sequence[bytes],
    now: datetime | None = None,
) -> int:
    """Add one entry over `items` in the caller's transaction; returns its sequence.

    Call it last in the transaction: until the commit every other appender waits. `now` defaults to the database's clock.
    """
    conn.execute("select pg_advisory_xact_lock(%s)", (APPEND_LOCK,))
    # a new statement, and so a snapshot that sees what the lock was waited for
    last = conn.execute(
        "select sequence, entry_hash, clock_timestamp() from (select 1) one"
        " left join lateral (select sequence, entry_hash from ledger order by sequence desc limit 1) l on true"
    ).fetchone()
    assert last is not None  # the left join always gives a row
    sequence, previous, clock = last
    entry = Entry(
        sequence=(sequence or 0) + 1,
        automation=automation,
        kind=kind,
        subject=subject,
        content_hash=root(items),
        items=len(items),
        previous_hash=previous or GENESIS,
        at=now or clock,
    )
    conn.execute(
        "insert into ledger (sequence, automation, kind, subject, content_hash, items, previous_hash, entry_hash, at)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (entry.sequence, automation, kind, subject, entry.content_hash, entry.items, entry.previous_hash,
         entry_hash(entry), entry.at),
    )  # fmt: skip
    return entry.sequence


class Ledger:
    """The tamper-evident log of decisions, actions, alias moves, reviews and erasures."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(
        self, conn: Connection[Any], *, automation: str, kind: str, subject: str, items: Sequence[bytes],
        now: datetime | None = None,
    ) -> int:  # fmt: skip
        """Add one entry in the caller's transaction: see `append`."""
        return append(conn, automation=automation, kind=kind, subject=subject, items=items, now=now)

    def entries(self, *, after: int = 0, limit: int = 1_000) -> list[Entry]:
        """Entries in their order, from the one after `after`."""
        with self._database.connection() as conn, conn.cursor(row_factory=class_row(Entry)) as cursor:
            return cursor.execute(
                f"{_ENTRIES} where sequence > %s order by sequence limit %s", (after, limit)
            ).fetchall()

    def verify(self) -> LedgerCheck:
        """Recompute the chain, and the roots of all decisions from their stored records; names the first broken entry.

        One pass over both tables in one snapshot; memory is set by the number of entries, not by the records.
        """
        with self._database.connection() as conn:
            conn.execute("set transaction isolation level repeatable read, read only")
            faults = _Faults(conn)
            checked, last = 0, None
            for entry in _stream(conn, f"{_ENTRIES} order by sequence", Entry):
                checked += 1
                wrong = problem(entry, last) or faults.of(entry)
                if wrong:
                    return LedgerCheck(
                        ok=False,
                        entries=checked,
                        decisions=faults.decisions,
                        broken=entry.sequence,
                        problem=wrong,
                        decision_id=faults.culprit.get(entry.subject) if entry.kind == DECISIONS else None,
                        unattested=faults.unattested,
                    )
                last = entry
            return faults.rest(checked)


_ENTRIES = "select sequence, automation, kind, subject, content_hash, items, previous_hash, at, entry_hash from ledger"


class _Faults:
    """What the stored decisions come to, by the subject of the entry that covers them."""

    def __init__(self, conn: Connection[Any]) -> None:
        self.roots: dict[str, tuple[str, int]] = {}
        self.culprit: dict[str, str] = {}
        self.decisions = 0
        for subject, rows in groupby(_decisions(conn), key=lambda row: row["ledger_subject"]):
            self.roots[subject] = self._root(subject, rows)
        found = conn.execute("select count(*) from decisions where ledger_subject is null").fetchone()
        self.unattested = found[0] if found else 0

    def of(self, entry: Entry) -> str | None:
        """What is wrong with the decisions that an entry stands for."""
        if entry.kind != DECISIONS:
            return None
        found, count = self.roots.pop(entry.subject, (root(()), 0))
        if entry.subject in self.culprit:
            return f"entry {entry.sequence}: decision {self.culprit[entry.subject]} no longer says what its record says"
        if count != entry.items:
            return f"entry {entry.sequence} stands for {entry.items} decisions, but {count} are stored"
        if found != entry.content_hash:
            return f"entry {entry.sequence}: a decision's record was changed after it was written"
        return None

    def rest(self, entries: int) -> LedgerCheck:
        """Decisions that claim an entry which does not exist: the newest entries were cut off."""
        wrong = f"{len(self.roots)} groups of decisions have no ledger entry any more" if self.roots else None
        if wrong is None and self.unattested:
            wrong = f"{self.unattested} decisions were stored without a ledger entry"
        return LedgerCheck(
            ok=wrong is None,
            entries=entries,
            decisions=self.decisions,
            broken=entries + 1 if self.roots else None,
            problem=wrong,
            unattested=self.unattested,
        )

    def _root(self, subject: str, rows: Iterator[dict[str, Any]]) -> tuple[str, int]:
        count = 0

        def records() -> Iterator[bytes]:
            nonlocal count
            for row in rows:
                count += 1
                if not _says_its_record(row):
                    self.culprit.setdefault(subject, row["decision_id"])
                yield row["record"]

        found = root(records())
        self.decisions += count
        return found, count


def _says_its_record(row: dict[str, Any]) -> bool:
    try:
        content = parse(row["record"])
    except DecisionError:
        return False
    return row["day"].isoformat() == content["day"] and all(row[name] == content.get(name) for name in ATTESTED)


def _decisions(conn: Connection[Any]) -> Iterator[dict[str, Any]]:
    with conn.cursor("attested_decisions", row_factory=dict_row) as cursor:
        cursor.itersize = CHUNK
        # ids are lower-case hexadecimal: every collation orders them as Python did
        cursor.execute(
            f"select ledger_subject, day, record, {', '.join(ATTESTED)} from decisions"
            " where ledger_subject is not null order by ledger_subject, decision_id"
        )
        yield from cursor


def _stream(conn: Connection[Any], query: str, kind: type[Entry]) -> Iterator[Entry]:
    with conn.cursor("ledger_entries", row_factory=class_row(kind)) as cursor:
        cursor.itersize = CHUNK
        cursor.execute(query)
        yield from cursor

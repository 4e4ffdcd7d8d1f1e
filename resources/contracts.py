"""Contracts of sources: kept, and held against every page before it lands.

What belongs here: the table `source_contracts` and what each mode does to a page. What does not: comparing (`aios_core/contracts.py`).

`evolve`: what is new is taken and told. `quarantine`: records that do not fit are rejected, the others land. `freeze`: the read ends before the page
lands; a person looks, and accepts what changed with `aios connect accept`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from psycopg.types.json import Jsonb

from aios_core.contracts import Change, Mode, Seen, changes, misfits
from aios_core.errors import PermanentError
from resources.connectors.base import Connector, Page, Record, Reject
from resources.database import Database

CODE = "record.against_contract"
SAMPLE = 200  # records of a page that are looked at where nothing depends on each


class ContractBroken(PermanentError):
    """A source whose contract is frozen has changed; nothing of the page has landed."""

    code = "source.contract_broken"


class ContractStore:
    """What is known of every source's records."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self, *, automation: str, source: str) -> dict[str, Seen]:
        """By object."""
        with self._database.connection() as connection:
            found = connection.execute(
                "select object, seen from source_contracts where automation = %s and source = %s", (automation, source)
            ).fetchall()
        return {name: Seen.from_json(seen) for name, seen in found}

    def keep(self, seen: Seen, *, automation: str, source: str, object: str, now: datetime) -> None:
        """From now on this is what is known."""
        with self._database.connection() as connection:
            connection.execute(
                "insert into source_contracts (automation, source, object, seen, changed_at) values (%s, %s, %s, %s, %s)"
                " on conflict (automation, source, object) do update set seen = excluded.seen, changed_at = excluded.changed_at",
                (automation, source, object, Jsonb(seen.as_json()), now),
            )

    def forget(self, *, automation: str, source: str) -> int:
        """What comes next is the contract; how many objects were known."""
        with self._database.connection() as connection:
            return connection.execute(
                "delete from source_contracts where automation = %s and source = %s", (automation, source)
            ).rowcount


@dataclass(slots=True)
class Kept:
    """A connector's reading side whose pages are held against the contract. `found` is what changed, by object."""

    connector: Connector
    mode: Mode
    known: dict[str, Seen]
    found: dict[str, list[Change]] = field(default_factory=dict)
    seen: dict[str, Seen] = field(default_factory=dict)

    @property
    def objects(self) -> tuple[str, ...]:
        return self.connector.objects

    def read(self, *, object: str, cursor: str | None) -> Iterator[Page]:
        """The connector's pages, less what does not fit. Raises ContractBroken."""
        for page in self.connector.read(object=object, cursor=cursor):
            yield page if page.by_id else self._held(page)

    def save(self, store: ContractStore, *, automation: str, source: str, now: datetime) -> None:
        """What was seen belongs to the contract from now on: all of it, or what fitted where misfits were rejected."""
        for name, seen in self.seen.items():
            if seen.rows:
                known = self.known.get(name)
                kept = seen if known is None else _merged(known, seen)
                store.keep(kept, automation=automation, source=source, object=name, now=now)

    def _held(self, page: Page) -> Page:
        known = self.known.get(page.object)
        if known is not None and self.mode == "quarantine":
            page = self._without_misfits(page, known)
        looked_at = page.records if self.mode == "freeze" else page.records[:: 1 + len(page.records) // SAMPLE]
        fresh = Seen().add(record.payload for record in looked_at)
        if known is not None:
            found = changes(known, fresh)
            if found and self.mode == "freeze":
                raise ContractBroken(f"{page.object}: {_said(found)}; look at it, then `aios connect accept`")
            self._note(page.object, found)
        self.seen[page.object] = _merged(self.seen.get(page.object, Seen()), fresh)
        return page

    def _without_misfits(self, page: Page, known: Seen) -> Page:
        fitting: list[Record] = []
        rejects: list[Reject] = []
        for record in page.records:
            found = misfits(known, record.payload)
            if found:
                self._note(page.object, found)
                rejects.append(_reject(record, found))
            else:
                fitting.append(record)
        return replace(page, records=tuple(fitting), rejects=(*page.rejects, *rejects))

    def _note(self, name: str, found: list[Change]) -> None:
        noted = self.found.setdefault(name, [])
        places = {(c.kind, c.path) for c in noted}
        noted += [c for c in found if (c.kind, c.path) not in places]


def _merged(one: Seen, other: Seen) -> Seen:
    fields = dict(one.fields)
    for path, (count, kinds) in other.fields.items():
        before, known = fields.get(path, (0, frozenset()))
        fields[path] = (before + count, known | kinds)
    return Seen(rows=one.rows + other.rows, fields=fields)


def _reject(record: Record, found: list[Change]) -> Reject:
    return Reject(
        object=record.object,
        external_id=record.external_id,
        code=CODE,
        message=f"against the source's contract: {_said(found)}",
        payload=record.json.decode(),
    )


def _said(found: list[Change]) -> str:
    words = {"new": "new field", "type": "another kind of value in", "vanished": "no more"}
    listed = "; ".join(f"{words[c.kind]} `{c.path}` ({c.found})" for c in found[:5])
    return listed + (f"; and {len(found) - 5} more" if len(found) > 5 else "")

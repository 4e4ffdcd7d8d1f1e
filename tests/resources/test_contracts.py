from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from aios_core.contracts import Mode, Seen
from resources.connectors.base import Page, Record
from resources.connectors.items import to_json_bytes
from resources.contracts import CODE, ContractBroken, ContractStore, Kept
from resources.database import Database
from resources.landing import LandingStore, pull
from tests.resources.ingesting import rows

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Desk:
    """Gives one page of whatever it holds."""

    objects = ("tickets",)

    def __init__(self, *payloads: dict[str, Any]) -> None:
        self.payloads = payloads

    def read(self, *, object: str, cursor: str | None) -> Iterator[Page]:
        records = tuple(
            Record(object=object, external_id=str(p["id"]), version=f"v{sorted(p)}", json=to_json_bytes(p))
            for p in self.payloads
        )
        yield Page(object=object, records=records, rejects=(), cursor="c", done=True)


def read(database: Database, mode: Mode, *payloads: dict[str, Any]) -> Kept:
    store = ContractStore(database)
    known = store.known(automation="a", source="desk")
    kept = Kept(connector=Desk(*payloads), mode=mode, known=known)  # type: ignore[arg-type]  # its reading side
    pull(kept, LandingStore(database), automation="a", source="desk")  # type: ignore[arg-type]
    kept.save(store, automation="a", source="desk", now=NOW)
    return kept


def landed(database: Database) -> set[str]:
    return {i for (i,) in rows(database, "select external_id from landing_records")}


def test_what_changes_in_an_open_contract_is_taken_told_once_and_then_known(database: Database) -> None:
    read(database, "evolve", {"id": 1})
    assert [c.path for c in read(database, "evolve", {"id": 2, "colour": "red"}).found["tickets"]] == ["colour"]
    assert read(database, "evolve", {"id": 3, "colour": "blue"}).found.get("tickets", []) == []
    assert landed(database) == {"1", "2", "3"}


def test_what_does_not_fit_goes_to_quarantine_and_the_rest_lands(database: Database) -> None:
    read(database, "quarantine", {"id": 1})
    kept = read(database, "quarantine", {"id": 2, "colour": "red"}, {"id": 3})
    assert [c.path for c in kept.found["tickets"]] == ["colour"]
    assert landed(database) == {"1", "3"}
    assert rows(database, "select code, external_id from quarantine") == [(CODE, "2")]
    assert read(database, "quarantine", {"id": 4, "colour": "red"}).found, "it is still no part of the contract"


def test_a_frozen_contract_ends_the_read_until_somebody_accepts(database: Database) -> None:
    read(database, "freeze", {"id": 1})
    with pytest.raises(ContractBroken, match=r"new field `colour` .*aios connect accept"):
        read(database, "freeze", {"id": 2, "colour": "red"})
    assert landed(database) == {"1"}
    ContractStore(database).forget(automation="a", source="desk")
    read(database, "freeze", {"id": 2, "colour": "red"})
    assert landed(database) == {"1", "2"}


def test_records_asked_for_one_by_one_say_nothing_of_the_contract_of_lists() -> None:
    shown = tuple(
        Record(object="tickets", external_id=str(n), version="v", json=to_json_bytes({"id": n})) for n in range(40)
    )
    page = Page(object="tickets", records=shown, rejects=(), cursor="", done=True, by_id=True)

    class Shown:
        objects = ("tickets",)

        def read(self, *, object: str, cursor: str | None) -> Iterator[Page]:
            yield page

    known = {"tickets": Seen().add([{"id": n, "subject": "s"} for n in range(100)])}
    kept = Kept(connector=Shown(), mode="freeze", known=known)  # type: ignore[arg-type]  # what is read of it
    assert list(kept.read(object="tickets", cursor=None)) == [page]
    assert kept.found == {}

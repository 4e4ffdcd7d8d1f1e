"""Requesters joined to customers over real rows: what landed later, merges and changed addresses included."""

from datetime import timedelta
from typing import Any

from aios_core.automation import Automation
from resources.canonical import CanonicalStore
from resources.connectors.base import Record
from resources.connectors.items import to_json_bytes
from resources.database import Database
from resources.requesters import RequesterStore, Resolved
from tests.resources.ingesting import T0, account, advance, automation, iso, land, rows

A = "desk_a"
DECLARED = automation(identity={"calling_code": "49"})


def user(number: int, version: int = 1, **changes: Any) -> Record:
    updated = iso(T0 + timedelta(hours=version - 1))
    payload = {
        "id": number,
        "created_at": iso(T0),
        "updated_at": updated,
        "role": "end-user",
        "active": True,
        **changes,
    }
    return Record(object="users", external_id=str(number), version=updated, json=to_json_bytes(payload))


def look(database: Database, declared: Automation = DECLARED) -> Resolved:
    advance(database, "helpdesk", "crm", declared=declared)
    return RequesterStore(database).catch_up(declared, now=T0)


def joined(database: Database) -> dict[str, str | None]:
    """Contact -> customer, as everybody who asks whose ticket it is sees it."""
    return dict(
        rows(
            database,
            "select distinct on (contact_id) contact_id, customer_id from linked_contacts"
            " where automation = %s order by contact_id, event_time desc",
            A,
        )
    )


def test_ids_come_first_then_emails_then_phones_and_doubtful_ones_are_counted(database: Database) -> None:
    land(
        database,
        user(1, external_id="11", email="nobody@example.com"),
        user(2, email="Ann@Example.com"),
        user(3, email="new@example.com", phone="030 1234567"),
        user(4, email="office@example.com"),
        user(5, email="who@example.com"),
    )
    land(
        database,
        account(11),
        account(12, PersonEmail="ann@example.com"),
        account(13, Phone="+49 30 1234567"),
        account(14, PersonEmail="office@example.com"),
        account(15, PersonEmail="office@example.com"),
        source="crm",
    )
    found = look(database)
    assert joined(database) == {"1": "11", "2": "12", "3": "13", "4": None, "5": None}
    assert found.requesters == {
        "key": 1,
        "email": 1,
        "phone": 1,
        "ambiguous_email": 1,
        "ambiguous_phone": 0,
        "none": 1,
    }
    assert (found.total, found.ambiguous, found.read, found.moved) == (5, 1, 10, 3)


def test_looking_again_reads_and_changes_nothing(database: Database) -> None:
    land(database, user(1, email="ann@example.com"))
    land(database, account(11, PersonEmail="ann@example.com"), source="crm")
    look(database)
    before = rows(database, "select * from requester_links")
    again = look(database)
    assert (again.read, again.resolved, again.moved, again.requesters["email"]) == (0, 0, 0, 1)
    assert rows(database, "select * from requester_links") == before


def test_a_customer_who_comes_later_is_joined_and_a_second_one_parts_them(database: Database) -> None:
    land(database, user(1, email="ann@example.com"))
    assert look(database).requesters["none"] == 1
    land(database, account(11, PersonEmail="ann@example.com"), source="crm")
    look(database)
    assert joined(database) == {"1": "11"}
    land(database, account(12, PersonEmail="ann@example.com"), source="crm")
    assert look(database).requesters["ambiguous_email"] == 1
    assert joined(database) == {"1": None}


def test_a_merge_in_the_crm_and_a_changed_address_join_anew(database: Database) -> None:
    land(database, user(1, email="ann@example.com"), user(2, email="bob@example.com"))
    land(
        database,
        account(11, PersonEmail="ann@example.com"),
        account(12, PersonEmail="ann@example.com"),
        account(13, PersonEmail="bob@example.com"),
        source="crm",
    )
    look(database)
    assert joined(database) == {"1": None, "2": "13"}
    land(database, account(12, 2, PersonEmail="ann@example.com", IsDeleted=True), source="crm")
    land(database, user(2, 2, email="robert@example.com"))
    found = look(database)
    assert joined(database) == {"1": "11", "2": None}
    assert (found.moved, found.ambiguous) == (2, 0)


def test_whatever_comes_first_the_links_are_the_same(database: Database) -> None:
    """Step by step in one automation, all at once in another."""
    people = [user(1, email="a@example.com"), user(2, email="b@example.com"), user(1, 2, email="b@example.com")]
    customers = [
        account(11, PersonEmail="a@example.com"),
        account(12, PersonEmail="b@example.com"),
        account(11, 2, PersonEmail="c@example.com"),
    ]
    for person, customer in zip(people, reversed(customers), strict=True):
        land(database, customer, source="crm")
        land(database, person)
        look(database)
    other = automation("desk_b", identity={"calling_code": "49"})
    land(database, *people, automation="desk_b")
    land(database, *customers, source="crm", automation="desk_b")
    look(database, other)
    query = "select source, contact_id, joined_by, customer_id from requester_links where automation = %s order by 1, 2"
    assert rows(database, query, A) == rows(database, query, "desk_b")
    assert joined(database) == {"1": "12", "2": "12"}


def test_other_rules_join_all_again(database: Database) -> None:
    land(database, user(1, phone="030 1234567"))
    land(database, account(11, Phone="+49301234567"), source="crm")
    assert look(database, automation()).requesters["none"] == 1  # whose 030?
    assert look(database).requesters["phone"] == 1
    assert look(database, automation(identity={"by": ["email"]})).requesters["none"] == 1


def test_no_address_is_kept_and_features_see_the_joined_customer(database: Database) -> None:
    land(database, user(1, email="ann@example.com"))
    land(database, account(11, PersonEmail="ann@example.com"), source="crm")
    look(database)
    kept = str(rows(database, "select * from identity_people")) + str(rows(database, "select * from requester_links"))
    assert "example.com" not in kept
    assert CanonicalStore(database).contacts(automation=A)["customer_id"].to_pylist() == ["11"]

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from aios_core.automation import Automation
from resources import canonical
from resources.canonical import CanonicalStore
from resources.connectors.base import Record
from resources.connectors.items import to_json_bytes
from resources.database import Database
from resources.quarantine import QuarantineStore
from tests.resources.ingesting import T0, account, advance, automation, land, rows, ticket

A = "desk_a"
DAY = T0.date()
NEXT = DAY + timedelta(days=1)
LATER = T0 + timedelta(days=30)


def solved(number: int, version: int = 2, group: int = 4001, **changes: Any) -> Record:
    return ticket(number, version, status="solved", group_id=group, **changes)


def of_day(database: Database, **options: Any) -> list[tuple[str, str, str]]:
    table = CanonicalStore(database).tickets_for_days(automation=A, start=DAY, end=NEXT, **options)
    return [(r["ticket_id"], r["version"][11:13], r["subject"]) for r in table.to_pylist()]


def labels(database: Database, known_before: datetime = LATER, **options: Any) -> dict[str, str]:
    facts = {"window_days": 365, "limit": 1000} | options
    table = CanonicalStore(database).tickets_labelled(automation=A, known_before=known_before, **facts)
    return dict(zip(table["ticket_id"].to_pylist(), table["label"].to_pylist(), strict=True))


def review(database: Database, number: int, queue: str, known_at: datetime) -> None:
    with database.connection() as connection:
        connection.execute(
            "insert into outcomes (automation, source, ticket_id, queue, origin, actor, correlation_id, event_time, known_at)"
            " values (%s, 'helpdesk', %s, %s, 'review', 'ann', 'c', %s, %s)",
            (A, str(number), queue, known_at, known_at),
        )


def decide(database: Database, number: int, version: str) -> None:
    with database.connection() as connection:
        connection.execute(
            "insert into decisions (decision_id, automation, source, ticket_id, ticket_version, correlation_id, day,"
            " model_name, model_version, policy_revision, declaration, verdict, rule, reason, record)"
            " values (%s, %s, 'helpdesk', %s, %s, 'c', %s, 'm', 1, 'p', 'd', 'review', 'r', 'because', '')",
            (f"{number}/{version}", A, str(number), version, DAY),
        )


def test_landed_records_become_tickets_and_carry_their_correlation_id(database: Database) -> None:
    land(database, ticket(1, description="مرحبا 😀\nline", tags=["a", "b"], requester_id=7), solved(2))
    progress = advance(database)
    assert (progress.read, progress.written, progress.quarantined, progress.outcomes) == (2, 2, 0, 1)
    first, second = CanonicalStore(database).tickets_for_days(automation=A, start=DAY, end=NEXT).to_pylist()
    assert (first["body"], first["tags"], first["requester_id"]) == ("مرحبا 😀\nline", ["a", "b"], "7")
    assert (first["queue"], first["subject"]) == (None, "subject 1")
    assert (second["queue"], second["status"]) == ("billing", "solved")
    assert second["known_at"] == T0 + timedelta(hours=1)
    landed = dict(rows(database, "select external_id, correlation_id from landing_records"))
    assert {r["ticket_id"]: r["correlation_id"] for r in (first, second)} == landed


def test_empty_texts_stay_apart_from_missing_ones(database: Database) -> None:
    land(database, ticket(1, subject="", description=None))
    advance(database)
    (row,) = CanonicalStore(database).tickets_for_days(automation=A, start=DAY, end=NEXT).to_pylist()
    assert (row["subject"], row["body"], row["channel"]) == ("", "", None)


def test_advancing_again_does_nothing_until_more_has_landed(database: Database) -> None:
    land(database, ticket(1))
    advance(database)
    assert advance(database).read == 0
    land(database, ticket(2))
    assert advance(database).read == 1


def test_a_step_takes_no_more_than_its_limit_and_the_next_goes_on(database: Database) -> None:
    land(database, *(ticket(n) for n in range(10)))
    store = CanonicalStore(database)
    steps = [
        store.advance(automation=automation(), source="helpdesk", object="tickets", limit=4).read for _ in range(4)
    ]
    assert steps == [4, 4, 2, 0]


def test_large_records_make_smaller_steps(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canonical, "MAX_BATCH_CHARS", 1)
    monkeypatch.setattr(canonical, "FETCH", 3)
    land(database, *(ticket(n) for n in range(7)))
    store = CanonicalStore(database)
    steps = [store.advance(automation=automation(), source="helpdesk", object="tickets").read for _ in range(4)]
    assert steps == [3, 3, 1, 0]
    assert advance(database).written == 0


def test_bad_records_go_to_quarantine_with_their_code_and_the_rest_goes_on(database: Database) -> None:
    land(
        database,
        ticket(1),
        ticket(2, created_at="yesterday"),
        ticket(3, status="vanished"),
        ticket(4, description="x" * 250_000),
        ticket(5, subject={"not": "a text"}),
        ticket(6),
    )
    progress = advance(database)
    assert (progress.read, progress.written, progress.quarantined) == (6, 2, 4)
    expected = {"record.bad_time": 1, "check.status_known": 1, "check.text_length": 1, "record.bad_text": 1}
    assert progress.failed_expectations == expected
    assert QuarantineStore(database).counts(A) == expected
    for row in QuarantineStore(database).list(A):
        (landed,) = rows(
            database, "select payload::text, correlation_id from landing_records where landing_id = %s", row.landing_id
        )
        assert (row.payload, row.correlation_id) == landed
        assert row.external_id in row.message


def test_a_failed_step_leaves_everything_as_it_was(database: Database) -> None:
    land(database, ticket(1), solved(2))
    with database.connection() as connection:
        connection.execute("alter table outcomes add check (queue <> 'billing')")
    with pytest.raises(Exception, match="violates check constraint"):
        advance(database)
    assert rows(database, "select count(*) from tickets") == [(0,)]
    with database.connection() as connection:
        connection.execute("alter table outcomes drop constraint outcomes_queue_check")
    assert advance(database).written == 2


def test_rows_of_a_file_that_claim_to_be_one_ticket_are_not_lost(database: Database) -> None:
    def row(name: str, text: str) -> Record:
        payload = {"key": "7", "text": text, "when": "2026-03-01", "queue": "billing"}
        return Record(object="tickets", external_id=name, version="v", json=to_json_bytes(payload))

    land(database, row("a.csv:1", "first"), source="files")
    advance(database, "files")
    land(database, row("a.csv:1x", "first"), row("a.csv:2", "second"), source="files")
    progress = advance(database, "files")
    assert progress.written == 0
    codes = QuarantineStore(database).counts(A)
    assert sum(codes.values()) == progress.quarantined >= 1
    assert set(codes) <= {"canonical.duplicate_version", "check.version_unique"}
    assert "second" in "".join(q.payload for q in QuarantineStore(database).list(A))


def test_the_first_version_of_each_content_is_what_a_decision_reads(database: Database) -> None:
    land(database, ticket(1), ticket(2))
    advance(database)
    land(database, ticket(1, 2, status="open"), ticket(1, 3, subject="rewritten"), ticket(1, 4, subject="rewritten"))
    advance(database)
    assert of_day(database) == [("1", "10", "subject 1"), ("1", "12", "rewritten"), ("2", "10", "subject 2")]


def test_a_late_update_does_not_change_which_version_was_first(database: Database) -> None:
    land(database, ticket(1, 3))
    advance(database)
    before = of_day(database)
    land(database, ticket(1, 1), ticket(1, 2))
    advance(database)
    assert of_day(database) == before == [("1", "12", "subject 1")]


def test_days_are_utc_days_and_their_end_is_outside(database: Database) -> None:
    midnight = "2026-03-02T00:00:00Z"
    land(
        database,
        ticket(1, created_at="2026-03-01T23:59:59Z", updated_at=midnight),
        ticket(2, created_at="2026-03-01T23:30:00-02:00", updated_at=midnight),
        ticket(3, created_at=midnight, updated_at=midnight),
    )
    advance(database)
    assert [t[0] for t in of_day(database)] == ["1"]


def test_deleted_tickets_are_left_out_and_resolved_ones_if_asked(database: Database) -> None:
    land(database, ticket(1), ticket(2, status="deleted"), solved(3), ticket(4))
    advance(database)
    land(database, solved(4))
    advance(database)
    assert [t[0] for t in of_day(database)] == ["1", "3", "4"]
    assert [t[0] for t in of_day(database, include_resolved=False)] == ["1", "4"]


def test_a_label_is_where_an_agent_solved_the_ticket(database: Database) -> None:
    land(database, ticket(1), ticket(2), solved(3, group=4002))
    advance(database)
    assert labels(database) == {"3": "outage"}
    land(database, solved(1))
    advance(database)
    assert labels(database) == {"1": "billing", "3": "outage"}


def test_a_label_counts_only_from_when_it_was_known(database: Database) -> None:
    land(database, ticket(1), solved(1, version=3))
    advance(database)
    known = T0 + timedelta(hours=2)
    assert labels(database, known) == {}
    assert labels(database, known + timedelta(seconds=1)) == {"1": "billing"}


def test_the_latest_known_outcome_counts_and_a_reviewers_beats_it(database: Database) -> None:
    land(database, ticket(1), solved(1, 2), solved(1, 5, group=4002))
    advance(database)
    assert labels(database) == {"1": "outage"}
    assert labels(database, T0 + timedelta(hours=2)) == {"1": "billing"}
    review(database, 1, "billing", T0 + timedelta(hours=3))
    assert labels(database) == {"1": "billing"}


def test_labelled_tickets_are_the_newest_of_the_window_oldest_first(database: Database) -> None:
    days = [T0 - timedelta(days=n) for n in range(5)]
    land(
        database,
        *(
            solved(n, created_at=day.isoformat(), updated_at=(day + timedelta(hours=1)).isoformat())
            for n, day in enumerate(days)
        ),
    )
    advance(database)
    assert list(labels(database, T0 + timedelta(hours=2))) == ["4", "3", "2", "1", "0"]
    assert list(labels(database, T0 + timedelta(hours=2), limit=2)) == ["1", "0"]
    assert list(labels(database, T0 + timedelta(hours=2), window_days=2)) == ["1", "0"]


def test_contacts_and_customers_come_with_all_their_versions(database: Database) -> None:
    user = {"id": 7, "external_id": "1", "updated_at": "2026-03-01T00:00:00Z"}
    land(database, Record(object="users", external_id="7", version="u1", json=to_json_bytes(user)))
    land(database, account(1, 1), account(1, 9, Plan__c="basic"), account(2, Plan__c=None), source="crm")
    advance(database, "helpdesk", "crm")
    store = CanonicalStore(database)
    (contact,) = store.contacts(automation=A).to_pylist()
    assert (contact["source"], contact["contact_id"], contact["customer_id"]) == ("helpdesk", "7", "1")
    customers = store.customers(automation=A).to_pylist()
    assert [(c["customer_id"], c["attributes"]) for c in customers] == [
        ("1", '{"plan": "plus"}'),
        ("2", '{"plan": null}'),
        ("1", '{"plan": "basic"}'),
    ]
    early = store.customers(automation=A, known_before=T0.replace(day=5))
    assert early["customer_id"].to_pylist() == ["1", "2"]


def test_outcomes_are_settled_one_a_ticket(database: Database) -> None:
    land(database, solved(1, 2), solved(1, 4, group=4002), solved(2, 3))
    advance(database)
    store = CanonicalStore(database)
    table = store.outcomes(automation=A, since=T0, until=LATER)
    assert sorted(zip(*(table[c].to_pylist() for c in ("ticket_id", "queue")), strict=True)) == [
        ("1", "outage"),
        ("2", "billing"),
    ]
    assert store.outcomes(automation=A, since=T0 + timedelta(hours=3), until=LATER)["ticket_id"].to_pylist() == ["1"]
    assert store.outcomes(automation=A, since=LATER, until=LATER + timedelta(days=1)).num_rows == 0


def undecided(database: Database, declared: Automation | None = None) -> list[tuple[date, int]]:
    found = CanonicalStore(database).undecided_days(automation=declared or automation())
    return [(day, count) for day, count, _ in found]


def test_a_day_is_undecided_while_a_tickets_newest_content_has_no_decision(database: Database) -> None:
    land(database, ticket(1), ticket(2), ticket(3, created_at="2026-02-27T10:00:00Z"))
    advance(database)
    assert undecided(database) == [(date(2026, 2, 27), 1), (DAY, 2)]
    for number in (1, 2, 3):
        decide(database, number, ticket(number).version)
    assert undecided(database) == []


def test_a_new_status_asks_for_no_decision_and_a_new_text_does(database: Database) -> None:
    land(database, ticket(1))
    advance(database)
    decide(database, 1, ticket(1).version)
    land(database, ticket(1, 2, status="open", tags=["x"]))
    advance(database)
    assert undecided(database) == []
    land(database, ticket(1, 3, subject="and now this"))
    advance(database)
    assert undecided(database) == [(DAY, 1)]


def test_a_late_first_version_does_not_ask_for_a_second_decision(database: Database) -> None:
    land(database, ticket(1, 2))
    advance(database)
    decide(database, 1, ticket(1, 2).version)
    land(database, ticket(1, 1))
    advance(database)
    assert undecided(database) == []


def test_deleted_resolved_and_early_tickets_ask_for_no_decision(database: Database) -> None:
    old = "2025-12-31T23:59:59Z"
    land(database, ticket(1, status="deleted"), solved(2), ticket(3, created_at=old), ticket(4), ticket(5))
    land(database, ticket(5, 2, status="deleted"))
    advance(database)
    assert undecided(database) == [(DAY, 1)]
    assert undecided(database, automation(decisions={"tickets": "all"})) == [(DAY, 2)]


def test_what_asks_for_a_decision_is_what_the_day_gives(database: Database) -> None:
    land(database, ticket(1), ticket(1, 2, subject="b"), ticket(2), solved(2), solved(3), ticket(4, status="deleted"))
    advance(database)
    for version in (ticket(1).version, ticket(1, 2).version):
        assert ("1", version[11:13]) in {t[:2] for t in of_day(database, include_resolved=False)}
    for number, hour, _ in of_day(database, include_resolved=False):
        decide(database, int(number), f"2026-03-01T{hour}:00:00Z")
    assert undecided(database) == []


def test_two_automations_on_one_database_stay_apart(database: Database) -> None:
    land(database, ticket(1))
    land(database, ticket(2), automation="desk_b")
    advance(database)
    advance(database, declared=automation("desk_b"))
    assert [t[0] for t in of_day(database)] == ["1"]
    assert undecided(database, automation("desk_b")) == [(DAY, 1)]


def test_reading_gives_typed_columns_without_rows_too(database: Database) -> None:
    store = CanonicalStore(database)
    table = store.tickets_labelled(automation=A, known_before=datetime(2026, 1, 1, tzinfo=UTC), window_days=1, limit=1)
    assert table.num_rows == 0
    assert str(table.schema.field("created_at").type) == "timestamp[us, tz=UTC]"
    assert str(table.schema.field("tags").type) == "list<item: string>"
    assert {"label", "label_known_at"} <= set(table.column_names)


def test_what_was_prepared_while_another_run_moved_on_is_thrown_away_and_prepared_anew(database: Database) -> None:
    land(database, *(ticket(n) for n in range(1, 6)))
    store, declared = CanonicalStore(database), automation()
    of = {"automation": declared, "source": "helpdesk", "object": "tickets"}
    prepared = store._prepared(declared, "helpdesk", "tickets", 0, 2)
    assert store.advance(**of, limit=3).read == 3
    assert store._written(declared, "helpdesk", "tickets", prepared) is None, "its position is not what it was"
    assert rows(database, "select count(*) from tickets") == [(3,)]
    assert store.catch_up(automation=declared, sources=["helpdesk"]).read == 2
    assert rows(database, "select count(*), count(distinct ticket_id) from tickets") == [(5, 5)]


def test_two_runs_that_catch_up_at_once_write_everything_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canonical, "STEP", 3)
    land(database, *(ticket(n) for n in range(1, 31)))
    store, declared = CanonicalStore(database), automation()
    with ThreadPoolExecutor(2) as both:
        runs = [both.submit(store.catch_up, automation=declared, sources=["helpdesk"]) for _ in range(2)]
        assert sum(run.result().read for run in runs) == 30
    assert rows(database, "select count(*), count(distinct ticket_id) from tickets") == [(30, 30)]

"""`decide`: the batch path's decision for one ticket, once, in time, or not at all."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from msgspec.structs import replace

from aios_core.decisions.record import canonical
from aios_core.lifecycle.routing import in_canary
from resources.decisions import DecisionStore
from resources.declarations import load_declaration
from resources.idempotency import purge
from resources.ledger import Ledger
from resources.modes import ModeStore
from resources.registry import Registry
from tests.gateway.deciding import CREATED, DECLARATION, decided_in_batch, declare, put, sent, tickets, world
from tests.gateway.serving import HERE, promote, running, settings_for, wait_for, with_versions
from tests.gateway.test_inference import refused

DECIDE = "/v1/automations/triage/decide"
TICKET = {
    "ticket_id": "N1",
    "created_at": "2026-03-02T10:00:00Z",
    "body": "hello there refund invoice payment late fee",
}


@pytest.fixture
def registry(database, lake) -> Registry:
    return with_versions(database, lake)


@pytest.fixture
def declared(tmp_path):
    return load_declaration(declare(tmp_path) / "triage" / "defs.yaml")


@pytest.fixture
def gateway(declared, lake, tmp_path, database_url, clock):
    clock.now = CREATED + timedelta(days=1)
    environ = {"AIOS_AUTOMATIONS": str(tmp_path / "automations")}
    with running(settings_for(tmp_path, database_url, environ=environ), lake=lake, clock=clock) as caller:
        yield caller


@pytest.fixture
def caller(registry, gateway):
    wait_for(lambda: gateway.app.state.hall.serving["triage"].champion)
    return gateway


def counted(database) -> dict[str, int]:
    tables = ("decisions", "outbox", "review_cases", "tickets", "landing_records", "ledger", "idempotent_requests")
    with database.connection() as connection:
        return {t: connection.execute(f"select count(*) from {t}").fetchone()[0] for t in tables}


def test_a_ticket_gets_the_record_of_the_batch_path_to_the_byte(caller, database, registry, declared):
    some = tickets(60)
    put(database, [*world(), *some])
    ModeStore(database).set(
        automation="triage", queue="roaming", mode="review_only", reason="?", actor="ana", now=CREATED
    )
    batch = decided_in_batch(database, registry, declared, CREATED.date())
    assert {d.verdict for d in batch.values()} == {"automate", "draft", "review"}
    assert any(b'"crm_plan":"premium"' in d.record for d in batch.values())
    for ticket in some:
        dry = caller.post(DECIDE, json={"ticket": sent(ticket), "record": False})
        assert dry.status_code == 200, dry.text
        assert canonical(dry.json()["record"]) == batch[ticket.ticket_id].record
    for ticket in some[:12]:
        assert caller.post(DECIDE, json={"ticket": sent(ticket)}).status_code == 200
    store = DecisionStore(database)
    for ticket in some[:12]:
        stored = store.get(batch[ticket.ticket_id].decision_id)
        assert bytes(stored.record) == batch[ticket.ticket_id].record
        assert store.replay(stored.decision_id, registry=registry).identical
    assert Ledger(database).verify().ok


def test_the_answer_says_in_short_what_the_record_says(caller):
    answer = caller.post(DECIDE, json={"ticket": TICKET}, headers={"x-correlation-id": "order-17"})
    said = answer.json()
    assert (said["verdict"], said["queue"], said["recorded"], said["existing"]) == ("automate", "billing", True, False)
    assert said["probabilities"][0] == {"queue": "billing", "probability": said["confidence"]}
    assert said["record"]["probabilities"][0] == said["confidence"]
    assert said["terms"]
    assert said["correlation_id"] == answer.headers["x-correlation-id"] == "order-17"
    assert answer.headers["x-aios-decision"] == said["decision_id"]
    assert (answer.headers["x-aios-model"], answer.headers["x-aios-model-version"]) == ("triage", "1")


def test_a_ticket_that_no_connector_brought_is_there_for_people(caller, database, declared, registry):
    said = caller.post(DECIDE, json={"ticket": TICKET | {"body": "abroad with no signal, my invoice"}}).json()
    assert counted(database)["tickets"] == 1
    beside = caller.app.state.services.beside
    shown = beside.context(case_id=said["decision_id"], decision_id=said["decision_id"])
    assert shown.ticket.body == "abroad with no signal, my invoice"
    batch = decided_in_batch(database, registry, declared, CREATED.date())["N1"]
    assert batch.decision_id == said["decision_id"]
    assert batch.record == canonical(said["record"])


def test_a_dry_run_leaves_no_trace(caller, database):
    before = counted(database)
    said = caller.post(DECIDE, json={"ticket": TICKET, "record": False}).json()
    assert (said["recorded"], said["existing"]) == (False, False)
    assert counted(database) == before


def test_facts_that_are_sent_are_those_that_count(caller, database):
    put(database, world())
    known = caller.post(DECIDE, json={"ticket": TICKET | {"customer_id": "C0"}, "record": False}).json()["record"]
    assert known["ticket"]["values"]["crm_plan"] == "premium"
    customer = {"customer_id": "C0", "attributes": {"plan": "basic", "tenure_months": 7}}
    given = caller.post(DECIDE, json={"ticket": TICKET, "customer": customer, "record": False}).json()
    values = given["record"]["ticket"]["values"]
    assert (values["customer_id"], values["crm_plan"], values["crm_tenure_months"]) == ("C0", "basic", 7.0)
    assert given["confidence"] != known["confidence"]
    other = {"ticket": TICKET | {"customer_id": "C1"}, "customer": customer}
    refused(caller.post(DECIDE, json=other), 422, "customer.other")


def test_what_is_decided_stays(caller, database, registry):
    first = caller.post(DECIDE, json={"ticket": TICKET}).json()
    promote(registry, 2)
    wait_for(lambda: caller.app.state.hall.serving["triage"].champion.version == 2)
    again = caller.post(DECIDE, json={"ticket": TICKET}).json()
    assert (again["existing"], again["decision_id"], again["record"]) == (True, first["decision_id"], first["record"])
    dry = caller.post(DECIDE, json={"ticket": TICKET, "record": False}).json()
    assert dry["model"]["version"] == 2
    changed = caller.post(DECIDE, json={"ticket": TICKET | {"body": "no signal since yesterday"}}).json()
    assert (changed["existing"], changed["model"]["version"]) == (False, 2)
    assert counted(database)["decisions"] == 2
    conflict = TICKET | {"body": "something else", "version": first["ticket_version"], "ticket_id": "N2"}
    assert caller.post(DECIDE, json={"ticket": conflict}).status_code == 200


def test_a_version_of_a_ticket_has_one_content(caller, database):
    put(database, [replace(tickets(1)[0], ticket_id="N9", version="7", body="other words", known_at=CREATED)])
    before = counted(database)
    answer = caller.post(DECIDE, json={"ticket": TICKET | {"ticket_id": "N9", "version": "7"}})
    refused(answer, 409, "ticket.version_conflict")
    assert counted(database) == before


def test_without_a_model_a_person_decides(gateway, database):
    said = gateway.post(DECIDE, json={"ticket": TICKET}).json()
    assert (said["verdict"], said["rule"], said["model"]["version"]) == ("review", "no_model", 0)
    assert counted(database)["review_cases"] == 1


def test_the_same_request_under_the_same_key_is_done_once(caller, database, clock):
    keyed = {"idempotency-key": "k-1"}
    first = caller.post(DECIDE, json={"ticket": TICKET}, headers=keyed)
    again = caller.post(DECIDE, json={"record": True, "ticket": TICKET}, headers=keyed)
    assert first.content == again.content
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    other = caller.post(DECIDE, json={"ticket": TICKET | {"subject": "!"}}, headers=keyed)
    assert "was used for another request" in refused(other, 422, "idempotency.mismatch")
    assert counted(database)["decisions"] == 1
    clock.on(timedelta(hours=24, seconds=1))
    assert caller.post(DECIDE, json={"ticket": TICKET}, headers=keyed).json()["existing"] is True
    clock.on(timedelta(hours=25))
    assert [purge(database, now=clock.now), purge(database, now=clock.now)] == [1, 0]


def test_a_request_that_failed_may_be_sent_again_under_its_key(caller, database):
    keyed = {"idempotency-key": "k-2"}
    refused(caller.post(DECIDE, json={"ticket": TICKET | {"body": ""}}, headers=keyed), 422, "ticket.refused")
    assert caller.post(DECIDE, json={"ticket": TICKET}, headers=keyed).status_code == 200
    refused(caller.post(DECIDE, json={"ticket": TICKET}, headers={"idempotency-key": "a b"}), 422, "request.invalid")


def test_of_two_at_once_under_one_key_one_works_and_the_other_is_told(caller, database):
    with database.connection() as holding:
        holding.execute(
            "select pg_advisory_xact_lock(hashtextextended(%s, 0))", ("aios.idempotency.local:triage\x1fk-3",)
        )
        busy = caller.post(DECIDE, json={"ticket": TICKET}, headers={"idempotency-key": "k-3"})
        refused(busy, 409, "idempotency.in_progress")
        assert busy.headers["retry-after"] == "1"

    def send(_):
        return caller.post(DECIDE, json={"ticket": TICKET}, headers={"idempotency-key": "k-3"})

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(send, range(16)))
    assert {a.status_code for a in answers} <= {200, 409}
    assert len({a.content for a in answers if a.status_code == 200}) == 1
    assert counted(database)["decisions"] == counted(database)["idempotent_requests"] == 1


def test_a_deadline_holds_while_the_database_is_busy_and_nothing_is_half_done(caller, database):
    caller.post(DECIDE, json={"ticket": TICKET, "record": False})  # the policy engine is loaded
    before = counted(database)
    with database.connection() as holding:
        holding.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", ("aios.decisions.triage",))
        late = caller.post(DECIDE, json={"ticket": TICKET}, headers={"x-request-timeout-ms": "300"})
        refused(late, 504, "request.deadline")
    assert counted(database) == before
    assert caller.post(DECIDE, json={"ticket": TICKET}).json()["existing"] is False


def test_who_would_wait_too_long_is_turned_away(caller, database):
    line = caller.app.state.line
    line._most = 2
    held, release = threading.Event(), threading.Event()
    real = line._decide

    def slow(asked):
        held.set()
        release.wait(10)
        return real(asked)

    line._decide = slow
    with ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(caller.post, DECIDE, json={"ticket": TICKET, "record": False}) for _ in range(2)]
        wait_for(lambda: line._inside == 2)
        answer = caller.post(DECIDE, json={"ticket": TICKET})
        refused(answer, 429, "decide.busy")
        assert answer.headers["retry-after"] == "1"
        assert caller.get("/sign-in").status_code == 200  # the console does not wait in this line
        release.set()
        assert [w.result().status_code for w in waiting] == [200, 200]


WRONG = [
    ({}, "request.invalid"),
    ({"ticket": {}}, "request.invalid"),
    ({"ticket": TICKET | {"colour": "red"}}, "request.invalid"),
    ({"ticket": TICKET | {"created_at": "2026-03-02T10:00:00"}}, "request.invalid"),
    ({"ticket": TICKET | {"status": "lost"}}, "request.invalid"),
    ({"ticket": TICKET | {"ticket_id": "a\0b"}}, "request.invalid"),
    ({"ticket": TICKET | {"ticket_id": " "}}, "request.invalid"),
    ({"ticket": TICKET | {"ticket_id": "x" * 401}}, "request.invalid"),
    ({"ticket": TICKET, "customer": {"customer_id": "C", "attributes": {"plan": {"a": 1}}}}, "request.invalid"),
    ({"ticket": TICKET | {"source": "crm"}}, "ticket.unknown_source"),
    ({"ticket": TICKET | {"body": ""}}, "ticket.refused"),
    ({"ticket": TICKET | {"body": "x" * 5_001}}, "ticket.refused"),
    ({"ticket": TICKET | {"queue": "nowhere"}}, "ticket.refused"),
    ({"ticket": TICKET | {"created_at": "2199-01-01T00:00:00Z"}}, "ticket.refused"),
    ({"ticket": TICKET | {"created_at": "2026-02-01T00:00:00Z"}}, "ticket.too_old"),
    ({"ticket": TICKET | {"status": "solved"}}, "ticket.resolved"),
]


def test_a_ticket_that_is_none_is_refused_with_what_is_wrong(caller, database):
    before = counted(database)
    for content, code in WRONG:
        refused(caller.post(DECIDE, json=content), 422, code)
    refused(caller.post(DECIDE, content=b"{"), 422, "request.invalid")
    refused(caller.post(DECIDE, content=b'{"ticket": "\xff"}'), 422, "request.invalid")
    refused(caller.post(DECIDE, content=b"x" * 2_097_153), 413, "request.too_large")
    error = refused(caller.post("/v1/automations/nothing/decide", json={"ticket": TICKET}), 404, "automation.unknown")
    assert "triage" in error
    assert counted(database) == before


def test_odd_characters_are_kept_as_the_batch_path_keeps_them(caller, database):
    odd = TICKET | {"body": "my invoice \0 refund", "tags": ["x\ty"]}
    headers = {"content-type": "application/json"}
    said = caller.post(DECIDE, content=json.dumps({"ticket": odd}), headers=headers).json()
    assert said["record"]["ticket"]["values"]["text"] == "my invoice \ufffd refund"


def test_a_changed_declaration_counts_at_once_and_a_broken_one_harms_nobody_else(caller, tmp_path):
    file = tmp_path / "automations" / "triage" / "defs.yaml"
    caller.post(DECIDE, json={"ticket": TICKET, "record": False})
    file.write_text(DECLARATION.replace("automate: 0.85", "automate: 0.9999"))
    said = caller.post(DECIDE, json={"ticket": TICKET, "record": False}).json()
    assert said["verdict"] != "automate"
    file.write_text("type: nonsense")
    refused(caller.post(DECIDE, json={"ticket": TICKET}), 503, "declaration.invalid")
    assert caller.get("/health").status_code == 200


def test_a_canary_decides_its_share_as_in_the_batch_path(caller, database, registry, tmp_path):
    file = tmp_path / "automations" / "triage" / "defs.yaml"
    file.write_text(DECLARATION + "  lifecycle: {path: staged, canary_share: 0.5}\n")
    registry.move(name="triage", alias="canary", version=2, actor="ana", reason="try", evidence={}, now=CREATED)
    wait_for(lambda: 2 in caller.app.state.hall.serving["triage"].loaded)
    versions = {}
    for number in range(16):
        ticket = TICKET | {"ticket_id": f"S{number}"}
        said = caller.post(DECIDE, json={"ticket": ticket, "record": False}).json()
        versions[ticket["ticket_id"]] = said["model"]["version"]
    assert versions == {t: 2 if in_canary("triage", t, 0.5) else 1 for t in versions}
    assert set(versions.values()) == {1, 2}


def test_a_fault_of_the_gateway_has_the_same_shape_and_tells_nothing(registry, declared, lake, tmp_path, database_url):
    environ = {"AIOS_AUTOMATIONS": str(tmp_path / "automations")}
    with running(settings_for(tmp_path, database_url, environ=environ), lake=lake) as caller:

        def fails(_):
            raise RuntimeError("a secret")

        caller.app.state.line._decide = fails
        outside = TestClient(caller.app, raise_server_exceptions=False, **HERE)
        assert "secret" not in refused(outside.post(DECIDE, json={"ticket": TICKET}), 500, "gateway.failed")

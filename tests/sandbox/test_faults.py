import httpx
import pytest

from sandbox.faults import PRESETS, FaultError, Faults, parse_faults, plan_from

EXPORT = "/incremental/tickets/cursor.json"


def get(talk, **arguments):
    return talk.zendesk("GET", EXPORT, params={"start_time": 0, "per_page": 50}, **arguments)


def test_one_shots_come_in_order_and_then_all_is_well(talk) -> None:
    talk.faults(next=["429", "5xx", "429"], retry_after=7)
    answers = [get(talk) for _ in range(4)]
    assert [response.status_code for response in answers] == [429, 503, 429, 200]
    assert answers[0].headers["Retry-After"] == "7"
    assert answers[0].json()["error"] == "APIRateLimitExceeded"
    assert talk.client.get("/sandbox/state").json()["faults"]["injected"] == {"429": 2, "5xx": 1}


def test_rates_hit_about_as_often_as_they_say(talk) -> None:
    talk.faults(rates={"5xx": 0.3})
    hit = sum(talk.zendesk("GET", "/groups.json").status_code == 503 for _ in range(200))
    assert 35 < hit < 85


def test_faults_can_be_held_to_some_paths(talk) -> None:
    talk.faults(rates={"5xx": 1}, only="/incremental")
    assert get(talk).status_code == 503
    assert talk.zendesk("GET", "/groups.json").status_code == 200
    assert talk.client.get("/sandbox/health").status_code == 200


def test_the_crm_throttles_in_its_own_words(talk) -> None:
    talk.token()
    talk.faults(next=["429"], only="query")
    response = talk.soql("SELECT Id FROM Account")
    assert (response.status_code, response.json()[0]["errorCode"]) == (429, "REQUEST_LIMIT_EXCEEDED")


def test_a_malformed_body_is_whole_by_its_length_and_no_json(talk) -> None:
    talk.faults(next=["malformed"])
    response = get(talk)
    assert response.status_code == 200
    assert int(response.headers["content-length"]) == len(response.content)
    with pytest.raises(ValueError):
        response.json()


def test_a_duplicate_record_is_in_the_page_twice(talk) -> None:
    talk.faults(next=["duplicates"])
    ids = [ticket["id"] for ticket in get(talk).json()["tickets"]]
    assert len(ids) > len(set(ids)) == 50
    assert len(get(talk).json()["tickets"]) == 50


def test_a_late_record_brings_an_older_version_after_the_newer_one(talk) -> None:
    talk.faults(next=["late"])
    tickets = get(talk).json()["tickets"]
    newest = {ticket["id"]: ticket for ticket in tickets[:50]}
    late = tickets[50:]
    assert late
    for ticket in late:
        assert ticket["updated_at"] < newest[ticket["id"]]["updated_at"]
        assert (ticket["status"], ticket["group_id"]) == ("new", None)
        assert ticket["description"] == newest[ticket["id"]]["description"]


def test_a_lost_response_leaves_the_write_done(talk) -> None:
    ticket_id = talk.untouched()[0]["id"]
    talk.faults(next=["lost_response"])
    assert talk.update(ticket_id, group_id=4009).status_code == 502
    assert talk.ticket(ticket_id)["group_id"] == 4009


def test_a_server_error_leaves_the_write_undone(talk) -> None:
    ticket_id = talk.untouched()[0]["id"]
    talk.faults(next=["5xx"])
    assert talk.update(ticket_id, group_id=4009).status_code == 503
    assert talk.ticket(ticket_id)["group_id"] is None


def test_an_expired_token_ends_the_session(talk) -> None:
    assert talk.soql("SELECT Id FROM Account").status_code == 200
    talk.faults(next=["expired_token"])
    assert talk.zendesk("GET", "/groups.json").status_code == 200
    assert talk.soql("SELECT Id FROM Account").json()[0]["errorCode"] == "INVALID_SESSION_ID"
    talk._token = talk.token()
    assert talk.soql("SELECT Id FROM Account").status_code == 200


def test_slow_and_timed_out_answers_come_late(talk) -> None:
    talk.faults(next=["slow", "timeout"], slow_ms=30, timeout_ms=40)
    first = get(talk)
    assert first.status_code == 200
    second = get(talk)
    assert second.status_code == 504
    assert first.elapsed.total_seconds() >= 0.03
    assert second.elapsed.total_seconds() >= 0.04


def test_deletions_come_back_in_the_export(talk) -> None:
    _, cursor = talk.export()
    deleted = talk.faults(delete=3)["deleted"]
    assert len(deleted) == 3
    assert {ticket["id"]: ticket["status"] for ticket in talk.export(cursor=cursor)[0]} == dict.fromkeys(
        deleted, "deleted"
    )
    assert talk.faults(delete=deleted)["deleted"] == []
    assert len(talk.faults(rates={"deletions": 0.1})["deleted"]) == 51
    assert talk.client.get("/sandbox/state").json()["counts"]["deleted"] == 54


def test_a_truncated_body_breaks_off_on_the_wire(spawn) -> None:
    process = spawn("--tickets", "50", "--history", "50", "--faults", "truncated=1")
    with httpx.Client(base_url=process.url, auth=("agent@example.com/token", "sandbox-token")) as client:
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete|without sending complete"):
            client.get("/api/v2/incremental/tickets/cursor.json", params={"start_time": 0})
        assert client.post("/sandbox/faults", json={}).status_code == 200
        assert client.get("/api/v2/groups.json").status_code == 200
    assert process.stop() == 0
    assert process.child.stderr.read() == ""


def test_every_preset_and_plan_can_be_read() -> None:
    for name in PRESETS:
        assert parse_faults(name).rates
    plan = parse_faults("429=0.05,slow=0.1,slow_ms=300")
    assert (dict(plan.rates), plan.slow_ms) == ({"429": 0.05, "slow": 0.1}, 300.0)


@pytest.mark.parametrize("text", ["fire=1", "429=2", "429=x", "slow_ms=-1"])
def test_a_fault_that_makes_no_sense_is_named(text) -> None:
    with pytest.raises(FaultError, match=text.split("=", maxsplit=1)[0]):
        parse_faults(text)


def test_the_same_seed_gives_the_same_faults() -> None:
    def drawn(seed: int) -> list[str | None]:
        faults = Faults(plan_from({"rates": {"429": 0.3, "5xx": 0.3}}), seed=seed)
        return [faults.response_fault("/api/v2/groups") for _ in range(50)]

    assert drawn(1) == drawn(1) != drawn(2)

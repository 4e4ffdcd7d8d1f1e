import base64

import pytest

from sandbox.clock import SECOND
from sandbox.helpdesk.store import Position
from sandbox.zendesk import cursors


def test_an_export_brings_every_ticket_once(talk) -> None:
    tickets, _ = talk.export(per_page=37)
    assert sorted(ticket["id"] for ticket in tickets) == list(range(100_001, 100_521))
    stamps = [ticket["generated_timestamp"] for ticket in tickets]
    assert stamps == sorted(stamps)


def test_an_export_goes_on_from_any_of_its_cursors(talk) -> None:
    whole = [ticket["id"] for ticket in talk.export(per_page=1_000)[0]]
    for page in talk.pages(per_page=90):
        seen = whole.index(page["tickets"][-1]["id"]) + 1
        rest, _ = talk.export(cursor=page["after_cursor"], per_page=200)
        assert [ticket["id"] for ticket in rest] == whole[seen:]


def test_the_next_page_is_linked(talk) -> None:
    page = talk.zendesk("GET", "/incremental/tickets/cursor.json", params={"start_time": 0, "per_page": 400}).json()
    assert page["end_of_stream"] is False
    following = talk.client.get(page["after_url"], auth=("agent@example.com/token", "sandbox-token")).json()
    assert len(following["tickets"]) == 120
    assert following["end_of_stream"] is True
    assert not {t["id"] for t in page["tickets"]} & {t["id"] for t in following["tickets"]}


def test_an_export_starts_at_its_start_time(talk) -> None:
    tickets, _ = talk.export()
    middle = tickets[260]["generated_timestamp"]
    response = talk.zendesk("GET", "/incremental/tickets/cursor", params={"start_time": middle})
    expected = [ticket["id"] for ticket in tickets if ticket["generated_timestamp"] >= middle]
    assert [ticket["id"] for ticket in response.json()["tickets"]] == expected


def test_an_empty_page_keeps_its_cursor(talk) -> None:
    _, cursor = talk.export()
    records, again = talk.export(cursor=cursor)
    assert records == []
    assert again == cursor


def test_the_last_minute_is_left_out_until_it_has_passed(start) -> None:
    talk = start(recent_guard=True)
    tickets, cursor = talk.export()
    assert len(tickets) == 520
    changed = talk.untouched()[0]["id"]
    assert talk.update(changed, additional_tags=["vip"]).status_code == 200
    assert talk.export(cursor=cursor)[0] == []
    talk.advance(1 / 60)
    assert [ticket["id"] for ticket in talk.export(cursor=cursor)[0]] == [changed]


def test_a_ticket_comes_again_whenever_it_was_updated(talk) -> None:
    ticket = talk.untouched()[0]
    _, cursor = talk.export()
    for number in range(3):
        talk.update(ticket["id"], additional_tags=[f"tag{number}"])
        changed, cursor = talk.export(cursor=cursor)
        assert [item["id"] for item in changed] == [ticket["id"]]
        assert f"tag{number}" in changed[0]["tags"]
        assert changed[0]["updated_at"] > ticket["updated_at"]
        ticket = changed[0]


def test_the_same_version_is_always_the_same_payload(start) -> None:
    talk = start()
    versions: dict[tuple, dict] = {}
    cursor = None
    for _ in range(6):
        records, cursor = talk.export(cursor=cursor)
        records += talk.export()[0]
        for ticket in records:
            assert versions.setdefault((ticket["id"], ticket["updated_at"]), ticket) == ticket
        for ticket in records[::40]:
            talk.update(ticket["id"], additional_tags=["again"], custom_fields=[{"id": 900_002, "value": "0.5"}])
        talk.advance(7, new_tickets=10)


def test_new_tickets_are_in_no_queue_and_carry_no_verdict(talk) -> None:
    for ticket in talk.untouched():
        assert ticket["group_id"] is None
        assert ticket["assignee_id"] is None
        assert ticket["type"] is None


def test_users_can_be_had_with_their_tickets(talk) -> None:
    parameters = {"start_time": 0, "per_page": 20, "include": "users"}
    page = talk.zendesk("GET", "/incremental/tickets/cursor.json", params=parameters).json()
    assert {user["id"] for user in page["users"]} == {ticket["requester_id"] for ticket in page["tickets"]}


def test_users_are_exported_by_cursor_and_again_when_their_plan_changes(talk) -> None:
    path = "/incremental/users/cursor.json"
    users, cursor = talk.export(path, per_page=30)
    assert len({user["id"] for user in users}) == len(users) == 25 + 200
    accounts = {row["Id"] for row in talk.soql("SELECT Id FROM Account", path="queryAll").json()["records"]}
    assert {user["external_id"] for user in users if user["role"] == "end-user"} == accounts
    talk.advance(24 * 10)
    changed, _ = talk.export(path, cursor=cursor)
    assert changed
    plans = {user["id"]: user["user_fields"] for user in users}
    assert any(plans[user["id"]] != user["user_fields"] for user in changed)
    assert all(user["updated_at"] > users[-1]["updated_at"] for user in changed)


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({}, 400),
        ({"start_time": "yesterday"}, 400),
        ({"start_time": "-5"}, 400),
        ({"cursor": "not a cursor"}, 400),
        ({"cursor": base64.b64encode(b"1|2|3").decode()}, 400),
        ({"start_time": 0, "per_page": 0}, 400),
        ({"start_time": 0, "per_page": 1_001}, 400),
        ({"start_time": 1_800_000_000}, 422),
    ],
)
def test_an_export_that_makes_no_sense_is_refused_in_the_vendors_words(talk, parameters, status) -> None:
    response = talk.zendesk("GET", "/incremental/tickets/cursor.json", params=parameters)
    assert response.status_code == status
    assert set(response.json()) == {"error", "description"}


@pytest.mark.parametrize("auth", [None, ("agent@example.com/token", "wrong"), ("agent@example.com", "sandbox-token")])
def test_without_the_token_there_is_nothing_to_see(talk, auth) -> None:
    response = talk.client.get("/api/v2/tickets/100001.json", auth=auth)
    assert response.status_code == 401
    assert response.json() == {"error": "Couldn't authenticate you"}


def test_an_unknown_path_and_an_unknown_ticket_are_told_apart(talk) -> None:
    assert talk.zendesk("GET", "/nothing.json").json()["error"] == "InvalidEndpoint"
    assert talk.zendesk("GET", "/tickets/5.json").json() == {"error": "RecordNotFound", "description": "Not found"}
    assert talk.zendesk("GET", "/tickets/abc.json").status_code == 404


def test_a_cursor_is_spelt_as_the_vendor_spells_it() -> None:
    position = Position(1_576_613_539 * SECOND + 25, 467)
    assert base64.b64decode(cursors.encode(position)) == b"1576613539.000025||467|"
    assert cursors.decode(cursors.encode(position)) == position
    assert cursors.decode("MTU3NjYxMzUzOS4wfHw0Njd8") == Position(1_576_613_539 * SECOND, 467)


def test_the_real_quota_stops_the_eleventh_export_of_a_minute(start) -> None:
    talk = start(quota="real")
    for remaining in range(9, -1, -1):
        response = talk.zendesk("GET", "/incremental/tickets/cursor.json", params={"start_time": 0, "per_page": 5})
        assert response.status_code == 200
        assert f"remaining={remaining};" in response.headers["Zendesk-RateLimit-incremental"]
    talk.wall.sleep(20)
    response = talk.zendesk("GET", "/incremental/tickets/cursor.json", params={"start_time": 0, "per_page": 5})
    assert response.status_code == 429
    assert response.headers["Retry-After"] == "40"
    assert response.json()["error"] == "APIRateLimitExceeded"
    assert talk.zendesk("GET", "/groups.json").status_code == 200
    talk.wall.sleep(40)
    assert talk.zendesk("GET", "/incremental/tickets/cursor.json", params={"start_time": 0}).status_code == 200


def test_the_real_quota_stops_the_101st_write_of_a_minute(start) -> None:
    talk = start(quota="real")
    ticket_id = talk.untouched()[0]["id"]
    statuses = [talk.update(ticket_id, priority="high").status_code for _ in range(101)]
    assert statuses == [200] * 100 + [429]
    assert talk.client.get("/sandbox/writes").json()["count"] == 100

"""What the sandbox says of writes: which took effect twice, and which never answered."""

from tests.sandbox.conftest import Talk

BEARER = {"Authorization": "Bearer sandbox-token"}
DESK = ("sandbox-token", "X")


def test_the_same_comment_twice_on_a_ticket_is_a_double_and_on_two_tickets_is_not(talk: Talk) -> None:
    first, second = (ticket["id"] for ticket in talk.untouched()[:2])
    for ticket_id in (first, second):
        talk.update(ticket_id, comment={"body": "why [aios k1]", "public": False})
    assert talk.client.get("/sandbox/doubles").json() == {"double_actions": 0, "doubles": []}
    talk.client.post(f"/freshdesk/api/v2/tickets/{first}/notes", json={"body": "<p>why again [aios k1]</p>"}, auth=DESK)
    told = talk.client.get("/sandbox/doubles").json()
    assert told == {"double_actions": 1, "doubles": [{"ticket_id": first, "what": "[aios k1]", "times": 2}]}


def test_a_refused_write_has_no_effect_and_is_noted(talk: Talk) -> None:
    ticket_id = talk.untouched()[0]["id"]
    refused = talk.client.put(f"/freshdesk/api/v2/tickets/{ticket_id}", json={"priority": 9}, auth=DESK)
    assert refused.status_code == 400
    talk.update(ticket_id, status="closed")
    refused = talk.client.post(
        f"/jira/rest/servicedeskapi/request/CARE-{ticket_id}/comment",
        json={"body": "late"},
        auth=("agent@example.com", "sandbox-token"),
    )
    assert refused.status_code == 400
    assert [w["error"] for w in talk.client.get("/sandbox/writes").json()["writes"] if not w["applied"]] == [
        "ClosedTicket"
    ]


def test_a_write_may_take_effect_and_its_answer_hang(talk: Talk) -> None:
    ticket_id = talk.untouched()[0]["id"]
    talk.faults(next=["hung"], only="POST /reply", timeout_ms=10)
    path, body = (
        f"/intercom/conversations/{ticket_id}",
        {"message_type": "note", "type": "admin", "admin_id": "1", "body": "<p>hi</p>"},
    )
    assert talk.client.post(f"{path}/reply", json=body, headers=BEARER).status_code == 504
    (part,) = talk.client.get(path, headers=BEARER).json()["conversation_parts"]["conversation_parts"]
    assert (part["part_type"], part["body"]) == ("note", "<p>hi</p>")


def test_a_token_of_servicenow_runs_out(talk: Talk) -> None:
    form = {"grant_type": "client_credentials", "client_id": "aios", "client_secret": "sandbox-token"}
    token = talk.client.post("/servicenow/oauth_token.do", data=form).json()["access_token"]
    row = f"/servicenow/api/now/table/incident/{talk.untouched()[0]['id']:032x}"
    headers = {"Authorization": f"Bearer {token}"}
    assert talk.client.get(row, headers=headers).status_code == 200
    talk.faults(next=["expired_token"])
    assert talk.client.get(row, headers=headers).status_code == 401
    assert talk.client.post("/servicenow/oauth_token.do", data=form | {"client_secret": "x"}).status_code == 401


def test_impact_and_urgency_make_a_priority(talk: Talk) -> None:
    ticket_id = talk.untouched()[0]["id"]
    row = f"/servicenow/api/now/table/incident/{ticket_id:032x}"
    changed = talk.client.patch(row, json={"impact": "1", "urgency": "1"}, auth=("aios", "sandbox-token")).json()
    assert (changed["result"]["priority"], talk.ticket(ticket_id)["priority"]) == ("1", "urgent")

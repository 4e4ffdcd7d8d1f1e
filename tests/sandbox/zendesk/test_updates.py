import pytest


def test_what_a_client_writes_comes_back_in_the_export(talk) -> None:
    ticket_id = talk.untouched()[0]["id"]
    _, cursor = talk.export()
    response = talk.update(
        ticket_id,
        group_id=4002,
        priority="urgent",
        additional_tags=["aios_automated"],
        custom_fields=[{"id": 900_001, "value": "automate"}, {"id": 900_002, "value": 0.97}],
        comment={"body": "Routed by AIOS.", "public": False},
    )
    assert response.status_code == 200
    assert response.json()["audit"]["ticket_id"] == ticket_id
    (ticket,), _ = talk.export(cursor=cursor)
    assert ticket == response.json()["ticket"] == talk.ticket(ticket_id)
    assert (ticket["group_id"], ticket["priority"], ticket["status"]) == (4002, "urgent", "new")
    assert "aios_automated" in ticket["tags"]
    values = {item["id"]: item["value"] for item in ticket["custom_fields"]}
    assert values[900_001] == "automate"
    assert values[900_002] == "0.97"
    comments = talk.zendesk("GET", f"/tickets/{ticket_id}/comments.json").json()["comments"]
    assert [(item["body"], item["public"]) for item in comments][1:] == [("Routed by AIOS.", False)]
    assert comments[0]["body"] == ticket["description"]


def test_tags_are_added_removed_or_replaced(talk) -> None:
    ticket_id = talk.untouched()[0]["id"]
    talk.update(ticket_id, tags=["b", "A"])
    assert talk.ticket(ticket_id)["tags"] == ["a", "b"]
    talk.update(ticket_id, additional_tags=["c d"], remove_tags=["a"])
    assert talk.ticket(ticket_id)["tags"] == ["b", "c_d"]


def test_a_safe_update_of_an_outdated_ticket_is_refused_and_changes_nothing(talk) -> None:
    ticket = talk.untouched()[0]
    talk.update(ticket["id"], priority="high")
    stale = talk.update(ticket["id"], priority="low", safe_update=True, updated_stamp=ticket["updated_at"])
    assert stale.status_code == 409
    assert stale.json()["error"] == "UpdateConflict"
    fresh = talk.ticket(ticket["id"])
    assert fresh["priority"] == "high"
    again = talk.update(ticket["id"], priority="low", safe_update=True, updated_stamp=fresh["updated_at"])
    assert again.status_code == 200


def test_a_closed_ticket_can_not_be_changed(talk) -> None:
    closed = next(ticket for ticket in talk.export()[0] if ticket["status"] == "closed")
    response = talk.update(closed["id"], priority="low")
    assert response.status_code == 422
    assert "closed" in response.text
    assert talk.ticket(closed["id"]) == closed


@pytest.mark.parametrize(
    ("fields", "name"), [({"group_id": 1}, "group_id"), ({"status": "x"}, "status"), ({"priority": "top"}, "priority")]
)
def test_an_invalid_value_is_refused_by_field(talk, fields, name) -> None:
    response = talk.update(talk.untouched()[0]["id"], **fields)
    assert response.status_code == 422
    assert name in response.json()["details"]


def test_broken_json_is_refused(talk) -> None:
    for content in (b'{"ticket": ', b"[]", b"\x00"):
        assert talk.zendesk("PUT", "/tickets/100001.json", content=content).status_code == 400


def finished_job(talk, response) -> dict:
    job = response.json()["job_status"]
    assert (job["status"], job["results"]) == ("queued", None)
    path = f"/job_statuses/{job['id']}.json"
    assert talk.zendesk("GET", path).json()["job_status"]["status"] == "queued"
    talk.wall.sleep(1)
    done = talk.zendesk("GET", path).json()["job_status"]
    assert done["status"] == "completed"
    assert done["progress"] == done["total"] == len(done["results"])
    return done


def test_a_world_may_finish_its_jobs_at_once(start) -> None:
    talk = start(job_seconds=0.0)
    body = {"tickets": [{"id": talk.untouched()[0]["id"], "group_id": 4001}]}
    taken = talk.zendesk("PUT", "/tickets/update_many.json", json=body).json()["job_status"]
    assert taken["status"] == "queued"
    assert talk.zendesk("GET", f"/job_statuses/{taken['id']}.json").json()["job_status"]["status"] == "completed"


def test_update_many_changes_each_ticket_in_its_own_way_and_says_what_became_of_it(talk) -> None:
    new = talk.untouched()
    first, second = new[0]["id"], new[1]["id"]
    closed = next(ticket["id"] for ticket in talk.export()[0] if ticket["status"] == "closed")
    body = {
        "tickets": [
            {"id": first, "group_id": 4001},
            {"id": second, "group_id": 4007, "custom_fields": [{"id": 900_001, "value": "draft"}]},
            {"id": closed, "group_id": 4001},
            {"id": 5, "group_id": 4001},
            {"id": first, "priority": "low", "safe_update": True, "updated_stamp": new[0]["updated_at"]},
        ]
    }
    done = finished_job(talk, talk.zendesk("PUT", "/tickets/update_many.json", json=body))
    assert [result["success"] for result in done["results"]] == [True, True, False, False, False]
    assert [result.get("error") for result in done["results"]][2:] == [
        "RecordInvalid",
        "TicketNotFound",
        "UpdateConflict",
    ]
    assert talk.ticket(first)["group_id"] == 4001
    assert talk.ticket(second)["group_id"] == 4007


def test_update_many_by_ids_changes_all_alike(talk) -> None:
    ids = [ticket["id"] for ticket in talk.untouched()[:3]]
    query = {"ids": ",".join(map(str, ids))}
    done = finished_job(
        talk, talk.zendesk("PUT", "/tickets/update_many.json", params=query, json={"ticket": {"status": "open"}})
    )
    assert done["total"] == 3
    assert {talk.ticket(ticket_id)["status"] for ticket_id in ids} == {"open"}


def test_update_many_takes_at_most_100(talk) -> None:
    response = talk.zendesk("PUT", "/tickets/update_many.json", json={"tickets": [{"id": 1}] * 101})
    assert response.status_code == 400
    assert "100" in response.json()["description"]
    assert talk.zendesk("GET", "/job_statuses/none.json").status_code == 404


def test_every_write_is_listed_with_its_idempotency_key(talk) -> None:
    first, second = (ticket["id"] for ticket in talk.untouched()[:2])
    talk.update(first, priority="low", headers={"Idempotency-Key": "key-1"})
    talk.update(first, priority="low", headers={"Idempotency-Key": "key-1"})
    talk.update(second, status="nonsense")
    talk.zendesk(
        "PUT",
        "/tickets/update_many.json",
        json={"tickets": [{"id": second, "group_id": 4001}]},
        headers={"Idempotency-Key": "key-2"},
    )
    writes = talk.client.get("/sandbox/writes").json()["writes"]
    assert [(w["ticket_id"], w["idempotency_key"], w["applied"]) for w in writes] == [
        (first, "key-1", True),
        (first, "key-1", True),
        (second, None, False),
        (second, "key-2", True),
    ]
    assert writes[0]["fields"] == {"priority": "low"}


def test_a_client_can_open_and_delete_a_ticket(talk) -> None:
    body = "مرحبا \u0000 \U0001f600 " + "x" * 100_000
    ticket = {"subject": "From outside", "comment": {"body": body}, "requester_id": 500_003, "priority": "high"}
    response = talk.zendesk("POST", "/tickets.json", json={"ticket": ticket})
    assert response.status_code == 201
    made = response.json()["ticket"]
    assert (made["subject"], made["description"], made["priority"]) == ("From outside", body, "high")
    assert talk.export()[0][-1] == made
    talk.advance(500)
    assert talk.ticket(made["id"]) == made
    _, cursor = talk.export()
    assert talk.zendesk("DELETE", f"/tickets/{made['id']}.json").status_code == 204
    assert [(item["id"], item["status"]) for item in talk.export(cursor=cursor)[0]] == [(made["id"], "deleted")]
    assert talk.zendesk("GET", f"/tickets/{made['id']}.json").status_code == 404


def test_a_ticket_without_words_or_requester_is_refused(talk) -> None:
    for ticket in ({"subject": "no words"}, {"comment": {"body": "x"}, "requester_id": 1}):
        assert talk.zendesk("POST", "/tickets.json", json={"ticket": ticket}).status_code == 422


def test_many_tickets_are_shown_at_once_and_unknown_ones_left_out(talk) -> None:
    known = [ticket["id"] for ticket in talk.untouched()[:3]]
    body = talk.zendesk("GET", f"/tickets/show_many.json?ids={','.join(map(str, known))},1").json()
    assert [ticket["id"] for ticket in body["tickets"]] == known
    assert body["tickets"][0] == talk.ticket(known[0])


@pytest.mark.parametrize("ids", ["", "x", ",".join(str(n) for n in range(101))])
def test_showing_no_tickets_or_too_many_is_refused(talk, ids: str) -> None:
    assert talk.zendesk("GET", f"/tickets/show_many.json?ids={ids}").status_code == 400

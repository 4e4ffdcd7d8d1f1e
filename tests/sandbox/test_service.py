"""The control plane, the clock, what is kept across restarts, and what must never be seen from outside."""

from dataclasses import replace

import pytest

from sandbox.journal import JournalError
from sandbox.world.spec import DAY, Drift
from tests.sandbox.conftest import SMALL, UNTIL

RULED = replace(SMALL, drift=(Drift("label_rule", SMALL.first_moment),))


def everything_served(talk) -> list[bytes]:
    """Every byte that a client can get of tickets no agent has had in hand, and of the CRM."""
    tickets = talk.untouched()
    served = [talk.zendesk("GET", f"/tickets/{ticket['id']}.json").content for ticket in tickets]
    served += [talk.zendesk("GET", f"/tickets/{ticket['id']}/comments.json").content for ticket in tickets]
    for kind, field in (
        ("Account", "Churn_Risk__c"),
        ("Contact", "Email"),
        ("Case", "Subject"),
        ("AccountHistory", "NewValue"),
    ):
        served.append(talk.soql(f"SELECT Id, {field} FROM {kind}").content)
    served += [talk.client.get(f"/sandbox/{path}").content for path in ("manifest", "writes")]
    served.append(talk.zendesk("GET", "/incremental/users/cursor.json", params={"start_time": 0}).content)
    return served


def test_the_truth_never_shows_before_an_agents_verdict(start) -> None:
    """Two worlds that differ in nothing but the truth serve the same bytes."""
    plain, ruled = start(), start(world=RULED)
    label = [store.helpdesk._last_label for store in (plain.sandbox, ruled.sandbox)]
    assert list(label[0]) != list(label[1])
    assert everything_served(plain) == everything_served(ruled)


def test_the_truth_shows_once_an_agent_has_solved_the_ticket(start) -> None:
    plain, ruled = start(), start(world=RULED)
    new = {ticket["id"] for ticket in plain.untouched()}
    queues = []
    for talk in (plain, ruled):
        talk.advance(24 * 20)
        queues.append(
            [ticket["group_id"] for ticket in sorted(talk.export()[0], key=lambda t: t["id"]) if ticket["id"] in new]
        )
    assert None not in queues[0]
    assert queues[0] != queues[1]


def test_the_same_world_can_start_at_any_hour(start) -> None:
    first, second = start(), start(until=UNTIL + 3 * 3_600)
    one, other = (sorted(talk.export()[0], key=lambda ticket: ticket["id"]) for talk in (first, second))
    assert [(t["id"], t["subject"], t["description"]) for t in one] == [
        (t["id"], t["subject"], t["description"]) for t in other
    ]
    assert {b["generated_timestamp"] - a["generated_timestamp"] for a, b in zip(one, other, strict=True)} == {3 * 3_600}


def test_the_manifest_says_what_must_have_been_exported(talk) -> None:
    for _ in range(3):
        manifest = talk.client.get("/sandbox/manifest").json()
        exported = {ticket["id"]: ticket["updated_at"] for ticket in talk.export()[0]}
        assert {entry["id"]: entry["updated_at"] for entry in manifest["tickets"]} == exported
        assert manifest["totals"]["tickets"] == len(exported)
        assert manifest["totals"]["versions"] == sum(entry["versions"] for entry in manifest["tickets"])
        assert set(manifest["tickets"][0]) == {"id", "versions", "updated_at", "deleted"}
        talk.update(talk.untouched()[0]["id"], priority="low")
        talk.advance(5, new_tickets=20)


def test_moving_the_clock_lets_agents_act_and_tickets_arrive(talk) -> None:
    before = talk.client.get("/sandbox/state").json()["counts"]
    after = talk.advance(12, new_tickets=50)["counts"]
    assert after["tickets"] == before["tickets"] + 50
    assert after["by_status"]["solved"] > before["by_status"]["solved"] + 40
    newest = max(talk.export()[0], key=lambda ticket: ticket["id"])
    assert newest["id"] == 100_000 + after["tickets"]


def test_nothing_happens_by_itself_right_after_the_start(start) -> None:
    talk = start(recent_guard=True)

    def seen() -> tuple:
        crm = [
            talk.soql(f"SELECT Id, SystemModstamp FROM {kind}", path="queryAll").json() for kind in ("Account", "Case")
        ]
        return talk.export()[0], talk.export("/incremental/users/cursor.json")[0], crm

    before = seen()
    talk.advance(0.24)
    assert seen() == before
    talk.advance(48)
    assert all(now != then for now, then in zip(seen(), before, strict=True))


def test_live_tickets_arrive_as_wall_time_passes(start) -> None:
    talk = start(clock_runs=True, live_per_minute=30.0)
    assert talk.client.get("/sandbox/state").json()["counts"]["tickets"] == 520
    talk.wall.sleep(600)
    arrived = talk.client.get("/sandbox/state").json()["counts"]["tickets"] - 520
    assert 230 < arrived < 370
    ids = sorted(ticket["id"] for ticket in talk.export()[0])
    assert ids == list(range(100_001, 100_521 + arrived))


def test_drift_can_begin_now(talk, words) -> None:
    before = talk.export()[0]
    talk.client.post("/sandbox/drift", json={"kind": "new_product"}).raise_for_status()
    assert talk.export()[0] == before
    talk.advance(24, new_tickets=200)
    arrived = [ticket for ticket in talk.export()[0] if ticket["id"] > 100_520]
    told = [ticket for ticket in arrived if "nova" in words(ticket["subject"] + " " + ticket["description"])]
    assert len(told) > 30
    assert {ticket["tags"][0] for ticket in told} == {"nova"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("clock", {}),
        ("clock", {"advance_hours": -1}),
        ("clock", {"advance_hours": "soon"}),
        ("clock", {"advance_hours": 1, "new_tickets": -5}),
        ("clock", {"advance_hours": 0, "new_tickets": 5}),
        ("faults", {"rates": {"fire": 1}}),
        ("faults", {"fire": 1}),
        ("faults", {"next": ["fire"]}),
        ("drift", {"kind": "rain"}),
    ],
)
def test_the_control_plane_says_what_is_wrong(talk, path, body) -> None:
    before = talk.client.get("/sandbox/manifest").content
    response = talk.client.post(f"/sandbox/{path}", json=body)
    assert response.status_code == 400
    assert response.json()["error"]
    assert talk.client.get("/sandbox/manifest").content == before


def test_the_address_alone_says_what_is_here(talk) -> None:
    paths = talk.client.get("/").json()
    for path in paths["look"]:
        assert talk.client.get(path).status_code == 200
    for path in ("//", "/nothing", "/sandbox/nothing"):
        assert talk.client.get(f"http://testserver{path}").status_code in (200, 404)


def test_reset_goes_back_to_the_start(talk) -> None:
    fresh = talk.export()[0]
    talk.update(talk.untouched()[0]["id"], group_id=4001)
    talk.faults(rates={"5xx": 0.0}, delete=2)
    talk.client.post("/sandbox/drift", json={"kind": "class_shift"})
    talk.advance(30, new_tickets=10)
    assert talk.export()[0] != fresh
    talk.client.post("/sandbox/reset").raise_for_status()
    assert talk.export()[0] == fresh
    assert talk.client.get("/sandbox/writes").json()["count"] == 0


def test_a_restart_goes_on_from_the_kept_state(start, tmp_path) -> None:
    file = tmp_path / "kept" / "state.db"
    first = start(state=file)
    new = first.untouched()
    first.update(new[0]["id"], group_id=4003, comment={"body": "kept"}, headers={"Idempotency-Key": "k"})
    first.advance(6, new_tickets=15)
    first.client.post("/sandbox/drift", json={"kind": "class_shift"})
    first.update(new[1]["id"], status="solved", group_id=4001)
    first.faults(delete=2)
    made = {"subject": "mine", "comment": {"body": "words"}}
    first.zendesk("POST", "/tickets.json", json={"ticket": made})
    first.advance(20, new_tickets=25)
    cursor = next(first.pages(per_page=100))["after_cursor"]
    paths = ("manifest", "writes")
    seen = [first.client.get(f"/sandbox/{path}").json() for path in paths], first.export(cursor=cursor)
    # no close: a killed process says no goodbye
    second = start(state=file)
    assert ([second.client.get(f"/sandbox/{path}").json() for path in paths], second.export(cursor=cursor)) == seen
    assert second.advance(1)["clock"] > first.client.get("/sandbox/state").json()["clock"]


def test_a_running_clock_never_goes_back_over_a_restart(start, tmp_path) -> None:
    first = start(state=tmp_path / "state.db", clock_runs=True, live_per_minute=20.0)
    first.wall.sleep(95)
    state = first.client.get("/sandbox/state").json()
    first.wall.sleep(9)
    served = first.export()[0]
    second = start(state=tmp_path / "state.db", clock_runs=True, live_per_minute=20.0)
    assert second.client.get("/sandbox/state").json()["clock"] >= state["clock"]
    again = {ticket["id"]: ticket for ticket in second.export()[0]}
    assert all(again[ticket["id"]] == ticket for ticket in served)


def test_a_restart_gives_the_same_log_however_often_somebody_asked(start, tmp_path) -> None:
    """Live tickets, agents at work, writes in between, and looks at odd moments: cursors stay good over a kill."""
    settings = {"state": tmp_path / "state.db", "clock_runs": True, "live_per_minute": 40.0}
    first = start(**settings)
    first.advance(3)
    _, cursor = first.export()
    new = [ticket["id"] for ticket in first.untouched()]
    for turn in range(40):
        first.wall.sleep(3.7)
        if turn % 5 == 0:
            first.update(new[turn], additional_tags=["seen"])
        first.client.get("/sandbox/state")
    first.wall.sleep(5)
    seen, _ = first.export(cursor=cursor, per_page=7)
    second = start(**settings)
    again, _ = second.export(cursor=cursor, per_page=1_000)
    assert len(seen) > 80
    assert again[: len(seen)] == seen


def test_a_job_can_be_asked_for_after_a_restart(start, tmp_path) -> None:
    first = start(state=tmp_path / "state.db")
    body = {"tickets": [{"id": first.untouched()[0]["id"], "priority": "low"}, {"id": 1}]}
    job = first.zendesk("PUT", "/tickets/update_many.json", json=body).json()["job_status"]["id"]
    first.wall.sleep(1)
    done = first.zendesk("GET", f"/job_statuses/{job}.json").json()
    second = start(state=tmp_path / "state.db")
    second.wall.sleep(1)
    assert second.zendesk("GET", f"/job_statuses/{job}.json").json() == done


def test_a_state_file_that_is_none_is_named(start, tmp_path) -> None:
    (tmp_path / "state.db").write_text("not a database, but long enough to be taken for a damaged one" * 20)
    with pytest.raises(JournalError, match=r"state\.db.*--state"):
        start(state=tmp_path / "state.db")


def test_a_kept_world_is_the_world_that_goes_on(start, tmp_path) -> None:
    first = start(state=tmp_path / "state.db")
    second = start(state=tmp_path / "state.db", world=replace(SMALL, seed=99), until=UNTIL + int(DAY))
    assert second.export()[0] == first.export()[0]

"""What a play asks of the sandbox: a day in two acts, people's opinions, tickets that are entered when solved, and the truth."""

import pytest

from sandbox.world.tickets import FORM_TOPICS


def day(talk, moments=None, *, tickets: int = 60, moved: dict[int, str] | None = None, delay: float = 3.0) -> dict:
    """A day with these tickets; what is `moved` stands in the right queue from its moment on. Returns the truth by id."""
    response = talk.client.post("/sandbox/clock", json={"advance_hours": 24, "new_tickets": tickets, "hold": True})
    assert response.status_code == 200, response.text
    for ticket_id, queue in (moved or {}).items():
        assert talk.update(ticket_id, group_id=group(queue)).status_code == 200
    talk.client.post("/sandbox/release", json={"moments": moments or {}, "delay_minutes": delay})
    return truth(talk)


def group(queue: str) -> int:
    from sandbox.world.queues import FIRST_GROUP_ID, INDEX

    return FIRST_GROUP_ID + INDEX[queue]


def truth(talk) -> dict[int, dict]:
    return {ticket["id"]: ticket for ticket in talk.client.get("/sandbox/truth").json()["tickets"]}


def hours(ticket: dict) -> float:
    return (ticket["resolved_at"] - ticket["created_at"]) / 3_600


def test_while_a_day_is_held_tickets_arrive_and_nobody_works(talk) -> None:
    before = len(truth(talk))
    talk.client.post("/sandbox/clock", json={"advance_hours": 24, "new_tickets": 60, "hold": True})
    held = truth(talk)
    new = [t for t in held.values() if t["id"] >= 100_001 + before]
    assert len(new) == 60
    assert not any(t["resolved_at"] for t in new)
    talk.client.post("/sandbox/release", json={})
    released = truth(talk)
    assert any(released[t["id"]]["resolved_at"] for t in new)


def test_a_held_day_that_nobody_moves_anything_in_ends_like_any_other(start) -> None:
    held, plain = start(), start()
    day(held)
    plain.advance(24, new_tickets=60)
    assert truth(held) == truth(plain)
    held.advance(48, new_tickets=0)
    plain.advance(48, new_tickets=0)
    assert truth(held) == truth(plain)


def test_a_ticket_that_was_moved_to_its_queue_is_resolved_sooner_the_earlier_the_sooner(start) -> None:
    def resolved(minutes: float | None) -> list[float]:
        talk = start()
        first = len(truth(talk)) + 100_001
        talk.client.post("/sandbox/clock", json={"advance_hours": 24, "new_tickets": 60, "hold": True})
        known = truth(talk)
        new = [t for t in known if t >= first]
        if minutes is not None:
            for ticket_id in new:
                talk.update(ticket_id, group_id=group(known[ticket_id]["queue"]))
        talk.client.post("/sandbox/release", json={"delay_minutes": minutes or 0})
        talk.advance(24 * 10, new_tickets=0)
        after = truth(talk)
        return [hours(after[ticket_id]) for ticket_id in new]

    never, late, soon = resolved(None), resolved(120), resolved(3)
    assert all(a >= b >= c for a, b, c in zip(never, late, soon, strict=True))
    assert sum(soon) < sum(late) < sum(never)
    # 2.5 times as soon, from three minutes on
    assert sum(soon) == pytest.approx(sum(never) / 2.5, rel=0.02)


def test_people_err_as_often_as_asked_and_each_time_on_the_same_tickets(talk) -> None:
    known = truth(talk)
    ask = {"tickets": list(known), "error_share": 0.1}
    said = talk.client.post("/sandbox/people", json=ask).json()
    assert said == talk.client.post("/sandbox/people", json=ask).json()
    wrong = [ticket for ticket, queue in said.items() if queue != known[int(ticket)]["queue"]]
    assert 0.05 < len(wrong) / len(known) < 0.15
    perfect = talk.client.post("/sandbox/people", json={"tickets": list(known)}).json()
    assert all(queue == known[int(ticket)]["queue"] for ticket, queue in perfect.items())


@pytest.mark.parametrize("misfiled", [True, False])
def test_entered_tickets_are_solved_when_they_come_and_misfiled_ones_stand_in_wrong_queues(
    talk, misfiled: bool
) -> None:
    talk.client.post("/sandbox/enter", json={"tickets": 80, "hours": 24, "misfiled": misfiled})
    entered = [t for t in day(talk, tickets=10).values() if t["entered"]]
    shown = {t["id"]: t for t in talk.export()[0]}
    assert len(entered) == 80
    assert {shown[t["id"]]["status"] for t in entered} == {"solved"}
    assert all(t["resolved_at"] == t["created_at"] for t in entered)
    stands = {(t["queue"], shown[t["id"]]["group_id"]) for t in entered}
    forms = {group(topic) for topic in FORM_TOPICS}
    assert {queue_group for _, queue_group in stands} == forms
    assert len(stands) == len(FORM_TOPICS)


def test_what_was_played_is_played_again_after_a_restart(start, tmp_path) -> None:
    first = start(state=tmp_path / "state")
    first.client.post("/sandbox/enter", json={"tickets": 5, "hours": 24, "misfiled": True})
    newest = max(truth(first))
    day(first, {str(newest): 1_800_040_000}, tickets=20, moved={newest: "fraud"})
    before = truth(first)
    first.sandbox.close()
    assert truth(start(state=tmp_path / "state")) == before


def test_what_makes_no_sense_is_refused(talk) -> None:
    for path, body in (
        ("release", {"moments": {"x": 1}}),
        ("enter", {"tickets": "many"}),
        ("enter", {"tickets": 5, "hours": 0}),
        ("people", {"tickets": 7}),
        ("people", {"tickets": [], "error_share": 2}),
    ):
        assert talk.client.post(f"/sandbox/{path}", json=body).status_code == 400, (path, body)


def test_an_account_team_takes_over_business_customers_and_leaves_fraud_where_it_is(start) -> None:
    plain, changed = start(), start()
    changed.client.post("/sandbox/drift", json={"kind": "account_team"})
    before, after = day(plain, tickets=400), day(changed, tickets=400)
    moved = [(before[t]["queue"], after[t]["queue"]) for t in before if before[t]["queue"] != after[t]["queue"]]
    assert {now for _, now in moved} == {"plan_change"}
    assert "fraud" not in {then for then, _ in moved}
    assert 0.15 < len(moved) / 400 < 0.4

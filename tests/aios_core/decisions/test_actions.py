"""Which writes follow from a decision or a verdict."""

from dataclasses import replace

from aios_core.decisions.actions import action_for_verdict, actions_for
from aios_core.decisions.decide import decide
from aios_core.decisions.model import Decision, Verdict
from tests.aios_core.decisions.making import agree, automation, features, rules, score, scores, ticket


def decision(verdict: Verdict = "automate") -> Decision:
    subject = ticket(7)
    made = decide(features([subject]), scores([score(subject, [0.95, 0.03, 0.02])]), rules=rules(), policy=agree)[0]
    return replace(made, verdict=verdict)


def test_an_automated_ticket_is_assigned_and_tagged_with_its_reason() -> None:
    made = decision()
    [action] = actions_for(made, automation())
    assert (action.target, action.kind, action.external_id) == ("helpdesk", "assign", "7")
    assert action.idempotency_key == f"{made.decision_id}:assign"
    assert action.payload == {
        "queue": "billing",
        "tags": ["aios"],
        "comment": "AIOS chose billing: 95.0% sure of billing, at or above the 90.0% needed to automate.",
        "decision_id": made.decision_id,
        "confidence": 0.95,
        "correlation_id": "c7",
    }


def test_a_draft_leaves_a_suggestion_and_a_review_leaves_nothing() -> None:
    [draft] = actions_for(decision("draft"), automation())
    assert draft.kind == "draft"
    assert draft.payload["comment"].startswith("AIOS suggests billing: ")
    assert actions_for(decision("review"), automation()) == []
    silent = automation(actions={"source": "helpdesk", "note_on_draft": False})
    assert actions_for(decision("draft"), silent) == []


def test_without_assigning_only_a_note_is_left() -> None:
    noting = automation(actions={"source": "helpdesk", "assign": False})
    assert [a.kind for a in actions_for(decision(), noting)] == ["note"]
    assert [a.kind for a in actions_for(decision("fallback"), noting)] == ["note"]


def test_nothing_is_sent_without_a_target_or_to_another_source() -> None:
    assert actions_for(decision(), automation(actions={})) == []
    assert actions_for(replace(decision(), source="chat"), automation()) == []


def test_a_reviewers_verdict_assigns_the_ticket_to_the_queue_they_chose() -> None:
    [action] = action_for_verdict(
        automation=automation(),
        case_id="k1",
        decision_id="k1",
        source="helpdesk",
        ticket_id="7",
        correlation_id="c7",
        queue="fraud",
        actor="ada",
        comment="stolen card",
    )
    assert (action.kind, action.external_id, action.payload["queue"]) == ("assign", "7", "fraud")
    assert action.payload["comment"] == "ada chose fraud in review: stolen card"
    assert (action.idempotency_key, action.case_id) == ("k1:verdict", "k1")


def test_an_assignment_sets_what_is_declared_for_its_queue_and_a_note_does_not() -> None:
    declared = automation(
        actions={"source": "helpdesk", "people": {"billing": "300003"}, "priorities": {"billing": "urgent"}}
    )
    [action] = actions_for(decision(), declared)
    assert (action.payload["assignee"], action.payload["priority"], action.moves_to) == ("300003", "urgent", "billing")
    [noted] = actions_for(decision("draft"), declared)
    assert not {"assignee", "priority"} & noted.payload.keys()
    assert noted.moves_to is None

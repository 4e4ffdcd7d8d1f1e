"""Agents on real decisions in a real database: what follows, what is recorded, and that it plays again."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pydantic_ai", reason="the extra `assistant` is not installed")

from aios_core.agents.transcript import ToolUse
from resources.agents.cases import replay_stored
from resources.agents.store import AgentStore, UnknownTranscript
from resources.database import Database
from resources.drafts import DraftStore
from tests.resources.agents.acting import FakeWorld, calls, proposes
from tests.resources.agents.desk import GOOD, MAY, Desk, desk
from tests.resources.drafting_world import ARTICLES, PERSON, asks

DRAFT, REVIEW, AUTOMATE = 0.8, 0.5, 0.95
LETTER = "My name is Maria Quintanilla (ACC-778899). I was charged twice: two amounts in one month. maria.q@example.com"


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Desk:
    made = desk(database, tmp_path)
    made.knows(*ARTICLES)
    return made


def test_a_verified_reply_goes_the_way_of_every_draft_and_only_once(shop: Desk) -> None:
    (decision,) = shop.decided(asks("7", DRAFT))
    script = [calls("search_knowledge", query="charged twice reservation"), proposes(queue="billing", reply=[GOOD])]
    done = shop.look(script)
    assert (done.runs, done.actions, done.cases, dict(done.outcomes)) == (1, 1, 0, {"draft": 1})
    (payload,) = shop.column("select payload from outbox")
    assert "The reservation disappears within five working days." in payload["reply"]
    assert payload["reply"].endswith("Your care team")
    assert [c["article_id"] for c in payload["citations"]] == ["1"]
    stored = DraftStore(shop.database).of(decision)
    assert stored is not None
    assert stored.draft.drafter.parameters["agent"] is True
    assert shop.look(script).runs == 0
    assert shop.draft().drafts == 0  # the drafts' own asset leaves it alone
    assert shop.column("select count(*) from ledger where kind = 'agent'") == [1]


def test_a_case_that_waits_for_a_person_goes_on_waiting_with_the_proposal_beside_it(shop: Desk) -> None:
    (decision,) = shop.decided(asks("7", REVIEW))
    done = shop.look([proposes(queue="roaming", reply=[GOOD], reason="It is about a trip.")])
    assert (done.runs, done.actions, done.cases, dict(done.outcomes)) == (1, 0, 0, {"review": 1})
    assert shop.column("select state from review_cases") == ["waiting"]
    assert shop.column("select count(*) from outbox") == [0]
    (told,) = shop.column("select detail from review_events where kind = 'agent.proposed'")
    assert (told["queue"], told["why"]) == ("roaming", "verdict")
    assert DraftStore(shop.database).of(decision) is not None
    proposal = shop.stored(decision).proposal
    assert proposal is not None
    assert proposal.actions == ("route", "reply")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"queue": "roaming", "reply": [GOOD]}, "route"),
        ({"queue": "billing"}, "no_reply"),
        ({"needs_person": True, "reply": [GOOD]}, "asked"),
        ({"reply": [{"text": "We refund 500 EUR to you today.", "passages": [1]}]}, "draft.refused"),
        ({"reply": [{"text": "Your account ACC-112233 was closed.", "passages": [1]}]}, "draft.refused"),
    ],
)
def test_what_goes_beyond_the_decision_goes_to_a_person_with_the_proposal_shown(
    shop: Desk, said: dict[str, Any], why: str
) -> None:
    (decision,) = shop.decided(asks("7", DRAFT))
    done = shop.look([proposes(**said)])
    assert (done.actions, done.cases, dict(done.outcomes)) == (0, 1, {"review": 1})
    stored = shop.stored(decision)
    assert (stored.outcome, stored.why, stored.ending) == ("review", why, "proposed")
    assert stored.proposal is not None
    assert shop.column("select count(*) from outbox") == [0]
    assert shop.column("select decision_id from review_cases") == [decision]
    if why != "draft.refused":
        assert shop.draft().actions == 0  # nor does the other drafter send past the person


def test_a_policy_that_wants_a_person_has_the_last_word(shop: Desk) -> None:
    (decision,) = shop.decided(asks("7", DRAFT, queue="outage"))
    done = shop.look([calls("read_customer"), proposes(queue="outage", reply=[GOOD])])
    assert (done.actions, done.cases, done.refused_calls) == (0, 1, 1)
    assert shop.stored(decision).why == "policy"
    (use,) = [e for e in shop.transcript(decision).events if isinstance(e, ToolUse) and e.tool == "read_customer"]
    assert (use.allowed, use.rule) == (False, "no_customer_in_outage")


def test_only_what_declaration_and_policy_name_is_looked_into(database: Database, tmp_path: Path) -> None:
    shop = desk(database, tmp_path, {"queues": ["billing", "device"], "verdicts": ["draft"]})
    shop.knows(*ARTICLES)
    tickets = [asks("1", DRAFT), asks("2", REVIEW), asks("3", AUTOMATE), asks("4", DRAFT, queue="outage"), asks("5", DRAFT, queue="device")]  # fmt: skip
    first, *_ = shop.decided(*tickets)
    assert shop.look([proposes(needs_person=True)]).runs == 1
    assert shop.column("select decision_id from agent_transcripts") == [first]
    shop.policy = MAY.replace("agent_may if", "other if")
    shop.decided(asks("6", DRAFT))
    assert shop.look([proposes(needs_person=True)]).runs == 0


def test_a_run_is_bounded_in_cases_and_leaves_the_rest_to_go_on(database: Database, tmp_path: Path) -> None:
    shop = desk(database, tmp_path, {"per_run": 2})
    shop.knows(*ARTICLES)
    shop.decided(*(asks(str(n), DRAFT) for n in range(5)))
    done = shop.look([proposes(reply=[GOOD])])
    assert (done.runs, "per_run" in done.note) == (2, True)
    assert shop.draft().actions == 3


def test_the_model_is_shown_placeholders_and_the_reply_has_the_words(shop: Desk) -> None:
    (decision,) = shop.decided(asks("7", DRAFT, subject="Charged twice, Maria Quintanilla", body=LETTER))
    shop.person(PERSON)
    said = {"text": "Dear [NAME 1], the reservation disappears within five working days.", "passages": [1]}
    shop.look([calls("read_ticket"), calls("read_customer"), proposes(reply=[said], reason="[NAME 1] asks.")])
    assert "charged twice" in shop.model.seen
    for secret in ("Quintanilla", "Maria", "ACC-778899", "maria.q@example.com"):
        assert secret.lower() not in shop.model.seen.lower()
        assert secret.lower() not in shop.stored(decision).content.decode().lower()
    proposal = shop.stored(decision).proposal
    assert proposal is not None
    assert "Maria" in proposal.text
    assert "[NAME" not in proposal.text


def test_every_run_plays_again_byte_for_byte_and_a_changed_one_does_not(shop: Desk) -> None:
    decisions = shop.decided(asks("7", DRAFT), asks("8", REVIEW), asks("9", REVIEW))
    shop.look(
        lambda turn, _: [calls("read_customer"), calls("search_knowledge", query="roaming"), proposes(reply=[GOOD])][
            turn % 3
        ]
    )
    assert shop.column("select count(*) from agent_transcripts") == [3]
    for decision in decisions:
        stored, played = replay_stored(shop.database, decision)
        assert (played.same_proposal, played.same_transcript, stored.intact) == (True, True, True)
    with shop.database.connection() as connection:
        changed = shop.stored(decisions[0]).content.replace(b"five working days", b"nine working days")
        connection.execute("update agent_transcripts set content = %s where decision_id = %s", (changed, decisions[0]))
    stored, played = replay_stored(shop.database, decisions[0])
    assert not stored.intact


def test_a_model_that_fails_ends_in_review_and_what_was_recorded_stands(shop: Desk) -> None:
    draft, review = shop.decided(asks("7", DRAFT), asks("8", REVIEW))
    done = shop.look([RuntimeError("connection refused")])
    assert (done.runs, done.actions, done.cases, dict(done.why)) == (2, 0, 1, {"model.failed": 2})
    assert {shop.stored(d).ending for d in (draft, review)} == {"model.failed"}
    assert len(shop.column("select case_id from review_cases where state = 'waiting'")) == 2


def test_a_decision_that_a_newer_one_replaced_meanwhile_records_nothing(shop: Desk) -> None:
    shop.decided(asks("7", DRAFT))

    def newer(turn: int, _: Any) -> Any:
        shop.later(minutes=5)
        shop.decided(asks("7", DRAFT, version="2", body="Two amounts in one month: which one is the reservation?"))
        return proposes(reply=[GOOD])

    assert shop.look(newer).runs == 0
    assert shop.column("select count(*) from agent_transcripts") == [0]
    assert shop.column("select count(*) from outbox") == [0]


def test_without_a_model_that_may_be_asked_the_cases_go_on_without_an_agent(database: Database, tmp_path: Path) -> None:
    shop = desk(database, tmp_path, {"model": {"url": "${NOBODY_SET_THIS}", "name": "x"}})
    shop.knows(*ARTICLES)
    shop.decided(asks("7", DRAFT))
    done = shop.look()
    assert (done.runs, "NOBODY_SET_THIS" in done.note) == (0, True)
    assert shop.draft().actions == 1


def test_an_unknown_run_says_where_runs_come_from(shop: Desk) -> None:
    with pytest.raises(UnknownTranscript, match="agent_may"):
        AgentStore(shop.database).get("nothing")


def test_the_world_of_a_ticket_has_its_requesters_tickets_and_nobody_elses(shop: Desk) -> None:
    decisions = shop.decided(asks("7", REVIEW), asks("8", DRAFT), asks("9", AUTOMATE))
    with shop.database.connection() as connection:
        connection.execute("update tickets set requester_id = case ticket_id when '9' then 'u2' else 'u1' end")
    script = [
        calls("read_ticket", ticket_id="8"), calls("read_ticket", ticket_id="9"), calls("read_customer", customer_id="C-2"),
        calls("read_ticket"), proposes(needs_person=True),
    ]  # fmt: skip
    worker = shop.worker(script)
    worked = worker.work(decisions[0], now=shop.now)
    assert worked is not None
    uses = [e for e in worked.transcript.events if isinstance(e, ToolUse) and e.tool.startswith("read")]
    assert [(u.allowed, dict(u.classes)) for u in uses] == [
        (True, {"ticket": "requester"}),
        (False, {"ticket": "other"}),
        (False, {"customer": "other"}),
        (True, {"ticket": "own"}),
    ]
    assert '"other_tickets_of_requester": ["8"]' in uses[3].result
    assert FakeWorld().reached == []

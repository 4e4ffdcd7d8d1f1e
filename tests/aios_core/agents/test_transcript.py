"""Transcripts: the same run is the same bytes, and comes back as it was."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_core.agents.budget import Limits, Spent
from aios_core.agents.proposal import Line, Proposal, problem_with, proposal_bytes, proposal_of, restored, sentences_of
from aios_core.agents.tools import ProposeAction
from aios_core.agents.transcript import (
    Answer,
    Ending,
    Part,
    Subject,
    Terms,
    ToolUse,
    Transcript,
    TranscriptError,
    content_hash,
    transcript_bytes,
    transcript_of,
)
from tests.aios_core.drafting.making import source

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
parts = st.builds(Part, kind=st.sampled_from(["text", "call"]), text=texts, tool=texts, id=texts)
answers = st.builds(
    Answer,
    parts=st.lists(parts, max_size=3).map(tuple),
    tokens_in=st.integers(0, 9_999),
    tokens_out=st.integers(0, 9_999),
    cost=st.floats(0, 1),
    seconds=st.floats(0, 99),
    error=st.none() | texts,
    message=texts,
)
uses = st.builds(
    ToolUse,
    id=texts,
    tool=texts,
    arguments=st.dictionaries(texts, texts | st.integers(), max_size=3),
    classes=st.dictionaries(texts, texts, max_size=2),
    allowed=st.booleans(),
    rule=texts,
    result=texts,
    error=st.none() | texts,
    sources=st.lists(st.builds(source, st.integers(1, 99), texts), max_size=2).map(tuple),
    seconds=st.floats(0, 99),
)
lines = st.builds(Line, text=texts, passages=st.lists(st.integers(1, 9), max_size=2).map(tuple))
proposals = st.builds(
    Proposal,
    queue=st.none() | texts,
    actions=st.sampled_from([(), ("route",), ("route", "reply")]),
    reply=st.lists(lines, max_size=3).map(tuple),
    reason=texts,
    needs_person=st.booleans(),
)


def transcript(**changes: Any) -> Transcript:
    known: dict[str, Any] = {
        "subject": Subject(decision_id="d", automation="care", source="helpdesk", ticket_id="7"),
        "terms": Terms(
            limits=Limits(steps=3, calls=3, seconds=9.0, tokens=100), tool_seconds=1.0, tools=("read_ticket",), queues=("billing",),
            verdict="draft", queue="billing", facts={"queue": "billing"}, model="m", parameters={"seed": 7}, policy_revision="p",
            declaration="v", library="l 1",
        ),
        "instructions": "Help.",
        "prompt": "A ticket.",
        "sources": (source(1, "Five days."),),
        "events": (),
        "spent": Spent(),
        "ending": Ending(code="proposed"),
    }  # fmt: skip
    return Transcript(**(known | changes))


@given(st.lists(answers | uses, max_size=4), st.none() | proposals)
def test_a_transcript_comes_back_as_it_was_and_gives_the_same_bytes(events: list[Any], proposal: Any) -> None:
    made = transcript(events=tuple(events), proposal=proposal)
    content = transcript_bytes(made)
    assert transcript_of(content) == made
    assert transcript_bytes(transcript_of(content)) == content


def test_another_word_anywhere_is_another_hash() -> None:
    made = transcript(events=(Answer(parts=(Part(kind="text", text="five"),)),))
    other = transcript(events=(Answer(parts=(Part(kind="text", text="nine"),)),))
    assert content_hash(transcript_bytes(made)) != content_hash(transcript_bytes(other))


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"format": "aios.agent/99"}', b'{"format": "aios.agent/1"}'])
def test_what_is_no_transcript_is_refused(content: bytes) -> None:
    with pytest.raises(TranscriptError):
        transcript_of(content)


def test_a_proposal_says_what_would_be_done() -> None:
    said = ProposeAction.model_validate(
        {"queue": "roaming", "reply": [{"text": "Hello.", "passages": [2, 2, 1]}], "reason": "r"}
    )
    proposal = proposal_of(said, decided="billing")
    assert proposal.actions == ("route", "reply")
    assert proposal.reply == (Line(text="Hello.", passages=(2, 1)),)
    assert proposal_of(said, decided="roaming").actions == ("reply",)
    assert [s.basis for s in sentences_of(proposal, paragraph=2)] == ["model"]
    wrong = problem_with(said, queues=("billing",), passages=(1, 2))
    assert wrong == "there is no queue called 'roaming'; there are: billing"
    assert problem_with(said, queues=("roaming",), passages=(1,)) == "there is no passage 2; there are: 1"
    assert problem_with(said, queues=("roaming",), passages=(1, 2)) is None


def test_placeholders_come_back_in_the_reply_and_the_reason_alone() -> None:
    proposal = Proposal(
        queue="[NAME 1]", actions=(), reply=(Line(text="Dear [NAME 1]"),), reason="[NAME 1]", needs_person=False
    )
    told = restored(proposal, lambda text: text.replace("[NAME 1]", "Maria"))
    assert (told.queue, told.reply[0].text, told.reason) == ("[NAME 1]", "Dear Maria", "Maria")
    assert proposal_bytes(told) != proposal_bytes(proposal)
    assert proposal_bytes(None) == b"null"

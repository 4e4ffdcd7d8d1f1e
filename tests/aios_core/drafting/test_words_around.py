"""Languages, prompts, answers, records and what follows: the small rules around a draft."""

import pytest

from aios_core.automation import Drafts, ReplyTemplate
from aios_core.drafting.answer import GarbledAnswer, read_answer
from aios_core.drafting.embedded import write
from aios_core.drafting.follow_up import next_step
from aios_core.drafting.languages import reply_language
from aios_core.drafting.model import Finding, Verification
from aios_core.drafting.prompt import VERSION, again, messages
from aios_core.drafting.record import draft_of, draft_record, material_hash, verification_of, verification_record
from tests.aios_core.drafting.making import material, source


@pytest.mark.parametrize(
    ("asked", "available", "declared", "language", "says"),
    [
        ("de-AT", {"en", "de"}, (), "de", False),
        ("de", {"en"}, (), "en", True),
        ("unknown", {"de", "en"}, (), "en", False),
        (None, {"fr"}, (), "fr", False),
        ("de", {"en", "de", "fr"}, ("fr", "en"), "fr", True),
        ("xx", {"xx"}, (), "en", True),  # nothing is known of how to greet in it
        ("de", set(), ("de",), "de", True),
    ],
)
def test_a_reply_is_in_the_tickets_language_where_articles_are(
    asked: str | None, available: set[str], declared: tuple[str, ...], language: str, says: bool
) -> None:
    found, why = reply_language(asked, available=available, drafts=Drafts(languages=declared))
    assert (found, why is not None) == (language, says)


def test_a_language_of_ones_own_needs_only_its_texts() -> None:
    drafts = Drafts(templates={"nl": ReplyTemplate(greeting="Hallo,")})
    assert reply_language("nl", available={"nl", "en"}, drafts=drafts) == ("nl", None)
    text = write(material(source(1, "Zet roaming aan.", language="nl")), drafts, language="nl").text
    assert text == "Hallo,\n\nZet roaming aan.\n\nYour care team"


def test_an_answer_is_read_line_by_line_with_its_marks() -> None:
    answer = "<think>hm</think>```\n1. Roaming is off [1].\n- Switch it on! [1][2]\nYou are on Gold [C]\n```\n"
    found = read_answer(answer, sources=[1, 2], paragraph=3)
    assert [(s.text, s.cites, s.basis, s.paragraph) for s in found] == [
        ("Roaming is off.", (1,), "model", 3),
        ("Switch it on!", (1, 2), "model", 3),
        ("You are on Gold", (), "model", 3),
    ]
    assert read_answer("none.", sources=[1], paragraph=0) == ()
    assert read_answer("Costs 5 euros [1, 2]", sources=[1, 2], paragraph=0)[0].cites == (1, 2)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "   \n",
        "Dear customer, all is well.",
        "Fine. [1]\nAnd more.",
        "[1]",
        "--- [1]",
        "Pay back. [9]",
        '{"text": "x"}',
        "[1] first",
    ],
)
def test_an_answer_of_another_form_is_garbled(answer: str) -> None:
    with pytest.raises(GarbledAnswer):
        read_answer(answer, sources=[1, 2], paragraph=0)


def test_a_prompt_says_what_is_data_and_asks_again_with_the_reason() -> None:
    asked = messages(
        material(source(1, "Roaming is off.", "Trips", "On </passage> arrival")), language="de", most=4, mask=str.upper
    )
    assert [m["role"] for m in asked] == ["system", "user"]
    assert "Write in German" in asked[0]["content"]
    assert "at most 4 lines" in asked[0]["content"]
    assert '<passage number="1">\nTrips > On  arrival\nRoaming is off.\n</passage>' in asked[1]["content"]
    assert "plan: GOLD" in asked[1]["content"]  # masked, and what is no word is left out
    assert "autopay" not in asked[1]["content"]
    assert "NO NETWORK" in asked[1]["content"]
    assert "C-1" not in asked[1]["content"]
    second = again(asked, "Sure!", "no citation")
    assert [m["role"] for m in second] == ["system", "user", "assistant", "user"]
    assert "no citation" in second[-1]["content"]
    assert VERSION == "reply-1"


def test_a_prompt_is_bounded_whatever_the_ticket_is() -> None:
    asked = messages(material(source(1, "x"), body="word " * 10_000), language="en", most=4, mask=str)
    assert len(asked[1]["content"]) < 5_000


def test_a_draft_and_its_verification_come_back_from_their_record() -> None:
    draft = write(
        material(source(1, "When lost:\nAsk us.\nCall us.", "Trips")), Drafts(), language="en", degraded="no model"
    )
    assert draft_of(draft_record(draft)) == draft
    finding = Finding(sentence=1, code="draft.number", message="5 stands nowhere", quoted="5")
    verification = Verification(findings=(finding,), checks=("numbers",), skipped={"entailment": "not declared"})
    assert verification_of(verification_record(verification)) == verification


def test_the_same_material_has_the_same_hash_at_any_time_and_other_material_another() -> None:
    def of(**changes: object) -> str:
        return material_hash(material(source(1, "Roaming is off."), **changes), Drafts(), prompt="embedded-1")

    first = of()
    assert of(now=material().now.replace(year=2030)) == first
    assert len({first, of(body="other"), of(customer={}), of(queue=None), of(sources=())}) == 5


@pytest.mark.parametrize(
    ("verdict", "in_review", "passed", "step"),
    [
        ("draft", False, True, "send"),
        ("draft", False, False, "person"),
        ("draft", True, True, "keep"),
        ("draft", True, False, "keep"),
        ("review", True, True, "keep"),
        ("review", False, False, "keep"),
        ("automate", False, True, "send"),
        ("automate", False, False, "keep"),
    ],
)
def test_what_follows_from_a_draft(verdict: str, in_review: bool, passed: bool, step: str) -> None:
    assert next_step(verdict=verdict, in_review=in_review, passed=passed) == step

"""The embedded drafter: which sentences answer, and that it says nothing of its own."""

from hypothesis import given, settings
from hypothesis import strategies as st

from aios_core.automation import Drafts, ReplyTemplate
from aios_core.drafting.embedded import NO_ANSWER, choose, write
from aios_core.drafting.sentences import sentences_of, units_of
from tests.aios_core.drafting.making import material, source

PLAIN = Drafts()
STEPS = "When nothing works:\nSwitch flight mode on.\nTake the SIM card out.\nTry another phone."


def test_a_short_passage_is_said_whole_in_its_order_with_its_number() -> None:
    draft = write(material(source(1, "Roaming is off. Switch it on in the app.")), PLAIN, language="en")
    said = [(s.text, s.cites, s.basis) for s in draft.sentences if s.cites]
    assert said == [("Roaming is off.", (1,), "passage"), ("Switch it on in the app.", (1,), "passage")]
    assert draft.text == (
        "Hello,\n\nthank you for your message.\n\nRoaming is off. Switch it on in the app.\n\n"
        "If this does not help, just reply to this message.\n\nYour care team"
    )
    assert (draft.degraded, draft.drafter.kind) == (None, "embedded")


def test_of_a_long_passage_the_sentences_about_the_question_are_said_in_their_order() -> None:
    filler = " ".join(f"Sentence {n} is about bread." for n in range(20))
    text = f"After landing the network is chosen by hand. {filler} A phone without network needs roaming."
    said = [s.text for s in choose(material(source(1, text)), most=2)]
    assert said == ["After landing the network is chosen by hand.", "A phone without network needs roaming."]


def test_a_list_is_never_cut_and_stands_as_lines_under_what_announces_it() -> None:
    draft = write(material(source(1, STEPS)), PLAIN, language="en")
    assert "When nothing works:\n- Switch flight mode on.\n- Take the SIM card out.\n- Try another phone." in draft.text
    assert choose(material(source(1, STEPS)), most=3)  # a little over is better than nothing
    assert choose(material(source(1, STEPS)), most=2) == ()


def test_lines_without_an_announcement_stand_under_their_heading_unless_it_asks() -> None:
    lines = "Calls abroad\nPremium numbers"
    under = write(material(source(1, lines, "Bills", "Common reasons")), PLAIN, language="en")
    assert "Common reasons:\n- Calls abroad\n- Premium numbers" in under.text
    asks = write(material(source(1, lines, "Why is my bill high?")), PLAIN, language="en")
    assert "?" not in asks.text


def test_from_lesser_articles_come_only_sentences_about_the_question() -> None:
    others = source(2, "Bread is baked at night. A phone that landed finds no network until roaming is on.")
    said = choose(material(source(1, "Roaming is off on new lines."), others), most=6)
    assert [(s.text, s.cites) for s in said] == [
        ("Roaming is off on new lines.", (1,)),
        ("A phone that landed finds no network until roaming is on.", (2,)),
    ]
    assert len({s.paragraph for s in said}) == 2


def test_without_a_source_there_is_no_reply_and_it_says_why() -> None:
    draft = write(material(), PLAIN, language="en")
    assert (draft.sentences, draft.sources, draft.degraded, draft.text) == ((), (), NO_ANSWER, "")
    assert write(material(), PLAIN, language="en", degraded="no model").degraded == f"no model; {NO_ANSWER}"
    assert write(material(source(1, "  ")), PLAIN, language="en").sentences == ()


def test_only_what_is_cited_is_a_source_of_the_draft() -> None:
    draft = write(material(source(1, "Roaming is off."), source(2, "Bread is baked.")), PLAIN, language="en")
    assert [s.number for s in draft.sources] == [1]


def test_templates_say_a_fact_where_it_is_known_and_leave_the_sentence_out_where_it_is_not() -> None:
    opening = "You are on {customer.plan} for {customer.tenure_months} months. You owe {customer.debt}. {customer.nothing} it is. Thanks."
    drafts = Drafts(
        templates={"en": ReplyTemplate(greeting="Dear {customer.name},", openings={"roaming": opening})},
        signature="Bye\nUs",
    )
    draft = write(material(source(1, "Roaming is off.")), drafts, language="en")
    assert draft.text.startswith("You are on Gold for 41 months. Thanks.\n\nRoaming is off.")
    assert [s.basis for s in draft.sentences[:2]] == ["customer", "template"]
    assert draft.text.endswith("just reply to this message.\n\nBye\nUs")


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.text(alphabet="abc .!?:\n-1é中。", max_size=120), max_size=4),
    st.text(alphabet="abc 1é中", max_size=40),
    st.integers(1, 8),
)
def test_nothing_is_ever_invented(texts: list[str], question: str, most: int) -> None:
    """Every sentence of every answer stands in the passage it cites, but for the full stop that ends it."""
    sources = [source(n + 1, text, "Why?") for n, text in enumerate(texts)]
    for said in choose(material(*sources, subject=question, body=""), most=most):
        (number,) = said.cites
        assert said.text in texts[number - 1] or said.text.removesuffix(".") in texts[number - 1]


@settings(deadline=None)
@given(st.text(alphabet='abc .!?:\n\t-1é中。"', max_size=200))
def test_the_cut_loses_nothing_but_space(text: str) -> None:
    lines = text.split("\n")
    assert "".join("".join(s.split()) for line in lines for s in sentences_of(line)) == "".join(text.split())
    assert "".join("".join(s.split()) for unit in units_of(text) for s in unit.sentences) == "".join(text.split())


def test_an_abbreviation_ends_no_sentence() -> None:
    assert sentences_of("It costs approx. 5 euros, e.g. in Zone 2. That is all.") == [
        "It costs approx. 5 euros, e.g. in Zone 2.",
        "That is all.",
    ]

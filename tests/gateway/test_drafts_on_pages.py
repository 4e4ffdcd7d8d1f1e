"""A draft beside a case: what it cites, what is wrong with it, and nothing in it that the browser would run."""

import pytest
from psycopg.types.json import Jsonb

from aios_core.drafting.model import Draft, Drafter, Finding, Sentence, Source, Verification
from aios_core.drafting.record import draft_record, verification_record
from aios_core.retrieval.articles import ArticleKey
from resources.console_draft import draft_view
from resources.reviews import ReviewStore
from tests.review_world import NOW, Wanted, automation, record

HOSTILE = "<script>steal()</script>"
SOURCE = Source(number=1, key=ArticleKey("kb", "7"), version="v", passage=0, headings=("Billing", HOSTILE), text="",
                language="en", url="javascript:steal()")  # fmt: skip
GOOD = Verification(findings=(), checks=("numbers", "links"))
BAD = Verification(
    findings=(
        Finding(
            sentence=1, code="number.unsupported", message="40 EUR stands in no source", quoted=f"40 EUR {HOSTILE}"
        ),
        Finding(sentence=None, code="tone.rude", message="the tone does not fit"),
        Finding(sentence=9, code="x.lost", message="about a sentence that is not there"),
    ),
    checks=("numbers",),
    skipped={"entailment": "not declared"},
)


def draft(*sentences: Sentence) -> Draft:
    return Draft(
        language="en", sentences=sentences, sources=(SOURCE,), drafter=Drafter(kind="embedded", name="embedded")
    )


REPLY = draft(
    Sentence(text="Dear Maria,", basis="template"),
    Sentence(text=f"You get 40 EUR back {HOSTILE}. Write to a@example.com.", cites=(1, 5), paragraph=1),
    Sentence(text="Wait three days.", cites=(1,), paragraph=1, item=True),
)


@pytest.fixture
def case(database) -> str:
    (case_id,) = record(database, [Wanted(ticket_id="T1")])
    ReviewStore(database).make_batches(automation=automation(), now=NOW)
    return case_id


def store(database, case_id: str, reply: Draft, verification: Verification) -> None:
    with database.connection() as conn:
        conn.execute(
            "insert into drafts (decision_id, attempt, automation, source, ticket_id, created_at, language, content,"
            " material_hash, verification, passed, answers, drafter, tokens, cost)"
            " values (%s, 1, 'escalations', 'helpdesk', 'T1', %s, 'en', %s, 'h', %s, %s, true, 'embedded:embedded', 0, 0)",
            (case_id, NOW, Jsonb(draft_record(reply)), Jsonb(verification_record(verification)), verification.passed),
        )


def test_findings_go_to_their_sentences_and_citations_to_sources_that_there_are():
    view = draft_view(REPLY, BAD, created_at=NOW)
    (greeting,), (claim, wait) = view.paragraphs
    assert greeting.findings == ()
    assert [f.code for f in claim.findings] == ["number.unsupported"]
    assert (claim.cites, wait.cites, wait.item) == ((1,), (1,), True)
    assert [f.code for f in view.general] == ["tone.rude", "x.lost"]
    assert not view.passed


def test_a_refused_draft_marks_the_sentence_and_says_why(ana, database, case):
    store(database, case, REPLY, BAD)
    for path in (f"/cases/{case}", f"/decisions/{case}"):
        page = ana.see(path).text
        assert "3 faults: not to be sent as it is" in page, path
        assert "Fault: </span>You get 40 EUR back" in page, path
        assert "40 EUR stands in no source" in page, path
        assert "the tone does not fit" in page, path
        assert "entailment (not declared)" in page, path
        assert 'href="#passage-1"' in page, path
        assert 'id="passage-1"' in page, path
        assert "#passage-5" not in page, path


def test_nothing_in_a_draft_is_markup_or_a_script(ana, database, case):
    store(database, case, REPLY, BAD)
    page = ana.see(f"/cases/{case}").text
    assert HOSTILE not in page
    assert "&lt;script&gt;steal()" in page
    assert "javascript:" not in page
    assert "(no text)" in page  # an article's passage without any


def test_a_verified_draft_says_so_and_is_masked_where_the_role_asks_for_it(ana, database, case):
    store(database, case, REPLY, GOOD)
    assert "verified</span>" in ana.see(f"/cases/{case}").text
    assert "a@example.com" in ana.see(f"/cases/{case}").text
    with database.connection() as conn:
        conn.execute("update declarations set content = jsonb_set(content, '{review,mask_for}', '[\"reviewer\"]')")
    assert "a@example.com" not in ana.see(f"/cases/{case}").text


def test_a_draft_without_sentences_says_that_nothing_answers(ana, database, case):
    store(database, case, draft(), GOOD)
    assert "no article answers this" in ana.see(f"/cases/{case}").text

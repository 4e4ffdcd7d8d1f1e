"""An agent's record that was damaged: the case's page says so, and the case can still be decided."""

import pytest

from resources.reviews import ReviewStore
from tests.review_world import NOW, Wanted, automation, record


@pytest.fixture
def case(database) -> str:
    (found,) = record(database, [Wanted(ticket_id="T0", p=0.4)])
    ReviewStore(database).make_batches(automation=automation(), now=NOW)
    return found


DAMAGED = (b"", b"\xff\x00", b"null", b'{"format": 1, "subject', b'{"format": "of tomorrow"}', b"[1]")


def keep(database, case: str, content: bytes) -> None:
    with database.connection() as conn:
        conn.execute(
            "insert into agent_transcripts values (%s, 'escalations', 'helpdesk', 'T0', %s, 'review', 'asked',"
            " 'the agent asks for a person', 'proposed', null, %s, 'h', '{}', 'small', 'p', 'd', 2, 1, 90, 0, 1.5)"
            " on conflict (decision_id) do update set content = excluded.content",
            (case, NOW, content),
        )


def test_a_damaged_transcript_is_told_and_its_case_can_be_decided(ana, database, case):
    for content in DAMAGED:
        keep(database, case, content)
        for path in (f"/cases/{case}", f"/decisions/{case}"):
            page = ana.see(path)
            assert page.status_code == 200, content
            assert "does not hold together" in page.text
            assert "The agent asks for a person." in page.text
    assert ana.submit(f"/cases/{case}/decide", queue="outage").status_code == 200
    assert ReviewStore(database).case(case).standing.verdict_queue == "outage"

"""Synthetic transactions: the verdict on a probe, and the name that keeps marked tickets apart."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from aios_core.automation import Automation
from aios_core.synthetic import MARK, Probe, is_marked, is_synthetic, judged, namespace, twin

ASKED = datetime(2026, 11, 20, 12, tzinfo=UTC)
SOON, TOO_LATE = ASKED + timedelta(minutes=5), ASKED + timedelta(minutes=16)


def automation(*, every_minutes=5, body="my bill is wrong", queue=None, **more):
    return Automation.model_validate(
        {
            "name": "care",
            "start_date": "2026-01-01",
            "queues": [{"name": "billing"}, {"name": "outage"}],
            "sources": {"helpdesk": {"connector": "zendesk", "url": "u", "email": "e", "token": "${T}"}},
            "actions": {"source": "helpdesk"},
            "synthetic": {"every_minutes": every_minutes, "body": body, "queue": queue},
            **more,
        }
    )


BACK = Probe(
    probe_id="p",
    asked_at=ASKED,
    ticket_id="1",
    verdict="automate",
    queue="billing",
    sending="sent",
    created_at=ASKED,
    landed_at=ASKED,
    decided_at=ASKED,
    sent_at=ASKED,
    seen_at=ASKED,
)


def test_a_probe_that_was_seen_back_has_passed_and_one_on_its_way_is_open():
    assert judged(BACK, automation(), now=SOON) == ("passed", "")
    assert judged(replace(BACK, seen_at=None), automation(), now=SOON) == ("open", "")
    assert judged(replace(BACK, seen_at=None, sending="dry_run"), automation(), now=SOON)[0] == "passed"


@pytest.mark.parametrize(
    ("missing", "says"),
    [
        (("created_at", "landed_at", "decided_at", "sent_at", "seen_at"), "does the helpdesk answer"),
        (("landed_at", "decided_at", "sent_at", "seen_at"), "`ingest`"),
        (("decided_at", "sent_at", "seen_at"), "`score`"),
        (("sent_at", "seen_at"), "outbox"),
        (("seen_at",), "not seen"),
    ],
)
def test_a_late_probe_names_the_station_that_it_did_not_reach(missing, says):
    late = replace(BACK, **dict.fromkeys(missing))
    assert judged(late, automation(), now=SOON) == ("open", "")
    state, problem = judged(late, automation(), now=TOO_LATE)
    assert state == "late"
    assert says in problem


def test_a_probe_is_wrong_in_another_queue_with_people_or_where_its_write_died():
    assert judged(BACK, automation(queue="outage"), now=SOON)[0] == "wrong"
    assert judged(BACK, automation(queue="billing"), now=SOON)[0] == "passed"
    review = replace(BACK, verdict="review", sending=None, sent_at=None, seen_at=None)
    assert judged(review, automation(), now=SOON)[0] == "wrong"
    assert judged(review, automation(), now=SOON, held_back=True) == ("passed", "")
    assert judged(replace(BACK, seen_at=None, sending="dead"), automation(), now=SOON)[0] == "wrong"


def test_marked_tickets_live_under_a_name_that_no_automation_can_have():
    declared = automation()
    marked = twin(declared)
    assert marked.name == namespace("care")
    assert is_synthetic(marked.name)
    assert not is_synthetic("care")
    assert (marked.model_name, marked.decisions.audit_share) == (declared.model_name, 0.0)
    assert is_marked(("a", MARK))
    with pytest.raises(ValidationError):
        Automation.model_validate({**declared.model_dump(mode="json"), "name": marked.name})


def test_a_declaration_that_could_not_send_a_marked_ticket_says_what_is_missing():
    with pytest.raises(ValidationError, match="synthetic.body"):
        automation(body="")
    with pytest.raises(ValidationError, match="zendesk source"):
        automation(actions={})
    with pytest.raises(ValidationError, match="no queue is called `porting`"):
        automation(queue="porting")
    assert automation(every_minutes=None, body="").synthetic.every_minutes is None

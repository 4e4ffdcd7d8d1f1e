"""Synthetic transactions in a real Postgres, over a helpdesk in memory: begun once, found again, judged once, removed."""

from datetime import UTC, datetime, timedelta

import pytest

from aios_core.alerting.rules import rules_of
from aios_core.automation import Automation
from aios_core.errors import RetryableError
from aios_core.synthetic import MARK
from resources.connectors.base import Page, Record
from resources.connectors.items import to_json_bytes
from resources.landing import LandingStore
from resources.probes import MANY, ProbeStore, probe_tickets, round_trip
from resources.signals import SIGNALS, Asked

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
CARE = Automation.model_validate(
    {
        "name": "care",
        "start_date": "2026-01-01",
        "sources": {"helpdesk": {"connector": "zendesk", "url": "u", "email": "e", "token": "${T}"}},
        "actions": {"source": "helpdesk"},
        "synthetic": {"every_minutes": 5, "body": "my bill is wrong"},
    }
)


class Down(RetryableError):
    code = "test.down"


class Helpdesk:
    """Tickets by id."""

    def __init__(self):
        self.tickets = {}
        self.dies = None

    def create(self, *, subject, body, tags, external_id):
        if self.dies == "before":
            raise Down("no answer")
        ticket_id = str(len(self.tickets) + 1)
        self.tickets[ticket_id] = (external_id, tuple(tags))
        if self.dies == "after":
            raise Down("cut off")
        return ticket_id

    def tags_of(self, ticket_id):
        return self.tickets[ticket_id][1] if ticket_id in self.tickets else None

    def delete(self, ticket_id):
        self.tickets.pop(ticket_id, None)


@pytest.fixture
def store(database):
    return ProbeStore(database)


def turn(store, helpdesk, minutes=0, **more):
    return round_trip(store, helpdesk, automation=CARE, now=NOW + timedelta(minutes=minutes), **more)


def signal(database, minutes):
    (rule,) = (r for r in rules_of(CARE) if r.signal == "synthetic_failing")
    with database.connection() as conn:
        asked = Asked(conn=conn, automation=CARE, rule=rule, now=NOW + timedelta(minutes=minutes))
        (reading,) = SIGNALS["synthetic_failing"](asked)
    return reading


def test_the_same_moment_begins_one_probe_however_often_it_runs(store):
    helpdesk = Helpdesk()
    for _ in range(2):
        assert turn(store, helpdesk) == []
    assert helpdesk.tickets == {"1": ("aios_synthetic:care:20261120T120000", (MARK,))}
    (probe,) = store.open("care")
    assert (probe.ticket_id, probe.landed_at) == ("1", None)


@pytest.mark.parametrize("others", [2, MANY])
def test_a_probe_is_known_among_few_tickets_and_among_many(store, database, others):
    turn(store, Helpdesk())
    asked = ["1", *(f"t{n}" for n in range(others))]
    with database.connection() as conn:
        assert probe_tickets(conn, "care", asked) == {"1"}
        assert probe_tickets(conn, "care", asked[1:]) == set()
        assert probe_tickets(conn, "other", asked) == set()


def test_a_late_probe_is_judged_once_and_its_ticket_removed_though_the_helpdesk_was_down_in_between(store):
    helpdesk = Helpdesk()
    turn(store, helpdesk)
    helpdesk.dies = "before"
    with pytest.raises(Down):
        turn(store, helpdesk, 20)
    assert helpdesk.tickets == {}  # judged and removed before the next one was tried
    helpdesk.dies = None
    assert turn(store, helpdesk, 25) == []
    states = [row["state"] for row in store.newest("care")]
    assert states == ["open", "open", "late"]


def test_a_ticket_that_was_made_by_a_process_that_died_is_found_again_once_it_lands(store, database):
    helpdesk = Helpdesk()
    helpdesk.dies = "after"
    with pytest.raises(Down):
        turn(store, helpdesk)
    assert store.open("care")[0].ticket_id is None
    payload = {"id": 1, "external_id": "aios_synthetic:care:20261120T120000"}
    with database.connection() as conn:
        conn.execute("update probes set asked_at = now() - interval '1 minute'")
    land(database, payload)
    (probe,) = store.open("care")
    assert probe.ticket_id == "1"
    assert probe.landed_at is not None


def test_the_signal_tells_of_a_lost_probe_and_of_probes_that_are_no_longer_sent(store, database):
    helpdesk = Helpdesk()
    assert signal(database, 0).value is None
    turn(store, helpdesk)
    assert signal(database, 1).value is None  # under way
    turn(store, helpdesk, 20)
    failing = signal(database, 21)
    assert failing.value == 1.0
    assert "not ingested" in failing.note
    silent = signal(database, 60)
    assert (silent.value, "none was sent" in silent.note) == (1.0, True)


def land(database, payload):
    record = Record(object="tickets", external_id=str(payload["id"]), version="1", json=to_json_bytes(payload))
    page = Page(object="tickets", records=(record,), rejects=(), cursor="c", done=True)
    LandingStore(database).land(automation="care", source="helpdesk", page=page, previous_cursor=None)

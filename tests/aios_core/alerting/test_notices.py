"""Who is told of what, when, and in what words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from aios_core.alerting.notices import Alert, Notice, OpenIncident, Silence, due, held, incident_of, messages
from aios_core.automation import AlertChannel, Alerts

NOW = datetime(2026, 11, 20, 14, tzinfo=UTC)
HOUR = timedelta(hours=1)
DECLARED = Alerts(
    channels={"chat": AlertChannel(url="${CHAT}"), "pager": AlertChannel(url="${PAGER}", least="critical")}
)
ALERT = Alert(
    alert_id=7, automation="care", rule="backlog_old", signal="backlog_age_hours", subject="billing", severity="warning",
    owner="team:care", costs="They wait.", do="Take the oldest batch.", channels=(), condition="backlog_age_hours above 8",
    state="firing", since=NOW - HOUR, fired_at=NOW, value=9.5, note="3 cases wait",
)  # fmt: skip
SILENCE = Silence(silence_id=1, automation="care", rule="backlog_old", subject="*", reason="holiday", actor="person:lea",
                  created_at=NOW, until=NOW + 4 * HOUR)  # fmt: skip


def asked(alert, *, now=NOW, silences=()):
    return due(alert, silences=silences, alerts=DECLARED, now=now)


def test_an_alert_is_told_once_then_reminded_of_while_nobody_has_it():
    told = replace(ALERT, told_at=NOW)
    assert asked(ALERT) == "fired"
    assert asked(told, now=NOW + 23 * HOUR) is None
    assert asked(told, now=NOW + 24 * HOUR) == "reminded"
    assert asked(replace(told, acknowledged_at=NOW), now=NOW + 24 * HOUR) is None


def test_its_end_is_told_to_those_who_were_told_of_it_and_only_once():
    over = replace(ALERT, state="resolved", resolved_at=NOW)
    assert asked(over) is None
    assert asked(replace(over, told_at=NOW)) == "resolved"
    assert asked(replace(over, told_at=NOW, end_told_at=NOW)) is None


def test_a_silence_hides_and_what_still_stands_at_its_end_is_told():
    assert asked(ALERT, silences=[SILENCE]) is None
    assert asked(ALERT, silences=[SILENCE], now=NOW + 4 * HOUR) == "fired"
    assert asked(replace(ALERT, rule="drift"), silences=[SILENCE]) == "fired"


@given(st.sampled_from(["firing", "resolved", "pending"]), st.booleans(), st.booleans(), st.integers(0, 3))
def test_nothing_is_told_while_it_is_silenced_whatever_its_state(state, told, acknowledged, hours):
    alert = replace(ALERT, state=state, resolved_at=NOW, told_at=NOW - 48 * HOUR if told else None,
                    acknowledged_at=NOW if acknowledged else None)  # fmt: skip
    assert asked(alert, silences=[SILENCE], now=NOW + hours * HOUR) is None


def test_a_consequence_belongs_to_its_queues_incident_else_to_that_of_everything():
    incidents = [OpenIncident(incident_id=3, queue="billing"), OpenIncident(incident_id=4, queue=None)]
    assert incident_of("backlog_age_hours", "billing", incidents) == 3
    assert incident_of("backlog_age_hours", "fraud", incidents) == 4
    assert incident_of("share_automated", "*", incidents) == 4
    assert incident_of("dead_letters", "helpdesk", incidents) is None
    assert incident_of("drift_days", "*", []) is None


def test_alerts_of_one_incident_are_one_message_a_channel():
    notices = [
        Notice(alert=replace(ALERT, incident_id=3), kind="fired"),
        Notice(alert=replace(ALERT, alert_id=8, rule="incident", subject="incident 3", severity="critical", incident_id=3), kind="fired"),
        Notice(alert=replace(ALERT, alert_id=9, rule="dead_letters"), kind="fired"),
    ]  # fmt: skip
    found = messages(notices, alerts=DECLARED, link="http://console.test/alerts")
    assert [(m.channel, m.alert_ids) for m in found] == [("chat", (8, 7)), ("pager", (8,)), ("chat", (9,))]
    assert found[0].title == "[critical] care: incident (incident 3), backlog_old (billing) firing"
    assert found[0].severity == "critical"


def test_a_message_says_what_it_costs_what_to_do_whose_it_is_and_where_to_look():
    (found,) = messages([Notice(alert=ALERT, kind="fired")], alerts=DECLARED, link="http://console.test/alerts")
    for part in (
        "above 8; it is 9.5",
        "3 cases wait",
        "Costs: They wait.",
        "Do: Take",
        "Owner: team:care",
        "console.test",
    ):
        assert part in found.body
    assert found.body.endswith(f"Message {found.key[:12]}")


def test_telling_the_same_twice_is_one_key_and_a_later_reminder_another():
    def key(alert, kind="fired"):
        (found,) = messages([Notice(alert=alert, kind=kind)], alerts=DECLARED, link="")
        return found.key

    assert key(ALERT) == key(replace(ALERT, value=12.0))
    told = replace(ALERT, told_at=NOW)
    assert len({key(ALERT), key(told, "reminded"), key(replace(told, told_at=NOW + HOUR), "reminded")}) == 3


def test_what_joins_an_incident_waits_to_be_told_together_unless_it_is_critical():
    news, later = [Notice(alert=ALERT, kind="fired")], NOW + timedelta(minutes=5)
    assert held(news, told_at=NOW, alerts=DECLARED, now=NOW + timedelta(minutes=4))
    assert not held(news, told_at=NOW, alerts=DECLARED, now=later)
    assert not held(news, told_at=None, alerts=DECLARED, now=NOW)
    worse = [Notice(alert=replace(ALERT, severity="critical"), kind="fired")]
    assert not held(worse, told_at=NOW, alerts=DECLARED, now=NOW)

"""What decisions are worth, by hand-made arithmetic."""

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios_core.automation import Costs, Value
from aios_core.monitoring.errors import MonitorError
from aios_core.monitoring.value import value

WORTH = Value(minutes_manual=6, minutes_review=1.5, minutes_draft=2.5, hourly_cost=30, currency="CHF")  # 3.00 by hand
COSTS = Costs(wrong_automation=12, wrong_draft=3, review=2)
DAY = date(2026, 11, 20)
LANDED = datetime(2026, 11, 20, 8, tzinfo=UTC)


def decision(
    ticket, verdict="automate", *, queue="billing", confidence=1.0, day=DAY, landed=LANDED, created=LANDED, seconds=60
):
    return {
        "source": "helpdesk", "ticket_id": ticket, "day": day, "verdict": verdict, "queue": queue, "confidence": confidence,
        "decided_at": LANDED + timedelta(seconds=seconds), "landed_at": landed, "created_at": created,
    }  # fmt: skip


SCHEMA = pa.schema([
    *((n, pa.string()) for n in ("source", "ticket_id", "verdict", "queue")), ("day", pa.date32()), ("confidence", pa.float64()),
    *((n, pa.timestamp("us", tz="UTC")) for n in ("decided_at", "landed_at", "created_at")),
])  # fmt: skip
OUTCOMES = pa.schema([(n, pa.string()) for n in ("source", "ticket_id", "queue")])


def worth(decisions, outcomes=None):
    known = [{"source": "helpdesk", "ticket_id": t, "queue": q} for t, q in (outcomes or {}).items()]
    return value(
        pa.Table.from_pylist(decisions, SCHEMA), pa.Table.from_pylist(known, OUTCOMES), value=WORTH, costs=COSTS
    )


def test_a_right_automated_ticket_saves_all_of_manual_triage():
    found = worth([decision("1")], {"1": "billing"})
    assert found.hours_saved == pytest.approx(0.1)
    assert found.net_value == pytest.approx(3.0)
    assert found.cost_per_decision == 0
    assert found.cost_per_decision_by_hand == 3.0
    assert (found.settled, found.wrong_automated, found.automated_share, found.currency) == (1, 0, 1.0, "CHF")


def test_a_wrong_automated_ticket_saves_nothing_and_costs():
    found = worth([decision("1")], {"1": "fraud"})
    assert found.hours_saved == 0
    assert found.net_value == pytest.approx(3.0 - 12.0)
    assert found.wrong_automated == 1


def test_what_is_not_settled_is_charged_at_its_own_calibrated_risk():
    found = worth([decision("1", confidence=0.9)])
    assert found.hours_saved == pytest.approx(0.9 * 0.1)
    assert found.cost_per_decision == pytest.approx(0.1 * 12)
    assert (found.settled, found.wrong_automated, found.wrong_expected) == (0, 0, pytest.approx(0.1))


def test_drafts_reviews_and_fallbacks_cost_what_people_do_there():
    found = worth(
        [
            decision("1", "draft"),
            decision("2", "draft"),
            decision("3", "review"),
            decision("4", "fallback", confidence=None),
        ],
        {"1": "billing", "2": "fraud", "3": "fraud", "4": "fraud"},
    )
    minutes = (6 - 2.5) + (0 - 2.5) + (6 - 1.5) + 0
    spent = 1.25 + (1.25 + 3) + 2 + 3
    assert found.hours_saved == pytest.approx(minutes / 60)
    assert found.net_value == pytest.approx(4 * 3 - spent)
    assert found.verdicts == {"draft": 2, "fallback": 1, "review": 1}
    assert found.automated_share == 0


def test_only_the_newest_decision_on_a_ticket_counts():
    found = worth([decision("1", seconds=90, queue="fraud"), decision("1", seconds=10)], {"1": "fraud"})
    assert (found.tickets, found.superseded, found.wrong_automated) == (1, 1, 0)


def test_days_add_up_to_the_whole():
    rows = [
        decision(str(i), "automate" if i % 3 else "review", confidence=0.8, day=DAY + timedelta(days=i % 4))
        for i in range(40)
    ]
    found = worth(rows, {str(i): "billing" if i % 5 else "fraud" for i in range(20)})
    assert [d.day for d in found.by_day] == [DAY + timedelta(days=i) for i in range(4)]
    assert sum(d.tickets for d in found.by_day) == 40
    assert sum(d.net_value for d in found.by_day) == pytest.approx(found.net_value)
    assert sum(d.hours_saved for d in found.by_day) == pytest.approx(found.hours_saved)


def test_time_to_decision_starts_at_landing_and_else_at_creation():
    long_ago = LANDED - timedelta(days=365)
    found = worth([decision("1", created=long_ago), decision("2", landed=None, seconds=120)])
    assert found.time_to_decision_seconds == {"p50": 90.0, "p95": pytest.approx(117.0)}


def test_a_decision_before_its_landing_is_a_clock_error_and_not_a_time():
    found = worth([decision("1", seconds=-5), decision("2", seconds=30)])
    assert found.clock_errors == 1
    assert found.time_to_decision_seconds == {"p50": 30.0, "p95": 30.0}


def test_no_decisions_are_worth_nothing_and_no_share_is_invented():
    found = worth([])
    assert (found.tickets, found.net_value, found.automated_share, found.cost_per_decision) == (0, 0.0, None, None)
    assert found.time_to_decision_seconds is None


def test_a_missing_column_is_named():
    with pytest.raises(MonitorError, match="the decisions lack ticket_id, day, verdict"):
        value(pa.table({"source": []}), pa.table({}), value=WORTH, costs=COSTS)


def test_the_report_is_plain_json():
    import json

    content = json.loads(json.dumps(worth([decision("1")]).as_json()))
    assert content["by_day"][0]["day"] == "2026-11-20"


@settings(deadline=None, max_examples=40)  # each one builds data frames
@given(st.lists(st.tuples(st.sampled_from(["automate", "draft", "review", "fallback"]), st.floats(0, 1), st.sampled_from([None, "billing", "fraud"])), min_size=1, max_size=30), st.integers(0, 29))  # fmt: skip
def test_an_error_never_makes_an_automation_worth_more(rows, place):
    decisions = [decision(str(i), v, confidence=c) for i, (v, c, _) in enumerate(rows)]
    outcomes = {str(i): q for i, (_, _, q) in enumerate(rows) if q}
    spoiled = outcomes | {str(place % len(rows)): "fraud"}
    right = outcomes | {str(place % len(rows)): "billing"}
    assert worth(decisions, spoiled).net_value <= worth(decisions, right).net_value
    assert worth(decisions, spoiled).hours_saved <= worth(decisions, right).hours_saved

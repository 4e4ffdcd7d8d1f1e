"""Estimated quality on a whole platform: by queue and group, settled by outcomes, and its error watched."""

from datetime import timedelta

import pytest

from aios_assets import jobs
from resources.estimates import EstimateStore
from tests.aios_assets import small_desk
from tests.aios_assets.conftest import Desk
from tests.aios_assets.small_desk import MONDAY, TUESDAY, swapped
from tests.aios_assets.test_remedies import decide_day

ROWS = 120
CHECKS = ("estimate_holds", "estimate_error")


def measure(desk: Desk, *days):
    result = desk.platform.execute(desk.declared, jobs.MONITOR, *days)
    return {c.check_name: c.passed for c in result.get_asset_check_evaluations() if c.check_name in CHECKS}


def settle(desk: Desk, day, *, first, agents=small_desk.right):
    small_desk.settle(desk.folder, day, rows=ROWS, first=first, agents=agents)
    desk.platform.execute(desk.declared, jobs.INGEST)


def test_a_day_is_estimated_by_queue_before_and_settled_after_its_outcomes_though_only_the_next_day_is_measured(
    desk: Desk,
):
    decide_day(desk, MONDAY, first=1000, rows=ROWS)
    assert measure(desk, MONDAY) == {"estimate_holds": True, "estimate_error": True}
    shown = desk.platform.shown(desk.declared, "estimated_quality")
    assert shown["rows"] == ROWS
    assert shown["accuracy"] == pytest.approx(shown["promised"])
    assert "estimate_error" not in shown
    lines = [line for line in shown["by_group"].splitlines() if line.startswith("| queue |")]
    assert [line.split("|")[2].strip() for line in lines] == ["accounts", "laptops", "rooms"]

    settle(desk, MONDAY, first=1000)
    decide_day(desk, TUESDAY, first=2000, rows=ROWS)
    assert measure(desk, TUESDAY) == {"estimate_holds": True, "estimate_error": True}
    store = EstimateStore(desk.platform.database)
    monday, tuesday = store.days(automation="desk", since=MONDAY, until=TUESDAY + timedelta(days=1))
    assert (monday.settled, tuesday.settled) == (ROWS, 0)
    assert monday.realised > 0.95
    shown = desk.platform.shown(desk.declared, "estimated_quality")
    assert shown["rows"] == 2 * ROWS
    assert abs(shown["estimate_error"]) < 0.05

    before = desk.platform.rows("select * from estimate_groups order by 1, 2, 3, 4, 5, 6")
    measure(desk, TUESDAY)
    after = desk.platform.rows("select * from estimate_groups order by 1, 2, 3, 4, 5, 6")
    assert [row[:-1] for row in before] == [row[:-1] for row in after]  # but for when they were computed


def test_a_changed_rule_is_seen_by_both_checks_once_outcomes_come(desk: Desk):
    decide_day(desk, MONDAY, first=1000, rows=ROWS)
    measure(desk, MONDAY)
    settle(desk, MONDAY, first=1000, agents=swapped)
    assert measure(desk, MONDAY) == {"estimate_holds": False, "estimate_error": False}
    shown = desk.platform.shown(desk.declared, "estimated_quality")
    assert shown["estimate_error"] > 0.4
    laptops = next(line for line in shown["by_group"].splitlines() if "| laptops |" in line)
    assert "0.0% of 40" in laptops


def test_a_day_without_scores_says_nothing_and_contradicts_nothing(untrained: Desk):
    decide_day(untrained, MONDAY, first=1, rows=6)
    assert measure(untrained, MONDAY) == {"estimate_holds": True, "estimate_error": True}
    shown = untrained.platform.shown(untrained.declared, "estimated_quality")
    assert set(shown) >= {"by_day"}
    assert "rows" not in shown

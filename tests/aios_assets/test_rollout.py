"""The staged path on a whole platform: shadow beside the champion, a canary's share, and what follows from what turned out."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aios_assets import jobs, naming
from aios_assets.rollout import run_config
from aios_core.lifecycle.routing import in_canary
from resources.decisions import DecisionStore
from resources.declarations import load_declaration
from tests.aios_assets import small_desk
from tests.aios_assets.conftest import Desk
from tests.aios_assets.small_desk import MONDAY, TUESDAY
from tests.aios_assets.test_remedies import decide_day, decided, plant_version_trained_on_wrong_labels

ROWS = 120
SHARE = 0.4
STAGED = f"""
  lifecycle: {{path: staged, shadow_min_rows: 100, shadow_min_hours: 0, canary_share: {SHARE}, canary_min_outcomes: 20,
              canary_min_hours: 0}}
"""


@pytest.fixture
def staged(desk: Desk) -> Desk:
    """The small desk, where new versions go step by step."""
    file = desk.folder / "defs.yaml"
    file.write_text(file.read_text(encoding="utf-8") + STAGED, encoding="utf-8")
    return Desk(desk.platform, load_declaration(file))


def train(desk: Desk, *, first: int = 500, rows: int = 150) -> dict[str, Any]:
    """A new version, from the same world and more of it."""
    small_desk.settle(desk.folder, MONDAY - timedelta(days=1), rows=rows, first=first)
    desk.platform.execute(desk.declared, jobs.INGEST)
    desk.platform.execute(desk.declared, jobs.TRAIN)
    return desk.platform.shown(desk.declared, "model_version")


def standing(desk: Desk) -> dict[str, int]:
    return {alias: v for alias, v in desk.platform.registry.standing(name="desk").items() if v is not None}


def look(desk: Desk) -> str:
    """What the advance sensor asks for, done; the reason of the newest move."""
    [request], _ = desk.platform.tick(desk.declared, "advance")
    desk.platform.execute(desk.declared, jobs.ADVANCE, config=request.run_config)
    return desk.platform.registry.history("desk")[0].reason


def settle(desk: Desk, day: Any, *, first: int, rows: int = ROWS) -> None:
    small_desk.settle(desk.folder, day, rows=rows, first=first)
    desk.platform.execute(desk.declared, jobs.INGEST)


def versions_of(desk: Desk, day: Any) -> dict[str, int]:
    return dict(desk.platform.rows("select ticket_id, model_version from decisions where day = %s", day))


def test_a_new_version_goes_from_shadow_to_canary_to_champion_and_every_step_has_its_evidence(staged: Desk) -> None:
    platform, declared = staged.platform, staged.declared
    assert platform.tick(declared, "shadow")[0] == platform.tick(declared, "advance")[0] == []

    made = train(staged)

    assert (made["promoted"], made["alias"]) == (False, "shadow")
    assert standing(staged) == {"champion": 1, "shadow": 2}

    decide_day(staged, MONDAY, first=1000, rows=ROWS)
    assert set(versions_of(staged, MONDAY).values()) == {1}
    [request], _ = platform.tick(declared, "shadow")
    platform.execute(declared, jobs.SHADOW, MONDAY)
    assert request.tags["dagster/asset_partition_range_start"] == str(MONDAY)
    assert platform.tick(declared, "shadow")[0] == []
    shown = platform.shown(declared, "shadow_scores")
    assert (shown["rows"], shown["model_version"], shown["champion"], shown["settled"]) == (ROWS, 2, 1, 0)
    assert shown["agreement"] > 0.9
    assert set(versions_of(staged, MONDAY).values()) == {1}

    look(staged)
    assert standing(staged) == {"champion": 1, "canary": 2}
    assert "scored 120 tickets beside version 1" in platform.registry.history("desk")[1].reason

    decide_day(staged, TUESDAY, first=2000, rows=ROWS)
    found = versions_of(staged, TUESDAY)
    assert found == {t: 2 if in_canary("desk", t, SHARE) else 1 for t in found}
    assert len(found) == ROWS
    assert sorted(set(found.values())) == [1, 2]

    settle(staged, TUESDAY, first=2000)
    look(staged)
    assert standing(staged) == {"champion": 2, "last_good": 1}
    move = next(m for m in platform.registry.history("desk") if m.alias == "champion")
    progress = move.evidence["progress"]
    assert progress["settled"] == sum(v == 2 for v in found.values())
    assert move.evidence["gate"]["guards"]["quality"]["state"] == "passed"
    assert platform.shown(declared, "champion")["version"] == 2

    store = DecisionStore(platform.database)
    for ticket in list(found)[:10]:
        [decision] = store.for_ticket("desk", ticket)
        assert store.replay(decision.decision_id, registry=platform.registry).identical


def test_a_shadow_that_is_wrong_where_the_champion_is_right_is_withdrawn_with_the_reason(staged: Desk) -> None:
    platform, declared = staged.platform, staged.declared
    bad = plant_version_trained_on_wrong_labels(staged)
    _back_to_one_with(staged, bad, alias="shadow")
    decide_day(staged, MONDAY, first=1000, rows=ROWS)
    platform.execute(declared, jobs.SHADOW, MONDAY)
    settle(staged, MONDAY, first=1000)
    platform.execute(declared, jobs.SHADOW, MONDAY)
    shown = platform.shown(declared, "shadow_scores")
    assert shown["settled"] == ROWS
    assert "settled tickets that both scored beside each other" in shown["comparison"]

    assert "worse than the champion 1" in look(staged)

    assert standing(staged) == {"champion": 1, "last_good": 1}
    assert platform.tick(declared, "advance")[0] == []


def test_a_canary_that_is_wrong_is_withdrawn_long_before_its_hours_are_over(staged: Desk) -> None:
    bad = plant_version_trained_on_wrong_labels(staged)
    _back_to_one_with(staged, bad, alias="canary")
    decide_day(staged, MONDAY, first=1000, rows=ROWS)
    settle(staged, MONDAY, first=1000)
    assert decided(staged, MONDAY)

    assert "worse than the champion 1" in look(staged)

    assert standing(staged) == {"champion": 1, "last_good": 1}
    decide_day(staged, TUESDAY, first=2000, rows=ROWS)
    assert set(versions_of(staged, TUESDAY).values()) == {1}


def _back_to_one_with(desk: Desk, version: int, *, alias: str) -> None:
    registry, now = desk.platform.registry, datetime.now(UTC)
    registry.rollback(name="desk", actor="ana", reason="tidy", evidence={}, now=now)
    # a person forced it past every guard: only what turns out may speak against it
    forced = {"forced": ["parity", "quality", "history", "fairness_queues"]}
    registry.move(name="desk", alias=alias, version=version, actor="ana", reason="try", evidence=forced, now=now)


def test_training_does_not_replace_a_shadow_whose_evidence_is_not_in_yet(staged: Desk) -> None:
    train(staged)
    made = train(staged, first=700)
    assert (made["version"], made["alias"]) == (3, "none")
    assert "version 2 is the shadow still" in made["gate"]
    assert standing(staged) == {"champion": 1, "shadow": 2, "candidate": 3}


def test_a_look_at_a_version_that_is_not_there_any_more_changes_nothing(staged: Desk) -> None:
    before = staged.platform.registry.history("desk")
    config = run_config(staged.declared, {"stage": "canary", "version": 2})
    staged.platform.execute(staged.declared, jobs.ADVANCE, config=config)
    assert staged.platform.registry.history("desk") == before


def test_the_gate_is_a_check_that_warns_with_every_number_and_compares_with_the_champion(desk: Desk) -> None:
    platform, declared = desk.platform, desk.declared
    made = train(desk, rows=500)
    assert (made["promoted"], made["alias"]) == (True, "champion")
    assert "McNemar" in made["comparison"]
    assert made["console"].endswith("/models/desk/compare/1/2")

    result = platform.execute(declared, jobs.TRAIN)

    [check] = [e for e in result.get_asset_check_evaluations() if e.check_name == "promotion_gate"]
    assert check.severity.name == "WARN"
    assert check.metadata["latency/value"].value > 0
    assert check.metadata["quality/limit"].value == 0.5
    assert "no `lifecycle.tier` is declared" in check.metadata["guards"].value
    key = naming.key(declared, "model_version")
    assert platform.definitions().resolve_asset_graph().get(key) is not None


def test_a_version_that_fails_the_gate_is_kept_and_not_promoted_and_nothing_fails(desk: Desk) -> None:
    file = desk.folder / "defs.yaml"
    strict = file.read_text(encoding="utf-8") + "\n  lifecycle: {max_p95_ms: 0.000001}\n"
    file.write_text(strict, encoding="utf-8")
    made = train(Desk(desk.platform, load_declaration(file)))
    assert (made["promoted"], made["alias"]) == (False, "none")
    assert "above the 1e-06 ms" in made["gate"]
    assert standing(desk) == {"champion": 1, "candidate": 2}
    evidence = desk.platform.registry.history("desk")[0].evidence
    assert evidence["gate"]["guards"]["latency"]["state"] == "failed"
    assert evidence["agreement"]["label_mismatches"] == 0

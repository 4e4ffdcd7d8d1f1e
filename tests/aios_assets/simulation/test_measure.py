"""What a play comes to, from what was planted and what the platform did."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aios_assets.simulation.measure import REACH_DAYS, acted, answered, over_seeds
from aios_assets.simulation.story import Planted
from resources.aliases import AliasMove
from resources.monitoring import Incident

ZERO = datetime(2026, 3, 6, tzinfo=UTC)
NOVA = Planted(kind="new_product", day=10, right="narrow", told="")
LABELS = Planted(kind="bad_labels", day=40, right="rollback", told="")


def day(number: float) -> datetime:
    return ZERO + timedelta(days=number)


def incident(
    number: int, remedy: str, at: float, *, queue: str | None = None, assessment: int | None = None
) -> Incident:
    return Incident(
        incident_id=number, automation="telecom", remedy=remedy, queue=queue, reason="", evidence={}, actor="run:1",  # type: ignore[arg-type]
        opened_at=day(at), closed_at=day(at + 1), closed_by=None, assessment_id=assessment,
    )  # fmt: skip


def promotion(number: int, version: int, at: float) -> AliasMove:
    return AliasMove(
        move_id=number, alias="champion", version=version, previous_version=None, actor="", reason="", evidence={}, moved_at=day(at)
    )  # fmt: skip


def test_queues_that_are_held_together_are_one_remedy_and_all_queues_are_a_pause() -> None:
    found = acted(
        [
            incident(1, "narrow", 3, queue="outage", assessment=9),
            incident(2, "narrow", 3, queue="billing", assessment=9),
            incident(3, "narrow", 5, queue="*", assessment=10),
            incident(4, "rollback", 4),
            incident(5, "stop", 8, queue="*", assessment=11),
        ]
    )
    assert [(r.kind, r.queues) for r in found] == [
        ("narrow", ("billing", "outage")),
        ("rollback", ()),
        ("pause", ("*",)),
        ("pause", ("*",)),
    ]


def test_a_remedy_answers_the_incident_planted_last_before_it() -> None:
    remedies = acted([incident(1, "narrow", 12, queue="outage"), incident(2, "rollback", 46)])
    found, false_alarms = answered([NOVA, LABELS], remedies, [promotion(1, 5, 44)], day_zero=ZERO)
    assert false_alarms == []
    assert [(a.answered_right, a.wrong, a.days_to_flag) for a in found] == [(True, 0, 2.0), (True, 0, 2.0)]
    assert found[1].promoted == 5


def test_a_remedy_of_another_kind_is_a_wrong_one_and_the_incident_is_flagged_all_the_same() -> None:
    found, _ = answered([NOVA], acted([incident(1, "narrow", 11, queue="*")]), [], day_zero=ZERO)
    assert (found[0].flagged, found[0].answered_right, found[0].wrong) == (True, False, 1)


@pytest.mark.parametrize("at", [3, 10 + REACH_DAYS + 1])
def test_a_remedy_without_an_incident_is_a_false_alarm(at: float) -> None:
    found, false_alarms = answered([NOVA], acted([incident(1, "rollback", at)]), [], day_zero=ZERO)
    assert len(false_alarms) == 1
    assert not found[0].flagged
    assert found[0].days_to_flag is None


def test_a_version_that_the_gate_stopped_has_no_onset_of_its_own() -> None:
    found, _ = answered([LABELS], [], [promotion(1, 4, 30)], day_zero=ZERO)
    assert (found[0].promoted, found[0].onset) == (None, day(40))


def told(seed: int, share: float | None) -> dict[str, Any]:
    return {
        "seed": seed,
        "incidents_planted": 3,
        "false_alarms": seed % 2,
        "remedies": {"rollback": 1, "narrow": 1, "pause": 1},
        "days_to_flag": {"p50": float(seed), "max": float(seed + 1)},
        "automated_share": share,
        "baseline": {"cost_per_decision": 3.0, "resolution_hours": {"mean": 6.0 + seed}},
    }


def test_over_seeds_counts_are_summed_and_shares_get_an_interval() -> None:
    found = over_seeds([told(1, 0.6), told(2, 0.7), told(3, 0.8)])
    assert (found["seeds"], found["incidents_planted"], found["false_alarms"]) == (3, 9, 2)
    assert found["remedies"] == {"rollback": 3, "narrow": 3, "pause": 3}
    assert found["days_to_flag"] == {"p50": 2.0, "max": 4.0}
    assert found["automated_share"] == pytest.approx(0.7)
    # Student's t with two degrees of freedom: 4.303 standard errors of 0.1 / sqrt(3)
    assert found["intervals"]["automated_share"] == pytest.approx((0.7 - 0.2484, 0.7 + 0.2484), abs=1e-3)
    assert found["baseline"]["resolution_hours"]["mean"] == pytest.approx(8.0)


def test_over_seeds_each_play_keeps_its_own_incidents() -> None:
    plays = [
        told(n, 0.6) | {"incidents": [{"kind": "new_product"}], "stage_seconds": {"train": float(n)}} for n in (1, 2)
    ]
    found = over_seeds(plays)
    assert "incidents" not in found
    assert found["stage_seconds"]["train"] == pytest.approx(1.5)


def test_one_seed_is_told_as_it_is() -> None:
    assert over_seeds([told(1, None)]) == {**told(1, None), "seeds": 1, "intervals": {}}


def test_a_share_that_no_seed_knows_stays_unknown() -> None:
    assert over_seeds([told(1, None), told(2, None)])["automated_share"] is None

"""The pure decisions of the sensors."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from aios_core.monitoring.verdict import Remedy
from resources.webhooks import Waiting
from sensors.requests import (
    collect_finished,
    monitor_decided,
    move_on,
    narrow,
    read_told,
    repair,
    retrain,
    rollback,
    score_undecided,
    shadow_undone,
)

MONDAY, TUESDAY, FRIDAY = date(2026, 11, 16), date(2026, 11, 17), date(2026, 11, 20)

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def test_nothing_undecided_starts_nothing() -> None:
    assert score_undecided([]) == []


def test_a_backlog_of_many_days_becomes_one_run_over_its_range() -> None:
    [request] = score_undecided([(TUESDAY, 4, 90), (MONDAY, 3, 40), (FRIDAY, 1, 70)])
    assert (request.first_day, request.last_day) == (MONDAY, FRIDAY)


def test_the_same_backlog_asks_for_the_same_run_and_a_new_arrival_for_another() -> None:
    before = score_undecided([(MONDAY, 3, 40)])
    assert score_undecided([(MONDAY, 3, 40)]) == before
    assert score_undecided([(MONDAY, 4, 41)])[0].run_key != before[0].run_key


def test_what_is_left_of_a_backlog_asks_again_although_nothing_new_arrived() -> None:
    whole = score_undecided([(MONDAY, 3, 40), (TUESDAY, 2, 39)])
    rest = score_undecided([(MONDAY, 3, 40)])
    assert whole[0].run_key != rest[0].run_key


def test_each_finished_batch_is_collected_by_a_run_of_its_own() -> None:
    requests = collect_finished(["2026-11-20/billing", "2026-11-20/fraud"])
    assert [r.partition for r in requests] == ["2026-11-20/billing", "2026-11-20/fraud"]
    assert len({r.run_key for r in requests}) == 2


def test_days_are_measured_again_when_their_decisions_changed() -> None:
    [before] = monitor_decided([(MONDAY, 100)])
    [after] = monitor_decided([(MONDAY, 101)])
    assert before.run_key != after.run_key


def test_an_open_request_trains_once() -> None:
    assert retrain(None, held={}, now=NOW) == []
    assert retrain(7, held={}, now=NOW) == retrain(7, held={3: NOW}, now=NOW + timedelta(days=9))
    assert retrain(7, held={}, now=NOW) != retrain(8, held={}, now=NOW)


def test_while_queues_are_held_a_training_is_asked_for_once_a_day():
    held = {5: NOW, 6: NOW + timedelta(days=2)}
    assert retrain(None, held=held, now=NOW + timedelta(hours=19)) == []
    hours = [retrain(None, held=held, now=NOW + timedelta(hours=hour)) for hour in range(20, 24 * 4 + 20)]
    assert all(len(asked) == 1 for asked in hours)
    assert len({asked[0].run_key for asked in hours}) == 4
    assert retrain(None, held={}, now=NOW + timedelta(days=5)) == []


@pytest.mark.parametrize("kind", ["none", "narrow", "stop"])
def test_only_a_verdict_of_rollback_moves_the_champion(kind: str) -> None:
    assert rollback(Remedy(kind=kind, reason="r"), assessment=4, champion=2) == []


def test_an_assessment_is_rolled_back_on_once_and_from_the_version_it_judged() -> None:
    found = Remedy(kind="rollback", reason="version 1 is better", evidence={"rollbacks": 0})
    [request] = rollback(found, assessment=4, champion=2)
    assert [request] == rollback(found, assessment=4, champion=2)
    assert request.run_key != rollback(found, assessment=5, champion=2)[0].run_key
    assert (request.config["from_version"], request.config["reason"]) == (2, "version 1 is better")
    assert json.loads(request.config["evidence"]) == {"rollbacks": 0}


@pytest.mark.parametrize("kind", ["none", "rollback"])
def test_no_queue_is_held_where_the_judge_asks_for_none(kind: str) -> None:
    assert narrow(Remedy(kind=kind, reason="r"), assessment=4) == []


def test_held_queues_are_those_that_the_judge_names_and_a_stop_asks_for_no_retraining() -> None:
    [request] = narrow(Remedy(kind="narrow", reason="r", queues=("fraud",), retrain=True), assessment=4)
    assert (request.config["queues"], request.config["remedy"], request.config["retrain"]) == (
        ["fraud"],
        "narrow",
        True,
    )
    [stop] = narrow(Remedy(kind="stop", reason="r", queues=("*",)), assessment=4)
    assert (stop.config["queues"], stop.config["remedy"], stop.config["retrain"]) == (["*"], "stop", False)
    assert stop.run_key != request.run_key


def test_what_the_shadow_has_not_scored_is_one_run_and_another_shadow_begins_anew() -> None:
    assert shadow_undone([], version=2) == []
    [request] = shadow_undone([(TUESDAY, 9), (MONDAY, 4)], version=2)
    assert (request.first_day, request.last_day) == (MONDAY, TUESDAY)
    assert request.run_key != shadow_undone([(TUESDAY, 9), (MONDAY, 4)], version=3)[0].run_key


def test_a_stage_is_looked_at_again_when_there_is_more_to_judge_it_by_and_every_hour() -> None:
    [look] = move_on("canary", version=2, tenths=8, hours=3)
    assert [look] == move_on("canary", version=2, tenths=8, hours=3)
    assert look.config == {"stage": "canary", "version": 2}
    keys = {move_on("canary", version=2, tenths=t, hours=h)[0].run_key for t, h in [(9, 3), (8, 4)]}
    assert len(keys | {look.run_key}) == 3


def test_each_rollback_with_something_to_make_good_is_a_repair_and_another_one_when_more_was_decided() -> None:
    assert repair([]) == []
    first, second = repair([(7, 100), (9, 3)])
    assert (first.config, second.config) == ({"incident_id": 7}, {"incident_id": 9})
    assert first.run_key != second.run_key
    assert repair([(7, 100)])[0].run_key == first.run_key
    assert repair([(7, 12)])[0].run_key != first.run_key


def told(count: int, *, first: float, last: float, source: str = "desk", newest: int = 9) -> Waiting:
    """`first` and `last` are how many seconds ago."""
    return Waiting(
        source=source,
        count=count,
        newest=newest,
        first_at=NOW - timedelta(seconds=first),
        last_at=NOW - timedelta(seconds=last),
    )


def test_deliveries_are_read_together_once_they_pause_are_many_or_waited_long() -> None:
    assert read_told([], now=NOW) == []
    assert read_told([told(5, first=4, last=0.5)], now=NOW) == [], "more may come in a moment"
    assert len(read_told([told(5, first=4, last=2)], now=NOW)) == 1
    assert len(read_told([told(100, first=1, last=0)], now=NOW)) == 1
    assert len(read_told([told(5, first=10, last=0)], now=NOW)) == 1


def test_one_read_is_for_all_sources_that_called_and_is_asked_for_once() -> None:
    both = [told(1, first=3, last=3), told(1, first=0.1, last=0.1, source="crm", newest=4)]
    (request,) = read_told(both, now=NOW)
    assert request.run_key == "webhooks:desk:9,crm:4"

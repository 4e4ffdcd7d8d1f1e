"""The pure decisions of the sensors."""

from datetime import date

from sensors.requests import collect_finished, monitor_decided, retrain, score_undecided

MONDAY, TUESDAY, FRIDAY = date(2026, 11, 16), date(2026, 11, 17), date(2026, 11, 20)


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
    assert retrain(None) == []
    assert retrain(7) == retrain(7)
    assert retrain(7) != retrain(8)

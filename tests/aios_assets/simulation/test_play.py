"""A short play through the real assets: the clock is the play's, nothing is lost or made twice, and the report tells what was measured."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aios_assets.simulation import measure, page, pictures, play, series
from aios_assets.simulation.play import ByHand, Played
from aios_assets.simulation.story import Planted, Story, begins, first_day
from resources import clock

NOW = datetime(2026, 6, 20, 12, tzinfo=UTC)
# too short for an answer: what is planted must show in the world, and no remedy may be dreamt up
STORY = Story(
    days=2,
    tickets=40,
    history_days=16,
    misfiled=30,
    planted=(Planted(kind="bad_labels", day=0, right="rollback", told="forms"),),
)
KEYS = {
    *("incidents_planted", "incidents_flagged", "remedies", "wrong_remedies", "false_alarms", "days_to_flag"),
    *("manual_hours_saved_share", "resolution_time_saved_share", "automated_share", "automated_error_rate"),
    *("cost_per_decision", "baseline", "seconds"),
}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Played, ByHand]:
    home = tmp_path_factory.mktemp("play")
    for folder in (home, home.parent):
        folder.chmod(0o755)
    begin = begins(STORY.days, now=NOW)
    told = play.with_platform(STORY, begin=begin, home=home)
    return told, play.by_hand(STORY, begin=begin, home=home, automation=told.automation)


def test_the_platform_goes_by_the_plays_clock_and_afterwards_by_the_walls(played: tuple[Played, ByHand]) -> None:
    told, _ = played
    first = first_day(told.begin)
    assert [d.day for d in told.days] == [first + timedelta(days=n) for n in range(2)]
    decided = told.decisions
    assert ((decided["decided_at"].dt.date - decided["day"]).map(lambda d: d.days) == 1).all()
    assert all(told.begin <= m.moved_at < told.begin + timedelta(days=1) for m in told.moves)
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)


def test_every_ticket_of_the_play_is_decided_once_and_nothing_is_lost(played: tuple[Played, ByHand]) -> None:
    told, hand = played
    arrived = sum(STORY.arrivals(n) for n in range(2))
    assert len(told.decisions) == told.decisions["ticket_id"].nunique() == arrived
    assert (told.lost, told.duplicated) == (0, 0)
    assert sum(sum(d.verdicts.values()) for d in told.days) == arrived
    assert set(told.decisions["ticket_id"]) == set(hand.routed)


def test_both_worlds_have_the_same_tickets_and_differ_in_when_they_are_resolved(played: tuple[Played, ByHand]) -> None:
    told, hand = played
    decided = set(told.decisions["ticket_id"])
    assert {t: (told.truth[t].queue, told.truth[t].created_at) for t in decided} == {
        t: (hand.truth[t].queue, hand.truth[t].created_at) for t in decided
    }
    assert {t: told.truth[t].resolved_at for t in decided} != {t: hand.truth[t].resolved_at for t in decided}


def test_people_look_at_what_the_platform_leaves_to_them_and_at_everything_by_hand(
    played: tuple[Played, ByHand],
) -> None:
    told, hand = played
    counts = told.decisions["verdict"].value_counts()
    value = told.automation.value
    minutes = counts.get("review", 0) * value.minutes_review + counts.get("draft", 0) * value.minutes_draft
    assert counts["automate"] > 0
    assert told.desk_minutes == pytest.approx(minutes)
    assert hand.desk_minutes == pytest.approx(len(hand.routed) * value.minutes_manual)
    assert set(told.routed) == set(told.decisions[told.decisions["verdict"].isin(["review", "draft"])]["ticket_id"])


def test_misfiled_tickets_are_entered_and_never_decided(played: tuple[Played, ByHand]) -> None:
    told, _ = played
    entered = {ticket for ticket, t in told.truth.items() if t.entered}
    assert len(entered) == 2 * STORY.misfiled
    assert not entered & set(told.decisions["ticket_id"])


def test_the_result_has_its_keys_and_the_page_says_the_same(played: tuple[Played, ByHand]) -> None:
    told, hand = played
    zero = datetime.combine(first_day(told.begin), datetime.min.time(), tzinfo=UTC)
    found, false_alarms = measure.answered(told.story.planted, measure.acted(told.incidents), told.moves, day_zero=zero)
    result = measure.over_seeds([measure.result(told, hand, day_zero=zero, seconds=1.0)])
    assert result.keys() >= KEYS
    assert (result["incidents_planted"], result["incidents_flagged"], result["false_alarms"]) == (1, 0, 0)
    automated = (told.decisions["verdict"] == "automate").mean()
    assert result["automated_share"] == pytest.approx(automated, abs=1e-4)
    assert 0 < result["manual_hours_saved_share"] < 1

    html = page.page(result, told, hand, found, false_alarms)
    assert f"{result['manual_hours_saved_share']:.1%}" in html
    assert "not done" in html
    assert pictures.overview(series.weeks(told, hand), found, errors_by_hand=None).startswith(b"\x89PNG")
    assert not re.search(r'(src|href)="http', html)


def test_a_play_writes_only_where_it_was_told_to(played: tuple[Played, ByHand], tmp_path: Path) -> None:
    told, _ = played
    helpdesk = told.automation.sources["helpdesk"]
    assert helpdesk.url == "${AIOS_ZENDESK_URL}"
    assert told.automation.name != "customer_escalations"

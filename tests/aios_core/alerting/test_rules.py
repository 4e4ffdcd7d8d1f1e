"""Rules: what is built in, what a declaration changes, and what it may not say."""

import pytest
from pydantic import ValidationError

from aios_core.alerting.burn import Window, burn, burn_rate
from aios_core.alerting.risk import Automated, at_risk, error_chance
from aios_core.alerting.rules import channels_of, rules_of
from aios_core.alerting.signals import CATALOGUE
from resources.signals import SIGNALS
from tests.review_world import automation


def by_name(**alerts):
    return {r.name: r for r in rules_of(automation(alerts=alerts, owners=["team:care"]))}


def test_without_any_declaration_every_rule_says_whose_it_is_what_it_costs_and_what_to_do():
    for rule in by_name().values():
        assert rule.owner == "team:care"
        assert rule.costs
        assert rule.do


def test_every_signal_can_be_read_and_none_is_unknown():
    assert SIGNALS.keys() == CATALOGUE.keys()


def test_limits_come_from_where_they_are_declared_already():
    found = {r.name: r for r in rules_of(automation(review={"service_level_hours": 3}))}
    assert found["backlog_old"].above == 3


def test_a_declared_rule_changes_only_what_it_says():
    before, after = by_name()["backlog_old"], by_name(rules=[{"name": "backlog_old", "above": 20}])["backlog_old"]
    assert after == before.model_copy(update={"above": 20.0})


def test_a_rule_can_be_turned_round_or_off():
    found = by_name(rules=[{"name": "money_at_risk", "below": 1}, {"name": "drift", "enabled": False}])
    assert (found["money_at_risk"].above, found["money_at_risk"].below) == (None, 1)
    assert "drift" not in found


OWN = {"name": "costly", "signal": "money_at_risk", "above": 500, "costs": "c", "do": "d"}


@pytest.mark.parametrize(
    ("alerts", "says"),
    [
        ({"rules": [OWN | {"signal": "money_at_rsk"}]}, "no signal is called `money_at_rsk`; there are: .*money_at_risk"),
        ({"rules": [OWN | {"below": 1}]}, "exactly one of `above` and `below`"),
        ({"rules": [OWN | {"costs": " "}]}, "`costs` is empty"),
        ({"rules": [OWN | {"channels": ["pager"]}]}, "no channel is called `pager`"),
        ({"rules": [OWN, OWN]}, "two rules are called `costly`"),
        ({"rules": [OWN | {"clear": 600}]}, "the alert would never stand"),
        ({"rules": [{"name": "service_level_slow", "above": 25}]}, "never fires: with an objective of 0.95 .* at most 20.0"),
        ({"rules": [{"name": "service_level_slow", "window_minutes": [60]}]}, "a burn rate needs"),
        ({"channels": {"chat": "https://hooks.test/secret"}}, "alerts.channels.chat"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_its_place(alerts, says):
    with pytest.raises(ValidationError, match=says):
        automation(alerts=alerts)


def test_an_easy_objective_drops_the_fast_burn_that_could_never_fire():
    assert "service_level_fast" not in by_name(objective=0.9)
    assert "service_level_slow" in by_name(objective=0.85)
    assert "service_level_slow" not in by_name(objective=0.5)


def test_a_pager_gets_only_what_is_severe_enough():
    alerts = {"channels": {"chat": "${CHAT}", "pager": {"url": "${PAGER}", "least": "critical"}}}
    rules, declared = by_name(**alerts), automation(alerts=alerts).alerts
    assert channels_of(rules["money_at_risk"], declared) == ("chat", "pager")
    assert channels_of(rules["drift"], declared) == ("chat",)


def test_burn_is_the_late_share_over_the_allowed_one():
    assert burn_rate(Window(due=100, late=5), objective=0.95) == pytest.approx(1)
    assert burn_rate(Window(due=0, late=0), objective=0.95) == 0


def test_a_burn_needs_both_windows_and_more_than_chance():
    bad, over = Window(due=100, late=90), Window(due=20, late=0)
    assert burn(bad, bad, objective=0.95, min_late=5) > 14.4
    assert burn(bad, over, objective=0.95, min_late=5) == 0  # it has stopped
    assert burn(Window(due=4, late=4), Window(due=4, late=4), objective=0.95, min_late=5) == 0


def queue(**changes):
    return Automated(
        **{"queue": "billing", "decisions": 100, "doubt": 0.05, "settled": 0, "wrong": 0, "cost": 12.0} | changes
    )


def test_money_at_risk_starts_at_the_promise_and_goes_to_what_turns_out():
    assert error_chance(queue()) == pytest.approx(0.05)
    assert error_chance(queue(settled=2_000, wrong=600)) == pytest.approx(0.3, abs=0.01)
    assert at_risk([queue(), queue(queue="fraud", cost=60.0)]) == pytest.approx({"fraud": 300.0, "billing": 60.0})

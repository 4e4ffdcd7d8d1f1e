"""The rules of an automation: those built in, changed and added to by its declaration.

What belongs here: the built-in rules, joining them with declared ones, and what is wrong with a declaration. What does not: what a rule
does (`state.py`).

A declared rule with the name of a built-in one changes only the fields it says. `owner` falls back to the automation's first owner.
"""

from collections.abc import Iterator
from typing import Any

from aios_core.alerting.burn import FAST, FAST_WINDOWS, SLOW, SLOW_WINDOWS, highest_burn
from aios_core.alerting.signals import CATALOGUE
from aios_core.automation import AlertRule, Alerts, Automation, Severity

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
RELATIVE = ("above", "below", "clear")


def rules_of(automation: Automation) -> tuple[AlertRule, ...]:
    """Every enabled rule, complete, the built-in ones first."""
    owner = automation.owners[0] if automation.owners else ""
    return tuple(
        rule.model_copy(update={"owner": rule.owner or owner})
        for rule in _joined(automation.alerts, _built_in(automation))
        if rule.enabled
    )


def channels_of(rule: AlertRule, alerts: Alerts) -> tuple[str, ...]:
    """The channels that an alert of this rule goes to."""
    return channels_for(rule.severity, rule.channels, alerts)


def channels_for(severity: str, named: tuple[str, ...], alerts: Alerts) -> tuple[str, ...]:
    """Those of the named channels, or of all, that take this severity."""
    return tuple(
        name
        for name, channel in alerts.channels.items()
        if (not named or name in named) and rank(severity) >= rank(channel.least)
    )


def rank(severity: str) -> int:
    """Its place: info is 0, warning 1, critical 2."""
    return SEVERITIES.index(severity)


def problems(alerts: Alerts) -> Iterator[str]:
    """What is wrong with an automation's block `alerts`, each with its place and the way out."""
    names = [rule.name for rule in alerts.rules]
    for name in sorted({n for n in names if names.count(n) > 1}):
        yield f"alerts.rules: two rules are called `{name}`"
    for rule in _joined(alerts, _possible(DEFAULTS, alerts)):
        where = f"alerts.rules[{rule.name}]"
        yield from (f"{where}: {problem}" for problem in _problems(rule, alerts))


def _problems(rule: AlertRule, alerts: Alerts) -> Iterator[str]:
    if rule.signal is None or rule.signal not in CATALOGUE:
        yield f"no signal is called `{rule.signal}`; there are: {', '.join(sorted(CATALOGUE))}"
        return
    if (rule.above is None) == (rule.below is None):
        yield "a rule needs exactly one of `above` and `below`"
        return
    yield from _wrong_limits(rule, alerts)
    for word in ("costs", "do"):
        if not getattr(rule, word).strip():
            yield f"`{word}` is empty; say {'what it costs' if word == 'costs' else 'what to do about it'}"
    for channel in rule.channels:
        if channel not in alerts.channels:
            known = ", ".join(alerts.channels) or "none"
            yield f"no channel is called `{channel}` under `alerts.channels`; there are: {known}"


def _wrong_limits(rule: AlertRule, alerts: Alerts) -> Iterator[str]:
    if rule.clear is not None and rule.above is not None and rule.clear > rule.above:
        yield f"`clear` {rule.clear:g} is above the limit {rule.above:g}: the alert would never stand"
    if rule.clear is not None and rule.below is not None and rule.clear < rule.below:
        yield f"`clear` {rule.clear:g} is below the limit {rule.below:g}: the alert would never stand"
    if rule.signal != "service_level_burn":
        return
    if len(rule.window_minutes) != 2 or rule.window_minutes[0] <= rule.window_minutes[1]:
        yield "a burn rate needs `window_minutes: [long, short]`"
    most = highest_burn(objective=alerts.objective)
    if rule.above is not None and rule.above >= most:
        yield (
            f"never fires: with an objective of {alerts.objective:g} the burn rate is at most {most:.1f}, when every case is"
            f" late; lower `above` ({rule.above:g}) or raise `alerts.objective`"
        )


def _joined(alerts: Alerts, built_in: tuple[AlertRule, ...]) -> tuple[AlertRule, ...]:
    declared = {rule.name: rule for rule in alerts.rules}
    known = {rule.name for rule in built_in}
    changed = tuple(_changed(rule, declared[rule.name]) if rule.name in declared else rule for rule in built_in)
    return changed + tuple(rule for rule in alerts.rules if rule.name not in known)


def _changed(built_in: AlertRule, declared: AlertRule) -> AlertRule:
    said: dict[str, Any] = {name: getattr(declared, name) for name in declared.model_fields_set}
    if said.get("above") is not None or said.get("below") is not None:
        said = {"above": None, "below": None, "clear": None} | said  # the other limit goes, and what it cleared at
    return built_in.model_copy(update=said)


def _built_in(automation: Automation) -> tuple[AlertRule, ...]:
    """The built-in rules with the limits that other parts of the declaration give."""
    limits: dict[str, dict[str, float]] = {
        "backlog_old": {"above": automation.review.service_level_hours},
        "estimate_low": {"below": automation.monitoring.min_accuracy},
    }
    fitted = tuple(rule.model_copy(update=limits.get(rule.name, {})) for rule in DEFAULTS)
    return _possible(fitted, automation.alerts)


def _possible(built_in: tuple[AlertRule, ...], alerts: Alerts) -> tuple[AlertRule, ...]:
    """Without the burns that an easy objective can never reach; one that is declared stays, to be refused."""
    most, declared = highest_burn(objective=alerts.objective), {rule.name for rule in alerts.rules}
    return tuple(
        rule
        for rule in built_in
        if rule.signal != "service_level_burn" or (rule.above or 0) < most or rule.name in declared
    )


DAY, HOUR = 1440.0, 60.0

DEFAULTS: tuple[AlertRule, ...] = (
    AlertRule(
        name="decisions_fell", signal="decision_throughput", below=0.3, window_minutes=(2 * HOUR,), min_count=50,
        for_minutes=15, clear_minutes=15, severity="critical",
        costs="Tickets wait undecided, and people triage them by hand.",
        do="See whether tickets arrive (landing), whether the score job runs, and whether a queue is held to review.",
    ),
    AlertRule(
        name="automation_fell", signal="share_automated", below=0.6, window_minutes=(6 * HOUR,), min_count=100,
        for_minutes=30, clear_minutes=30,
        costs="People get what used to be automated: each review costs `decisions.costs.review`.",
        do="Look for an open incident or a new model version; compare confidence by queue in the drift report.",
    ),
    AlertRule(
        name="backlog_old", signal="backlog_age_hours", above=8, for_minutes=10, severity="warning",
        costs="Customers whose ticket needs a person wait longer than promised.",
        do="Take the oldest batch of this queue in the review console, or put more people on it.",
    ),
    AlertRule(
        name="cases_escalated", signal="cases_escalated", above=0, for_minutes=5, clear_minutes=5, severity="warning",
        costs="These customers wait longer than promised unless somebody decides now.",
        do="Ask for the next case in the review console: raised cases come first. Put more people on the queue.",
    ),
    AlertRule(
        name="service_level_fast", signal="service_level_burn", above=FAST, window_minutes=FAST_WINDOWS, min_count=5,
        clear_minutes=15, severity="critical",
        costs="Most cases come too late: two days' allowance of lateness goes in an hour.",
        do="Put people on review now; narrow what comes in, or raise automation where quality allows.",
    ),
    AlertRule(
        name="service_level_slow", signal="service_level_burn", above=SLOW, window_minutes=SLOW_WINDOWS, min_count=5,
        clear_minutes=30, severity="warning",
        costs="Cases come too late several times as often as the objective allows.",
        do="Plan more review time today; see which queue is late in the console.",
    ),
    AlertRule(
        name="money_at_risk", signal="money_at_risk_share", above=0.5, window_minutes=(DAY,), min_count=50,
        for_minutes=10, clear_minutes=60, severity="critical",
        costs="Wrong automated decisions eat more than half of what automating them saves.",
        do="Hold the dearest queue to review, or raise its threshold; roll back if the champion changed.",
    ),
    AlertRule(
        name="incident", signal="incident_open", above=0, clear_minutes=0, severity="critical",
        costs="Automation is narrower than it should be, or was wrong for a while.",
        do="Read the incident's story, check its repair, and close it when it is made good.",
    ),
    AlertRule(
        name="drift", signal="drift_days", above=0, clear_minutes=0,
        costs="The model sees what it was not trained on: its answers grow worse before anybody says so.",
        do="Read the day's drift report: which columns, words and queues changed. Retrain when outcomes are in.",
    ),
    AlertRule(
        name="estimate_low", signal="estimated_accuracy", below=0.8, clear_minutes=0,
        costs="More decisions are wrong than the declaration allows, and outcomes will show it only later.",
        do="Review a sample of today's automated decisions; the judge acts once outcomes agree.",
    ),
    AlertRule(
        name="landing_stale", signal="landing_stale_hours", above=24, clear_minutes=0,
        costs="Nothing new is decided, and nobody notices that tickets stopped coming.",
        do="See the ingest job's newest run, the source's credentials and its limits.",
    ),
    AlertRule(
        name="source_failing", signal="source_failing_minutes", above=15, clear_minutes=0,
        costs="What changes there is not known here; the other sources go on.",
        do="See the page Sources for its error; `aios connect check NAME` tries it.",
    ),
    AlertRule(
        name="dead_letters", signal="dead_letters", above=0, clear_minutes=0,
        costs="Decisions were made and never reached the helpdesk.",
        do="Read the errors, mend their cause, then revive the actions.",
    ),
    AlertRule(
        name="judge_silent", signal="judge_silent_minutes", above=60, clear_minutes=0, severity="critical",
        costs="Nobody watches the champion: a degraded one is not rolled back.",
        do="See the schedule and the newest run of the assess job, and whether the daemon runs.",
    ),
    AlertRule(
        name="monitor_failed", signal="monitor_failed", above=0, clear_minutes=0, severity="critical",
        costs="A monitor that crashed says nothing: no alert from it is not good news.",
        do="Read the run's error; the alert ends when the job's next run succeeds.",
    ),
    AlertRule(
        name="job_failed", signal="job_failed", above=0, clear_minutes=0,
        costs="What the job does is not done: ingest, training, scoring or review stand still.",
        do="Read the run's error; the alert ends when the job's next run succeeds.",
    ),
    AlertRule(
        name="signal_failed", signal="signal_failed", above=0, for_minutes=2, clear_minutes=0, severity="critical",
        costs="A signal can't be read: its rules neither fire nor end.",
        do="Read the error; after an update run `aios migrate`.",
    ),
    AlertRule(
        name="synthetic_failing", signal="synthetic_failing", above=0, clear_minutes=0, severity="critical",
        costs="A ticket does not come through from the helpdesk to its decision and back: customers' tickets may not either.",
        do="The note names the station that was not reached: see that job's newest run.",
    ),
    AlertRule(
        name="alert_undelivered", signal="alert_undelivered", above=0, clear_minutes=0,
        costs="Somebody was not told of something.",
        do="Try the channel with `aios alert test`, and mend its address or its service.",
    ),
)  # fmt: skip

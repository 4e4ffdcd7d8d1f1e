"""Reading the signals that alert rules watch, from Postgres.

What belongs here: a function for each name in `aios_core/alerting/signals.py`, and reading them all so that one which fails stops no
other. What does not: when a value is bad (`aios_core/alerting/`).

Each is small queries over an index; those that join a week's decisions with their outcomes are read every `EVERY`, not at every look.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from math import isfinite
from statistics import median
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.types.json import Jsonb

from aios_core.alerting.burn import Window, burn
from aios_core.alerting.risk import Automated, at_risk
from aios_core.alerting.rules import rules_of
from aios_core.alerting.signals import EVERYTHING, UNREADABLE, Reading
from aios_core.automation import AlertRule, Automation
from aios_core.errors import AiosError

HISTORY = timedelta(days=7)
LEAST_SHARE = 0.05  # a share that was smaller than this can't be said to have fallen
STALE_DAY = timedelta(days=7)  # a drift measurement older than this is no news
LONGEST_ERROR = 500
SLOW_STATEMENT_MS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a signal is read with."""

    conn: Connection[Any]
    automation: Automation
    rule: AlertRule
    now: datetime

    @property
    def window(self) -> timedelta:
        """How far the signal looks back; an hour where the rule says nothing."""
        return timedelta(minutes=self.rule.window_minutes[0] if self.rule.window_minutes else 60.0)

    def rows(self, query: str, **more: Any) -> list[tuple[Any, ...]]:
        """`query` with the automation and the moment filled in."""
        return self.conn.execute(query, {"automation": self.automation.name, "now": self.now} | more).fetchall()


Signal = Callable[[Asked], list[Reading]]
# over 600,000 decisions in 30 days these take 0.2 to 0.5 s each, all the others together 5 ms
EVERY: Mapping[str, timedelta] = {
    "share_automated": timedelta(minutes=5),
    "money_at_risk": timedelta(minutes=10),
    "money_at_risk_share": timedelta(minutes=10),
}


def read_all(conn: Connection[Any], automation: Automation, *, now: datetime) -> dict[str, list[Reading]]:
    """Rule -> its readings, kept as the newest look. What can't be read is a reading of `signal_failed`, and unknown by itself."""
    kept = _kept(conn, automation.name)
    found: dict[str, list[Reading]] = {}
    failed: dict[str, str] = {}
    ages: dict[str, datetime] = {}
    rules = rules_of(automation)
    for rule in rules:
        assert rule.signal is not None  # `rules_of` gives complete rules
        if rule.signal == UNREADABLE:
            continue
        read_at, before = kept.get(rule.name, (None, []))
        if read_at is not None and timedelta(0) <= now - read_at < EVERY.get(rule.signal, timedelta(0)):
            found[rule.name], ages[rule.name] = before, read_at
            continue
        try:
            with conn.transaction():
                conn.execute(f"set local statement_timeout = {SLOW_STATEMENT_MS}")
                read = SIGNALS[rule.signal](Asked(conn=conn, automation=automation, rule=rule, now=now))
                found[rule.name] = [_said(reading) for reading in read]
                ages[rule.name] = now
        except (AiosError, psycopg.Error, ArithmeticError, LookupError, TypeError, ValueError) as error:
            if conn.broken:
                raise
            failed[rule.signal] = f"{type(error).__name__}: {error}".strip()[:LONGEST_ERROR]
            found[rule.name] = [Reading(subject=r.subject, value=None, note="can't be read") for r in before]
    for rule in rules:
        if rule.signal == UNREADABLE:
            found[rule.name] = [Reading(subject=name, value=1.0, note=note) for name, note in sorted(failed.items())]
    _keep(conn, automation.name, found, ages, now)
    return found


def _decision_throughput(asked: Asked) -> list[Reading]:
    """The smaller of two comparisons is the usual number: a Sunday is no fall, nor is the day after a busy one."""
    counts = [
        int(row[1])
        for row in asked.rows(_BY_DAY_BEFORE, window=asked.window)
    ]  # fmt: skip
    if not asked.rows(_DECIDED_BEFORE, before=HISTORY + asked.window)[0][0]:
        return [Reading(value=None, note="decides for less than a week: nothing to compare with")]
    usual = min(median(counts[1:]), counts[7])
    if usual < asked.rule.min_count:
        return [Reading(value=None, note=f"usually {usual:g} decisions at this time: too few to compare with")]
    return [Reading(value=counts[0] / usual, note=f"{counts[0]} decisions, usually {usual:g} at this time")]


def _share_automated(asked: Asked) -> list[Reading]:
    ((recent, automated, before, automated_before),) = asked.rows(_SHARES, window=asked.window, history=HISTORY)
    if recent < asked.rule.min_count or before < asked.rule.min_count:
        return [Reading(value=None, note=f"{recent} decisions now and {before} before: too few to compare")]
    share, usual = automated / recent, automated_before / before
    if usual < LEAST_SHARE:
        return [Reading(value=None, note=f"{usual:.1%} were automated before: nothing that could fall")]
    return [Reading(value=share / usual, note=f"{share:.1%} of {recent} decisions automated, {usual:.1%} before")]


def _backlog_age_hours(asked: Asked) -> list[Reading]:
    rows = asked.rows(
        "select queue, min(created_at), count(*) from review_cases where automation = %(automation)s and state <> 'decided'"
        " and created_at <= %(now)s group by queue order by queue"
    )
    return [
        Reading(subject=queue, value=_hours(asked.now - oldest), note=f"{waiting} cases wait for a person")
        for queue, oldest, waiting in rows
    ]


def _cases_escalated(asked: Asked) -> list[Reading]:
    rows = asked.rows(
        "select queue, count(*), min(created_at) from review_cases where automation = %(automation)s and state <> 'decided'"
        " and escalated_at <= %(now)s group by queue order by queue"
    )
    return [
        Reading(
            subject=queue,
            value=float(n),
            note=f"{n} cases would soon be late; the oldest waits {_hours(asked.now - oldest):.1f} h",
        )
        for queue, n, oldest in rows
    ]


def _service_level_burn(asked: Asked) -> list[Reading]:
    allowed = timedelta(hours=asked.automation.review.service_level_hours)
    long, short = (
        Window(due=due, late=late)
        for minutes in asked.rule.window_minutes
        for due, late in asked.rows(_DUE_CASES, allowed=allowed, window=timedelta(minutes=minutes))
    )
    objective = asked.automation.alerts.objective
    value = burn(long, short, objective=objective, min_late=asked.rule.min_count)
    note = f"{long.late} of {long.due} cases late in the long window, {short.late} of {short.due} in the short one"
    return [Reading(value=value, note=f"{note}; objective {objective:.1%}")]


def _money_at_risk(asked: Asked) -> list[Reading]:
    queues = _automated(asked)
    risk = at_risk(queues)
    return [Reading(value=sum(risk.values()), note=_dearest(risk, asked.automation.value.currency))]


def _money_at_risk_share(asked: Asked) -> list[Reading]:
    queues, worth = _automated(asked), asked.automation.value
    decisions = sum(q.decisions for q in queues)
    by_hand = decisions * worth.minutes_manual * worth.hourly_cost / 60
    if decisions < asked.rule.min_count or not by_hand:
        return [Reading(value=None, note=f"{decisions} automated decisions in the window: too few to say")]
    risk = at_risk(queues)
    note = f"{sum(risk.values()):.0f} of {by_hand:.0f} {worth.currency}; {_dearest(risk, worth.currency)}"
    return [Reading(value=sum(risk.values()) / by_hand, note=note)]


def _incident_open(asked: Asked) -> list[Reading]:
    rows = asked.rows(
        "select incident_id, remedy, queue, reason from incidents where automation = %(automation)s and closed_at is null"
        " and opened_at <= %(now)s order by incident_id"
    )
    return [
        Reading(
            subject=f"incident {number}",
            value=1.0,
            note=f"{remedy}{'' if queue in (None, EVERYTHING) else f' of {queue}'}: {reason}",
            incident_id=number,
        )
        for number, remedy, queue, reason in rows
    ]


def _drift_days(asked: Asked) -> list[Reading]:
    rows = asked.rows(
        "select * from (select distinct on (day) day, flagged, reason, computed_at from monitor_days"
        " where automation = %(automation)s order by day desc, computed_at desc, model_version desc limit 60) d"
        " where computed_at <= %(now)s"
    )
    if not rows or asked.now - rows[0][3] > STALE_DAY:
        return []
    flagged = 0
    while flagged < len(rows) and rows[flagged][1]:
        flagged += 1
    return [Reading(value=float(flagged), note=f"{rows[0][0]}: {rows[0][2]}")]


def _estimated_accuracy(asked: Asked) -> list[Reading]:
    rows = asked.rows(
        "select day, (estimate ->> 'high')::float8, (estimate ->> 'accuracy')::float8, estimate ->> 'rows' from estimates"
        " where automation = %(automation)s and estimate ->> 'high' is not null and computed_at <= %(now)s"
        " order by day desc, computed_at desc limit 1"
    )
    return [
        Reading(value=high, note=f"{day}: estimated {accuracy:.1%}, at most {high:.1%}, of {tickets} tickets")
        for day, high, accuracy, tickets in rows
        if int(tickets) >= asked.rule.min_count
    ]


def _landing_stale_hours(asked: Asked) -> list[Reading]:
    found = []
    for source in asked.automation.sources_of("tickets"):
        if asked.automation.sources[source].connector == "file":
            continue
        rows = asked.rows(
            "select landed_at from landing_records where automation = %(automation)s and source = %(source)s"
            " and object = 'tickets' order by landing_id desc limit 1",
            source=source,
        )
        value = max(_hours(asked.now - rows[0][0]), 0.0) if rows else None
        found.append(
            Reading(subject=source, value=value, note="newest ticket that landed" if rows else "nothing has landed yet")
        )
    return found


def _source_failing_minutes(asked: Asked) -> list[Reading]:
    rows = asked.rows(
        "select source, coalesce(read_at, failed_at), error from source_reads where automation = %(automation)s"
        " and failed_at is not null and (read_at is null or failed_at > read_at) order by source"
    )
    return [
        Reading(subject=source, value=max(_hours(asked.now - since) * 60, 0.0), note=_short(error))
        for source, since, error in rows
    ]


def _dead_letters(asked: Asked) -> list[Reading]:
    rows = asked.rows(
        "select target, count(*), max(last_error) from outbox where automation = %(automation)s and state = 'dead' group by target"
    )
    return [Reading(subject=target, value=float(n), note=_short(error)) for target, n, error in rows]


def _judge_silent_minutes(asked: Asked) -> list[Reading]:
    rows = asked.rows(
        "select assessed_at from assessments where automation = %(automation)s order by assessment_id desc limit 1"
    )
    if not rows:
        return [Reading(value=None, note="nothing was judged yet")]
    return [
        Reading(
            value=max(_hours(asked.now - rows[0][0]) * 60, 0.0), note=f"judged last at {rows[0][0]:%Y-%m-%d %H:%M} UTC"
        )
    ]


def _failed_jobs(asked: Asked, *, watches: bool) -> list[Reading]:
    rows = asked.rows(
        "select job, run_id, error, failed_at from job_failures where automation = %(automation)s and cleared_at is null"
        " and watches = %(watches)s order by job",
        watches=watches,
    )
    return [
        Reading(subject=job, value=1.0, note=f"run {run_id} failed at {at:%Y-%m-%d %H:%M} UTC: {_short(error)}")
        for job, run_id, error, at in rows
    ]


def _alert_undelivered(asked: Asked) -> list[Reading]:
    rows = asked.rows(
        "select channel, count(*), max(last_error) from alert_deliveries where automation = %(automation)s and state = 'dead'"
        " and created_at > %(now)s - interval '1 day' group by channel"
    )
    return [Reading(subject=channel, value=float(n), note=_short(error)) for channel, n, error in rows]


def _synthetic_failing(asked: Asked) -> list[Reading]:
    """Nothing where no marked tickets are sent. None sent for three times as long as declared is as bad as one that is lost."""
    every = asked.automation.synthetic.every_minutes
    if every is None:
        return []
    ((began, newest),) = asked.rows(
        "select min(asked_at), max(asked_at) from probes where automation = %(automation)s and asked_at <= %(now)s"
    )
    if newest is None:
        return [Reading(value=None, note="no synthetic transaction was sent yet")]
    if asked.now - newest > timedelta(minutes=3 * every):
        return [Reading(value=1.0, note=f"none was sent since {newest:%Y-%m-%d %H:%M} UTC")]
    judged = asked.rows(
        "select state, problem from probes where automation = %(automation)s and state <> 'open' and asked_at <= %(now)s"
        " order by asked_at desc limit 1"
    )
    if not judged:
        return [Reading(value=None, note=f"the first one is under way since {began:%H:%M} UTC")]
    ((state, problem),) = judged
    return [Reading(value=float(state != "passed"), note=problem or "it came back as it should")]


SIGNALS: dict[str, Signal] = {
    "decision_throughput": _decision_throughput,
    "share_automated": _share_automated,
    "backlog_age_hours": _backlog_age_hours,
    "cases_escalated": _cases_escalated,
    "service_level_burn": _service_level_burn,
    "money_at_risk": _money_at_risk,
    "money_at_risk_share": _money_at_risk_share,
    "incident_open": _incident_open,
    "drift_days": _drift_days,
    "estimated_accuracy": _estimated_accuracy,
    "landing_stale_hours": _landing_stale_hours,
    "source_failing_minutes": _source_failing_minutes,
    "dead_letters": _dead_letters,
    "judge_silent_minutes": _judge_silent_minutes,
    "monitor_failed": lambda asked: _failed_jobs(asked, watches=True),
    "job_failed": lambda asked: _failed_jobs(asked, watches=False),
    "synthetic_failing": _synthetic_failing,
    "alert_undelivered": _alert_undelivered,
    # what `read_all` says of the others; asked by itself it has nothing to say
    UNREADABLE: lambda asked: [],
}


def _automated(asked: Asked) -> list[Automated]:
    automation = asked.automation
    costs = {q.name: q.wrong_cost for q in automation.queues}
    of_all = automation.decisions.costs.wrong_automation
    history = timedelta(days=automation.monitoring.window_days)
    return [
        Automated(queue=queue, decisions=n, doubt=doubt, settled=settled, wrong=wrong,
                  cost=of_all if (own := costs.get(queue)) is None else own)
        for queue, n, doubt, settled, wrong in asked.rows(_AUTOMATED, window=asked.window, history=history)
    ]  # fmt: skip


def _dearest(risk: Mapping[str, float], currency: str) -> str:
    return (
        ", ".join(f"{queue} {cost:.0f} {currency}" for queue, cost in list(risk.items())[:3]) or "nothing is automated"
    )


def _said(reading: Reading) -> Reading:
    """What is no number says nothing; JSON could not keep it either."""
    return reading if reading.value is None or isfinite(reading.value) else replace(reading, value=None)


def _hours(time: timedelta) -> float:
    return time / timedelta(hours=1)


def _short(text: str | None) -> str:
    return " ".join((text or "no error is known").split())[:LONGEST_ERROR]


def _kept(conn: Connection[Any], automation: str) -> dict[str, tuple[datetime | None, list[Reading]]]:
    row = conn.execute("select readings from alert_looks where automation = %s", (automation,)).fetchone()
    if row is None:
        return {}
    return {
        rule: (
            datetime.fromisoformat(content["at"]) if content["at"] else None,
            [Reading(**reading) for reading in content["readings"]],
        )
        for rule, content in row[0].items()
    }


def _keep(
    conn: Connection[Any],
    automation: str,
    found: Mapping[str, Sequence[Reading]],
    ages: Mapping[str, datetime],
    now: datetime,
) -> None:
    content = {
        rule: {"at": ages[rule].isoformat() if rule in ages else None, "readings": [asdict(r) for r in readings]}
        for rule, readings in found.items()
    }
    conn.execute(
        "insert into alert_looks (automation, looked_at, readings) values (%s, %s, %s)"
        " on conflict (automation) do update set looked_at = excluded.looked_at, readings = excluded.readings",
        (automation, now, Jsonb(content)),
    )


# tickets that the platform sends itself to see whether the way is open are nobody's business
_OWN = "ticket_id not in (select p.ticket_id from probes p where p.automation = %(automation)s and p.ticket_id is not null)"

_DECIDED_BEFORE = (
    "select exists (select from decisions where automation = %(automation)s and decided_at <= %(now)s - %(before)s)"
)

_BY_DAY_BEFORE = f"""
select d, (select count(*) from decisions where automation = %(automation)s and {_OWN}
           and decided_at > %(now)s - %(window)s - d * interval '24 hours' and decided_at <= %(now)s - d * interval '24 hours')
from generate_series(0, 7) d order by d
"""

_SHARES = f"""
select count(*) filter (where recent), count(*) filter (where recent and verdict = 'automate'),
       count(*) filter (where not recent), count(*) filter (where not recent and verdict = 'automate')
from (select verdict, decided_at > %(now)s - %(window)s as recent from decisions
      where automation = %(automation)s and decided_at > %(now)s - %(window)s - %(history)s and decided_at <= %(now)s and {_OWN}) d
"""

_DUE_CASES = """
select count(*), count(*) filter (where state <> 'decided' or decided_at > created_at + %(allowed)s)
from review_cases where automation = %(automation)s and created_at > %(now)s - %(window)s - %(allowed)s
  and created_at <= %(now)s - %(allowed)s
"""

# which outcome counts: a reviewer's before any other, then the newest
_AUTOMATED = f"""
select d.queue, count(*) filter (where recent), coalesce(avg(1 - confidence) filter (where recent and confidence <> 'NaN'), 1),
       count(o.queue), count(o.queue) filter (where o.queue <> d.queue)
from (select distinct on (source, ticket_id) source, ticket_id, queue, verdict, confidence,
             decided_at > %(now)s - %(window)s as recent
      from decisions where automation = %(automation)s and decided_at > %(now)s - greatest(%(window)s, %(history)s)
        and decided_at <= %(now)s and {_OWN} order by source, ticket_id, decided_at desc, decision_id desc) d
left join (select distinct on (source, ticket_id) source, ticket_id, queue from outcomes
           where automation = %(automation)s and known_at <= %(now)s and known_at > %(now)s - greatest(%(window)s, %(history)s)
           order by source, ticket_id, (origin = 'review') desc, known_at desc, event_time desc) o
  on o.source = d.source and o.ticket_id = d.ticket_id
where d.verdict = 'automate' group by d.queue order by d.queue
"""

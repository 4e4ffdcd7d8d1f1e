"""What stands: one rule over one subject, from look to look.

What belongs here: ok -> pending -> firing -> resolved, with hysteresis. What does not: who is told (`notices.py`), rows
(`resources/alerts.py`).

An alert fires once its condition has held for `for_minutes` and ends once it has not held for `clear_minutes`, measured at a limit a
tenth on the healthy side unless `clear` says where. So a value that trembles around its limit fires once.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from aios_core.alerting.signals import Reading
from aios_core.automation import AlertRule

State = Literal["pending", "firing"]
Change = Literal["fired", "resolved"]
INSIDE = (
    0.1  # how far on the healthy side of its limit a value must be, as a share of the limit, to count as well again
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The condition holds since `since`; while it is firing and looks well again, it does so since `well_since`."""

    state: State
    since: datetime
    well_since: datetime | None = None
    value: float | None = None
    note: str = ""


def breached(rule: AlertRule, value: float, *, firing: bool) -> bool:
    """Whether the condition holds; while firing, until the value is past `clear`."""
    limit = clear_at(rule) if firing else _limit(rule)
    return value > limit if rule.above is not None else value < limit


def clear_at(rule: AlertRule) -> float:
    """Where a firing alert's value counts as well again."""
    if rule.clear is not None:
        return rule.clear
    limit = _limit(rule)
    return limit - INSIDE * abs(limit) if rule.above is not None else limit + INSIDE * abs(limit)


def step(
    standing: Standing | None, reading: Reading | None, *, rule: AlertRule, now: datetime
) -> tuple[Standing | None, Change | None]:
    """What stands after one look, and what changed. Looking twice at one moment changes nothing more.

    A reading without a value keeps what is firing, and forgets what is pending: nobody saw it hold.
    """
    if reading is not None and reading.value is None:
        return (_noted(standing, reading), None) if standing and standing.state == "firing" else (None, None)
    firing = standing is not None and standing.state == "firing"
    if reading is None or reading.value is None or not breached(rule, reading.value, firing=firing):
        return _well(standing, reading, rule, now)
    if standing is None:
        standing = Standing(state="pending", since=now)
    standing = replace(standing, well_since=None, value=reading.value, note=reading.note)
    if standing.state == "pending" and now - standing.since >= timedelta(minutes=rule.for_minutes):
        return replace(standing, state="firing"), "fired"
    return standing, None


def _well(
    standing: Standing | None, reading: Reading | None, rule: AlertRule, now: datetime
) -> tuple[Standing | None, Change | None]:
    if standing is None or standing.state == "pending":
        return None, None
    since = standing.well_since or now
    if now - since >= timedelta(minutes=rule.clear_minutes):
        return None, "resolved"
    return replace(_noted(standing, reading), well_since=since), None


def _noted(standing: Standing, reading: Reading | None) -> Standing:
    return standing if reading is None else replace(standing, value=reading.value, note=reading.note)


def _limit(rule: AlertRule) -> float:
    limit = rule.above if rule.above is not None else rule.below
    assert limit is not None  # `rules_of` refuses a rule without a limit
    return limit

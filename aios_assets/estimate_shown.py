"""What a run says of estimated quality: the window as one estimate, its groups, the days, the error, and the two checks.

What belongs here: turning kept estimates into metadata and check results. What does not: making them (`estimate.py`).
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import Any

import dagster as dg

from aios_assets.metadata import markdown_table, plot
from aios_core.automation import Automation
from aios_core.monitoring import plots
from aios_core.monitoring.estimate import Estimate, add, estimate
from aios_core.monitoring.estimator_error import SettledDay, Watched, watch, within
from resources.corrections import KnownVersion, KnownVersions
from resources.estimates import EstimatedDay, EstimateStore

SHOWN_DAYS = 60
SHOWN_GROUPS = 100
MIN_SETTLED = 100  # fewer outcomes than these contradict no estimate


def shown(
    automation: Automation, store: EstimateStore, known: KnownVersions, estimated: Sequence[EstimatedDay]
) -> dict[str, Any]:
    """The metadata of a run; nothing but an empty table where no day was ever estimated."""
    if not estimated:
        return _days(estimated)
    newest = estimated[-1]
    of, span = known.get(newest.model_version), _window(automation, newest.day)
    errors = _errors(automation, store, newest)
    return {
        **_whole(automation, store, of, newest, span),
        **_days(estimated),
        **_by_group(automation, store, of, span),
        **_error(errors, _watched(errors, of)),
    }


def checks(
    key: dg.AssetKey,
    automation: Automation,
    store: EstimateStore,
    known: KnownVersions,
    estimated: Sequence[EstimatedDay],
    *,
    names: tuple[str, str],
) -> Iterator[dg.AssetCheckResult]:
    """Of the newest version: does what turned out in the window lie within what was promised, and has the error drifted?"""
    holds, drifted = (True, "nothing was scored yet"), (True, "nothing was scored yet")
    if estimated:
        newest = estimated[-1]
        of, errors = known.get(newest.model_version), _errors(automation, store, newest)
        since, _ = _window(automation, newest.day)
        holds = _holds([e for e in errors if e.day >= since], of)
        drifted = _steady(_watched(errors, of))
    for name, (passed, why) in zip(names, (holds, drifted), strict=True):
        yield dg.AssetCheckResult(
            asset_key=key, check_name=name, passed=passed, severity=dg.AssetCheckSeverity.WARN, description=why
        )


def interval(found: Estimate) -> str:
    """An accuracy and its 95% bounds, for people."""
    return "" if found.accuracy is None else f"{found.accuracy:.1%} ({found.low:.1%} to {found.high:.1%})"


def _window(automation: Automation, last: date) -> tuple[date, date]:
    """[first day, day after the last) of the declared window that ends with a day."""
    return last - timedelta(days=automation.monitoring.window_days - 1), last + timedelta(days=1)


def _errors(automation: Automation, store: EstimateStore, newest: EstimatedDay) -> list[SettledDay]:
    return store.errors(
        automation=automation.name,
        since=newest.day - timedelta(days=SHOWN_DAYS),
        until=newest.day + timedelta(days=1),
        model_version=newest.model_version,
    )


def _watched(errors: Sequence[SettledDay], of: KnownVersion) -> Watched:
    return watch(errors, tolerance=of.calibration_error)


def _whole(
    automation: Automation, store: EstimateStore, of: KnownVersion, newest: EstimatedDay, span: tuple[date, date]
) -> dict[str, Any]:
    """The last days under the newest version as one estimate, added up from their promises.

    The audit slice is that of the window already: where it contradicted the newest day's promise it stands for the window.
    """
    parts = store.window(automation=automation.name, since=span[0], until=span[1], model_version=of.version)
    found = estimate(add(parts), calibration_error=of.calibration_error, overstated=of.overstated)
    if newest.estimate.source == "audit":
        found = newest.estimate
    return {
        "rows": sum(part.rows for part in parts),
        "estimated": interval(found),
        "source": found.source,
        "audited_rows": newest.estimate.audited_rows,
        "model_version": of.version,
        "follows_class_shares": of.correction is not None and of.correction.follows_shares,
        "overstated": of.overstated,
        **{name: value for name in ("accuracy", "macro_f1", "promised") if (value := getattr(found, name)) is not None},
        **({"audited": newest.estimate.audited} if newest.estimate.audited is not None else {}),
    }


def _days(estimated: Sequence[EstimatedDay]) -> dict[str, Any]:
    rows = [
        {
            "day": day.day,
            "version": day.model_version,
            "tickets": day.estimate.rows,
            "estimated": interval(day.estimate),
            "from": day.estimate.source,
            "turned out": "" if day.realised is None else f"{day.realised:.1%} of {day.settled}",
        }
        for day in estimated
    ]
    drawn = [(d.day, d.estimate, d.realised) for d in estimated if d.estimate.accuracy is not None]
    picture = {"over_time": plot(plots.estimated_over_time(drawn), "estimated and realised accuracy")} if drawn else {}
    return {"by_day": markdown_table(rows[-31:]), **picture}


def _by_group(
    automation: Automation, store: EstimateStore, of: KnownVersion, span: tuple[date, date]
) -> dict[str, Any]:
    """The window by queue, tier, channel and language, each a sum of its days."""
    kept = store.groups(automation=automation.name, since=span[0], until=span[1], model_version=of.version)
    rows = []
    for (dimension, name), days in groupby(kept, key=lambda g: (g.dimension, g.name)):
        group = list(days)
        found = estimate(
            add(g.promise for g in group), calibration_error=of.calibration_error, overstated=of.overstated
        )
        settled, right = sum(g.settled for g in group), sum(g.right for g in group)
        rows.append(
            {
                "of": dimension,
                "name": name,
                "tickets": found.rows,
                "estimated": interval(found),
                "F1": "" if found.macro_f1 is None else f"{found.macro_f1:.3f}",
                "turned out": f"{right / settled:.1%} of {settled}" if settled else "",
            }
        )
    return {"by_group": markdown_table(rows[:SHOWN_GROUPS])} if rows else {}


def _error(errors: Sequence[SettledDay], watched: Watched) -> dict[str, Any]:
    if watched.error is None:
        return {}
    drawn = [(e.day, e.error, e.settled) for e in errors]
    return {
        "estimate_error": watched.error,
        "settled": watched.settled,
        "error_over_time": plot(plots.estimate_error_over_time(drawn), "estimated less realised accuracy"),
    }


def _holds(errors: Sequence[SettledDay], of: KnownVersion) -> tuple[bool, str]:
    settled, right = sum(e.settled for e in errors), sum(e.right for e in errors)
    if settled < MIN_SETTLED:
        return True, f"{settled} settled tickets, {MIN_SETTLED} are needed to contradict an estimate"
    promised = sum(e.expected for e in errors) / settled
    passed = within(errors, tolerance=of.calibration_error)
    return passed, f"promised {promised:.1%}, turned out {right / settled:.1%} on {settled} settled tickets"


def _steady(watched: Watched) -> tuple[bool, str]:
    if watched.error is None:
        return True, "no settled tickets yet to compare an estimate with"
    said = f"the estimate is {abs(watched.error):.1%} too {'high' if watched.error > 0 else 'low'}"
    if watched.drifted:
        return False, f"{said} since {watched.since}, and stays so; trust outcomes before estimates, and retrain"
    return (
        True,
        f"{said} over {watched.days} days and {watched.settled} settled tickets: no more than chance and calibration explain",
    )

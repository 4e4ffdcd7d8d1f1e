"""What can be said of the champion before enough tickets are settled: by estimates, and by how often it could not work at all.

What belongs here: those findings, each a reason in words or nothing. What does not: outcomes and the remedy (`verdict.py`), and
how an estimate is made (`estimate.py`).

An estimate rests on what a model says of itself, so it supports only the safe direction: narrowing, where its whole interval
lies below the limit. For a rollback the last good version's interval must lie wholly above the champion's, on the same tickets.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime

from aios_core.automation import Monitoring
from aios_core.decisions.model import EVERY_QUEUE
from aios_core.monitoring.evidence import Estimated, Evidence, Failures
from aios_core.monitoring.intervals import wilson

CONFIDENCE = 0.99  # a rollback for failures has no outcomes behind it, and the judge looks many times a day


def better_estimate(evidence: Evidence, *, limits: Monitoring) -> str:
    """Why the last good version is to be preferred by its estimate alone; empty where that is not shown."""
    ours, theirs = evidence.champion_estimate, evidence.last_good_estimate
    if evidence.champion is None or evidence.last_good is None or ours is None or theirs is None:
        return ""
    apart = theirs.low > ours.high and theirs.accuracy - ours.accuracy >= limits.better_by
    if not apart or ours.rows < limits.min_rows or theirs.high < limits.min_accuracy:
        return ""
    return (
        f"By estimate alone, version {evidence.last_good.version} is better than version {evidence.champion.version} on the same "
        f"{ours.rows} tickets: {_told(theirs)} against {_told(ours)}, and the intervals lie apart. "
        f"{evidence.champion.overall.rows} tickets are settled, {limits.min_outcomes} would decide it."
    )


def unfit_estimate(evidence: Evidence, *, limits: Monitoring) -> tuple[tuple[str, ...], str]:
    """Queues that should be with people by the champion's estimate, and why; none where that is not shown."""
    found = evidence.champion_estimate
    if found is None or found.rows < limits.min_rows:
        return (), ""
    bad = {
        q: e for q, e in sorted(found.by_queue.items()) if e.rows >= limits.min_rows and e.high < limits.min_accuracy
    }
    whole = found.high < limits.min_accuracy
    if not whole and not bad:
        return (), ""
    why = "Too few tickets are settled to judge by outcomes; by estimate, "
    if bad and _rest(found, bad) >= limits.min_accuracy:
        names = ", ".join(f"{q} ({_told(e)})" for q, e in bad.items())
        return tuple(
            bad
        ), f"{why}below {limits.min_accuracy:.0%}: {names}. They go to people, and a retraining is asked for."
    if not whole:
        return (), ""
    return (EVERY_QUEUE,), (
        f"{why}the champion's accuracy is {_told(found)}, below {limits.min_accuracy:.0%}. Everything goes to people, and a "
        "retraining is asked for."
    )


def broken(evidence: Evidence, *, limits: Monitoring) -> str:
    """Why the champion can't do its work where the last good version could; empty where that is not shown."""
    if evidence.champion is None or evidence.last_good is None:
        return ""
    for what, limit, (bad, rows), (other_bad, other_rows) in (
        ("decisions got no usable score", limits.max_unscored,
         _unscored(evidence.champion_failures), _unscored(evidence.last_good_failures)),
        ("scoring runs failed", limits.max_failed_runs,
         _failed(evidence.champion_failures), _failed(evidence.last_good_failures)),
    ):  # fmt: skip
        low, other_high = wilson(bad, rows, confidence=CONFIDENCE)[0], wilson(other_bad, other_rows)[1]
        if rows and low > limit and other_high < low:
            return (
                f"{bad} of {rows} {what} under version {evidence.champion.version}, more than {limit:.0%}; under version "
                f"{evidence.last_good.version} it was {other_bad} of {other_rows}."
            )
    return ""


def by_version(
    runs: Iterable[tuple[datetime, bool]], moves: Iterable[tuple[datetime, int | None]]
) -> dict[int, tuple[int, int]]:
    """Version -> (runs, failed ones), each counted for the version that was champion when it began."""
    order = sorted((at, version) for at, version in moves if version is not None)
    counted: dict[int, tuple[int, int]] = {}
    for begun, failed in runs:
        place = bisect_right(order, begun, key=lambda move: move[0])
        if place:
            version = order[place - 1][1]
            known = counted.get(version, (0, 0))
            counted[version] = known[0] + 1, known[1] + failed
    return counted


def _unscored(failures: Failures) -> tuple[int, int]:
    return failures.unscored, failures.decisions


def _failed(failures: Failures) -> tuple[int, int]:
    return failures.failed_runs, failures.runs


def _rest(found: Estimated, bad: dict[str, Estimated]) -> float:
    """Estimated accuracy without these queues; 0 where nothing is left."""
    rows = found.rows - sum(e.rows for e in bad.values())
    right = found.accuracy * found.rows - sum(e.accuracy * e.rows for e in bad.values())
    return right / rows if rows > 0 else 0.0


def _told(found: Estimated) -> str:
    return f"{found.accuracy:.1%} ({found.low:.1%} to {found.high:.1%})"

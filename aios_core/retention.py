"""What is kept of Dagster's runs, and for how long: a pure rule over ended runs.

What belongs here: the rule. What does not: asking Dagster for runs and deleting them (`aios_assets/retention.py`), and our own
tables (`resources/retention.py`).
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta

FREQUENT_DAYS = 7  # a run every few minutes, whose result is in the platform's own tables anyway
FAILURES_TIMES = 2  # why something failed is asked later than what succeeded


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedRun:
    """One run that will do nothing more; `job` without its automation's name."""

    run_id: str
    job: str
    succeeded: bool
    ended_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepRuns:
    """How long runs are kept after they ended; `frequent_jobs` is shorter where they succeeded."""

    successes: timedelta
    frequent: timedelta
    failures: timedelta
    frequent_jobs: frozenset[str]

    @property
    def shortest(self) -> timedelta:
        """No run younger than this can be expired."""
        return min(self.successes, self.frequent, self.failures)

    def how_long(self, run: EndedRun) -> timedelta:
        if not run.succeeded:
            return self.failures
        return self.frequent if run.job in self.frequent_jobs else self.successes


def keep_runs(days: int, *, frequent_jobs: Iterable[str]) -> KeepRuns:
    """The rule for `days` of successes: frequent jobs at most a week of them, failures twice as long."""
    return KeepRuns(
        successes=timedelta(days=days),
        frequent=timedelta(days=min(days, FREQUENT_DAYS)),
        failures=timedelta(days=days * FAILURES_TIMES),
        frequent_jobs=frozenset(frequent_jobs),
    )


def expired(runs: Iterable[EndedRun], *, keep: KeepRuns, needed: AbstractSet[str], now: datetime) -> list[str]:
    """Ids of the runs that may go, in the order given. `needed` are ids that stay whatever their age."""
    return [r.run_id for r in runs if r.run_id not in needed and now - r.ended_at > keep.how_long(r)]

"""What the judge goes by besides outcomes: estimates of both versions on the same tickets, and how often each could not work.

What belongs here: gathering them. What does not: outcomes (`quality.py`), the estimate itself (`aios_core/monitoring/estimate.py`) and
what follows (`aios_core/monitoring/unlabelled.py`).
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import dagster as dg
import numpy as np
import pyarrow as pa

from aios_assets import naming
from aios_core.lifecycle.states import CHAMPION
from aios_core.monitoring.estimate import Estimate, estimate, promise
from aios_core.monitoring.evidence import Estimated, Failures
from aios_core.monitoring.unlabelled import by_version
from resources.database import Database
from resources.decisions import DecisionStore
from resources.declarations import Declared
from resources.registry import Registry

SCORE_JOB, SCORE_STEP = "score", "scores"
LOOKED_AT = 50  # scoring runs, the newest


def estimated(
    scores: pa.Table, *, classes: Sequence[str], calibration_error: float, audit: Sequence[tuple[float, bool]] = ()
) -> Estimated | None:
    """One version's estimate on a window of scores, by queue as well; None without rows.

    `audit` are (confidence, right) of settled tickets of the random slice, under the same version.
    """
    if not scores.num_rows:
        return None
    flat = scores.column("probabilities").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    window = promise(np.asarray(flat, np.float64), classes=len(classes))
    whole = estimate(window, calibration_error=calibration_error, audit=audit)
    by_queue = {
        queue: _said(estimate(window.of_class(number), calibration_error=calibration_error))
        for number, queue in enumerate(classes)
        if window.predicted[number] > 0
    }
    return _said(whole, by_queue)


def failures(
    declared: Declared, instance: dg.DagsterInstance, database: Database, registry: Registry, *, first: date, last: date
) -> dict[int, Failures]:
    """By version: decisions of these days without a usable score, and scoring runs that failed where they score."""
    automation = declared.automation
    unscored = DecisionStore(database).unscored(automation.name, first, last + timedelta(days=1))
    moves = [(m.moved_at, m.version) for m in registry.history(automation.model_name) if m.alias == CHAMPION]
    failed = by_version(_runs(declared, instance), moves)
    return {
        version: Failures(
            decisions=unscored.get(version, (0, 0))[0],
            unscored=unscored.get(version, (0, 0))[1],
            runs=failed.get(version, (0, 0))[0],
            failed_runs=failed.get(version, (0, 0))[1],
        )
        for version in unscored.keys() | failed.keys()
    }


def _said(found: Estimate, by_queue: dict[str, Estimated] | None = None) -> Estimated:
    assert found.accuracy is not None  # there are rows
    assert found.low is not None
    assert found.high is not None
    return Estimated(
        rows=found.rows,
        accuracy=found.accuracy,
        low=found.low,
        high=found.high,
        source=found.source,
        by_queue=by_queue or {},
    )


def _runs(declared: Declared, instance: dg.DagsterInstance) -> list[tuple[datetime, bool]]:
    """(begun, failed) of the newest scoring runs. A helpdesk that is down fails the run, but not its scoring."""
    step = naming.job_name(declared, SCORE_STEP)
    ended = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    records = instance.get_run_records(
        dg.RunsFilter(job_name=naming.job_name(declared, SCORE_JOB), statuses=ended), limit=LOOKED_AT
    )
    runs = []
    for record in records:
        failed = False
        if record.dagster_run.status == dg.DagsterRunStatus.FAILURE:
            stats = instance.get_run_step_stats(record.dagster_run.run_id, [step])
            failed = any(s.status is not None and s.status.value == "FAILURE" for s in stats)
        runs.append((record.create_timestamp, failed))
    return runs

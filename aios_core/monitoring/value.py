"""What an automation is worth: minutes and money against triage by hand.

What belongs here: the arithmetic, with its assumptions written out. What does not: measuring the manual baseline, which the
declaration states (`Value.minutes_manual`).

A ticket counts once, by its newest decision. Let m, r, d be the declared minutes of manual triage, of a review and of looking at a
draft, c what an hour costs, and w the chance that the decision is wrong: 0 or 1 where the outcome is known, else 1 - confidence
(probabilities are calibrated; where drift breaks that, quality falls and the judge acts).

| verdict  | minutes saved | money spent |
|----------|---------------|-------------|
| automate | m (1 - w): a wrong one is triaged by hand after all | w · `costs.wrong_automation`, which includes that labour |
| draft    | m (1 - w) - d | d c / 60 + w · `costs.wrong_draft` |
| review   | m - r         | `costs.review` |
| fallback | 0: a rule parked it, a person still triages it | m c / 60 |

Net value is what triage by hand would have cost (m c / 60 a ticket) less the money spent; it may be negative, and then says so.

Time to decision is `decided_at` less `landed_at`, when the version decided on came in; where landing is unknown, less the ticket's
`created_at`. In the sandbox tickets are created in simulated time, so only landing is comparable. It is the platform's part: how
long a review case then waits for a person is told by the review pages. Negative times (clocks differ) are left out and counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aios_core.automation import Costs, Value
from aios_core.monitoring.errors import MonitorError

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]

KEY = ["source", "ticket_id"]
NEEDED = (*KEY, "day", "verdict", "queue", "confidence", "decided_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class DayValue:
    """One day partition."""

    day: date
    tickets: int
    automated_share: float
    hours_saved: float
    net_value: float
    cost_per_decision: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueReport:
    """Value over a window of decisions; money is in `currency`. Shares and costs are None without decisions.

    `time_to_decision_seconds` has p50 and p95, or is None where no time is known. `settled` tickets have an outcome, of which
    `wrong_automated` were automated into the wrong queue; `wrong_expected` adds the calibrated chance of those not settled.
    """

    tickets: int
    superseded: int = 0
    verdicts: dict[str, int] = field(default_factory=dict)
    hours_saved: float = 0.0
    automated_share: float | None = None
    cost_per_decision: float | None = None
    cost_per_decision_by_hand: float = 0.0
    net_value: float = 0.0
    currency: str = ""
    settled: int = 0
    wrong_automated: int = 0
    wrong_expected: float = 0.0
    time_to_decision_seconds: dict[str, float] | None = None
    clock_errors: int = 0
    by_day: tuple[DayValue, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """All of it as plain JSON."""
        content = asdict(self)
        content["by_day"] = [{**day, "day": day["day"].isoformat()} for day in content["by_day"]]
        return content


def value(
    decisions: pa.Table | pd.DataFrame, outcomes: pa.Table | pd.DataFrame, *, value: Value, costs: Costs
) -> ValueReport:
    """Worth of these decisions, given the outcomes known so far (columns source, ticket_id, queue; one row a ticket).

    Decisions need source, ticket_id, day, verdict, queue, confidence, decided_at; `landed_at` and `created_at` give the time to
    decision. Raises MonitorError where a column is missing.
    """
    frame, known = _frame(decisions, NEEDED, "decisions"), _frame(outcomes, (*KEY, "queue"), "outcomes")
    by_hand = value.minutes_manual * value.hourly_cost / 60
    total = len(frame)
    # stable, so that of two decisions at the same moment the later row counts
    frame = frame.sort_values("decided_at", kind="stable").drop_duplicates(KEY, keep="last").reset_index(drop=True)
    if frame.empty:
        return ValueReport(tickets=0, cost_per_decision_by_hand=by_hand, currency=value.currency)
    known = known.drop_duplicates(KEY, keep="last")
    right = frame[KEY].merge(known[[*KEY, "queue"]], on=KEY, how="left")["queue"]
    settled = right.notna().to_numpy()
    wrong = _chance_of_error(frame, right, settled)
    verdict = frame["verdict"].to_numpy(dtype=object)
    minutes, spent = _minutes(verdict, wrong, value), _spent(verdict, wrong, value, costs)
    automated = verdict == "automate"
    seconds, clock_errors = _seconds(frame)
    return ValueReport(
        tickets=len(frame),
        superseded=total - len(frame),
        verdicts={str(v): int(n) for v, n in zip(*np.unique(verdict.astype(str), return_counts=True), strict=True)},
        hours_saved=float(minutes.sum() / 60),
        automated_share=float(automated.mean()),
        cost_per_decision=float(spent.mean()),
        cost_per_decision_by_hand=by_hand,
        net_value=float(by_hand * len(frame) - spent.sum()),
        currency=value.currency,
        settled=int(settled.sum()),
        wrong_automated=int((automated & settled & (wrong > 0)).sum()),
        wrong_expected=float(wrong[automated].sum()),
        time_to_decision_seconds=_percentiles(seconds),
        clock_errors=clock_errors,
        by_day=_by_day(frame["day"], automated, minutes, spent, by_hand),
    )


def _frame(table: pa.Table | pd.DataFrame, needed: tuple[str, ...], what: str) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas() if isinstance(table, pa.Table) else table
    missing = [c for c in needed if c not in frame.columns]
    if missing:
        raise MonitorError(f"the {what} lack {', '.join(missing)} (they have {', '.join(map(str, frame.columns))})")
    return frame


def _chance_of_error(frame: pd.DataFrame, right: pd.Series, settled: npt.NDArray[np.bool_]) -> Floats:
    """0 or 1 where the outcome is known, else 1 - confidence; 0 without a confidence, since then nothing was automated."""
    import pandas as pd

    confidence = pd.to_numeric(frame["confidence"]).to_numpy(dtype=np.float64, na_value=np.nan)
    unsettled = np.where(np.isfinite(confidence), 1 - np.clip(confidence, 0, 1), 0.0)
    missed = (right.to_numpy(dtype=object) != frame["queue"].to_numpy(dtype=object)).astype(np.float64)
    return np.where(settled, missed, unsettled)


def _minutes(verdict: npt.NDArray[Any], wrong: Floats, value: Value) -> Floats:
    manual = value.minutes_manual
    saved: Floats = np.select(
        [verdict == "automate", verdict == "draft", verdict == "review"],
        [
            manual * (1 - wrong),
            manual * (1 - wrong) - value.minutes_draft,
            np.full(len(wrong), manual - value.minutes_review),
        ],
        default=0.0,
    )
    return saved


def _spent(verdict: npt.NDArray[Any], wrong: Floats, value: Value, costs: Costs) -> Floats:
    minute = value.hourly_cost / 60
    spent: Floats = np.select(
        [verdict == "automate", verdict == "draft", verdict == "review"],
        [
            wrong * costs.wrong_automation,
            value.minutes_draft * minute + wrong * costs.wrong_draft,
            np.full(len(wrong), costs.review),
        ],
        default=value.minutes_manual * minute,
    )
    return spent


def _seconds(frame: pd.DataFrame) -> tuple[Floats, int]:
    """Times to decision that can be, and how many can't."""
    import pandas as pd

    start = pd.Series(pd.NaT, index=frame.index, dtype="datetime64[us, UTC]")
    for column in ("landed_at", "created_at"):
        if column in frame.columns:
            start = start.fillna(pd.to_datetime(frame[column], utc=True))
    taken = pd.to_datetime(frame["decided_at"], utc=True) - start
    seconds: Floats = np.asarray(taken.dropna().dt.total_seconds(), dtype=np.float64)
    return seconds[seconds >= 0], int((seconds < 0).sum())


def _percentiles(seconds: Floats) -> dict[str, float] | None:
    if not seconds.size:
        return None
    p50, p95 = np.percentile(seconds, [50, 95])
    return {"p50": float(p50), "p95": float(p95)}


def _by_day(
    days: pd.Series, automated: npt.NDArray[np.bool_], minutes: Floats, spent: Floats, by_hand: float
) -> tuple[DayValue, ...]:
    import pandas as pd

    rows = pd.DataFrame({"day": days.to_numpy(), "automated": automated, "minutes": minutes, "spent": spent})
    sums: Mapping[Any, pd.DataFrame] = dict(iter(rows.groupby("day", sort=True)))
    return tuple(
        DayValue(
            day=day,
            tickets=len(part),
            automated_share=float(part["automated"].mean()),
            hours_saved=float(part["minutes"].sum() / 60),
            net_value=float(by_hand * len(part) - part["spent"].sum()),
            cost_per_decision=float(part["spent"].mean()),
        )
        for day, part in sums.items()
    )

"""Evidently's part: the drift score of each column, and the page to open.

What belongs here: the only code that knows Evidently. What does not: cutting columns into levels (`levels.py`) and judging
the scores (`drift.py`).

Evidently is given rows that have the levels' counts, each column for itself. Its own binning of raw numbers (equal widths
over both samples together) lets one outlier squeeze everything into a single bin and hide any drift; deciles of the
reference don't. At most 5,000 rows a side are handed over, with the shares of all (largest remainder): PSI then stays within
0.001 of the whole, a million rows cost what five thousand do, and no level but an empty one is below the share of 0.0001
that Evidently puts in place of zero.
"""

from __future__ import annotations

import html
import math
from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from aios_core.monitoring.errors import MonitorError
from aios_core.monitoring.levels import Compared, Counts, spread

if TYPE_CHECKING:
    import pandas as pd

MAX_ROWS = 5_000
METHOD = "psi"  # Evidently's name for the population stability index
VALUE_DRIFT = "ValueDrift"  # the end of Evidently's name for it, and of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A number that was computed elsewhere: Evidently shows it and tests it against its limit."""

    name: str
    value: float
    limit: float


class EvidentlyReport:
    """One run of Evidently over compared columns: `scores` by column, `page` as HTML bytes.

    `values` enter as metrics of Evidently with a test each.
    """

    def __init__(
        self,
        compared: Mapping[str, Compared],
        *,
        limits: Mapping[str, float],
        share_limit: float,
        page: bool,
        values: Sequence[Value] = (),
    ) -> None:
        try:
            self._snapshot = _run(compared, limits, share_limit, values, page=page)
            self.scores = _scores(self._snapshot)
        except MonitorError:
            raise
        except Exception as error:  # whatever goes wrong in there must not read as "no drift"
            raise MonitorError(f"Evidently could not compare {', '.join(compared)}: {error!r}") from error
        unusable = [c for c in compared if not math.isfinite(self.scores.get(c, math.nan))]
        if unusable:
            raise MonitorError(
                f"Evidently gave no usable score for {', '.join(unusable)}; look at these columns' values"
            )

    def page(self, *, headline: str) -> bytes:
        """The page, 4 MB with all its scripts inside, with our own verdict on top of it."""
        try:
            text: str = self._snapshot.get_html_str(as_iframe=False)
        except Exception as error:
            raise MonitorError(f"Evidently could not render its report: {error!r}") from error
        banner = (
            '<p style="font:16px/1.4 system-ui,sans-serif;margin:0;padding:12px 24px;background:#f3f4f6;color:#111">'
            f"{html.escape(headline)}</p>"
        )
        head, body, rest = text.partition("<body>")
        return f"{head}{body}{banner}{rest}".encode() if body else f"{banner}{text}".encode()


def _run(
    compared: Mapping[str, Compared],
    limits: Mapping[str, float],
    share_limit: float,
    values: Sequence[Value] = (),
    *,
    page: bool,
) -> Any:
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    if page:
        metrics: list[Any] = [
            DataDriftPreset(
                columns=list(compared),
                method=METHOD,
                per_column_method=dict.fromkeys(compared, METHOD),
                per_column_threshold=dict(limits),
                drift_share=share_limit,
            )
        ]
    else:
        metrics = [_undrawn_drift()(column=c, method=METHOD, threshold=limits[c]) for c in compared]
    metrics += [_known_value(value) for value in values]
    definition = DataDefinition(categorical_columns=list(compared), numerical_columns=[])
    current = _rows({c: (v.labels, v.current) for c, v in compared.items()})
    reference = _rows({c: (v.labels, v.reference) for c, v in compared.items()})
    return Report(metrics, include_tests=True).run(
        Dataset.from_pandas(current, data_definition=definition),
        Dataset.from_pandas(reference, data_definition=definition),
    )


@cache
def _undrawn_drift() -> Any:
    """Evidently's own metric without the picture that it draws of each column for its page: four fifths of the time."""
    from evidently.metrics import ValueDrift
    from evidently.metrics.column_statistics import ValueDriftCalculation

    class UndrawnValueDrift(ValueDrift):  # type: ignore[misc]  # evidently has no types
        pass

    class UndrawnCalculation(ValueDriftCalculation, ABC):  # type: ignore[misc]  # ABC: bound to its metric below
        def _render(self, *_: Any) -> list[Any]:
            return []

    UndrawnValueDrift.__calculation_type__ = UndrawnCalculation
    return UndrawnValueDrift


def _known_value(value: Value) -> Any:
    from evidently.tests import lt

    return _known_value_metric()(name=value.name, value=value.value, tests=[lt(value.limit)])


@cache
def _known_value_metric() -> Any:
    """Evidently's metric of a number that is known already; it finds the calculation by its metric, and wants both made once."""
    from evidently.core.metric_types import SingleValueCalculation, SingleValueMetric

    class KnownValue(SingleValueMetric):  # type: ignore[misc]  # evidently has no types
        name: str
        value: float

    class KnownValueCalculation(SingleValueCalculation[KnownValue]):  # type: ignore[misc]
        def calculate(self, context: Any, current_data: Any, reference_data: Any) -> Any:  # noqa: ARG002 (its interface)
            return self.result(self.metric.value), None

        def display_name(self) -> str:
            return str(self.metric.name)

    return KnownValue


def _rows(columns: Mapping[str, tuple[tuple[str, ...], Counts]]) -> pd.DataFrame:
    """Rows with these counts, column by column: only single columns mean anything, a row does not."""
    import pandas as pd

    return pd.DataFrame({
        name: pd.Series(np.repeat(np.array(labels, dtype=object), spread(counts, MAX_ROWS)), dtype=object)
        for name, (labels, counts) in columns.items()
    })  # fmt: skip


def _scores(snapshot: Any) -> dict[str, float]:
    found = {}
    for metric in snapshot.dict()["metrics"]:
        config = metric["config"]
        if config["type"].endswith(VALUE_DRIFT):
            found[config["column"]] = float(metric["value"])
    return found

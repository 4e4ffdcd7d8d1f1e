"""Drift: what a window of tickets and scores looks like against what the model version was made on.

What belongs here: which columns are compared, what counts as drifted, and when a window is flagged. What does not:
Evidently, which computes and shows it (`report.py`), and what is done about it (`verdict.py`).

A column is drifted when its population stability index (PSI) passes the declared limit *beyond what chance alone
brings*: between two samples of the same distribution over B levels PSI is about (B - 1)(1/n + 1/m) on average and
(1/n + 1/m) times a chi-square of B - 1 degrees of freedom in distribution (B. Yurdakul, 2018, "Statistical properties of
population stability index"). So the effect must reach the limit after that expectation is taken off, and the score must
lie above the chi-square quantile at a false alarm rate of 1 % over all columns. Both are in the threshold that Evidently
is given: its page and our verdict can't disagree about a column.

A window is flagged when more than the declared share of its columns drifted, or when one of the sentinels did: columns
which stand for the whole input. Ten quiet CRM columns must not outvote the one that says the words are new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pyarrow as pa

from aios_core.automation import Monitoring
from aios_core.monitoring.columns import Role, role_of
from aios_core.monitoring.errors import MonitorError
from aios_core.monitoring.levels import Compared, Kind, compare
from aios_core.monitoring.report import EvidentlyReport
from aios_core.monitoring.sketch import Cuts, Sketch, cuts_of, sketch

SENTINELS = ("queue", "confidence", "unseen_share")
FALSE_ALARMS = 0.01  # over all columns of a window
MIN_REFERENCE = 20
SHOWN_MOVES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A level whose share changed."""

    level: str
    reference: float
    current: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnDrift:
    """One column. `psi` is Evidently's score less what chance brings, never below 0: comparable between days of any size.

    `score` is Evidently's own and `threshold` the one it was given; `moved` are the levels that changed most.
    """

    psi: float
    drifted: bool
    kind: Kind
    role: Role
    score: float
    threshold: float
    missing_reference: float
    missing_current: float
    moved: tuple[Move, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A window against the reference. `share` is None where there is too little to say, and `reason` tells why."""

    rows: int
    reference_rows: int
    columns: dict[str, ColumnDrift] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    share: float | None = None
    flagged: bool = False
    reason: str = ""
    html: bytes | None = None

    @property
    def drifted(self) -> tuple[str, ...]:
        """Drifted columns, the worst first."""
        return tuple(sorted((c for c, d in self.columns.items() if d.drifted), key=lambda c: -self.columns[c].psi))

    def as_json(self) -> dict[str, Any]:
        """The columns as plain JSON: what a monitored day keeps."""
        return {name: asdict(column) for name, column in self.columns.items()}


def measure(
    reference: pa.Table,
    current: pa.Table,
    *,
    limits: Monitoring,
    sentinels: Sequence[str] = SENTINELS,
    page: bool = True,
) -> Drift:
    """Compare two tables, column by column: `measure_sketches` of both under cuts of `reference`."""
    cuts = cuts_of(reference)
    before, after = sketch(cuts, reference), sketch(cuts, current)
    new = {name: "not in the model version's reference" for name in current.column_names if name not in cuts.columns}
    if len(new) == current.num_columns:
        raise MonitorError(
            f"the model version's reference ({', '.join(reference.column_names) or 'no columns'}) and this window "
            f"({', '.join(current.column_names) or 'no columns'}) share no column; train a version on the present features"
        )
    found = measure_sketches(cuts, before, after, limits=limits, sentinels=sentinels, page=page)
    return replace(found, skipped=found.skipped | new)


def measure_sketches(
    cuts: Cuts,
    reference: Sketch,
    current: Sketch,
    *,
    limits: Monitoring,
    sentinels: Sequence[str] = SENTINELS,
    page: bool = True,
) -> Drift:
    """Compare two windows, column by column; `page=False` leaves out Evidently's HTML.

    Columns that only one side has are skipped and named: a version trained before a feature was declared can still be
    watched. Raises MonitorError where nothing can be compared or the comparison itself fails; it never answers "no drift"
    because it broke.
    """
    common = [name for name in cuts.columns if name in reference.counts and name in current.counts]
    skipped = dict.fromkeys(sorted(current.absent), "not in this window")
    result = Drift(rows=current.rows, reference_rows=reference.rows, skipped=skipped)
    if current.rows < limits.min_rows:
        return replace(result, reason=f"too few rows to say: {current.rows} of {limits.min_rows} needed")
    if reference.rows < MIN_REFERENCE:
        why = f"the model version's reference has {reference.rows} rows, {MIN_REFERENCE} are needed; train on more outcomes"
        return replace(result, reason=why)
    if not common:
        raise MonitorError(
            "the windows share no column with the model version's reference; train a version on the present features"
        )
    compared, kinds, missing = {}, {}, {}
    for name in common:
        before, after = reference.counts[name], current.counts[name]
        compared[name], kinds[name] = compare(cuts.columns[name], before, after), cuts.columns[name].kind
        missing[name] = float(before[-1] / before.sum()), float(after[-1] / after.sum())
    chance = {name: _chance(c, columns=len(common)) for name, c in compared.items()}
    thresholds = {name: max(limits.psi_limit + mean, quantile) for name, (mean, quantile) in chance.items()}
    report = EvidentlyReport(compared, limits=thresholds, share_limit=limits.share_limit, page=page)
    columns = {
        name: ColumnDrift(
            psi=max(0.0, report.scores[name] - chance[name][0]),
            drifted=report.scores[name] >= thresholds[name],
            kind=kinds[name],
            role=role_of(name),
            score=report.scores[name],
            threshold=thresholds[name],
            missing_reference=missing[name][0],
            missing_current=missing[name][1],
            moved=_moved(compared[name], kinds[name]),
        )
        for name in common
    }
    share, flagged, reason = _verdict(columns, limits=limits, sentinels=sentinels)
    html = report.page(headline=f"{reason} ({current.rows:,} rows.)") if page else None
    return replace(result, columns=columns, share=share, flagged=flagged, reason=reason, html=html)


def _chance(compared: Compared, *, columns: int) -> tuple[float, float]:
    """Mean and upper quantile of PSI between two samples of one distribution (see the module's docstring)."""
    from scipy.special import chdtri

    degrees = compared.expected_levels - 1
    if degrees < 1:
        return 0.0, 0.0
    scale = 1 / int(compared.reference.sum()) + 1 / int(compared.current.sum())
    return degrees * scale, float(chdtri(degrees, FALSE_ALARMS / columns)) * scale


def _moved(compared: Compared, kind: Kind) -> tuple[Move, ...]:
    before, after = compared.reference / compared.reference.sum(), compared.current / compared.current.sum()
    order = sorted(range(len(before)), key=lambda i: -abs(after[i] - before[i]))[:SHOWN_MOVES]
    # the place in front of a number level only serves Evidently's sorting
    names = [label.split(": ", 1)[-1] if kind == "numeric" else label for label in compared.labels]
    return tuple(Move(level=names[i], reference=float(before[i]), current=float(after[i])) for i in order)


def _verdict(
    columns: dict[str, ColumnDrift], *, limits: Monitoring, sentinels: Sequence[str]
) -> tuple[float, bool, str]:
    drifted = sorted((c for c, d in columns.items() if d.drifted), key=lambda c: -columns[c].psi)
    share = len(drifted) / len(columns)
    alone = [c for c in drifted if c in sentinels]
    if not drifted:
        return share, False, f"No drift: none of {len(columns)} columns passes its limit."
    what = f"{len(drifted)} of {len(columns)} columns drifted: " + ", ".join(_told(c, columns[c]) for c in drifted)
    if share > limits.share_limit:
        return share, True, f"Flagged: {what}; the limit is {limits.share_limit:.0%} of the columns."
    if alone:
        return share, True, f"Flagged: {what}; {', '.join(alone)} alone suffices."
    return share, False, f"Not flagged: {what}; up to {limits.share_limit:.0%} of the columns may."


def _told(name: str, column: ColumnDrift) -> str:
    """`confidence (PSI 0.41; to 0.55: from 10% to 31%)`"""
    if not column.moved:
        return f"{name} (PSI {column.psi:.2f})"
    most = column.moved[0]
    return f"{name} (PSI {column.psi:.2f}; {most.level}: from {most.reference:.0%} to {most.current:.0%})"

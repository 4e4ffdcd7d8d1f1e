"""Drift: what a window of tickets, scores and outcomes looks like against what the model version was made on.

What belongs here: which columns are compared, what counts as drifted, and when a window is flagged. What does not:
Evidently, which computes and shows it (`report.py`), outcomes against promises (`concept.py`), what is behind a drift
(`changed.py`), and what is done about it (`verdict.py`).

A column is drifted when its population stability index (PSI) passes the declared limit *beyond what chance alone
brings*: between two samples of the same distribution over B levels PSI is about (B - 1)(1/n + 1/m) on average and
(1/n + 1/m) times a chi-square of B - 1 degrees of freedom in distribution (B. Yurdakul, 2018, "Statistical properties of
population stability index"). So the effect must reach the limit after that expectation is taken off, and the score must
lie above the chi-square quantile at a false alarm rate of 1 % over all columns. Both are in the threshold that Evidently
is given: its page and our verdict can't disagree about a column.

A window is flagged when more than the declared share of its columns drifted, or when one of the sentinels did: columns
which stand for the whole input. Ten quiet CRM columns must not outvote the one that says the words are new. Concept drift
flags a window by itself.

A day is asked to persist. A sentinel alone that drifted by less than twice its limit counts towards the flag only where the last
days as one window, this one among them, drifted as much as half of the other days would make them (PSI grows with the square of
the share that changed): a strange Tuesday wakes nobody. Two sentinels on the same day need no second one: a new product moves
unseen words, novelty and confidence at once, on its first day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pyarrow as pa

from aios_core.automation import Monitoring
from aios_core.monitoring.changed import Cause, DriftKind, kind_of, what_changed
from aios_core.monitoring.columns import BESIDE, LABEL, Role, role_of
from aios_core.monitoring.concept import STRONG, Concept, LabelShares, concept, label_shares
from aios_core.monitoring.errors import MonitorError
from aios_core.monitoring.levels import Compared, Counts, Kind, Levels, compare
from aios_core.monitoring.plots import drawing
from aios_core.monitoring.reference import Reference, Window
from aios_core.monitoring.report import EvidentlyReport, Value
from aios_core.monitoring.sketch import Cuts, Sketch, cuts_of, sketch

SENTINELS = ("queue", "confidence", "unseen_share", "novelty", LABEL)
FALSE_ALARMS = 0.01  # over all columns of a window
MIN_REFERENCE = 20
AGREEING = 2  # sentinels that drifted on the same day
SHOWN_MOVES = 3
KINDS: tuple[DriftKind, ...] = ("feature", "prediction", "label", "concept")


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A level whose share changed."""

    level: str
    reference: float
    current: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnDrift:
    """One column. `psi` is Evidently's score less what chance brings, never below 0: comparable between days of any size.

    `score` is Evidently's own and `threshold` the one it was given; `moved` are the levels that changed most. `lasting` is whether
    it counts towards the flag: drifted, and strongly or over the last days too. `distinct_…` are numbers of different values,
    None where they are not known.
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
    lasting: bool = False
    distinct_reference: int | None = None
    distinct_current: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KindDrift:
    """Whether one kind of drift was found; `drifted` is None where it can't be said, and `told` says why or what."""

    kind: DriftKind
    drifted: bool | None
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A window against the reference. `share` is None where there is too little to say, and `reason` tells why.

    `kinds` tells feature, prediction, label and concept drift apart, `changed` names what is behind them.
    """

    rows: int
    reference_rows: int
    columns: dict[str, ColumnDrift] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    share: float | None = None
    flagged: bool = False
    reason: str = ""
    html: bytes | None = None
    kinds: tuple[KindDrift, ...] = ()
    changed: tuple[Cause, ...] = ()
    concept: Concept | None = None

    @property
    def drifted(self) -> tuple[str, ...]:
        """Drifted columns, the worst first."""
        return tuple(sorted((c for c, d in self.columns.items() if d.drifted), key=lambda c: -self.columns[c].psi))

    def as_json(self) -> dict[str, Any]:
        """The columns as plain JSON: what a monitored day keeps."""
        return {name: asdict(column) for name, column in self.columns.items()}

    def explained(self) -> dict[str, Any]:
        """Kinds, causes and outcomes as plain JSON: what a monitored day keeps besides."""
        return {
            "kinds": [asdict(kind) for kind in self.kinds],
            "changed": [asdict(cause) for cause in self.changed],
            "concept": None if self.concept is None else self.concept.as_json(),
        }


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
    signals = [name for name in current.column_names if name not in BESIDE]
    new = {name: "not in the model version's reference" for name in signals if name not in cuts.columns}
    if len(new) == len(signals):
        raise MonitorError(
            f"the model version's reference ({', '.join(reference.column_names) or 'no columns'}) and this window "
            f"({', '.join(current.column_names) or 'no columns'}) share no column; train a version on the present features"
        )
    found = measure_sketches(cuts, before, after, limits=limits, sentinels=sentinels, page=page)
    return replace(found, skipped=found.skipped | new)


def measure_window(
    reference: Reference,
    window: Window,
    *,
    limits: Monitoring,
    recent: Window | None = None,
    sentinels: Sequence[str] = SENTINELS,
    page: bool = True,
) -> Drift:
    """Compare a window with a version's reference: inputs, predictions, labels, and outcomes against promises.

    `recent` are the last days with this window among them; it is what a day is asked to persist over. A day of too few rows is looked at
    together with them.
    """
    if recent is not None and window.sketch.rows < limits.min_rows <= recent.sketch.rows:
        result = measure_window(reference, recent, limits=limits, sentinels=sentinels, page=page)
        told = f"{recent.sketch.rows} rows of the last days together: {result.reason}"
        return replace(result, rows=window.sketch.rows, reason=told)
    shares = found = None
    if window.settled is not None:
        settled = window.settled
        shares = label_shares(reference.cuts, reference.label_counts, settled, window.sketch, limits=limits)
        lately = None if recent is None else recent.settled
        if settled.rows < limits.min_outcomes and lately is not None:
            settled, lately = lately, None  # outcomes that come in late are looked at as the last days' together
        found = concept(
            reference.cuts,
            settled,
            limits=limits,
            calibration_error=reference.calibration_error,
            trained=reference.settled,
            recent=lately,
        )
    return measure_sketches(
        reference.cuts,
        reference.sketch,
        window.sketch,
        limits=limits,
        sentinels=sentinels,
        page=page,
        recent=None if recent is None else recent.sketch,
        labels=shares,
        outcomes=found,
    )


def measure_sketches(
    cuts: Cuts,
    reference: Sketch,
    current: Sketch,
    *,
    limits: Monitoring,
    sentinels: Sequence[str] = SENTINELS,
    page: bool = True,
    recent: Sketch | None = None,
    labels: LabelShares | None = None,
    outcomes: Concept | None = None,
) -> Drift:
    """Compare two windows, column by column; `page=False` leaves out Evidently's HTML.

    Columns that only one side has are skipped and named: a version trained before a feature was declared can still be
    watched. Raises MonitorError where nothing can be compared or the comparison itself fails; it never answers "no drift"
    because it broke.
    """
    page = page and drawing()
    skipped = dict.fromkeys(sorted(current.absent), "not in this window")
    result = Drift(rows=current.rows, reference_rows=reference.rows, skipped=skipped, concept=outcomes)
    if current.rows < limits.min_rows:
        return _by_outcomes(result, f"too few rows to say: {current.rows} of {limits.min_rows} needed")
    if reference.rows < MIN_REFERENCE:
        why = f"the model version's reference has {reference.rows} rows, {MIN_REFERENCE} are needed; train on more outcomes"
        return _by_outcomes(result, why)
    sides = _sides(cuts, reference, current, labels)
    if not sides:
        raise MonitorError(
            "the windows share no column with the model version's reference; train a version on the present features"
        )
    report, columns = _measured(sides, limits=limits, page=page, values=_values(outcomes, limits))
    lasting = _lasting(columns, cuts, reference, current, recent, limits=limits, sentinels=sentinels)
    columns = {name: replace(column, lasting=name in lasting) for name, column in columns.items()}
    columns = _with_distinct(columns, reference, current)
    share, flagged, reason = _verdict(columns, limits=limits, sentinels=sentinels)
    if outcomes is not None and outcomes.drifted:
        flagged, reason = (
            True,
            f"{reason if flagged else 'Flagged.'} Outcomes contradict the promises: {outcomes.reason}.",
        )
    html = report.page(headline=f"{reason} ({current.rows:,} rows.)") if page else None
    return replace(
        result,
        columns=columns,
        share=share,
        flagged=flagged,
        reason=reason,
        html=html,
        kinds=_kinds(columns, outcomes),
        changed=what_changed(cuts, reference, current, columns, outcomes),
    )


_Side = tuple[Levels, Counts, Counts]


def _sides(cuts: Cuts, reference: Sketch, current: Sketch, labels: LabelShares | None = None) -> dict[str, _Side]:
    """Levels and both windows' counts of each column that both have, labels among them."""
    found: dict[str, _Side] = {
        name: (levels, reference.counts[name], current.counts[name])
        for name, levels in cuts.columns.items()
        if name in reference.counts and name in current.counts
    }
    return found if labels is None else found | {LABEL: (labels.levels, labels.reference, labels.current)}


def _measured(
    sides: Mapping[str, _Side], *, limits: Monitoring, page: bool, values: Sequence[Value] = (), of: int | None = None
) -> tuple[EvidentlyReport, dict[str, ColumnDrift]]:
    """Evidently's report, and each column as it says; `of` columns are corrected for, where others were looked at before."""
    compared = {name: compare(*side) for name, side in sides.items()}
    chance = {name: _chance(c, columns=of or len(sides)) for name, c in compared.items()}
    thresholds = {name: max(limits.psi_limit + mean, quantile) for name, (mean, quantile) in chance.items()}
    report = EvidentlyReport(compared, limits=thresholds, share_limit=limits.share_limit, page=page, values=values)
    columns = {}
    for name, (levels, before, after) in sides.items():
        columns[name] = ColumnDrift(
            psi=max(0.0, report.scores[name] - chance[name][0]),
            drifted=report.scores[name] >= thresholds[name],
            kind=levels.kind,
            role=role_of(name),
            score=report.scores[name],
            threshold=thresholds[name],
            missing_reference=float(before[-1] / before.sum()),
            missing_current=float(after[-1] / after.sum()),
            moved=_moved(compared[name], levels.kind),
        )
    return report, columns


def _lasting(
    columns: Mapping[str, ColumnDrift],
    cuts: Cuts,
    reference: Sketch,
    current: Sketch,
    recent: Sketch | None,
    *,
    limits: Monitoring,
    sentinels: Sequence[str],
) -> set[str]:
    """Drifted columns that count towards the flag. Outcomes come in late: labels of the last days say little of this one."""
    drifted = {name for name, column in columns.items() if column.drifted}
    together = drifted.intersection(sentinels)
    sure = together if len(together) >= AGREEING else {LABEL}
    doubtful = {name for name in drifted - sure if columns[name].psi < STRONG * limits.psi_limit}
    if recent is None or not doubtful:
        return drifted
    sides = {name: side for name, side in _sides(cuts, reference, recent).items() if name in doubtful}
    most = ((1 + current.rows / recent.rows) / 2) ** 2
    enough = limits.model_copy(update={"psi_limit": limits.psi_limit * most})
    again = _measured(sides, limits=enough, page=False, of=len(columns))[1] if sides else {}
    return drifted - {name for name in doubtful if name not in again or not again[name].drifted}


def _with_distinct(columns: Mapping[str, ColumnDrift], reference: Sketch, current: Sketch) -> dict[str, ColumnDrift]:
    def number(window: Sketch, name: str) -> int | None:
        return window.distinct[name].number if name in window.distinct else None

    return {
        name: replace(c, distinct_reference=number(reference, name), distinct_current=number(current, name))
        for name, c in columns.items()
    }


def _values(outcomes: Concept | None, limits: Monitoring) -> tuple[Value, ...]:
    """What outcomes say, for Evidently to show beside the columns."""
    if outcomes is None or outcomes.accuracy is None or outcomes.promised is None:
        return ()
    gap = outcomes.promised - outcomes.accuracy
    return (Value(name="accuracy promised less accuracy turned out", value=gap, limit=limits.gap_limit),)


def _by_outcomes(result: Drift, why: str) -> Drift:
    """A window of which nothing can be said but, perhaps, by its outcomes."""
    found = replace(result, reason=why, kinds=_kinds({}, result.concept, why=why))
    if result.concept is None or not result.concept.drifted:
        return found
    causes = what_changed(Cuts(columns={}), _NOTHING, _NOTHING, {}, result.concept)
    told = f"Flagged. Outcomes contradict the promises: {result.concept.reason}. Of inputs: {why}."
    return replace(found, flagged=True, reason=told, changed=causes)


_NOTHING = Sketch(cuts="", rows=0, counts={})


def _kinds(columns: Mapping[str, ColumnDrift], outcomes: Concept | None, *, why: str = "") -> tuple[KindDrift, ...]:
    """The four kinds apart. What could not be looked at is None, never "no drift"."""
    found = []
    for kind in KINDS[:-1]:
        own = {name: column for name, column in columns.items() if kind_of(column.role) == kind}
        drifted = sorted((name for name, column in own.items() if column.drifted), key=lambda n: -own[n].psi)
        told = ", ".join(_told(name, own[name]) for name in drifted) or f"none of {len(own)} columns drifted"
        none = why or ("too few tickets are settled" if kind == LABEL else "no such column is watched")
        found.append(KindDrift(kind=kind, drifted=bool(drifted) if own else None, told=told if own else none))
    if outcomes is None:
        return (*found, KindDrift(kind="concept", drifted=None, told="outcomes were not looked at"))
    return (*found, KindDrift(kind="concept", drifted=outcomes.drifted, told=outcomes.reason))


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
    columns: Mapping[str, ColumnDrift], *, limits: Monitoring, sentinels: Sequence[str]
) -> tuple[float, bool, str]:
    drifted = sorted((c for c, d in columns.items() if d.drifted), key=lambda c: -columns[c].psi)
    share = len(drifted) / len(columns)
    lasting = [c for c in drifted if columns[c].lasting]
    alone = [c for c in lasting if c in sentinels]
    if not drifted:
        return share, False, f"No drift: none of {len(columns)} columns passes its limit."
    what = f"{len(drifted)} of {len(columns)} columns drifted: " + ", ".join(_told(c, columns[c]) for c in drifted)
    if len(lasting) / len(columns) > limits.share_limit:
        return share, True, f"Flagged: {what}; the limit is {limits.share_limit:.0%} of the columns."
    if alone:
        return share, True, f"Flagged: {what}; {', '.join(alone)} alone suffices."
    if share > limits.share_limit or any(c in sentinels for c in drifted):
        return (
            share,
            False,
            f"Not flagged yet: {what}; the last days together did not drift, and the day not by twice its limit.",
        )
    return share, False, f"Not flagged: {what}; up to {limits.share_limit:.0%} of the columns may."


def _told(name: str, column: ColumnDrift) -> str:
    """`confidence (PSI 0.41; to 0.55: from 10% to 31%)`"""
    if not column.moved:
        return f"{name} (PSI {column.psi:.2f})"
    most = column.moved[0]
    return f"{name} (PSI {column.psi:.2f}; {most.level}: from {most.reference:.0%} to {most.current:.0%})"

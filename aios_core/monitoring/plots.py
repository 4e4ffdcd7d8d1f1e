"""Small pictures for the metadata panel of the Dagster UI: at most 40 kB each, 620 pixels wide, readable without colour.

What belongs here: drawing numbers that were computed elsewhere. What does not: the numbers.

Matplotlib's objects are used directly, without pyplot: pyplot keeps global state and every figure it made. Colours are
those of Okabe and Ito (2008), which people with a colour deficiency can tell apart; marks and labels say the same again.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from functools import wraps
from typing import Any, ParamSpec

import numpy as np

from aios_core.monitoring.errors import MonitorError
from aios_core.monitoring.estimate import Estimate
from aios_core.monitoring.value import DayValue

WIDTH, HEIGHT, DPI = 6.2, 3.1, 100
MAX_BYTES = 40_000
COLOURS = (64, 16, 8)  # palettes to try: 64 keep text smooth, and a full-colour file is three times as big
BLUE, ORANGE, GREEN, PURPLE, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#6B7280"
SHOWN_COLUMNS = 5
LABELLED_QUEUES = 20
TICKS = 8


NOTHING = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNgYAAAAAMAASsJTYQAAAAASUVORK5CYII="
)
_drawing = True
P = ParamSpec("P")


@contextmanager
def undrawn() -> Iterator[None]:
    """Draw nothing in this process for a while: of months played in minutes nobody sees the pictures, and they take half of the time."""
    global _drawing  # noqa: PLW0603 (as with the clock, the one thing that is switched)
    before, _drawing = _drawing, False
    try:
        yield
    finally:
        _drawing = before


def drawing() -> bool:
    """Whether pictures and pages are made."""
    return _drawing


def _drawn(draw: Callable[P, bytes]) -> Callable[P, bytes]:
    """A picture, or while nothing is drawn the smallest one: what a figure is made of takes as long as drawing it."""

    @wraps(draw)
    def drawn(*args: P.args, **settings: P.kwargs) -> bytes:
        return draw(*args, **settings) if _drawing else NOTHING

    return drawn


def plot_markdown(png: bytes, alt: str) -> str:
    """The picture inside a line of Markdown, as the Dagster UI shows it."""
    text = alt.replace("[", "(").replace("]", ")").replace("\n", " ")
    return f"![{text}](data:image/png;base64,{base64.b64encode(png).decode()})"


@_drawn
def drift_over_time(
    days: Sequence[tuple[date, Mapping[str, float]]], *, limit: float, flagged: Sequence[date] = ()
) -> bytes:
    """PSI by day: the five columns that drifted most, the others as one grey area; flagged days are marked on the axis."""
    figure, axes = _figure()
    names = {name for _, columns in days for name in columns}
    worst = sorted(names, key=lambda n: (-max(c.get(n, 0.0) for _, c in days), n))
    marks = zip((BLUE, ORANGE, GREEN, PURPLE, RED), "osD^v", strict=True)
    ordered = sorted(days, key=lambda d: d[0])
    others = worst[SHOWN_COLUMNS:]
    if others:
        highest = [max((c[n] for n in others if n in c), default=np.nan) for _, c in ordered]
        axes.fill_between(
            [day for day, _ in ordered], highest, color=GREY, alpha=0.25, linewidth=0, label=f"{len(others)} others"
        )
    for name, (colour, mark) in zip(worst[:SHOWN_COLUMNS], marks, strict=False):
        axes.plot(*_series(ordered, name), color=colour, marker=mark, markersize=4, linewidth=1.5, label=_short(name))
    axes.axhline(limit, color="black", linestyle="--", linewidth=1)
    axes.annotate(f"limit {limit:g}", (0, limit), xycoords=("axes fraction", "data"), xytext=(4, 3),
                  textcoords="offset points", fontsize=8)  # fmt: skip
    if flagged:
        axes.plot(list(flagged), [0] * len(flagged), "x", color="black", markersize=7, clip_on=False, label="flagged")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("PSI beyond chance")
    _dates(axes, [day for day, _ in ordered])
    _legend(axes)
    return _png(figure)


@_drawn
def confidence_histogram(
    confidence: Sequence[float], *, automate: float | None = None, draft: float | None = None
) -> bytes:
    """How sure the model was, with the thresholds above which it automates and drafts."""
    figure, axes = _figure()
    values = np.asarray(confidence, dtype=np.float64)
    axes.hist(
        values[np.isfinite(values)], bins=np.linspace(0, 1, 41).tolist(), color=BLUE, edgecolor="white", linewidth=0.5
    )
    for name, threshold, style in (("automate", automate, "-"), ("draft", draft, "--")):
        if threshold is not None:
            axes.axvline(threshold, color=RED, linestyle=style, linewidth=1.5, label=f"{name} from {threshold:.3g}")
    axes.set(xlim=(0, 1), xlabel="confidence", ylabel="tickets")
    _legend(axes)
    return _png(figure)


@_drawn
def confusion(queues: Sequence[str], counts: Sequence[Sequence[int]]) -> bytes:
    """Where tickets belong (rows) against where the model sent them (columns), as shares of the row."""
    cells = np.asarray(counts, dtype=np.float64).reshape(len(queues), len(queues))
    if not queues:
        cells = np.zeros((1, 1))
    shares = cells / np.maximum(cells.sum(axis=1, keepdims=True), 1)
    figure, axes = _figure(height=WIDTH * 0.85)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    if len(queues) <= LABELLED_QUEUES:
        ticks = range(len(queues))
        axes.set_xticks(ticks, [_short(q) for q in queues], rotation=60, ha="right", fontsize=8)
        axes.set_yticks(ticks, [_short(q) for q in queues], fontsize=8)
        for row, column in zip(*np.nonzero(cells), strict=True):
            dark = shares[row, column] > 0.5
            axes.text(column, row, f"{cells[row, column]:.0f}", ha="center", va="center", fontsize=7,
                      color="white" if dark else "black")  # fmt: skip
    axes.set(xlabel="sent to", ylabel="belongs to")
    axes.spines[:].set_visible(True)
    axes.grid(visible=False)
    figure.colorbar(image, ax=axes, label="share of the row", fraction=0.04)
    return _png(figure)


@_drawn
def value_over_time(days: Sequence[DayValue], *, currency: str) -> bytes:
    """Net value a day as bars, the share automated as a line on the right."""
    figure, axes = _figure()
    ordered = sorted(days, key=lambda d: d.day)
    when = [d.day for d in ordered]
    worth = [d.net_value for d in ordered]
    axes.bar(when, worth, color=[GREEN if v >= 0 else RED for v in worth], width=0.8, label="net value")
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_ylabel(f"net value ({currency})")
    right = axes.twinx()
    right.plot(
        when, [d.automated_share for d in ordered], color=BLUE, marker="o", markersize=3.5, label="share automated"
    )
    right.set(ylim=(0, 1), ylabel="share automated")
    right.spines["top"].set_visible(False)
    _dates(axes, when)
    axes.legend(
        handles=[*axes.get_legend_handles_labels()[0], *right.get_legend_handles_labels()[0]], loc="best", fontsize=8
    )
    return _png(figure)


@_drawn
def reliability(table: Mapping[str, Sequence[float]]) -> bytes:
    """Mean confidence against accuracy of equally filled bins (`Performance.reliability`); on the diagonal both agree."""
    figure, axes = _figure()
    confidence, accuracy = list(table.get("confidence", [])), list(table.get("accuracy", []))
    low = max(0.0, min([*confidence, *accuracy, 0.9]) - 0.05)
    axes.plot([low, 1], [low, 1], color="black", linestyle="--", linewidth=1, label="perfectly calibrated")
    axes.plot(confidence, accuracy, color=BLUE, marker="o", markersize=5, linewidth=1.5, label="observed")
    axes.set(xlim=(low, 1.005), ylim=(low, 1.005), xlabel="confidence", ylabel="accuracy")
    _legend(axes)
    return _png(figure)


@_drawn
def estimated_over_time(days: Sequence[tuple[date, Estimate, float | None]]) -> bytes:
    """Estimated accuracy with its interval, and what turned out where tickets are settled."""
    figure, axes = _figure()
    ordered = sorted(days, key=lambda d: d[0])
    when = [day for day, _, _ in ordered]
    low, high = ([getattr(e, end) for _, e, _ in ordered] for end in ("low", "high"))
    axes.fill_between(when, low, high, color=BLUE, alpha=0.2, linewidth=0, label="95% interval")
    axes.plot(
        when,
        [e.accuracy for _, e, _ in ordered],
        color=BLUE,
        marker="o",
        markersize=4,
        linewidth=1.5,
        label="estimated",
    )
    known = [(day, realised) for day, _, realised in ordered if realised is not None]
    if known:
        axes.plot(*zip(*known, strict=True), color=ORANGE, marker="s", markersize=4, linewidth=0, label="turned out")
    axes.set_ylabel("accuracy")
    _dates(axes, when)
    _legend(axes)
    return _png(figure)


@_drawn
def estimate_error_over_time(days: Sequence[tuple[date, float, int]]) -> bytes:
    """Estimated less realised accuracy of each day's settled tickets; a larger mark has more of them, and above 0 the estimate was
    too good.
    """
    figure, axes = _figure()
    ordered = sorted(days)
    when, errors = [day for day, _, _ in ordered], [error for _, error, _ in ordered]
    most = max((settled for _, _, settled in ordered), default=1)
    axes.axhline(0, color="black", linewidth=1)
    axes.plot(when, errors, color=GREY, linewidth=1)
    axes.scatter(when, errors, s=[8 + 40 * settled / most for _, _, settled in ordered], color=ORANGE, zorder=3)
    axes.set_ylabel("estimated less realised")
    _dates(axes, when)
    return _png(figure)


@_drawn
def alerts_by_day(days: Sequence[date], counts: Mapping[str, Sequence[int]]) -> bytes:
    """How many alerts fired on each day, stacked by severity."""
    figure, axes = _figure()
    below = np.zeros(len(days))
    colours = {"critical": (RED, "//"), "warning": (ORANGE, ""), "info": (GREY, "..")}
    for severity, values in counts.items():
        colour, hatch = colours.get(severity, (BLUE, ""))
        if any(values):
            axes.bar(list(days), values, bottom=below, color=colour, hatch=hatch, width=0.8, label=severity)
        below = below + np.asarray(values)
    axes.set_ylabel("alerts fired", fontsize=8)
    axes.yaxis.get_major_locator().set_params(integer=True)
    _dates(axes, days)
    _legend(axes)
    return _png(figure)


def _series(days: Sequence[tuple[date, Mapping[str, float]]], name: str) -> tuple[Any, Any]:
    """One column's days; one that was not measured leaves a gap."""
    return [day for day, _ in days], [columns.get(name, np.nan) for _, columns in days]


def _figure(height: float = HEIGHT) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, axis="y", color="#E5E7EB", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8)
    return figure, axes


def _dates(axes: Any, days: Sequence[date]) -> None:
    """At most eight labelled days; Matplotlib's own locator would repeat a day or go on to hours."""
    if not days:
        axes.set_xticks([])
        return
    span = (days[-1] - days[0]).days + 1
    ticks = [days[0] + timedelta(days=i) for i in range(0, span, math.ceil(span / TICKS))]
    axes.set_xticks(ticks, [f"{day:%d %b}" for day in ticks])
    half = timedelta(hours=14)
    axes.set_xlim(datetime.combine(days[0], time()) - half, datetime.combine(days[-1], time()) + half)


def _legend(axes: Any) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="best", fontsize=8, framealpha=0.9)


def _short(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:23]}…"


def _png(figure: Any) -> bytes:
    """The figure with a small palette. Raises MonitorError above 40 kB: it would stay in the event log for good."""
    from PIL import Image

    raw = io.BytesIO()
    figure.savefig(raw, format="png")
    raw.seek(0)
    picture = Image.open(raw).convert("RGB")
    for colours in COLOURS:
        small = io.BytesIO()
        picture.quantize(colors=colours, dither=Image.Dither.NONE).save(small, format="png", optimize=True)
        content = small.getvalue()
        if len(content) <= MAX_BYTES:
            return content
    raise MonitorError(f"a plot of {len(content):,} bytes is over the {MAX_BYTES:,} that metadata may hold")

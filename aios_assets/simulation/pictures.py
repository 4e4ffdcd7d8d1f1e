"""The report's pictures: weeks of a play, with what was planted and what was done about it marked.

What belongs here: drawing, as SVG for the page and as one PNG beside a text. What does not: the numbers (`series.py`).
"""

import io
import statistics
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any

from aios_assets.simulation.measure import Answered
from aios_assets.simulation.series import Week
from aios_core.monitoring.plots import BLUE, GREEN, GREY, ORANGE, PURPLE, RED

WIDTH, HEIGHT, DPI = 9.0, 2.7, 110
VERDICTS = (("automate", BLUE, ""), ("draft", GREEN, "//"), ("review", ORANGE, ".."), ("fallback", GREY, "xx"))
MARKS = {"rollback": ("v", RED), "narrow": ("D", PURPLE), "pause": ("s", "black")}

Draw = Callable[[Any], None]


def pictures(
    weeks: Sequence[Week], found: Sequence[Answered], *, errors_by_hand: float | None
) -> list[tuple[str, str]]:
    """(title, SVG) of each picture."""
    return [(title, _svg(draw, found)) for title, draw in _drawn(weeks, errors_by_hand)]


def overview(weeks: Sequence[Week], found: Sequence[Answered], *, errors_by_hand: float | None) -> bytes:
    """All pictures below each other, as one PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = _drawn(weeks, errors_by_hand)
    figure = Figure(figsize=(WIDTH, HEIGHT * len(drawn)), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (title, draw) in zip(figure.subplots(len(drawn), 1, sharex=True), drawn, strict=True):
        _panel(axes, draw, found)
        axes.set_title(title, fontsize=10, fontweight="bold", loc="left")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _drawn(weeks: Sequence[Week], errors_by_hand: float | None) -> list[tuple[str, Draw]]:
    return [
        ("Who decides", partial(_verdicts, weeks)),
        ("Errors that reach customers", partial(_errors, weeks, errors_by_hand)),
        ("People's triage time", partial(_hours, weeks)),
        ("Time to resolution", partial(_resolution, weeks)),
    ]


def _verdicts(weeks: Sequence[Week], axes: Any) -> None:
    """Share of each verdict by week."""
    bottom = [0.0] * len(weeks)
    for name, colour, hatch in VERDICTS:
        shares = [100 * w.verdicts.get(name, 0) / max(w.tickets, 1) for w in weeks]
        if any(shares):
            axes.bar(
                _middles(weeks), shares, width=6.4, bottom=bottom, color=colour, hatch=hatch, edgecolor="white",
                linewidth=0.3, label=name,
            )  # fmt: skip
            bottom = [b + s for b, s in zip(bottom, shares, strict=True)]
    axes.set_ylabel("% of tickets")
    axes.set_ylim(0, 100)


def _errors(weeks: Sequence[Week], by_hand: float | None, axes: Any) -> None:
    """Share of automated tickets in a wrong queue by week, beside people's."""
    known = [(d, 100 * w.error_rate) for d, w in zip(_middles(weeks), weeks, strict=True) if w.error_rate is not None]
    _line(axes, known, RED, "o", "-", "automated, in a wrong queue")
    if by_hand is not None:
        axes.axhline(100 * by_hand, color=GREY, linestyle="--", linewidth=1.2, label="by hand, all tickets")
    axes.set_ylabel("% wrong")
    axes.set_ylim(bottom=0)


def _hours(weeks: Sequence[Week], axes: Any) -> None:
    """Hours of people's triage by week in both worlds."""
    days = _middles(weeks)
    _line(axes, list(zip(days, [w.minutes_by_hand / 60 for w in weeks], strict=True)), GREY, "x", "--", "by hand")
    _line(axes, list(zip(days, [w.minutes / 60 for w in weeks], strict=True)), BLUE, "o", "-", "with the platform")
    axes.set_ylabel("hours a week")
    axes.set_ylim(bottom=0)


def _resolution(weeks: Sequence[Week], axes: Any) -> None:
    """Mean hours from creation to the first resolution, of each week's tickets, in both worlds."""
    days = _middles(weeks)
    theirs = [(d, statistics.fmean(w.hours_by_hand)) for d, w in zip(days, weeks, strict=True) if w.hours_by_hand]
    ours = [(d, statistics.fmean(w.hours)) for d, w in zip(days, weeks, strict=True) if w.hours]
    _line(axes, theirs, GREY, "x", "--", "by hand")
    _line(axes, ours, BLUE, "o", "-", "with the platform")
    axes.set_ylabel("hours")
    axes.set_ylim(bottom=0)


def _line(axes: Any, points: Sequence[tuple[date, float]], colour: str, mark: str, style: str, label: str) -> None:
    days, values = [d for d, _ in points], [v for _, v in points]
    axes.plot(days, values, color=colour, marker=mark, markersize=4, linestyle=style, linewidth=1.5, label=label)


def _middles(weeks: Sequence[Week]) -> list[date]:
    return [w.first + timedelta(days=3) for w in weeks]


def _panel(axes: Any, draw: Draw, found: Sequence[Answered]) -> None:
    """One picture, with planted incidents as numbered lines and remedies as marks on the upper edge."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e5e7eb", linewidth=0.8)
    axes.set_axisbelow(True)
    draw(axes)
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    told: set[str] = set()
    for number, answered in enumerate(found, start=1):
        axes.axvline(answered.planted_at, color="black", linewidth=0.8, linestyle=":")
        axes.annotate(
            str(number), (answered.planted_at, 1.0), xycoords=("data", "axes fraction"), xytext=(-9, -9),
            textcoords="offset points", fontsize=9, fontweight="bold",
        )  # fmt: skip
        for remedy in answered.remedies:
            mark, colour = MARKS[remedy.kind]
            axes.plot(
                [remedy.at], [1.0], mark, color=colour, markersize=6, transform=axes.get_xaxis_transform(), clip_on=False,
                label=None if remedy.kind in told else remedy.kind,
            )  # fmt: skip
            told.add(remedy.kind)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _svg(draw: Draw, found: Sequence[Answered]) -> str:
    """Without a date in it: the same play gives the same bytes."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    FigureCanvasSVG(figure)
    _panel(figure.add_subplot(), draw, found)
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "aios", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]

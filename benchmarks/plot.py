"""The results as one small picture: rows/s by stage, and scoring's ceiling.

What belongs here: drawing. What does not: the figures (`report.py`).
"""

import io
from collections.abc import Mapping
from typing import Any

INK, DOT, CEILING, FAINT = (
    "#1f2933",
    "#0072b2",
    "#d55e00",
    "#d5dbe1",
)  # two of Okabe and Ito's colours, told apart by all


def speed_plot(stages: Mapping[str, Mapping[str, Any]], *, caption: str) -> bytes:
    """A PNG under 60 kB. The axis is logarithmic: stages differ by more than a tenfold."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator

    shown = {name: stage for name, stage in stages.items() if "rows_per_s" in stage}
    figure = Figure(figsize=(7.2, 1.1 + 0.42 * max(1, len(shown))), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    names = list(reversed(shown))
    speeds = [shown[name]["rows_per_s"] for name in names]
    ceilings = {n: shown[n]["ceiling_rows_per_s"] for n in names if "ceiling_rows_per_s" in shown[n]}
    lowest = min([*speeds, 1_000.0]) / 2
    highest = max([*speeds, *ceilings.values(), 10_000.0]) * 6
    axes.set_xscale("log")
    axes.set_xlim(lowest, highest)
    # dots, not bars: on a logarithmic axis the length of a bar means nothing
    axes.hlines(range(len(names)), lowest, highest, color=FAINT, linewidth=0.7)
    axes.plot(speeds, range(len(names)), marker="o", markersize=8, color=DOT, linestyle="none")
    for place, (name, speed) in enumerate(zip(names, speeds, strict=True)):
        ceiling = ceilings.get(name)
        if ceiling is not None:
            axes.plot(
                [ceiling], [place], marker="|", markersize=17, markeredgewidth=2.5, color=CEILING, linestyle="none"
            )
        text = f"{speed:,.0f}" + (f" of {ceiling:,.0f} possible" if ceiling else "")
        peak = shown[name].get("peak_rss_mb")
        memory = f"  ·  {peak:,.0f} MB" if peak else ""
        axes.annotate(
            text + memory,
            (max(speed, ceiling or 0), place),
            xytext=(9, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            color=INK,
            backgroundcolor="white",
        )
    axes.set_yticks(range(len(names)), names, fontsize=9.5, color=INK)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.xaxis.set_major_locator(LogLocator(numticks=8))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.minorticks_off()
    axes.tick_params(axis="x", labelsize=8, colors=INK)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.set_title("Rows a second by stage, with peak memory", loc="left", fontsize=10.5, color=INK)
    axes.set_xlabel(caption, fontsize=8, color=INK, loc="left")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()

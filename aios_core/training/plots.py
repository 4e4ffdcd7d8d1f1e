"""The calibration plot of a version.

What belongs here: drawing it from numbers. What does not: computing them. No pyplot: it keeps global state.
"""

import io
from collections.abc import Mapping, Sequence

from aios_core.monitoring.plots import NOTHING, drawing

INK, BLUE, ORANGE = "#333333", "#0072b2", "#d55e00"  # Okabe and Ito's palette, told apart by colour-blind eyes too


def calibration_plot(reliability: Mapping[str, Sequence[float]], curve: Mapping[str, Sequence[float]]) -> bytes:
    """A PNG: does confidence mean what it says, and how much is automated at which accuracy. In a play nothing is drawn."""
    if not drawing():
        return NOTHING
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.2), dpi=80)
    FigureCanvasAgg(figure)
    # fixed margins: a constrained layout draws everything twice
    left, right = figure.subplots(
        1, 2, gridspec_kw={"left": 0.08, "right": 0.985, "bottom": 0.15, "top": 0.91, "wspace": 0.22}
    )
    low = max(0.0, min(*reliability["confidence"], *reliability["accuracy"]) - 0.05)
    left.plot([low, 1], [low, 1], color=INK, linewidth=0.8, linestyle="--", label="perfect")
    left.plot(
        reliability["confidence"], reliability["accuracy"], color=BLUE, marker="o", markersize=4, label="this version"
    )
    left.set(
        xlabel="confidence", ylabel="accuracy", title="Calibration, out of fold", xlim=(low, 1.01), ylim=(low, 1.01)
    )
    left.legend(frameon=False, fontsize=8)
    right.plot(curve["coverage"], curve["accuracy"], color=BLUE, label="seen")
    right.plot(curve["coverage"], curve["accuracy_lower"], color=ORANGE, linestyle="--", label="99% bound")
    right.set(xlabel="share automated", ylabel="accuracy", title="Operating curve", xlim=(0, 1.01))
    right.set_ylim(max(0.0, min(curve["accuracy"]) - 0.05), 1.005)
    right.legend(frameon=False, fontsize=8, loc="lower left")
    for axes in (left, right):
        axes.grid(alpha=0.25, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    # no software name and date in the file: equal versions are equal bytes
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()

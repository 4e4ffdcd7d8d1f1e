"""Quality as one small picture: does confidence mean what it says, and who reaches a person.

What belongs here: drawing. What does not: the figures (`quality.py`).
"""

import io
from collections.abc import Mapping
from typing import Any

INK, BLUE, ORANGE, FAINT = "#1f2933", "#0072b2", "#d55e00", "#d5dbe1"  # Okabe and Ito's, told apart by all


def quality_plot(found: Mapping[str, Any]) -> bytes:
    """A PNG of `quality.measure`'s figures."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.6, 3.4), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.25])
    curve = found["reliability"]
    low = max(0.0, min(*curve["confidence"], *curve["accuracy"]) - 0.05)
    left.plot([low, 1], [low, 1], color=INK, linewidth=0.8, linestyle="--")
    left.plot(curve["confidence"], curve["accuracy"], color=BLUE, marker="o", markersize=4)
    left.set(xlabel="confidence", ylabel="accuracy", title="banking77, test file", xlim=(low, 1.01), ylim=(low, 1.01))
    far = found["novelty"]["far"]
    names = list(reversed(far))
    places = range(len(names))
    right.hlines(places, 0, 1, color=FAINT, linewidth=0.7)
    for key, colour, label in (
        ("by_confidence_alone", ORANGE, "by confidence alone"),
        ("to_review", BLUE, "with novelty"),
    ):
        right.plot([far[name][key] for name in names], places, "o", color=colour, label=label)
    right.axvline(0.97, color=INK, linewidth=0.8, linestyle="--")
    right.set_yticks(places, [name.replace("_", " ") for name in names], fontsize=8)
    lowest = min(far[name]["by_confidence_alone"] for name in names)
    right.set(xlabel="share not automated", title="Texts from elsewhere", xlim=(max(0.0, lowest - 0.05), 1.005))
    right.legend(frameon=False, fontsize=8, loc="upper left")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()

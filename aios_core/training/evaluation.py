"""How good a fit is on rows it has not seen: overall, by class, and among what would be automated.

What belongs here: metrics of one set of scored rows. What does not: choosing those rows (`folds.py`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from aios_core.training.calibration import calibration_error, log_loss, operating_curve

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

TARGETS = (0.95, 0.97, 0.98, 0.99)


def evaluate(probabilities: Floats, labels: Ints) -> dict[str, float]:
    """Metrics over rows with class numbers as labels; -1 is a class the model does not have, always an error.

    `macro_f1` is over the classes that occur among labels or predictions.
    """
    from sklearn.metrics import f1_score

    predicted = probabilities.argmax(axis=1)
    correct = predicted == labels
    return {
        "rows": int(labels.size),
        "accuracy": round(float(correct.mean()), 6),
        "macro_f1": round(float(f1_score(labels, predicted, average="macro", zero_division=0.0)), 6),
        "log_loss": round(log_loss(probabilities, labels), 6),
        "ece": round(calibration_error(probabilities.max(axis=1), correct), 6),
    }


def by_class(probabilities: Floats, labels: Ints, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Precision, recall, F1 and rows of every class, in the classes' order."""
    from sklearn.metrics import precision_recall_fscore_support

    predicted = probabilities.argmax(axis=1)
    precision, recall, f1, rows = precision_recall_fscore_support(
        labels, predicted, labels=np.arange(len(classes)), zero_division=0.0
    )
    return [
        {
            "class": name,
            "rows": int(rows[i]),
            "precision": round(float(precision[i]), 4),
            "recall": round(float(recall[i]), 4),
            "f1": round(float(f1[i]), 4),
        }
        for i, name in enumerate(classes)
    ]


def at_targets(
    curve: Mapping[str, Sequence[float]], probabilities: Floats, labels: Ints, novel: Mask | None = None
) -> list[dict[str, Any]]:
    """For each accuracy target: the threshold that `curve` gives, and what it does on rows the curve has not seen."""
    confidence = probabilities.max(axis=1).round(6)
    correct = probabilities.argmax(axis=1) == labels
    found = []
    for target in TARGETS:
        good = [t for t, a in zip(curve["threshold"], curve["accuracy_lower"], strict=True) if a >= target]
        if not good:
            found.append({"target": target, "threshold": None, "coverage": 0.0, "accuracy": None})
            continue
        above = confidence >= min(good)
        above = above if novel is None else above & ~novel
        accuracy = round(float(correct[above].mean()), 6) if above.any() else None
        found.append(
            {"target": target, "threshold": min(good), "coverage": round(float(above.mean()), 6), "accuracy": accuracy}
        )
    return found


def curve_of(probabilities: Floats, labels: Ints, novel: Mask | None = None) -> dict[str, list[float]]:
    """The operating curve of these rows. Novel ones are never automated: they count in no accuracy, but in what is not covered."""
    known = np.ones(labels.size, bool) if novel is None else ~novel
    shown = probabilities[known]
    curve = operating_curve(shown.max(axis=1), shown.argmax(axis=1) == labels[known])
    share = float(known.mean())
    return {**curve, "coverage": [round(covered * share, 6) for covered in curve["coverage"]]}

"""Which labelled rows a fit may use, whatever the kind of model.

What belongs here: leaving out what can't be learnt from, and saying so. What does not: folds (`folds.py`) and fitting.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aios_core.automation import Training
from aios_core.errors import ModelError
from aios_core.training.folds import time_order

RARE = 2  # a class needs this many rows: one to learn from while the other is scored


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Rows to learn from, oldest first: features, class numbers aligned with them, and what was left out and why."""

    features: pa.Table
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def texts(self) -> list[str]:
        return [text or "" for text in self.features.column("text").to_pylist()]


def usable_rows(
    features: pa.Table, labels: Sequence[str | None], *, training: Training, queues: tuple[str, ...]
) -> Labelled:
    """Rows to learn from (`features/build.py`'s table, `labels` aligned with it), their classes sorted.

    `queues` are the declared classes; labels outside them are left out with a note; empty means that the labels are the classes.
    Classes with fewer than two rows are left out with a note. Raises ModelError where too little is left: no rows, fewer than
    `training.min_rows`, a single class.
    """
    if features.num_rows != len(labels):
        raise ModelError(f"{features.num_rows} feature rows but {len(labels)} labels; hand in one label a row")
    notes = list[str]()
    order = time_order(features)
    names = [labels[row] for row in order]
    allowed = set(queues) if queues else {name for name in names if name is not None}
    foreign = Counter(str(name) for name in names if name not in allowed)
    if foreign:
        notes.append(f"{foreign.total()} rows left out: their label is not a queue ({_listed(foreign)})")
    counts = Counter(name for name in names if name in allowed)
    rare = Counter({name: count for name, count in counts.items() if count < RARE})
    if rare:
        notes.append(f"classes left out for having fewer than {RARE} rows: {_listed(rare)}")
    keep = [i for i, name in enumerate(names) if name in allowed and name not in rare]
    if len(keep) > training.max_rows:
        notes.append(
            f"{len(keep) - training.max_rows} oldest rows left out: `training.max_rows` is {training.max_rows}"
        )
        keep = keep[-training.max_rows :]
    absent = sorted(set(queues) - {names[i] for i in keep})
    if absent:
        notes.append(f"queues without enough rows, which this version never predicts: {', '.join(absent)}")
    kept = [str(names[i]) for i in keep]
    classes = tuple(sorted(set(kept)))
    _require_enough(len(keep), len(classes), training, notes)
    numbers = {name: number for number, name in enumerate(classes)}
    return Labelled(
        features=features.take(pa.array(order[keep])),
        labels=np.array([numbers[name] for name in kept], np.int64),
        classes=classes,
        notes=tuple(notes),
    )


def _require_enough(rows: int, classes: int, training: Training, notes: list[str]) -> None:
    left_out = f" ({'; '.join(notes)})" if notes else ""
    if rows < training.min_rows:
        raise ModelError(
            f"{rows} labelled rows to train on, `training.min_rows` asks for {training.min_rows}{left_out}; "
            "wait for more outcomes, widen `training.window_days`, or lower `training.min_rows`"
        )
    if classes < 2:
        raise ModelError(
            f"the {rows} labelled rows have {classes} class{left_out}; a classifier needs two: check the queue mapping of the source"
        )


def _listed(counts: Counter[str]) -> str:
    shown = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items())[:10])
    return shown + (f" and {len(counts) - 10} more" if len(counts) > 10 else "")

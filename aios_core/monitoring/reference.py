"""What windows are compared with: a model version's reference, and a window as it is compared.

What belongs here: the reference's parts, its file in the version, and how versions without that file are still compared. What does
not: choosing the reference's rows (`aios_core/training/reference.py`) and comparing (`drift.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from aios_core.monitoring.errors import MonitorError
from aios_core.monitoring.settled import Settled, add_settled, settle
from aios_core.monitoring.sketch import Cuts, Sketch, cuts_of, merge, sketch

if TYPE_CHECKING:
    import pyarrow as pa

REFERENCE_SKETCH_FILE = "reference_sketch.json"
FORMAT = 1
MIN_LABELS = 200  # fewer newest rows say less of class shares than all rows do, old ones among them


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Some days under one version: what came, and what is settled of it (None: not looked at)."""

    sketch: Sketch
    settled: Settled | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What a version's inputs, scores and labels looked like when it was made.

    `settled` are the rows its metrics were measured on; `labels` counts all its training labels, and `calibration_error` is its own
    on held-back rows.
    """

    cuts: Cuts
    sketch: Sketch
    settled: Settled | None = None
    labels: Mapping[str, int] = field(default_factory=dict)
    calibration_error: float = 0.0

    @property
    def label_counts(self) -> Mapping[str, int]:
        """Training labels by class: of the newest rows, which the sketch is of too, else of all."""
        if self.settled is None or self.settled.rows < MIN_LABELS:
            return self.labels
        newest = self.settled.seen.sum(axis=0)
        return {name: int(newest[place]) for place, name in enumerate(self.cuts.classes)}

    def to_bytes(self) -> bytes:
        """The content of `reference_sketch.json`; labels and calibration error are in the manifest already."""
        content = {
            "format": FORMAT,
            "cuts": self.cuts.as_json(),
            "sketch": self.sketch.as_json(),
            "settled": None if self.settled is None else self.settled.as_json(),
        }
        told = json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return told.encode()


def reference_of(rows: pa.Table, *, classes: Iterable[str], settled: pa.Table | None = None) -> Reference:
    """Of `columns.monitor_rows`; `settled` are rows of the same kind with a `label`."""
    cuts = cuts_of(rows, classes=classes)
    return Reference(cuts=cuts, sketch=sketch(cuts, rows), settled=None if settled is None else settle(cuts, settled))


def read_reference(content: bytes) -> Reference:
    """Raises MonitorError for what `Reference.to_bytes` can't have given."""
    try:
        told = json.loads(content)
        if told["format"] != FORMAT:
            raise MonitorError(
                f"{REFERENCE_SKETCH_FILE} has format {told['format']}, this code reads {FORMAT}; update the code or train again"
            )
        settled = told["settled"]
        found = Reference(
            cuts=Cuts.from_json(told["cuts"]),
            sketch=Sketch.from_json(told["sketch"]),
            settled=None if settled is None else Settled.from_json(settled),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MonitorError(
            f"{REFERENCE_SKETCH_FILE} can't be read ({type(error).__name__}: {error}); "
            "restore the version from a copy, or train and register it again"
        ) from error
    if found.sketch.cuts != found.cuts.fingerprint:
        raise MonitorError(
            f"{REFERENCE_SKETCH_FILE} was made by other code: its sketch is not under its own cuts; train a version"
        )
    return found


def from_rows_apart(rows: pa.Table, *, classes: Iterable[str]) -> Reference:
    """From `reference.parquet`, for versions that were registered before references were sketched.

    Its columns were drawn apart, so they say nothing of how columns go together, of words, or of how many values there were.
    """
    made = reference_of(rows, classes=classes)
    return replace(made, sketch=replace(made.sketch, cross={}, distinct={}, words=None, expected=None))


def add_windows(parts: Iterable[Window]) -> Window:
    """All parts as one window; what is settled is known only where every part says so."""
    whole = list(parts)
    settled = [part.settled for part in whole]
    known = [part for part in settled if part is not None]
    return Window(
        sketch=merge(part.sketch for part in whole),
        settled=add_settled(known) if len(known) == len(whole) and known else None,
    )

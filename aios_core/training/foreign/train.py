"""Making a version of a graph that was made elsewhere: look at it, compare it with its golden rows, judge it on our outcomes.

What belongs here: the order of those steps. What does not: what a graph may be (`graph.py`) and its golden rows (`golden.py`).

Nothing is fitted but the temperature, so all our outcomes are out of fold, as far as we know: whoever made the graph may have
had them. The newest share is held back from the calibration all the same.
"""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from aios_core.automation import ForeignModel
from aios_core.errors import ModelError
from aios_core.scoring.foreign import Foreign, GraphInput
from aios_core.scoring.model import MODEL_FILE
from aios_core.scoring.session import Session
from aios_core.training.assess import Assessed, FoldScores, assess
from aios_core.training.calibration import softmax
from aios_core.training.files import version_files
from aios_core.training.folds import plan_folds
from aios_core.training.foreign import golden
from aios_core.training.foreign.graph import (
    graph_inputs,
    interface,
    read_graph,
    require_kernels,
    require_output,
)
from aios_core.training.rows import RARE, Labelled, usable_rows
from aios_core.training.trainers import Task, Trained

CHUNK = 512
TRIED = 512  # rows on which answers alone and together are compared
LIMIT = "It was made elsewhere: what it learnt from is not known here, and may include rows that it was judged on."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """A graph that may be used, open."""

    content: bytes
    message: Any
    inputs: list[GraphInput]
    session: Session
    declared: ForeignModel

    def engine(self, *, one_by_one: bool) -> Foreign:
        return Foreign(
            inputs=self.inputs,
            output=self.declared.output,
            logits=self.declared.output_is == "logits",
            classes=len(self.declared.labels),
            temperature=1.0,
            one_by_one=one_by_one,
            session=self.session,
        )

    @property
    def columns(self) -> list[str]:
        return sorted({name for entry in self.inputs for name in entry.columns})


def train_foreign(task: Task) -> Trained:
    """Check, compare, assess, export. Raises ModelError that names what does not fit."""
    declared = task.automation.model
    assert isinstance(declared, ForeignModel)
    folder = task.read_folder(declared.folder)
    for name in (MODEL_FILE, golden.FILE):
        if name not in folder:
            raise ModelError(
                f"model.folder: {declared.folder} has no {name} (it has {', '.join(sorted(folder)) or 'nothing'})"
            )
    candidate = _candidate(folder[MODEL_FILE], declared, task)
    rows = golden.read(
        folder[golden.FILE], schema=task.features.schema, columns=candidate.columns, classes=declared.labels
    )
    agreed = golden.agreement(rows, _answers(candidate.engine(one_by_one=False), rows.features), declared.labels)
    data, notes = _judged(task, declared)
    task.progress(f"scoring {data.labels.size:,} rows with a graph that is not fitted here")
    one_by_one = depends_on_batch(candidate.engine(one_by_one=False), data.features)
    if one_by_one:
        notes.append("its answers depend on the batch in the last digits, so rows are scored one by one")
    assessed = _assess(candidate.engine(one_by_one=one_by_one), data, declared, notes)
    files = _files(task, candidate, folder[golden.FILE], assessed, one_by_one=one_by_one)
    return Trained(files=files, agreement=agreed)


def depends_on_batch(engine: Foreign, features: pa.Table) -> bool:
    """Whether any of the first 512 rows is answered otherwise, by a single bit, alone, in sevens, or among all of them."""
    rows = _batch(features.slice(0, TRIED))
    together = engine.margins(rows)
    for size in (1, 7):
        parts = [engine.margins(rows.slice(start, size)) for start in range(0, rows.num_rows, size)]
        if np.concatenate(parts).tobytes() != together.tobytes():
            return True
    return False


def _candidate(content: bytes, declared: ForeignModel, task: Task) -> _Candidate:
    message = read_graph(content)
    require_kernels(message, declared.accelerator)
    inputs = graph_inputs(message, declared, task.features.schema)
    require_output(message, declared)
    return _Candidate(
        content=content, message=message, inputs=inputs, session=task.open_session(content), declared=declared
    )


def _judged(task: Task, declared: ForeignModel) -> tuple[Labelled, list[str]]:
    """Rows to judge by, their labels as numbers of the graph's classes."""
    counts = Counter(label for label in task.labels if label in declared.labels)
    few = sorted(label for label in declared.labels if counts[label] < RARE)
    known = tuple(label for label in declared.labels if label not in few)
    keep = [row for row, label in enumerate(task.labels) if label not in few]
    data = usable_rows(
        task.features.take(pa.array(keep, pa.int64())),
        [task.labels[row] for row in keep],
        training=declared.training,
        queues=known or declared.labels,
    )
    numbers = np.array([declared.labels.index(name) for name in data.classes], np.int64)
    notes = [f"too few outcomes to judge how it predicts {', '.join(few)}"] if few else []
    return replace(data, classes=declared.labels, labels=numbers[data.labels]), notes


def _assess(engine: Foreign, data: Labelled, declared: ForeignModel, notes: list[str]) -> Assessed:
    margins = np.concatenate(
        [engine.margins(_batch(data.features.slice(start, CHUNK))) for start in range(0, data.labels.size, CHUNK)]
    )
    silent = np.isnan(margins).any(axis=1)
    if silent.all():
        raise ModelError(
            f"the graph answers none of the {silent.size:,} labelled rows with one probability a class; check `model.output_is` "
            "and the columns under `model.inputs`"
        )
    if silent.any():
        notes.append(f"{int(silent.sum()):,} rows without a proper answer, judged as if it knew nothing of them")
    margins = np.where(silent[:, None], 0.0, margins)
    split = plan_folds(data.labels, np.arange(data.labels.size), evaluation_share=declared.training.evaluation_share)
    newest, older = (
        FoldScores(rows=rows, margins=margins[rows], unseen_share=np.zeros(rows.size))
        for rows in (split.newest.score, split.newest.train)
    )
    return assess(data, newest=newest, parts=[older], notes=notes)


def _answers(engine: Foreign, features: pa.Table) -> np.ndarray[Any, np.dtype[np.float64]]:
    return softmax(engine.margins(_batch(features)))


def _batch(features: pa.Table) -> pa.RecordBatch:
    return features.combine_chunks().to_batches()[0]


def _files(
    task: Task, candidate: _Candidate, golden_rows: bytes, assessed: Assessed, *, one_by_one: bool
) -> dict[str, bytes]:
    message, declared = candidate.message, candidate.declared
    maker = " ".join(part for part in (message.producer_name, message.producer_version) if part) or "an unnamed tool"
    reads = ", ".join(candidate.columns)
    return version_files(
        assessed,
        automation=task.automation,
        snapshot_id=task.snapshot_id,
        own={MODEL_FILE: candidate.content, golden.FILE: golden_rows},
        said={
            "inputs": candidate.columns,
            "graph": {
                "inputs": [
                    {"name": entry.name, "type": entry.type, "rank": entry.rank, "columns": list(entry.columns)}
                    for entry in candidate.inputs
                ],
                "output": declared.output,
                "output_is": declared.output_is,
                "one_by_one": one_by_one,
            },
            "onnx": interface(message, candidate.inputs, declared),
        },
        reads={
            "summary": f"a graph of {len(message.graph.node):,} operators made elsewhere by {maker}, reading {reads}",
            "text": list(task.automation.features.text) if "text" in candidate.columns else [],
            "customer": [name for name in candidate.columns if name.startswith("crm_")],
            "limit": LIMIT,
        },
    )

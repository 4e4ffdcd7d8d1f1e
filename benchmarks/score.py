"""Scoring's speed from Parquet to Parquet: beside its ceiling, beside scikit-learn, and over a hundred times the rows.

What belongs here: fitting a model, the comparison with scikit-learn, and putting the figures together. What does not: running
the engine (`scoring_engine.py`, a process of its own, so that its memory is its own) and texts (`texts.py`).

- The **ceiling** is the same tokenization and session in a bare loop by as many workers: texts in memory, nothing read, written
  or recorded. Engine and ceiling take turns; each counts by its fastest run.
- **scikit-learn** is its own `predict_proba` pipeline over the same fitted word and character n-grams, in one process, at the batch
  size that suits it best.
- The **long run** reads the same Parquet files again and again: its texts repeat. Its scores are written like any others.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from aios_core.automation import Automation, Features, LinearTextModel, Training
from aios_core.training.export import export
from aios_core.training.fit import Fitted, fit
from aios_core.training.pipeline import StringPipeline
from benchmarks.scoring_engine import DAY, NAME
from benchmarks.texts import feature_table, labelled, there_is_banking77
from benchmarks.workspace import PROJECT
from resources.lake import Lake

TRAINED = 4_000
DISTINCT = 100_000  # texts of the sandbox; further rows repeat them
SAMPLE = 8_192  # rows to find scikit-learn's best batch size with
SKLEARN_BATCHES = (512, 2_048, 8_192)


def measure(*, long_rows: int = 10_000_000, text: str = "auto", **options: Any) -> dict[str, Any]:
    """All figures of one run, over texts of one source; `auto` is the sandbox's tickets, and beside them banking77 without the long run.

    Where the sandbox's tickets have some 240 characters and ten queues, banking77's questions have 58 and 77: the least to read for
    the most to write.
    """
    if text != "auto":
        return _measured(long_rows=long_rows, text=text, **options)
    found = _measured(long_rows=long_rows, text="sandbox", **options)
    return found | ({"banking77": _measured(long_rows=0, text="banking77", **options)} if there_is_banking77() else {})


def _measured(
    *,
    rows: int = 100_000,
    long_rows: int,
    text: str,
    train: int = TRAINED,
    workers: int | None = None,
    processes: bool = False,
    batch_size: int | None = None,
    turns: int = 4,
    sklearn: bool = True,
) -> dict[str, Any]:
    """The figures over one source; without a long run (`long_rows` 0) or `sklearn` those are left out.

    `batch_size` is that of a declaration which says nothing, unless given.
    """
    source, texts, labels = labelled(text, train + min(rows, DISTINCT))
    _say(f"fitting on {train:,} texts of {source}")
    fitted = _fitted(texts[:train], labels[:train])
    others = texts[train:]
    table = feature_table([others[i % len(others)] for i in range(rows)])
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(folder)
        for path, content in _exported(fitted).items():
            lake.put(f"version/{path}", content)
        lake.write_partition(table, automation=NAME, dataset="features", day=DAY)
        asked = {"rows": rows, "long_rows": long_rows, "workers": workers, "turns": turns,
                 "processes": processes, "batch_size": batch_size or LinearTextModel().batch_size}  # fmt: skip
        theirs = _Sklearn(fitted, table, turns) if sklearn else None
        engine = _engine(Path(folder), asked, theirs.turn if theirs else lambda _: None)
        queues = lake.read_partition(automation=NAME, dataset="scores", day=DAY, columns=["queue"])["queue"]
    compared = theirs.figures(queues, engine["rows_per_s"]) if theirs else {}
    return {
        **engine,
        **compared,
        "text": source,
        "mean_characters": round(float(np.mean([len(found) for found in others])), 1),
        "distinct_texts": len(set(others[:rows])),
        "classes": len(fitted.assessed.classes),
        "fit_rows": fitted.assessed.rows,
    }


def _fitted(texts: list[str], labels: list[str]) -> Fitted:
    settings = LinearTextModel(training=Training(min_rows=20))
    return fit(feature_table(texts), labels, model=settings, features_spec=Features(), queues=())


def _exported(fitted: Fitted) -> dict[str, bytes]:
    declared = {
        "name": NAME,
        "start_date": DAY,
        "sources": {"f": {"connector": "file", "provides": "tickets", "path": "x.csv"}},
    }
    return export(fitted, automation=Automation.model_validate(declared), snapshot_id="bench")


def _engine(folder: Path, asked: dict[str, Any], between: Callable[[int], None]) -> dict[str, Any]:
    """The figures of `scoring_engine.py`; `between` is called after each of its turns, while it waits."""
    command = [sys.executable, "-m", "benchmarks.scoring_engine", str(folder), json.dumps(asked)]
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as engine:
        assert engine.stdin is not None
        assert engine.stdout is not None
        for turn in range(asked["turns"]):
            if not engine.stdout.readline():
                break
            between(turn)
            engine.stdin.write("\n")
            engine.stdin.flush()
        told = engine.stdout.readline()
    if engine.returncode or not told:
        raise RuntimeError(f"the engine's process ended with code {engine.returncode}; its last words are on stderr")
    found: dict[str, Any] = json.loads(told)
    return found


class _Sklearn:
    """scikit-learn's pipeline over the same rows, a part of them each turn."""

    def __init__(self, fitted: Fitted, table: pa.Table, turns: int) -> None:
        self._pipeline, self._table = StringPipeline(fitted), table
        self._classes = np.array(fitted.assessed.classes)
        self._rows = -(-table.num_rows // turns)
        sample = table.slice(0, SAMPLE)
        tried = {size: _seconds(lambda size=size: self._predicted(sample, size)) for size in SKLEARN_BATCHES}
        self._batch = min(tried, key=tried.__getitem__)
        self._labels: list[np.ndarray] = []
        self._best = sample.num_rows / tried[self._batch]

    def turn(self, number: int) -> None:
        part = self._table.slice(number * self._rows, self._rows)
        if not part.num_rows:
            return
        taken = _seconds(lambda: self._labels.extend(self._predicted(part, self._batch)))
        self._best = max(self._best, part.num_rows / taken)
        _say(f"scikit-learn {part.num_rows / taken:,.0f} rows/s, {self._batch:,} at a time")

    def figures(self, queues: pa.ChunkedArray, rows_per_s: float) -> dict[str, Any]:
        labels = np.concatenate(self._labels)
        assert labels.size == len(queues), "not every row was compared"
        return {
            "sklearn_rows_per_s": round(self._best, 1),
            "sklearn_batch_size": self._batch,
            "label_mismatches": int((labels != np.array(queues.to_pylist())).sum()),
            "ratio_to_sklearn": round(rows_per_s / self._best, 2),
        }

    def _predicted(self, table: pa.Table, size: int) -> list[np.ndarray]:
        starts = range(0, table.num_rows, size)
        return [self._classes[self._pipeline.predict_proba(table.slice(at, size)).argmax(axis=1)] for at in starts]


def _seconds(run: Callable[[], Any]) -> float:
    before = time.perf_counter()
    run()
    return time.perf_counter() - before


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)

"""Scoring on an accelerator: from Parquet to Parquet, beside the session alone, and the session over batches and lengths.

`aios bench gpu --json` wherever a GPU is. Where there is none it says what is missing and ends with code 1; `--accelerator cpu` runs
the same code without one.

- The **whole way** is the scores asset's: features from Parquet, tokenization, the session, scores to Parquet.
- The **session alone** is given, by as many threads, exactly the arrays that the whole way gave it.
- The **sweep** runs each of the version's graphs on batches of every size and length: full rectangles, no tokenization.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aios_core.automation import Automation
from aios_core.scoring.model import ScoringModel
from aios_core.training.trainers import Task, train
from benchmarks.measuring import peak_rss_mb, per_second
from benchmarks.texts import feature_table, labelled
from resources.day_scores import DayScores, Progress, Scorer
from resources.lake import Lake
from resources.model_folders import read_folder
from resources.placement import summary
from resources.runtime import ELEMENTS, NoAccelerator, OrtSession, cuda_problem, open_session
from resources.workers import ThreadWorkers, usable_cores

NAME, DAY = "bench", date(2025, 1, 1)
BATCHES, LENGTHS = (64, 256, 1_024, 4_096), (16, 64, 256)
CELLS = 2**22  # a rectangle of more entries than this is left out of the sweep
SWEEP_SECONDS = 0.5  # of each rectangle
QUERY = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]


class Recorded:
    """A session that keeps what it is given, until told to stop."""

    def __init__(self, session: OrtSession) -> None:
        self.session = session
        self.requested, self.placement = session.requested, session.placement
        self.runs: list[tuple[dict[str, npt.NDArray[Any]], Sequence[str] | None]] = []
        self.recording = False

    def run(
        self, inputs: Mapping[str, npt.NDArray[Any]], outputs: Sequence[str] | None = None
    ) -> dict[str, npt.NDArray[Any]]:
        if self.recording:
            self.runs.append(({name: value.copy() for name, value in inputs.items()}, outputs))
        return self.session.run(inputs, outputs)


def measure(
    *,
    accelerator: str = "cuda",
    model: str = "linear_text",
    rows: int = 100_000,
    train_rows: int = 4_000,
    batch_size: int = 2_048,
    turns: int = 3,
    text: str = "auto",
    batches: Sequence[int] = BATCHES,
    lengths: Sequence[int] = LENGTHS,
    sweep_seconds: float = SWEEP_SECONDS,
    find_problem: Callable[[], str | None] = cuda_problem,
) -> dict[str, Any]:
    """All figures of one run. Raises NoAccelerator where CUDA is asked for and something is missing."""
    if accelerator == "cuda" and (problem := find_problem()):
        raise NoAccelerator(f"nothing to measure: {problem}; `--accelerator cpu` runs the same code without a GPU")
    source, texts, labels = labelled(text, train_rows + rows)
    _say(f"fitting {model} on {train_rows:,} texts of {source}")
    files = _trained(texts[:train_rows], labels[:train_rows], model, accelerator)
    sessions: list[Recorded] = []

    def opened(onnx: bytes) -> Recorded:
        sessions.append(Recorded(open_session(onnx, accelerator=accelerator)))
        return sessions[-1]

    version = ScoringModel.from_files(files, opened, name=NAME, version=1)
    others = texts[train_rows:] or texts
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(folder)
        table = feature_table([others[i % len(others)] for i in range(rows)])
        lake.write_partition(table, automation=NAME, dataset="features", day=DAY)
        whole, alone, report = _in_turns(lake, version, sessions, rows, batch_size, turns)
    runs = [run for session in sessions for run in session.runs]
    return {
        "accelerator": accelerator,
        "device": _device() if accelerator == "cuda" else None,
        "model": model,
        "text": source,
        "rows": rows,
        "batch_size": batch_size,
        "threads": report.workers,
        "placement": summary(version),
        "rows_per_s": per_second(rows, min(whole)),
        "session_rows_per_s": per_second(rows, min(alone)),
        "share_of_session": round(min(alone) / min(whole), 3),
        "session_runs": len(runs),
        "buckets": len({tuple((n, v.shape[1:]) for n, v in inputs.items()) for inputs, _ in runs}),
        "padding_waste": report.padding,
        "peak_rss_mb": peak_rss_mb(),
        "sweep": [
            row
            for i, session in enumerate(sessions)
            for row in sweep(session.session, i, batches, lengths, sweep_seconds)
        ],
    }


def sweep(
    session: OrtSession, graph: int, batches: Sequence[int], lengths: Sequence[int], seconds: float
) -> list[dict[str, Any]]:
    """Rows a second of one graph, for every batch and length; a graph without a length is run once a batch."""
    found = []
    for rows in batches:
        done = set[tuple[tuple[int, ...], ...]]()
        for length in lengths:
            inputs = rectangle(session, rows, length)
            shapes = tuple(value.shape for value in inputs.values())
            if shapes in done or max(value.size for value in inputs.values()) > CELLS:
                continue
            done.add(shapes)
            taken = _repeated(partial(session.run, inputs), seconds)
            cell = {"graph": graph, "batch": rows, "length": max(shape[-1] for shape in shapes)}
            found.append(cell | {"ms": round(taken * 1e3, 3), "rows_per_s": per_second(rows, taken)})
    return found


def rectangle(session: OrtSession, rows: int, length: int) -> dict[str, npt.NDArray[Any]]:
    """Inputs of this many rows, every row full: id 0 everywhere, 1 wherever a number is taken."""
    found = {}
    for entry in session.takes:
        shape = [
            size if isinstance(size, int) else (rows if axis == 0 else length) for axis, size in enumerate(entry.shape)
        ]
        element = ELEMENTS[entry.type]
        ids = np.issubdtype(element, np.integer) and "mask" not in entry.name
        found[entry.name] = np.full(shape, 0 if ids else 1, element)
    return found


def _trained(texts: list[str], labels: list[str], model: str, accelerator: str) -> Mapping[str, bytes]:
    declared = {
        "name": NAME,
        "start_date": DAY,
        "sources": {"f": {"connector": "file", "provides": "tickets", "path": "x.csv"}},
        "model": {"kind": model, "accelerator": accelerator, "training": {"min_rows": 20}},
    }
    task = Task(
        features=feature_table(texts),
        labels=labels,
        automation=Automation.model_validate(declared),
        snapshot_id="bench",
        open_session=open_session,  # training is the CPU's, as the candidate asset does it
        read_folder=lambda named: read_folder(named, beside=Path.cwd()),
        progress=_say,
    )
    return train(task).files


def _in_turns(
    lake: Lake, version: ScoringModel, sessions: list[Recorded], rows: int, batch_size: int, turns: int
) -> tuple[list[float], list[float], Any]:
    """Seconds of the whole way and of the session alone, turn by turn; the first pass warms up and records."""
    whole, alone = [], []
    with ThreadWorkers(version, workers=usable_cores()) as pool, ThreadPoolExecutor(usable_cores()) as bare:
        scoring = DayScores(
            lake=lake,
            automation=NAME,
            model=NAME,
            scorers=[Scorer(version=1, pool=pool)],
            batch_size=batch_size,
        )

        def score() -> None:
            assert scoring.write(DAY, Progress()) == rows, "a row was lost"

        def replay() -> None:
            asked = [(session.session, *run) for session in sessions for run in session.runs]
            for _ in bare.map(_run_again, asked):
                pass

        _record(sessions, recording=True)
        score()
        _record(sessions, recording=False)
        replay()
        for turn in range(turns):
            whole.append(_seconds(score))
            alone.append(_seconds(replay))
            _say(f"turn {turn + 1} of {turns}: {rows / whole[-1]:,.0f} rows/s, session alone {rows / alone[-1]:,.0f}")
        return whole, alone, pool.report()


def _run_again(
    one: tuple[OrtSession, Mapping[str, npt.NDArray[Any]], Sequence[str] | None],
) -> dict[str, npt.NDArray[Any]]:
    session, inputs, outputs = one
    return session.run(inputs, outputs)


def _record(sessions: list[Recorded], *, recording: bool) -> None:
    for session in sessions:
        session.recording = recording


def _repeated(run: Callable[[], object], seconds: float) -> float:
    """Seconds of one run, the fastest in about this time, after one that warms up."""
    run()
    until, best = time.perf_counter() + seconds, float("inf")
    while time.perf_counter() < until or best == float("inf"):
        best = min(best, _seconds(run))
    return best


def _seconds(run: Callable[[], object]) -> float:
    before = time.perf_counter()
    run()
    return time.perf_counter() - before


def _device() -> str | None:
    """Name, driver and memory, as the driver's own tool says; None where the tool is not there."""
    try:
        done = subprocess.run(QUERY, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)

"""Pools that score: threads of this process, or processes of their own.

What belongs here: how many workers, starting and handing out batches, and what happens when a worker dies. What does not: the
order of results and back-pressure (`aios_core/scoring/stream.py`), and the child's side (`worker_process.py`).

Cutting and ONNX Runtime run without the interpreter's lock, so threads scale on few cores and start at once. Processes cost a
second and the model's memory each; they share no lock, and one that is killed takes nothing with it but its batch, which another
scores again. `docs/adr/0008-the-batch-engine.md` has the numbers.
"""

import importlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from socket import socketpair
from typing import Any, Self

import pyarrow as pa

from aios_core.errors import AiosError, ModelError, RetryableError
from aios_core.scoring.model import ScoringModel
from aios_core.scoring.stream import in_halves
from resources.shared_area import Area
from resources.worker_process import peak_mb

PROJECT = Path(__file__).resolve().parents[1]
PROCESSES_FROM = 500_000  # rows; below it, threads are done before processes would pay for their start
THREADS_SCALE_TO = (
    4  # workers; a twelfth of a batch's work holds the interpreter's lock, so that more begin to queue for it
)
ATTEMPTS = 3  # a batch that ends so many workers is not handed to another
CLOSING_SECONDS = 10.0


class WorkersDied(RetryableError):
    """A batch was given to several workers, and each ended before it answered."""

    code = "scoring.workers_died"


class WorkerFailed(ModelError):
    """A worker met an error that has no type of its own here; the message holds its traceback."""

    code = "scoring.worker_failed"


class _Ended(Exception):
    """The worker's process is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolReport:
    """What a pool was and did. `peak_mb` is this process's and the workers' peaks together; `padding` the share of zeros."""

    kind: str
    workers: int
    deaths: int
    peak_mb: float
    padding: float | None


class ThreadWorkers:
    """Threads over one loaded version."""

    def __init__(self, model: ScoringModel, *, workers: int) -> None:
        self._model = model
        self._workers = workers
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="score")
        self._before = model.padding

    @property
    def in_flight(self) -> int:
        return 2 * self._workers

    def submit(self, batch: pa.RecordBatch) -> Future[pa.RecordBatch]:
        return self._executor.submit(in_halves, batch, self._model.score_batch)

    def report(self) -> PoolReport:
        return PoolReport(
            kind="threads",
            workers=self._workers,
            deaths=0,
            peak_mb=peak_mb(),
            padding=_waste(self._before, self._model.padding),
        )

    def close(self) -> None:
        self._executor.shutdown(cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ProcessWorkers:
    """Processes that each load the version's files once. Use as a context manager; closing ends them."""

    def __init__(
        self, files: Mapping[str, bytes], *, name: str, version: int, workers: int, accelerator: str = "cpu"
    ) -> None:
        spec = {"name": name, "version": version, "accelerator": accelerator}
        self._files = _Files(files)
        self._all = [_Worker(spec, self._files) for _ in range(workers)]
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for worker in self._all:
            self._idle.put(worker)
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="hand-out")
        self._deaths = 0
        self._lock = threading.Lock()

    @property
    def in_flight(self) -> int:
        return 2 * len(self._all)

    @property
    def pids(self) -> list[int]:
        """Processes that run now."""
        return [worker.process.pid for worker in self._all if worker.process is not None]

    def start(self) -> None:
        """Start every worker and wait until each has loaded the version; else they start with their first batch."""
        for future in [self._executor.submit(worker.start) for worker in self._all]:
            future.result()

    def submit(self, batch: pa.RecordBatch) -> Future[pa.RecordBatch]:
        return self._executor.submit(self._score, batch)

    def report(self) -> PoolReport:
        entries = [sum(values) for values in zip(*(worker.padding for worker in self._all), strict=True)]
        return PoolReport(
            kind="processes",
            workers=len(self._all),
            deaths=self._deaths,
            peak_mb=peak_mb() + sum(worker.peak_mb for worker in self._all),
            padding=_waste((0, 0), (entries[0], entries[1])),
        )

    def close(self) -> None:
        self._executor.shutdown(cancel_futures=True)
        for worker in self._all:
            worker.end()
        self._files.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _score(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """One batch by whichever worker is free; by another where that one dies. Raises WorkersDied."""
        endings = []
        for _ in range(ATTEMPTS):
            worker = self._idle.get()
            try:
                return worker.score(batch)
            except _Ended as ended:
                endings.append(str(ended))
                with self._lock:
                    self._deaths += 1
            finally:
                self._idle.put(worker)
        raise WorkersDied(
            f"a batch of {batch.num_rows} rows ended {ATTEMPTS} workers, one after the other ({'; '.join(endings)}); "
            "if memory was short, give the step more or lower `model.batch_size`; what was committed stays, a new run goes on there"
        )


class _Files:
    """A version's files in memory that every worker may read."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.area = Area.make("aios-version")
        self.paths: dict[str, tuple[int, int]] = {}
        self.size = 0
        for path, content in files.items():
            self.paths[path] = (self.size, self.size + len(content))
            written = 0
            while written < len(content):
                written += os.pwrite(self.area.fd, content[written:], self.size + written)
            self.size += len(content)

    def close(self) -> None:
        self.area.close()


class _Worker:
    """The parent's side of one process. Used by one thread at a time."""

    def __init__(self, spec: Mapping[str, Any], files: _Files) -> None:
        self._spec = spec
        self._files = files
        self.process: subprocess.Popen[bytes] | None = None
        self.peak_mb = 0.0
        self._ended_padding = (0, 0)
        self._padding = (0, 0)

    @property
    def padding(self) -> tuple[int, int]:
        return (self._ended_padding[0] + self._padding[0], self._ended_padding[1] + self._padding[1])

    def start(self) -> None:
        if self.process is not None:
            return
        ours, theirs = socketpair()
        self._asked, self._answered = Area.make("aios-asked"), Area.make("aios-answered")
        passed = {
            "connection": theirs.fileno(),
            "asked": self._asked.fd,
            "answered": self._answered.fd,
            "files": self._files.area.fd,
        }
        spec = {**self._spec, **passed, "files_size": self._files.size, "paths": self._files.paths}
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "resources.worker_process", json.dumps(spec)],
                pass_fds=tuple(passed.values()),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # the parent's stdout may be somebody's JSON
                env=_environment(),
            )
        self._connection = Connection(ours.detach())
        self._take()

    def score(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Raises _Ended where the process dies, and what it raised where it answers with an error."""
        self.start()
        size = self._asked.write(batch)
        try:
            self._connection.send_bytes(json.dumps({"size": size}).encode())
        except OSError:
            self._bury()
        answer = self._take()
        self._padding = tuple(answer["padding"])
        return self._answered.read(answer["size"], copied=True)

    def end(self) -> None:
        """Let the process go: it ends when its connection does."""
        if self.process is None:
            return
        self._connection.close()
        try:
            self.process.wait(CLOSING_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self._let_go()

    def _take(self) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = json.loads(self._connection.recv_bytes())
        except (EOFError, OSError):
            self._bury()
        if "error" in answer:
            raise _raised(answer)
        self.peak_mb = max(self.peak_mb, answer["peak_mb"])
        return answer

    def _bury(self) -> Any:
        """Raises _Ended; the next batch starts another process."""
        assert self.process is not None
        self._connection.close()
        self.process.kill()  # it may only have closed its end
        code = self.process.wait()
        self._let_go()
        raise _Ended(f"process ended by signal {-code}" if code < 0 else f"process ended with code {code}")

    def _let_go(self) -> None:
        assert self.process is not None
        self.process.wait()
        self.process = None
        self._asked.close()
        self._answered.close()
        self._ended_padding, self._padding = self.padding, (0, 0)


def open_workers(
    model: ScoringModel, *, rows: int, files: Callable[[], Mapping[str, bytes]], workers: int | None = None
) -> ThreadWorkers | ProcessWorkers:
    """The pool that pays for so many rows. A version on an accelerator gets threads: each process would need a context there."""
    count = workers or usable_cores()
    if (
        rows < PROCESSES_FROM
        or count <= THREADS_SCALE_TO
        or any(getattr(s, "requested", "cpu") != "cpu" for s in model.sessions)
    ):
        return ThreadWorkers(model, workers=count)
    return ProcessWorkers(files(), name=model.name, version=model.version, workers=count)


def usable_cores(root: Path = Path("/")) -> int:
    """Cores that this process may use: its affinity and its cgroup's quota (v2 or v1), whichever is less; at least 1."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [quota for quota in (_quota_v2(root), _quota_v1(root)) if quota is not None]
    return max(1, int(min([float(affinity), *quotas])))


def _quota_v2(root: Path) -> float | None:
    """The smallest `cpu.max` of the process's group and those above it."""
    quotas = []
    for folder in _groups(root / "sys/fs/cgroup", _group_of(root, "")):
        found = _words(folder / "cpu.max")
        if len(found) == 2 and found[0] != "max" and int(found[1]) > 0:
            quotas.append(int(found[0]) / int(found[1]))
    return min(quotas, default=None)


def _quota_v1(root: Path) -> float | None:
    quotas = []
    for controller in ("cpu", "cpu,cpuacct"):
        for folder in _groups(root / "sys/fs/cgroup" / controller, _group_of(root, "cpu")):
            quota, period = _words(folder / "cpu.cfs_quota_us"), _words(folder / "cpu.cfs_period_us")
            if quota and period and int(quota[0]) > 0 and int(period[0]) > 0:
                quotas.append(int(quota[0]) / int(period[0]))
    return min(quotas, default=None)


def _group_of(root: Path, controller: str) -> str:
    """The process's group in the hierarchy of this controller (v2 has one hierarchy, without a name)."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return "/"
    parts = [line.split(":", 2) for line in lines]
    return next((part[2] for part in parts if len(part) == 3 and controller in part[1].split(",")), "/")


def _groups(top: Path, group: str) -> list[Path]:
    inside = top / group.lstrip("/")
    return [inside, *(folder for folder in inside.parents if folder == top or top in folder.parents)]


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []


def _environment() -> dict[str, str]:
    """The parent's, with this project importable and no threads inside numeric libraries."""
    paths = [str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}


def _raised(answer: Mapping[str, Any]) -> Exception:
    """The error that a worker met: of its own type where that is one of ours."""
    if answer["module"] is not None:
        kind = getattr(importlib.import_module(answer["module"]), answer["type"], None)
        if isinstance(kind, type) and issubclass(kind, AiosError):
            return kind(answer["error"])
    return WorkerFailed(f"a scoring worker failed: {answer['error']}")


def _waste(before: tuple[int, int], after: tuple[int, int]) -> float | None:
    entries, cells = after[0] - before[0], after[1] - before[1]
    return round(1 - entries / cells, 4) if cells else None

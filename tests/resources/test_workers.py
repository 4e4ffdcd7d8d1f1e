"""Pools of workers: the same scores as without one, and none lost when a worker really is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

from aios_core.errors import ModelError
from aios_core.scoring.model import MODEL_FILE, ScoringModel
from aios_core.scoring.stream import score_parallel, score_stream
from resources.runtime import open_session
from resources.workers import (
    PROCESSES_FROM,
    ProcessWorkers,
    ThreadWorkers,
    WorkersDied,
    open_workers,
    usable_cores,
)
from tests.aios_core.training.making import FACTS, small_files, table, tickets

FILES = small_files()
TEXTS, _, CUSTOMERS = tickets(400, seed=4)
ROWS = table(TEXTS, facts=CUSTOMERS, spec=FACTS)
PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def model():
    return ScoringModel.from_files(FILES, open_session, name="triage", version=7)


@pytest.fixture(scope="module")
def expected(model):
    return pa.Table.from_batches(score_stream(ROWS.to_batches(), model=model, batch_size=64))


@pytest.fixture(scope="module")
def processes():
    with ProcessWorkers(FILES, name="triage", version=7, workers=2) as pool:
        pool.start()
        yield pool


def test_threads_give_the_same_scores_in_the_same_order(model, expected):
    with ThreadWorkers(model, workers=3) as pool:
        scored = pa.Table.from_batches(score_parallel(ROWS.to_batches(), pool=pool, batch_size=10))
        report = pool.report()
    assert scored.equals(expected.combine_chunks())
    assert (report.kind, report.workers, report.deaths) == ("threads", 3, 0)
    assert 0 < report.padding < 0.9


def test_processes_give_the_same_scores_in_the_same_order_whatever_the_size_of_a_batch(processes, expected):
    for size in (1, 64, 400):
        rows = ROWS if size > 1 else ROWS.slice(0, 30)
        scored = pa.Table.from_batches(score_parallel(rows.to_batches(), pool=processes, batch_size=size))
        assert scored.equals(expected.slice(0, rows.num_rows).combine_chunks()), size
    report = processes.report()
    assert (report.kind, report.workers) == ("processes", 2)
    assert report.peak_mb > 100
    assert 0 < report.padding < 0.9


def test_a_batch_larger_than_the_shared_memory_so_far_makes_it_grow(processes, model):
    wide = table(["invoice " * 20_000 for _ in range(60)], spec=FACTS)  # 10 MB
    small_first = score_parallel(wide.slice(0, 1).to_batches(), pool=processes, batch_size=1)
    assert len(list(small_first)) == 1
    scored = pa.Table.from_batches(score_parallel(wide.to_batches(), pool=processes, batch_size=60))
    assert scored.equals(pa.Table.from_batches(score_stream(wide.to_batches(), model=model, batch_size=60)))


def test_a_worker_that_is_killed_in_the_middle_of_a_batch_loses_and_doubles_nothing(processes, expected):
    victim, before = processes.pids[0], processes.report().deaths
    os.kill(victim, signal.SIGSTOP)  # it takes a batch and never answers
    stream = score_parallel(ROWS.to_batches(), pool=processes, batch_size=20)
    waiting = [processes.submit(ROWS.slice(0, 20).to_batches()[0]) for _ in range(2)]
    time.sleep(0.3)
    assert not all(future.done() for future in waiting)
    os.kill(victim, signal.SIGKILL)
    scored = pa.Table.from_batches(stream)
    assert all(future.result().equals(expected.slice(0, 20).combine_chunks().to_batches()[0]) for future in waiting)
    assert scored.equals(expected.combine_chunks())
    assert processes.report().deaths == before + 1
    assert victim not in processes.pids


def test_a_batch_that_ends_every_worker_is_an_error_that_says_how(processes):
    import threading

    before = processes.report().deaths
    stop = threading.Event()

    def killing():
        while not stop.is_set():
            for pid in processes.pids:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)

    killer = threading.Thread(target=killing)
    killer.start()
    try:
        with pytest.raises(WorkersDied, match="ended by signal 9") as caught:
            processes.submit(ROWS.slice(0, 5).to_batches()[0]).result(timeout=60)
    finally:
        stop.set()
        killer.join()
    assert (caught.value.code, caught.value.retryable) == ("scoring.workers_died", True)
    assert processes.report().deaths == before + 3
    again = processes.submit(ROWS.slice(0, 5).to_batches()[0]).result(timeout=60)
    assert again.num_rows == 5  # the pool goes on


def test_an_error_keeps_its_type_and_message_across_processes(processes):
    before = processes.report().deaths
    with pytest.raises(ModelError, match="crm_plan"):
        list(score_parallel(ROWS.drop_columns(["crm_plan"]).to_batches(), pool=processes, batch_size=50))
    assert processes.report().deaths == before  # an answer is no death


def test_a_version_that_can_not_be_loaded_says_so():
    broken = FILES | {MODEL_FILE: FILES[MODEL_FILE][:-1] + b"\x00"}
    with ProcessWorkers(broken, name="triage", version=7, workers=1) as pool, pytest.raises(ModelError, match="model"):
        pool.start()


def test_workers_do_not_outlive_a_parent_that_is_killed(tmp_path):
    for path, content in FILES.items():
        (tmp_path / path).write_bytes(content)
    script = (
        "import pathlib, sys, time\n"
        "from resources.workers import ProcessWorkers\n"
        "files = {path.name: path.read_bytes() for path in pathlib.Path(sys.argv[1]).iterdir()}\n"
        "pool = ProcessWorkers(files, name='t', version=1, workers=1)\n"
        "pool.start()\n"
        "print(*pool.pids, flush=True)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    parent = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    (worker,) = map(int, parent.stdout.readline().split())
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{worker}").exists() and _state(worker) != "Z" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{worker}").exists() or _state(worker) == "Z"


def _state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"


def test_few_rows_or_few_cores_are_scored_by_threads(model):
    def never():
        raise AssertionError("files are read for processes only")

    for rows, workers in ((PROCESSES_FROM - 1, 64), (PROCESSES_FROM, 2)):
        with open_workers(model, rows=rows, files=never, workers=workers) as pool:
            assert isinstance(pool, ThreadWorkers)
    with open_workers(model, rows=PROCESSES_FROM, files=lambda: FILES, workers=16) as pool:
        assert isinstance(pool, ProcessWorkers)
        assert pool.pids == []  # none is started before there is work


def cgroup(root, files):
    for path, content in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return root


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, None),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "max 100000\n"}, None),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "100000 100000\n", "sys/fs/cgroup/a/b/cpu.max": "max 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "25000 100000\n"}, 1),
        ({"proc/self/cgroup": "4:cpu,cpuacct:/x\n0::/x\n", "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "100000", "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000"}, 1),
        ({"proc/self/cgroup": "4:cpu,cpuacct:/x\n", "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000"}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "6400000 100000\n"}, None),
    ],
)  # fmt: skip
def test_the_cores_are_those_of_affinity_and_quota(tmp_path, files, cores):
    own = len(os.sched_getaffinity(0))
    assert usable_cores(cgroup(tmp_path, files)) == (own if cores is None else min(cores, own))

"""Runs as processes of this machine, and whether such a process is still there.

What belongs here: the local deployment's run launcher, named in `dagster.yaml`. What does not: what a cluster launches
(`deploy/base/dagster.yaml`), and starting a lost run anew, which Dagster's run monitoring and retries do.

Dagster's own launcher can't be asked about a run's process, so its run monitoring takes every started run to be at work. A run whose
process ended together with the code server that would have told of it (the daemon was killed, memory was short) then stays STARTED
for ever: it holds its place in the queue, and sensors wait for it to end. Every run says in its log which process carries it out.
"""

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import dagster as dg
from dagster._core.launcher import DefaultRunLauncher
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus

PROC = Path("/proc")
SLACK_SECONDS = 2.0  # the kernel tells when the machine was started to the second
_PROCESS = re.compile(r"(?:Started process for run|Executing steps in process) \(pid: (\d+)\)")


class LocalRunLauncher(DefaultRunLauncher):
    """Dagster's default launcher, with an answer to whether a run's process is alive."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Asked by run monitoring."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """RUNNING while the process that the run has named lives, or none was named yet; else FAILED."""
        events = self._instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
        found = process_of((event.message or "", event.timestamp) for event in events)
        if found is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "it has not said which process carries it out")
        pid, said_at = found
        if lives(pid, since=said_at):
            return CheckRunHealthResult(WorkerStatus.RUNNING, run_worker_id=str(pid))
        return CheckRunHealthResult(WorkerStatus.FAILED, f"process {pid}, which carried it out, is gone")


def process_of(messages: Iterable[tuple[str, float]]) -> tuple[int, float] | None:
    """(process id, when it was told) from a run's messages with their times; None where none tells."""
    for message, at in messages:
        if (found := _PROCESS.search(message)) is not None:
            return int(found[1]), at
    return None


def lives(pid: int, *, since: float, proc: Path = PROC) -> bool:
    """Whether the process with this number is there, and is the one that had it at that time (seconds since the epoch)."""
    if sys.platform != "linux":
        return _answers(pid)
    try:
        # the second field is the program's name in brackets, which may hold anything
        fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
        booted = next(line for line in (proc / "stat").read_text().splitlines() if line.startswith("btime "))
    except (OSError, StopIteration):
        return False
    state, started = fields[0], int(booted.split()[1]) + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return state not in "ZX" and started <= since + SLACK_SECONDS


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

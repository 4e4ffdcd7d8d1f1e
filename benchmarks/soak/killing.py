"""The processes of a soak: started, killed without warning, started again.

What belongs here: one process a kind, and the Postgres under all of them. What does not: when to kill what (`measure.py` draws that).
"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from aios_core.errors import ConfigurationError
from benchmarks.workspace import PROJECT
from resources.embedded_postgres import EmbeddedPostgres

READER, WRITER, GATEWAY, POSTGRES = "reader", "writer", "gateway", "postgres"
START_SECONDS = 30.0
KINDS = (READER, WRITER, GATEWAY, POSTGRES)


class ProcessFailed(Exception):
    """A process of the soak ended by itself."""


@dataclass(slots=True)
class Processes:
    """What runs, and how to start it. A process that ended without being killed is a failure of the soak."""

    folder: Path
    commands: Mapping[str, Sequence[str]]
    environment: Mapping[str, str]
    server: EmbeddedPostgres
    kills: Counter[str] = field(default_factory=Counter)
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, kind: str) -> None:
        with (self.folder / f"{kind}.log").open("ab") as log:
            self._running[kind] = subprocess.Popen(
                list(self.commands[kind]),
                cwd=PROJECT,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # its own workers are killed with it
            )

    def kill(self, kind: str) -> None:
        """SIGKILL, and start it again."""
        if kind == POSTGRES:
            self._kill_postgres()
        else:
            self.require(kind)
            self._end(kind)
            self.start(kind)
        self.kills[kind] += 1

    def require(self, *kinds: str) -> None:
        """Raises ProcessFailed where one ended by itself, with the end of its log."""
        for kind in kinds or tuple(self._running):
            if self._running[kind].poll() is not None:
                said = (self.folder / f"{kind}.log").read_text(errors="replace")[-1_500:]
                raise ProcessFailed(f"the {kind} ended with code {self._running[kind].returncode}:\n{said}")

    def end(self) -> None:
        """All of them."""
        for kind in tuple(self._running):
            self._end(kind)

    def once(self, kind: str, *, seconds: float) -> None:
        """The same program for a last time, to its own end. Raises ProcessFailed."""
        self._end(kind)
        command = [*self.commands[kind], "--last"]
        with (self.folder / f"{kind}.log").open("ab") as log:
            ended = subprocess.run(
                command,
                cwd=PROJECT,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                timeout=seconds,
                check=False,
            )
        if ended.returncode:
            said = (self.folder / f"{kind}.log").read_text(errors="replace")[-1_500:]
            raise ProcessFailed(f"the last {kind} ended with code {ended.returncode}:\n{said}")

    def _end(self, kind: str) -> None:
        process = self._running.pop(kind, None)
        if process is not None and process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)

    def _kill_postgres(self) -> None:
        pid = int((self.server.data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                self.server.start()
            except (psycopg.OperationalError, ConfigurationError):
                if time.monotonic() > until:  # it takes a moment to die, and its successor one to recover
                    raise
                time.sleep(0.1)
            else:
                return


def commands(declaration: Path, *, port: int) -> dict[str, Sequence[str]]:
    """How each kind is started."""
    return {
        READER: (sys.executable, "-m", "benchmarks.soak.reading", str(declaration)),
        WRITER: (sys.executable, "-m", "benchmarks.soak.writing", str(declaration)),
        GATEWAY: (sys.executable, "-m", "gateway", "--port", str(port), "--workers", "1"),
    }

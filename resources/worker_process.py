"""A scoring worker: `python -m resources.worker_process SPEC`. It loads one version, then scores what it is handed until its
parent is gone.

What belongs here: the child's side. What does not: starting, restarting and handing out work (`workers.py`).

Nothing but scoring is imported, so that a worker starts in about a second: no Dagster, no database.
"""

import json
import mmap
import signal
import sys
import traceback
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from aios_core.errors import AiosError
from aios_core.scoring.model import ScoringModel
from aios_core.scoring.stream import in_halves
from resources.runtime import open_session
from resources.shared_area import Area

STATUS = Path("/proc/self/status")


def main(spec: dict[str, Any]) -> int:
    """Serve until the connection ends; 0 then, 1 where the version can't be loaded."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    connection = Connection(spec["connection"])
    asked, answered = Area(spec["asked"]), Area(spec["answered"])
    try:
        model = _load(spec)
        if (first := _example(model)) is not None:  # compiled code is loaded now, not in the first batch
            model.score_batch(first)
    except Exception as error:
        _say(connection, _told(error))
        return 1
    _say(connection, {"ready": True, "peak_mb": peak_mb()})
    while True:
        try:
            request = json.loads(connection.recv_bytes())
        except (EOFError, OSError):
            return 0
        try:
            batch = asked.read(request["size"], copied=False)
            scored = in_halves(batch, model.score_batch)
            answer = {"size": answered.write(scored), "peak_mb": peak_mb(), "padding": model.padding}
            del batch, scored
        except Exception as error:  # whatever goes wrong is the parent's to raise; the next batch may be fine
            answer = _told(error)
        try:
            _say(connection, answer)
        except OSError:
            return 0


def peak_mb() -> float:
    """The most resident memory that this process has had, in MB; 0 where the system does not say."""
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


def _load(spec: dict[str, Any]) -> ScoringModel:
    with mmap.mmap(spec["files"], spec["files_size"], access=mmap.ACCESS_READ) as content:
        files = {path: content[start:end] for path, (start, end) in spec["paths"].items()}
    return ScoringModel.from_files(
        files, partial(open_session, accelerator=spec["accelerator"]), name=spec["name"], version=spec["version"]
    )


def _example(model: ScoringModel) -> Any:
    """A row of empty text for models that need nothing else."""
    import pyarrow as pa

    from aios_core.scoring.schema import KEYS

    if list(model.manifest["inputs"]) != ["text"]:
        return None
    return pa.RecordBatch.from_pydict({**{key: pa.array([""]) for key in KEYS}, "text": pa.array(["a word"])})


def _say(connection: Connection, answer: dict[str, Any]) -> None:
    connection.send_bytes(json.dumps(answer).encode())


def _told(error: Exception) -> dict[str, Any]:
    known = isinstance(error, AiosError)
    return {
        "error": str(error) if known else "".join(traceback.format_exception(error)),
        "module": type(error).__module__ if known else None,
        "type": type(error).__qualname__,
    }


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))

"""One robot's run: a process of its own with a hard end, what became of it, and what it left as evidence.

What belongs here: starting, ending and reading one run. What does not: who may run when (`writer.py`), rows (`store.py`).

Inputs go in as a variable file, secrets through the environment of that process alone. Whatever a robot writes is searched for its secrets before
it is kept: a page may show a password, a keyword may log it.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aios_core.declaration.robots import OutputKind
from aios_core.errors import ConfigurationError
from resources.robots.evidence import is_kept
from resources.robots.library import OUTCOME

SHIPPED = Path(__file__).parent / "shipped"
MOST_BYTES = 20 * 1024 * 1024
HIDDEN = "********"
POLL_SECONDS = 0.05
Status = Literal["sent", "gone", "conflict", "retry", "by_hand"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to run. `variables` are the task's, `secrets` go into its environment."""

    task: Path
    name: str | None
    variables: Mapping[str, Any]
    secrets: Mapping[str, str]
    outputs: Mapping[str, OutputKind]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What became of it; `evidence` is content by file name."""

    status: Status
    message: str
    outputs: Mapping[str, Any] = field(default_factory=dict)
    evidence: Mapping[str, bytes] = field(default_factory=dict)


def run(job: Job) -> Ended:
    """Run the task to its end, or to the end of its time. Raises ConfigurationError where there is no such file or no Robot Framework."""
    if not job.task.is_file():
        raise ConfigurationError(f"robots: {job.task}: there is no such task")
    folder = Path(tempfile.mkdtemp(prefix="aios-robot-"))
    try:
        code = _process(job, folder)
        return _read(job, folder, code)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _process(job: Job, folder: Path) -> int | None:
    """The process's end; None: its time was over."""
    given = folder / "given.json"
    given.touch(mode=0o600)
    given.write_text(json.dumps(dict(job.variables)), encoding="utf-8")
    out = folder / "out"
    named = ["--task", job.name] if job.name else []
    command = [
        sys.executable, "-m", "resources.robots.process",
        "--outputdir", str(out), "--variablefile", str(given), "--variable", f"WORK_DIR:{folder}", "--loglevel", "INFO",
        "--consolecolors", "off", "--report", "NONE", "--name", "Robot", *named, str(job.task),
    ]  # fmt: skip
    out.mkdir()
    with (out / "console.txt").open("wb") as console:
        process = subprocess.Popen(
            command, env={**os.environ, **job.secrets, "HOME": str(folder)}, stdin=subprocess.DEVNULL, stdout=console,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        until = time.monotonic() + job.seconds
        try:
            while process.poll() is None and time.monotonic() < until:
                time.sleep(POLL_SECONDS)
            return process.poll()
        finally:  # with the browser and whatever else it has started
            _end_all(process)


def _end_all(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _read(job: Job, folder: Path, code: int | None) -> Ended:
    out = folder / "out"
    evidence = _evidence(out, job.secrets)
    told = _outcome(out)
    outputs = dict(told.get("outputs") or {})
    if code is None:
        return Ended(status="retry", message=f"the robot did not end within {job.seconds:g} s", evidence=evidence)
    if told.get("status"):
        return Ended(status=told["status"], message=str(told["message"]), outputs=outputs, evidence=evidence)
    if code == 0:
        wrong = _wrong_outputs(job.outputs, outputs)
        return Ended(status="by_hand" if wrong else "sent", message=wrong, outputs=outputs, evidence=evidence)
    message = _hidden(_first_error(out) or f"the robot ended with code {code}", job.secrets)
    return Ended(status="by_hand", message=message, outputs=outputs, evidence=evidence)


def _outcome(out: Path) -> dict[str, Any]:
    try:
        found = json.loads((out / OUTCOME).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _wrong_outputs(wanted: Mapping[str, OutputKind], given: Mapping[str, Any]) -> str:
    """What is missing or of another kind; empty: nothing."""
    kinds: dict[OutputKind, tuple[type, ...]] = {"text": (str,), "number": (int, float), "yes_no": (bool,)}
    for name, kind in wanted.items():
        value = given.get(name)
        if not isinstance(value, kinds[kind]) or (kind == "number" and isinstance(value, bool)):
            return f"the robot ended well and did not give `{name}` ({kind}); look at what it did"
    return ""


def _first_error(out: Path) -> str:
    """Why the task failed, in its own words."""
    from robot.api import ExecutionResult
    from robot.errors import DataError

    try:
        suite = ExecutionResult(str(out / "output.xml")).suite
    except DataError:
        lines = (out / "console.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return next((line for line in lines if "ERROR" in line), lines[-1] if lines else "")[:500]
    failed = [one.message for one in suite.all_tests if one.failed]
    return (failed[0] if failed else suite.message)[:500]


def _evidence(out: Path, secrets: Mapping[str, str]) -> dict[str, bytes]:
    """Logs and pictures, as far as they are not beyond all measure; without a secret in them."""
    found, left = {}, MOST_BYTES
    for file in sorted(out.iterdir(), key=lambda f: (f.suffix == ".xml", f.name)):
        if not is_kept(file.name) or not file.is_file() or file.stat().st_size > left:
            continue
        content = file.read_bytes()
        left -= len(content)
        found[file.name] = (
            content if file.suffix == ".png" else _hidden(content.decode("utf-8", "replace"), secrets).encode()
        )
    return found


def _hidden(text: str, secrets: Mapping[str, str]) -> str:
    for value in sorted(secrets.values(), key=len, reverse=True):
        if value:
            text = text.replace(value, HIDDEN)
    return text

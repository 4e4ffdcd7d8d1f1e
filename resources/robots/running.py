"""One robot's run: a process of its own with a hard end, what became of it, and what it left as evidence.

What belongs here: starting, ending and reading one run. What does not: who may run when (`writer.py`), rows (`store.py`).

Inputs go in as a variable file, secrets through the environment of that process alone. Whatever a robot writes is searched for its secrets before
it is kept: a page may show a password, a keyword may log it.
"""

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
from html import escape
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, quote_plus
from xml.etree import ElementTree as ET

from aios_core.declaration.robots import OutputKind
from aios_core.errors import ConfigurationError
from resources.robots.evidence import is_kept
from resources.robots.library import OUTCOME

SHIPPED = Path(__file__).parent / "shipped"
MOST_BYTES = 20 * 1024 * 1024
HIDDEN = "********"
# attributes of Robot Framework's own words
STRUCTURE = frozenset(
    {
        "status",
        "start",
        "elapsed",
        "time",
        "level",
        "type",
        "id",
        "generated",
        "generator",
        "rpa",
        "schemaversion",
        "html",
        "pass",
        "fail",
        "skip",
    }
)
POLL_SECONDS = 0.05
GRACE_SECONDS = 15.0
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
        sys.executable, "-m", "resources.robots.process", str(folder),
        "--outputdir", str(out), "--variablefile", str(given), "--variable", f"WORK_DIR:{folder}", "--loglevel", "INFO",
        "--consolecolors", "off", "--log", "NONE", "--report", "NONE", "--name", "Robot", *named, str(job.task),
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


def _end_all(keeper: "subprocess.Popen[bytes]") -> None:
    """The keeper ends the robot and all it has started, and leaves what they have written."""
    if keeper.poll() is None:
        keeper.send_signal(signal.SIGINT)
    try:
        keeper.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        keeper.kill()
        keeper.wait()


def _read(job: Job, folder: Path, code: int | None) -> Ended:
    out = folder / "out"
    told = _outcome(out, job.secrets)
    _redact(out, job.secrets)
    evidence = _evidence(out)
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


def _outcome(out: Path, secrets: Mapping[str, str]) -> dict[str, Any]:
    """What the task said, with its words kept free of secrets."""
    try:
        found = json.loads((out / OUTCOME).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    outputs = {n: _hidden(v, secrets) if isinstance(v, str) else v for n, v in (found.get("outputs") or {}).items()}
    return {**found, "message": _hidden(str(found.get("message") or ""), secrets), "outputs": outputs}


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


def _redact(out: Path, secrets: Mapping[str, str]) -> None:
    """Take secrets out of whatever text was written, and make the log of that: in a log of its own Robot packs long messages, where nobody finds them."""
    for file in out.iterdir():
        if file.suffix == ".xml":
            _redact_xml(file, secrets)
        elif file.suffix in (".txt", ".json"):
            file.write_text(_hidden(file.read_text(encoding="utf-8", errors="replace"), secrets), encoding="utf-8")
    if (out / "output.xml").is_file():
        command = [
            sys.executable,
            "-m",
            "robot.rebot",
            "--outputdir",
            str(out),
            "--log",
            "log.html",
            "--report",
            "NONE",
        ]
        subprocess.run(  # what can't be read any more has no log; the rest of the evidence stays
            [*command, "--nostatusrc", str(out / "output.xml")],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=120,
        )


def _redact_xml(file: Path, secrets: Mapping[str, str]) -> None:
    """In texts and values alone: a secret may be a word that is also a tag's name. What ends in the middle is no XML, and is taken as text."""
    try:
        tree = ET.parse(file)  # noqa: S314 (Robot Framework wrote it)
    except ET.ParseError:
        file.write_text(_hidden(file.read_text(encoding="utf-8", errors="replace"), secrets), encoding="utf-8")
        return
    for element in tree.iter():
        element.text, element.tail = (part and _hidden(part, secrets) for part in (element.text, element.tail))
        for name, value in element.attrib.items():
            if name not in STRUCTURE:
                element.set(name, _hidden(value, secrets))
    tree.write(file, encoding="utf-8", xml_declaration=True)


def _evidence(out: Path) -> dict[str, bytes]:
    """Logs and pictures, as far as they are not beyond all measure."""
    found, left = {}, MOST_BYTES
    for file in sorted(out.iterdir(), key=lambda f: (f.suffix == ".xml", f.name)):
        if not is_kept(file.name) or not file.is_file() or file.stat().st_size > left:
            continue
        found[file.name] = file.read_bytes()
        left -= len(found[file.name])
    return found


def _hidden(text: str, secrets: Mapping[str, str]) -> str:
    """Each secret, and each way in which markup, JSON or an address spells it."""
    for value in sorted(filter(None, secrets.values()), key=len, reverse=True):
        spelled = {
            value,
            escape(value),
            escape(value, quote=False),
            json.dumps(value)[1:-1],
            quote(value, safe=""),
            quote_plus(value),
        }
        for each in sorted(spelled, key=len, reverse=True):
            text = text.replace(each, HIDDEN)
    return text

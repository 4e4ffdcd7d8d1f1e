"""Robots without a browser: what becomes of a run, its time, its secrets, and whose turn it is."""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
import zlib
from html import escape
from pathlib import Path
from typing import Any

import pytest

from aios_core.decisions.actions import OutboxAction
from aios_core.declaration.robots import Robot
from aios_core.errors import ConfigurationError
from resources.database import Database
from resources.lake import Lake
from resources.robots.running import Ended, Job, run
from resources.robots.store import RobotRuns
from resources.robots.writer import RobotWriter, alone, job_of

pytest.importorskip("robot", reason="the extra `rpa` is not installed")


def task(tmp_path: Path, body: str) -> Path:
    file = tmp_path / "task.robot"
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    file.write_text(f"*** Settings ***\nLibrary    resources.robots.library.Aios\n\n*** Tasks ***\nWork\n{lines}\n")
    return file


def ended(tmp_path: Path, body: str, **told: Any) -> Ended:
    facts: dict[str, Any] = {"name": None, "variables": {}, "secrets": {}, "outputs": {}, "seconds": 30.0}
    return run(Job(task=task(tmp_path, body), **facts | told))


def action(ticket: str = "7") -> OutboxAction:
    payload = {"queue": "billing", "comment": "AIOS: billing.", "link": "http://c.example/d1"}
    return OutboxAction(
        target="desk", kind="assign", external_id=ticket, payload=payload, idempotency_key=f"d1:{ticket}"
    )


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ("Log    ${ticket}", "sent", ""),
        ("Done Already", "sent", "was in effect already"),
        ("Ticket Is Gone", "gone", "the ticket is not there any more"),
        ("Changed Meanwhile    somebody moved it", "conflict", "somebody moved it"),
        ("Try Again Later    the desk is down", "retry", "the desk is down"),
        ("Fail    the page has no field", "by_hand", "the page has no field"),
        ("No Such Keyword", "by_hand", "No keyword with name 'No Such Keyword' found."),
    ],
)
def test_how_a_task_ends_says_what_became_of_its_action(tmp_path, body, status, message) -> None:
    found = ended(tmp_path, body, variables={"ticket": "7"})
    assert (found.status, found.message) == (status, message)
    assert {"log.html", "output.xml"} <= set(found.evidence)


def test_what_a_task_has_to_give_back_is_held_against_its_kind(tmp_path) -> None:
    wanted = {"reference": "text", "count": "number"}
    given = "Give Output    reference    A-17\nGive Output    count    ${3}"
    assert ended(tmp_path, given, outputs=wanted).outputs == {"reference": "A-17", "count": 3}
    missing = ended(tmp_path, "Give Output    reference    A-17", outputs=wanted)
    assert (missing.status, "`count` (number)" in missing.message) == ("by_hand", True)
    assert ended(tmp_path, "Log    done", outputs=wanted).status == "by_hand"


def test_a_robot_that_does_not_end_is_ended_with_all_it_started(tmp_path) -> None:
    mark = f"aios_test_{os.getpid()}"
    body = f"Evaluate    subprocess.Popen(['sleep', '77', '{mark}'][:2])    modules=subprocess\nSleep    60s"
    begun = time.monotonic()
    found = ended(tmp_path, body, seconds=2.5)
    assert (found.status, time.monotonic() - begun < 20) == ("retry", True)
    assert "did not end within 2.5 s" in found.message
    running = subprocess.run(["pgrep", "-f", "^sleep 77$"], capture_output=True, text=True, check=False).stdout
    assert running == ""


@pytest.mark.parametrize("secret", ["hunter2-and-more", 'a<b>&"c" d\\e'])
@pytest.mark.parametrize("ending", ["Fail", "Try Again Later", "Done Already"])
def test_a_secret_stands_in_no_evidence_no_message_and_no_output(tmp_path, secret, ending) -> None:
    body = (
        "Log    it is %{DESK_PASSWORD}\nLog To Console    %{DESK_PASSWORD}\n"
        "${long}=    Evaluate    '%{OTHER} ' * 2000\nLog    ${long}\n"
        f"Give Output    echo    %{{DESK_PASSWORD}}\n{ending}    could not use %{{DESK_PASSWORD}}"
    )
    found = ended(tmp_path, body, secrets={"DESK_PASSWORD": secret, "OTHER": "plainSecret123"})
    assert found.message == "could not use ********"
    assert found.outputs == {"echo": "********"}
    for content in found.evidence.values():
        packed = re.findall(rb'"(eN[A-Za-z0-9+/=]+)"', content)  # long messages stand packed in a log
        for text in (content, *(zlib.decompress(base64.b64decode(part)) for part in packed)):
            assert all(
                form.encode() not in text for form in (secret, escape(secret), json.dumps(secret)[1:-1], "plainSecret")
            )
    assert "log.html" in found.evidence


def test_a_robot_is_given_what_it_declares_of_an_action_and_nothing_else(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("DESK", "http://desk.example")
    monkeypatch.setenv("DESK_PASSWORD", "x")
    declared = Robot.model_validate(
        {
            "task": "task.robot",
            "account": "desk",
            "inputs": {"number": "ticket", "to": "queue", "text": "note"},
            "queues": {"billing": "Billing & invoices"},
            "settings": {"url": "${DESK}"},
            "secrets": {"PASSWORD": "${DESK_PASSWORD}"},
        }
    )
    job = job_of(declared, action(), folder=tmp_path)
    assert job.variables == {
        "number": "7",
        "to": "Billing & invoices",
        "text": "AIOS: billing.\n\nhttp://c.example/d1 [aios d1:7]",
        "url": "http://desk.example",
    }
    assert job.secrets == {"PASSWORD": "x"}
    monkeypatch.delenv("DESK_PASSWORD")
    with pytest.raises(ConfigurationError, match="DESK_PASSWORD"):
        job_of(declared, action(), folder=tmp_path)
    outside = declared.model_copy(update={"task": "../elsewhere.robot", "secrets": {}})
    with pytest.raises(ConfigurationError, match="outside"):
        job_of(outside, action(), folder=tmp_path)


def writer(database: Database, tmp_path: Path, runs: Any, *, wait: float = 5.0) -> RobotWriter:
    robot = Robot(task="task.robot", account="desk")
    return RobotWriter(robot, name="desk", automation="care", folder=tmp_path, database=database,
                       lake=Lake(tmp_path / "lake"), runs=runs, wait_seconds=wait)  # fmt: skip


def test_two_robots_of_one_account_wait_for_each_other(database: Database, tmp_path: Path) -> None:
    at_work, most = [0], [0]

    def slow(_: Job) -> Ended:
        at_work[0] += 1
        most[0] = max(most[0], at_work[0])
        time.sleep(0.3)
        at_work[0] -= 1
        return Ended(status="sent", message="")

    threads = [
        threading.Thread(target=writer(database, tmp_path, slow).write, args=([action(str(n))],)) for n in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 1
    assert len(RobotRuns(database, Lake(tmp_path / "lake")).newest("care")) == 3


def test_an_account_that_stays_in_use_costs_an_action_no_attempt(database: Database, tmp_path: Path) -> None:
    def never(_: Job) -> Ended:
        raise AssertionError("the account is in use")

    with alone(database, "desk", seconds=0) as free:
        assert free
        (result,) = writer(database, tmp_path, never, wait=0.1).write([action()])
    assert (result.status, "in use by another robot" in result.message) == ("later", True)


def test_evidence_is_kept_with_its_hash_and_found_by_its_decision(database: Database, tmp_path: Path) -> None:
    body = Ended(status="by_hand", message="no field", outputs={"reference": "A"}, evidence={"log.html": b"<html>"})
    (result,) = writer(database, tmp_path, lambda _: body).write([action()])
    store = RobotRuns(database, Lake(tmp_path / "lake"))
    (kept,) = store.newest("care")
    assert (result.status, result.message) == ("by_hand", f"no field (robot run {kept.run_id})")
    assert kept.evidence[0].sha256 == hashlib.sha256(b"<html>").hexdigest()
    assert store.file(kept.run_id, "log.html") == b"<html>"
    assert store.file(kept.run_id, "../log.html") is None
    assert kept.outputs == {"reference": "A"}


def test_a_robot_and_all_it_started_end_with_the_process_that_started_it(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    file = task(tmp_path, "Evaluate    subprocess.Popen(['sleep', '78'])    modules=subprocess\nSleep    60s")
    code = (
        "import sys; from pathlib import Path; from resources.robots.running import Job, run;"
        "run(Job(task=Path(sys.argv[1]), name=None, variables={}, secrets={}, outputs={}, seconds=60))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(file)])
    assert _running("^sleep 78$", there=True), "the robot runs"
    parent.kill()
    parent.wait()
    assert _running(str(file), there=False) == []
    assert _running("^sleep 78$", there=False) == []
    for _ in range(50):
        if not list(tmp_path.glob("aios-robot-*")):
            break
        time.sleep(0.1)
    assert list(tmp_path.glob("aios-robot-*")) == []


def _running(pattern: str, *, there: bool) -> list[str]:
    """Processes with this in their command, once there are some, or none any more."""
    for _ in range(150):
        told = subprocess.run(["pgrep", "-f", pattern], capture_output=True, text=True, check=False)
        found = told.stdout.split()
        if bool(found) == there:
            return found
        time.sleep(0.1)
    return found

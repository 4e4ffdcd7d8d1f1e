"""The shipped robot in a real Chromium, at the sandbox's desk that is nothing but web forms."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from aios_core.decisions.actions import OutboxAction
from aios_core.declaration.robots import Robot
from resources.connectors.base import WriteResult
from resources.connectors.marking import mark
from resources.database import Database
from resources.lake import Lake
from resources.outbox import Outbox
from resources.robots.store import RobotRuns
from resources.robots.writer import RobotWriter
from tests.review_world import NOW, Wanted, automation, record
from tests.sandbox_process import sandbox_process

pytest.importorskip("SeleniumLibrary", reason="the extra `rpa` is not installed")
QUEUES = {"billing": "Billing", "outage": "Outage"}


@pytest.fixture(scope="module", autouse=True)
def browser() -> None:
    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        why = "chromium or its driver is not installed, so no robot is tried in a browser"
        (pytest.fail if os.environ.get("AIOS_REQUIRE_BROWSER") == "1" else pytest.skip)(why)


@dataclass(frozen=True)
class Desk:
    url: str

    def breaks(self, **how: Any) -> None:
        assert httpx.post(f"{self.url}/sandbox/legacy", json=how).status_code == 200

    def tickets(self) -> list[str]:
        found = httpx.get(f"{self.url}/sandbox/manifest").json()["tickets"]
        return [str(t["id"]) for t in found if t["versions"] == 1 and not t["deleted"]]

    def writes(self, ticket: str) -> list[dict[str, Any]]:
        found = httpx.get(f"{self.url}/sandbox/writes").json()["writes"]
        return [write for write in found if str(write["ticket_id"]) == ticket and write["applied"]]


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with sandbox_process(
        "--tickets 40 --history 20 --until 2026-03-10T12:00:00Z --frozen-clock --no-recent-guard"
    ) as url:
        yield Desk(url)


@pytest.fixture(autouse=True)
def whole(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("LEGACY_USER_OURS", "robot")
    monkeypatch.setenv("LEGACY_PASSWORD_OURS", "sandbox-password")
    yield
    desk.breaks(changed=False, lose_session=None)


def robot(desk: Desk) -> Robot:
    return Robot.model_validate(
        {
            "task": "shipped:legacy_desk.robot",
            "account": "legacy_desk",
            "queues": QUEUES,
            "settings": {"url": desk.url},
            "secrets": {"LEGACY_USER": "${LEGACY_USER_OURS}", "LEGACY_PASSWORD": "${LEGACY_PASSWORD_OURS}"},
            "time_limit_seconds": 90,
        }
    )


def writer(desk: Desk, database: Database, tmp_path: Path) -> RobotWriter:
    return RobotWriter(robot(desk), name="desk", automation="escalations", folder=tmp_path, database=database,
                       lake=Lake(tmp_path / "lake"), wait_seconds=60)  # fmt: skip


def action(ticket: str, key: str = "d1:assign") -> OutboxAction:
    return OutboxAction(target="helpdesk", kind="assign", external_id=ticket, idempotency_key=key,
                        payload={"queue": "outage", "comment": "AIOS assigned this to outage."})  # fmt: skip


def written(desk: Desk, database: Database, tmp_path: Path, one: OutboxAction) -> WriteResult:
    (found,) = writer(desk, database, tmp_path).write([one])
    return found


def test_it_writes_once_and_looks_before_it_writes_again(desk: Desk, database: Database, tmp_path: Path) -> None:
    one = action(desk.tickets()[0])
    assert written(desk, database, tmp_path, one).status == "sent"
    again = written(desk, database, tmp_path, one)
    assert again.status == "sent"
    (write,) = desk.writes(one.external_id)
    assert write["fields"]["group_id"], "the queue was chosen"
    assert mark(one) in write["fields"]["comment"]["body"]
    first, second = reversed(RobotRuns(database, Lake(tmp_path / "lake")).newest("escalations"))
    assert (first.status, second.message) == ("sent", "was in effect already")
    pictures = {e.name: e.bytes for e in first.evidence if e.name.endswith(".png")}
    assert {"filled.png", "saved.png"} <= set(pictures)
    assert min(pictures.values()) > 2_000


def test_a_changed_page_fails_with_a_picture_and_its_ticket_goes_to_a_person(
    desk: Desk, database: Database, tmp_path: Path
) -> None:
    ticket = desk.tickets()[1]
    of = automation(actions={"source": "helpdesk", "robot": "desk"}, robots={"desk": robot(desk).model_dump()})
    record(database, [Wanted(ticket_id=ticket, queue="outage", p=0.95)], of=of)
    desk.breaks(changed=True)
    delivered = Outbox(database).deliver(
        automation=of, target="helpdesk", connector=writer(desk, database, tmp_path), now=NOW, batch_size=1
    )
    assert (delivered.sent, delivered.dead) == (0, 1)
    (dead,) = Outbox(database).dead(of.name)
    assert "queue" in dead["last_error"]
    with database.connection() as conn:
        assert conn.execute("select ticket_id, state from review_cases").fetchall() == [(ticket, "waiting")]
    store = RobotRuns(database, Lake(tmp_path / "lake"))
    (kept,) = store.of_decision(dead["decision_id"])
    picture = next(e.name for e in kept.evidence if e.name.startswith("selenium-screenshot"))
    assert (store.file(kept.run_id, picture) or b"").startswith(b"\x89PNG")
    assert desk.writes(ticket) == []
    assert all(
        "sandbox-password" not in (store.file(kept.run_id, e.name) or b"").decode("latin-1") for e in kept.evidence
    )


def test_a_session_that_is_lost_in_the_middle_comes_again_and_is_done_once(
    desk: Desk, database: Database, tmp_path: Path
) -> None:
    one = action(desk.tickets()[2], "d3:assign")
    desk.breaks(lose_session=2)
    lost = written(desk, database, tmp_path, one)
    assert (lost.status, "ended the session" in lost.message) == ("retry", True)
    assert written(desk, database, tmp_path, one).status == "sent"
    assert len(desk.writes(one.external_id)) == 1


def test_a_ticket_that_is_not_there_is_gone(desk: Desk, database: Database, tmp_path: Path) -> None:
    assert written(desk, database, tmp_path, action("99999999", "d4:assign")).status == "gone"


def test_who_is_killed_in_the_middle_leaves_an_action_that_is_done_once(
    desk: Desk, database: Database, tmp_path: Path
) -> None:
    one = action(desk.tickets()[3], "d5:assign")
    process = subprocess.Popen([sys.executable, "-c", _WRITER, database.url, desk.url, str(tmp_path), one.external_id])
    done = threading.Event()

    def kill_once_it_is_written() -> None:
        while not done.wait(0.02):
            if desk.writes(one.external_id):
                process.kill()  # the write took effect, and nobody has noted it
                return

    killer = threading.Thread(target=kill_once_it_is_written)
    killer.start()
    process.wait(60)
    done.set()
    killer.join()
    assert process.returncode == -9
    assert RobotRuns(database, Lake(tmp_path / "lake")).newest("escalations") == []
    assert written(desk, database, tmp_path, one).status == "sent"
    assert len(desk.writes(one.external_id)) == 1


_WRITER = """
import sys
from pathlib import Path
from resources.database import Database
from tests.resources.robots.test_legacy_desk import Desk, action, writer
url, desk, folder, ticket = sys.argv[1:]
writer(Desk(desk), Database(url), Path(folder)).write([action(ticket, "d5:assign")])
"""

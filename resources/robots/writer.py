"""A robot as what actions are written by: the same door as a helpdesk's API, so that outbox, retries and dead letters are the same.

What belongs here: from an action to a run and back. What does not: the process (`running.py`) and rows (`store.py`).

One robot works for each account at a time, over all processes: two that are signed in at once throw each other out, or type into each other's forms. The lock is a
connection's own: it ends with its process, and a robot ends with its process too.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aios_core.declaration.robots import Robot
from aios_core.errors import ConfigurationError
from resources import clock
from resources.connectors.base import Page, WriteResult
from resources.connectors.marking import mark, note_of
from resources.database import Database
from resources.deployments import expand
from resources.lake import Lake
from resources.robots.running import SHIPPED, Ended, Job, run
from resources.robots.store import RobotRuns

if TYPE_CHECKING:
    from aios_core.decisions.actions import OutboxAction

SHIPPED_PREFIX = "shipped:"
WAIT_SECONDS = 30.0  # for an account that another robot works with; then the action waits in the outbox


class RobotWriter:
    """One declared robot."""

    objects: tuple[str, ...] = ()

    def __init__(
        self,
        robot: Robot,
        *,
        name: str,
        automation: str,
        folder: Path,
        database: Database,
        lake: Lake,
        now: Callable[[], datetime] = clock.now,
        runs: Callable[[Job], Ended] = run,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._robot, self._name, self._automation, self._folder = robot, name, automation, folder
        self._database, self._store = database, RobotRuns(database, lake)
        self._now, self._run, self._wait = now, runs, wait_seconds

    def read(self, *, object: str, cursor: str | None) -> Iterator[Page]:  # noqa: ARG002 (every connector takes these)
        return iter(())

    def write(self, actions: "Sequence[OutboxAction]") -> list[WriteResult]:
        return [self._write(action) for action in actions]

    def check(self) -> str:
        return f"robot {self._name}: {task_of(self._robot, self._folder)}"

    def close(self) -> None:
        """Nothing stays open between two actions."""

    def _write(self, action: "OutboxAction") -> WriteResult:
        job = job_of(self._robot, action, folder=self._folder)
        with alone(self._database, self._robot.account, seconds=self._wait) as free:
            if not free:
                return _result(action, "later", f"account {self._robot.account} is in use by another robot")
            started = self._now()
            ended = self._run(job)
        run_id = self._store.keep(
            action,
            ended,
            automation=self._automation,
            robot=self._name,
            account=self._robot.account,
            started=started,
            now=self._now(),
        )
        return _result(
            action, ended.status, f"{ended.message} (robot run {run_id})".strip() if ended.status != "sent" else ""
        )


def job_of(robot: Robot, action: "OutboxAction", *, folder: Path) -> Job:
    """What is run for an action. Raises ConfigurationError for a variable that is not set."""
    given = _given(robot, action)
    return Job(
        task=task_of(robot, folder),
        name=robot.name,
        variables={variable: given[what] for variable, what in robot.inputs.items()}
        | {name: expand(value) for name, value in robot.settings.items()},
        secrets={name: expand(value) for name, value in robot.secrets.items()},
        outputs=robot.outputs,
        seconds=robot.time_limit_seconds,
    )


def task_of(robot: Robot, folder: Path) -> Path:
    """The file of its task. Raises ConfigurationError where it lies outside."""
    if robot.task.startswith(SHIPPED_PREFIX):
        base, part = SHIPPED, robot.task.removeprefix(SHIPPED_PREFIX)
    else:
        base, part = folder, robot.task
    found = (base / part).resolve()
    if not found.is_relative_to(base.resolve()):
        raise ConfigurationError(f"robots: {robot.task} lies outside the automation's folder")
    return found


@contextmanager
def alone(database: Database, account: str, *, seconds: float) -> Iterator[bool]:
    """Whether this account is ours; nobody else's until the block ends."""
    key = f"robot:{account}"
    until = time.monotonic() + seconds
    with database.connection() as conn:
        while True:
            found = conn.execute("select pg_try_advisory_xact_lock(hashtextextended(%s, 0))", (key,)).fetchone()
            if (found and found[0]) or time.monotonic() >= until:
                break
            time.sleep(0.2)
        yield bool(found and found[0])


def _given(robot: Robot, action: "OutboxAction") -> Mapping[str, Any]:
    payload = action.payload
    queue = action.moves_to
    return {
        "ticket": action.external_id,
        "kind": action.kind,
        "queue": robot.queues.get(queue, queue) if queue else "",
        "priority": payload.get("priority") or "",
        "assignee": payload.get("assignee") or "",
        "tags": list(payload.get("tags") or ()),
        "note": note_of(action, marked=True) or "",
        "reply": payload.get("reply") or "" if action.kind == "reply" else "",
        "key": action.idempotency_key,
        "mark": mark(action),
    }


def _result(action: "OutboxAction", status: Any, message: str) -> WriteResult:
    return WriteResult(external_id=action.external_id, status=status, message=message)

"""Robots: tasks that work a system which has no API, as a person would.

What belongs here: what can be declared. What does not: running them (`resources/robots/`).
"""

from typing import Annotated, Literal

from pydantic import Field

from aios_core.declaration.base import Declared, Identifier

_NAME = r"^[A-Z][A-Z0-9_]*$"
_VARIABLE = r"^\$\{[A-Z][A-Z0-9_]*\}$"
Given = Literal["ticket", "kind", "queue", "priority", "assignee", "tags", "note", "reply", "key", "mark"]
OutputKind = Literal["text", "number", "yes_no"]


def _usual() -> dict[str, Given]:
    return {"ticket": "ticket", "queue": "queue", "note": "note", "mark": "mark"}


class Robot(Declared):
    """A Robot Framework task that writes one action. It needs the extra `rpa`, and Debian's chromium where it drives a browser."""

    task: str = Field(description="File relative to the automation's folder, or `shipped:legacy_desk.robot`")
    name: str | None = Field(None, description="Which task in the file; default: the only one")
    account: Identifier = Field(description="Who it signs in as: one robot at a time for each account")
    inputs: dict[Identifier, Given] = Field(
        default_factory=_usual,
        description="Variable of the task -> what it is given of the action",
    )
    queues: dict[Identifier, str] = Field(
        default_factory=dict, description="Queue -> what the system calls it; default: the queue's own name"
    )
    settings: dict[Identifier, str] = Field(
        default_factory=dict, description="More variables of the task, an address, say; `${VAR}` allowed"
    )
    secrets: dict[Annotated[str, Field(pattern=_NAME)], Annotated[str, Field(pattern=_VARIABLE)]] = Field(
        default_factory=dict, description="`%{NAME}` in the task: from the environment alone, and in no log"
    )
    outputs: dict[Identifier, OutputKind] = Field(
        default_factory=dict, description="What the task has to give back for its action to count as done"
    )
    time_limit_seconds: float = Field(120.0, gt=0, le=3600, description="Then the robot is ended, with all it started")

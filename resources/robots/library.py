"""Keywords that a task ends with, so that what became of its action is said and not guessed.

What belongs here: the words between a task and whoever runs it. What does not: running it (`running.py`), and any system that is worked.

    Library    resources.robots.library.Aios

A task that ends without one of these is done if it passed. If it failed, a person does it: something was not as the task knows it.
"""

import json
from pathlib import Path
from typing import Any

OUTCOME = "outcome.json"


class Aios:
    """Done Already · Ticket Is Gone · Changed Meanwhile · Try Again Later · Give Output."""

    ROBOT_LIBRARY_SCOPE = "SUITE"

    def __init__(self) -> None:
        self._outputs: dict[str, Any] = {}

    def give_output(self, name: str, value: Any) -> None:
        """Give something back, such as a reference number that the system has shown."""
        self._outputs[name] = value
        self._write(None, "")

    def done_already(self, message: str = "was in effect already") -> None:
        """The action is in effect: an earlier try was ended before it could say so."""
        self._end("sent", message, passed=True)

    def ticket_is_gone(self, message: str = "the ticket is not there any more") -> None:
        """There is nothing to write to."""
        self._end("gone", message, passed=True)

    def changed_meanwhile(self, message: str) -> None:
        """Somebody else has worked on the ticket: the decision is asked about again."""
        self._end("conflict", message, passed=True)

    def try_again_later(self, message: str) -> None:
        """The system is down, or threw the robot out: nothing is wrong with the action."""
        self._end("retry", message, passed=False)

    def _end(self, status: str, message: str, *, passed: bool) -> None:
        from robot.api import Failure
        from robot.libraries.BuiltIn import BuiltIn

        self._write(status, message)
        if passed:
            BuiltIn().pass_execution(message)
        raise Failure(message)

    def _write(self, status: str | None, message: str) -> None:
        from robot.libraries.BuiltIn import BuiltIn

        folder = Path(str(BuiltIn().get_variable_value("${OUTPUT DIR}")))
        told = {"status": status, "message": message, "outputs": self._outputs}
        (folder / OUTCOME).write_text(json.dumps(told, default=str), encoding="utf-8")

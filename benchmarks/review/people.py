"""Reviewers at the console, as its page's script works: a session, a token, forms that are answered with JSON.

What belongs here: one person's requests, and what they were told. What does not: how many there are, and the measuring (`measure.py`).
"""

import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

JSON = "application/json"
TOKEN = 'name="token" value="'
PATIENCE_SECONDS = 60.0


@dataclass(slots=True)
class Reviewer:
    """One person with one connection. `told` are the verdicts that the console confirmed: case -> queue."""

    name: str
    cookie: str
    port: int
    token: str = ""
    told: dict[str, str] = field(default_factory=dict)
    _line: http.client.HTTPConnection | None = None

    def arrive(self) -> None:
        """Open the front page, whose forms carry the token."""
        page = self._ask("GET", "/work")[2]
        self.token = page.split(TOKEN, 1)[1].split('"', 1)[0]

    def next_case(self) -> str | None:
        """Take the most urgent case; None where there is none."""
        location = self._ask("POST", "/next", {})[1]
        return location.removeprefix("/cases/") if location.startswith("/cases/") else None

    def leave(self, case: str) -> tuple[str | None, float]:
        """Give it back and get the next one of the batch: its id, and the seconds that took."""
        started = time.perf_counter()
        answer = self._ask("POST", f"/cases/{case}/leave", {}, accept=JSON)[2]
        took = time.perf_counter() - started
        return _case_in(answer), took

    def page(self, case: str) -> float:
        """Seconds that the page of a case takes."""
        started = time.perf_counter()
        self._ask("GET", f"/cases/{case}")
        return time.perf_counter() - started

    def decide(self, case: str, queue: str) -> str | None:
        """Send a verdict until it is answered; the next case of the batch."""
        status, _, answer = self._ask("POST", f"/cases/{case}/decide", {"queue": queue}, accept=JSON)
        if status == 200:
            self.told[case] = queue
            return _case_in(answer)
        return None

    def _ask(
        self, method: str, path: str, fields: dict[str, str] | None = None, *, accept: str = "text/html"
    ) -> tuple[int, str, str]:
        """(status, where to, body). A console that is gone, or not up again yet, is asked again: the same verdict twice is one.

        A line that was closed while nothing was said on it is opened anew at once, as a browser does.
        """
        until = time.monotonic() + PATIENCE_SECONDS
        body = None if fields is None else urlencode({"token": self.token, **fields})
        headers = {"Cookie": self.cookie, "Accept": accept, "Content-Type": "application/x-www-form-urlencoded"}
        while True:
            kept = self._line is not None
            try:
                self._line = self._line or http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
                self._line.request(method, path, body=body, headers=headers)
                answer = self._line.getresponse()
                text = answer.read().decode()
                if answer.status < 500:
                    return answer.status, urlsplit(answer.headers.get("location") or "").path, text
            except (OSError, http.client.HTTPException):
                self._line = None
                if kept:
                    continue
            if time.monotonic() > until:
                raise TimeoutError(f"{path}: no answer within {PATIENCE_SECONDS:g} s")
            time.sleep(0.1)


def work(one: Reviewer, *, queue: Callable[[str], str], more: Callable[[], bool]) -> None:
    """Decide case after case while there are `more` to decide."""
    one.arrive()
    case = one.next_case()
    while case is not None and more():
        case = one.decide(case, queue(case)) or one.next_case()


def _case_in(answer: str) -> str | None:
    following = str(json.loads(answer)["next"])
    return following.removeprefix("/cases/") if following.startswith("/cases/") else None

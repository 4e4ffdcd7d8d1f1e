"""The load: clients that have tickets decided by the gateway, one after the other, for as long as the drill lasts.

What belongs here: asking, asking again as a client should, and noting each answer. What does not: judging the answers
(`judging.py`).

A client waits its turn when it is told to (429, 503) or when the connection breaks, and asks again with the same idempotency
key; that is noted as `again`. A request has failed when it was refused for good or not answered within `PATIENCE_SECONDS`.
"""

import http.client
import json
import queue
import random
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

PATIENCE_SECONDS = 90.0
PAUSE_SECONDS = 0.15  # between a client's requests: the machine is the platform's, too
TIMEOUT_SECONDS = 30.0
FRESH_EVERY_SECONDS = 0.4  # so that tickets go on arriving until the good version is back


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answered request. Times are the wall's, in seconds; `sent_at` is that of the attempt that was answered."""

    ticket_id: str
    recorded: bool
    existing: bool
    decision_id: str
    header_version: int
    body_version: int
    record_version: int
    verdict: str
    queue: str | None
    sent_at: float
    answered_at: float


@dataclass(slots=True)
class Noted:
    """What all clients saw. `again` counts attempts that had to be repeated, by why; `failures` requests, by why."""

    answers: list[Answer] = field(default_factory=list)
    again: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)


class Load:
    """Clients over one gateway. `fresh` tickets are recorded, once each; between them any known ticket is asked about."""

    def __init__(self, *, port: int, path: str, clients: int = 3, seed: int = 7) -> None:
        self._port, self._path = port, path
        self._fresh: queue.Queue[Mapping[str, Any]] = queue.Queue()
        self._known: list[Mapping[str, Any]] = []
        self._lock = threading.Lock()
        self._next_fresh_at = 0.0
        self._stop = threading.Event()
        self.noted = Noted()
        self._threads = [
            threading.Thread(
                target=self._client, args=(random.Random(seed * 1_000 + n),), name=f"client-{n}", daemon=True
            )
            for n in range(clients)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS + TIMEOUT_SECONDS)

    def feed(self, tickets: Sequence[Mapping[str, Any]]) -> None:
        """Have these tickets decided and recorded."""
        with self._lock:
            self._known.extend(tickets)
        for ticket in tickets:
            self._fresh.put(ticket)

    def answers(self) -> list[Answer]:
        """So far."""
        with self._lock:
            return list(self.noted.answers)

    def failures(self) -> Counter[str]:
        """Requests that failed so far, by why."""
        with self._lock:
            return Counter(self.noted.failures)

    def again(self) -> Counter[str]:
        """Attempts that had to be repeated so far, by why."""
        with self._lock:
            return Counter(self.noted.again)

    @property
    def waiting(self) -> int:
        """Fresh tickets that no client has taken yet."""
        return self._fresh.qsize()

    def ask(self, ticket: Mapping[str, Any], *, record: bool) -> Answer | None:
        """One request from the caller's own thread, with the same patience; None where it failed."""
        with _Connection(self._port) as connection:
            return self._asked(connection, ticket, record=record)

    def _client(self, order: random.Random) -> None:
        with _Connection(self._port) as connection:
            while not self._stop.is_set():
                if (next_one := self._next(order)) is not None:
                    ticket, record = next_one
                    self._asked(connection, ticket, record=record)
                self._stop.wait(PAUSE_SECONDS)

    def _next(self, order: random.Random) -> tuple[Mapping[str, Any], bool] | None:
        with self._lock:
            now = time.monotonic()
            if now >= self._next_fresh_at:
                with suppress(queue.Empty):
                    ticket = self._fresh.get_nowait()
                    self._next_fresh_at = now + FRESH_EVERY_SECONDS
                    return ticket, True
            return (order.choice(self._known), False) if self._known else None

    def _asked(self, connection: "_Connection", ticket: Mapping[str, Any], *, record: bool) -> Answer | None:
        body = json.dumps({"ticket": ticket, "record": record}).encode()
        headers = {"content-type": "application/json"}
        if record:
            headers["idempotency-key"] = f"drill-{ticket['ticket_id']}"
        end = time.monotonic() + PATIENCE_SECONDS
        why = ""
        while time.monotonic() < end:
            sent_at = time.time()
            try:
                status, head, content = connection.post(self._path, body, headers)
            except (OSError, http.client.HTTPException) as error:
                why, pause = f"connection: {type(error).__name__}", 0.5
            else:
                if status == 200:
                    return self._note(ticket, record, head, content, sent_at)
                why, pause = f"status {status}", float(head.get("retry-after") or 0.5)
                # another attempt of ours may still hold the key; any other conflict is an answer
                if status not in (429, 503) and not (status == 409 and "retry-after" in head):
                    break
            with self._lock:
                self.noted.again[why] += 1
            time.sleep(min(pause, 1.0))
        with self._lock:
            self.noted.failures[why] += 1
        return None

    def _note(
        self, ticket: Mapping[str, Any], record: bool, head: Mapping[str, str], content: bytes, sent_at: float
    ) -> Answer:
        said = json.loads(content)
        answer = Answer(
            ticket_id=ticket["ticket_id"],
            recorded=record,
            existing=bool(said["existing"]) or "idempotency-replayed" in head,
            decision_id=said["decision_id"],
            header_version=int(head["x-aios-model-version"]),
            body_version=said["model"]["version"],
            record_version=said["record"]["model_version"],
            verdict=said["verdict"],
            queue=said["queue"],
            sent_at=sent_at,
            answered_at=time.time(),
        )
        with self._lock:
            self.noted.answers.append(answer)
        return answer


class _Connection:
    """Keep-alive, made again after any fault."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._kept: http.client.HTTPConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        if self._kept is None:
            self._kept = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_SECONDS)
        try:
            self._kept.request("POST", path, body, dict(headers))
            response = self._kept.getresponse()
            content = response.read()
        except BaseException:
            self._drop()
            raise
        head = {name.lower(): value for name, value in response.getheaders()}
        if response.will_close:
            self._drop()
        return response.status, head, content

    def _drop(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None

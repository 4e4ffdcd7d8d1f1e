"""What tests of alerts share: an automation with channels, and a server that answers as it is told."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aios_core.automation import Automation
from resources.alert_look import Looked, look
from resources.alerts import AlertStore
from resources.database import Database
from tests.review_world import automation

LINK = "http://console.test/alerts"


@dataclass
class Receiver:
    """A webhook's other side: answers with `answers` in turn (the last one for good), `hang` seconds late."""

    answers: list[int] = field(default_factory=lambda: [200])
    hang: float = 0.0
    got: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0

    def url(self, *, read_seconds: float = 4.0) -> str:
        return f"json://user:pa55word@127.0.0.1:{self.port}/s3cr3t-path?rto={read_seconds}"


@contextmanager
def receiver() -> Iterator[Receiver]:
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            made.got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            time.sleep(made.hang)
            status = made.answers.pop(0) if len(made.answers) > 1 else made.answers[0]
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


def watched(**alerts: Any) -> Automation:
    """An automation with one chat channel; keyword arguments are its `alerts`."""
    return automation(alerts={"channels": {"chat": "${AIOS_TEST_CHAT}"}} | alerts, owners=["team:care"])


def look_at(database: Database, of: Automation, *, at: datetime) -> Looked:
    return look(database, automation=of, now=at, link=LINK)


def firing(database: Database) -> dict[str, str]:
    """Rule -> subject of what fires."""
    return {a.rule: a.subject for a in AlertStore(database).alerts()}


def fail_job(database: Database, job: str, *, at: datetime, watches: bool = True) -> None:
    with database.connection() as conn:
        conn.execute("insert into job_failures values ('escalations', %s, %s, 'r1', 'boom', %s)", (job, watches, at))


def mend_jobs(database: Database, *, at: datetime) -> None:
    with database.connection() as conn:
        conn.execute("update job_failures set cleared_at = %s", (at,))

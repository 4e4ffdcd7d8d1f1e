"""`aios bench review`: the next case among a million while many people work, and verdicts while the console is killed.

What belongs here: both turns, and holding what people were told against the database. What does not: rows (`world.py`) and a person's
requests (`people.py`).

- *Next case*: each of `clients` people presses `n` about every `every_seconds`, faster than anybody reads: the case goes back, the next one
  is claimed, and the script learns its address. The page itself is measured beside it, since the script fetches it ahead.
- *Verdicts*: `reviewers` people decide as fast as they are answered until `decide` verdicts stand; in the middle the console is killed
  (SIGKILL, all its processes) and started again. `double_claims` are cases that two people held without one having given them back,
  `lost_verdicts` are verdicts that the console confirmed and the database does not have from that person.
"""

import contextlib
import itertools
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.review import world
from benchmarks.review.people import Reviewer, work
from benchmarks.serve.servers import Command, free_port, running
from gateway.security import COOKIE, Sessions
from resources.database import Database
from resources.embedded_postgres import EmbeddedPostgres
from resources.users import UserStore

SECRET = "s" * 48
WARMUP_SECONDS = 3.0

Report = Callable[[str], None]


def measure(
    *,
    cases: int = 1_000_000,
    clients: int = 50,
    seconds: float = 60.0,
    every_seconds: float = 4.0,
    reviewers: int = 500,
    decide: int = 20_000,
    workers: int = 2,
    report: Report = lambda _: None,
) -> dict[str, Any]:
    """Both turns. Raises ServerFailed where the console does not come up."""
    with tempfile.TemporaryDirectory(prefix="aios-bench-review-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)  # as root Postgres runs under another account, which must pass here
        server = EmbeddedPostgres(home=folder, tied=True)
        try:
            url = server.start()
            with Database(url) as database:
                database.migrate()
                report(f"putting {cases:,} cases in")
                names = world.fill(database, cases=cases, people=max(clients, reviewers), now=datetime.now(UTC))
                port = free_port()
                command = _console(folder, url, port=port, workers=workers)
                people = _people(database, names, port)
                report(f"{clients} people take the next case for {seconds:g} s")
                with running(command):
                    nexts, pages = _next_cases(people[:clients], seconds, every_seconds)
                report(f"{reviewers} people decide {decide:,} cases; the console is killed in the middle")
                took = _verdicts(command, people[:reviewers], decide)
                return {
                    "cases": cases,
                    "clients": clients,
                    "every_seconds": every_seconds,
                    "next_cases": len(nexts),
                    "next_case_p50_ms": _ms(nexts, 0.5),
                    "next_case_p99_ms": _ms(nexts, 0.99),
                    "page_p50_ms": _ms(pages, 0.5),
                    "page_p99_ms": _ms(pages, 0.99),
                    "reviewers": reviewers,
                    **_checked(database, people[:reviewers]),
                    "seconds": round(took, 1),
                    "verdicts_per_second": round(sum(len(p.told) for p in people[:reviewers]) / took, 1),
                }
        finally:
            server.stop()


def _console(folder: Path, url: str, *, port: int, workers: int) -> Command:
    return Command(
        name="the console",
        arguments=[sys.executable, "-m", "gateway", "--port", str(port), "--workers", str(workers)],
        port=port,
        ready="/health",
        log=folder / "gateway.log",
        environment={
            "AIOS_HOME": str(folder / "home"),
            "AIOS_DATABASE_URL": url,
            "AIOS_LAKE_URL": str(folder / "lake"),
            "AIOS_DEPLOYMENT": "local",
            "AIOS_SECRET_KEY": SECRET,
        },
    )


def _people(database: Database, names: list[str], port: int) -> list[Reviewer]:
    sessions, users = Sessions(SECRET, lifetime=timedelta(hours=8)), UserStore(database)
    now = datetime.now(UTC)
    known = {user.username: user.stamp for user in users.users()}
    return [
        Reviewer(name=name, cookie=f"{COOKIE}={sessions.start(username=name, stamp=known[name], now=now)}", port=port)
        for name in names
    ]


def _next_cases(people: list[Reviewer], seconds: float, every: float) -> tuple[list[float], list[float]]:
    """Seconds of each step and of each page, after a warm-up."""
    nexts, pages = list[float](), list[float]()
    begun = time.monotonic() + WARMUP_SECONDS

    def one(person: Reviewer, rng: random.Random) -> None:
        person.arrive()
        case = person.next_case()
        while case is not None and time.monotonic() < begun + seconds:
            time.sleep(rng.uniform(0.5, 1.5) * every)
            following, took = person.leave(case)
            if following is None:
                return
            page = person.page(following)
            if time.monotonic() > begun:
                nexts.append(took)
                pages.append(page)
            case = following

    _all(lambda n: one(people[n], random.Random(n)), len(people))
    return nexts, pages


def _verdicts(command: Command, people: list[Reviewer], decide: int) -> float:
    """Decide so many, with the console killed half-way; the seconds that took."""
    wrong = itertools.cycle(world.QUEUES)

    def said() -> int:
        return sum(len(person.told) for person in people)

    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        process = stack.enter_context(running(command))
        going = threading.Thread(
            target=_all,
            args=(lambda n: work(people[n], queue=lambda _: next(wrong), more=lambda: said() < decide), len(people)),
        )
        going.start()
        while said() < decide // 2 and going.is_alive():
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        stack.enter_context(running(command))
        going.join()
    return time.monotonic() - started


def _checked(database: Database, people: list[Reviewer]) -> dict[str, int]:
    """What people were told, held against the database."""
    told = [(case, person.name, queue) for person in people for case, queue in person.told.items()]
    with database.connection() as conn:
        stands = {
            (case, by): queue
            for case, by, queue in conn.execute(
                "select case_id, decided_by, verdict_queue from review_cases where state = 'decided'"
            ).fetchall()
        }
        double = conn.execute(_DOUBLE).fetchone()
    lost = sum(stands.get((case, name)) != queue for case, name, queue in told)
    twice = len(told) - len({case for case, *_ in told})
    return {"decided": len(told), "double_claims": (double[0] if double else 0) + twice, "lost_verdicts": lost}


def _all(task: Callable[[int], None], count: int) -> None:
    """Run it for each number, in a thread of its own; the first error is raised at the end."""
    errors: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            task(number)
        except BaseException as error:  # a thread has nobody above it to tell
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(n,), daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def _ms(seconds: list[float], share: float) -> float | None:
    ascending = sorted(seconds)
    return round(1_000 * ascending[min(len(ascending) - 1, int(share * len(ascending)))], 2) if ascending else None


# a claim while the one before it, of somebody else, was neither given back nor decided: no lease runs out in a run
_DOUBLE = """
select count(*) from (
    select e.kind, e.actor, lag(e.kind) over w as before, lag(e.actor) over w as whose
    from review_events e where e.kind in ('claim', 'release', 'decide', 'skip') window w as (partition by e.case_id order by e.event_id)
) s where kind = 'claim' and before = 'claim' and whose <> actor
"""

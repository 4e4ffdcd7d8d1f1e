"""The soak: so many minutes of everything at once, then calm, a last read, and the comparison.

What belongs here: the order of things, the seeded choice of what is killed when, and the figures. What does not: what goes on meanwhile (`living.py`),
the processes (`killing.py`, `reading.py`, `writing.py`) and the comparison (`judging.py`).

Everything has to be whole within the minutes asked for, so the bad day ends some time before: `HEALING` seconds of it are for the last writes and reads.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from benchmarks.serve.servers import free_port
from benchmarks.soak import judging, living, vendors
from benchmarks.soak.killing import GATEWAY, KINDS, READER, WRITER, Processes, commands
from benchmarks.workspace import PROJECT
from resources.database import Database, rows

HEALING = 25.0
LEAST_SECONDS = 15.0
EVERY = {"kill": (3.0, 9.0), "world": 1.5, "mood": 4.0, "decide": 1.0, "call": 0.15, "paper": 0.7}
LAST_SECONDS = 150.0
UNTIL = "2026-03-10T12:00:00Z"
Say = Callable[[str], None]
ZEROES = ("lost", "duplicated", "wrong_order", "quota_violations", "double_actions")


def measure(*, minutes: float = 5.0, seed: int = 7, tickets: int = 240, say: Say = lambda _: None) -> dict[str, Any]:
    """The figures of one soak; `ZEROES` of them are 0 where all is well, else `details` says what to look for."""
    began = time.monotonic()
    with _stage(seed=seed, tickets=tickets) as stage:
        say(f"everything runs after {time.monotonic() - began:.0f} s; the logs are in {stage.folder}")
        chaos = max(LEAST_SECONDS, minutes * 60 - HEALING - (time.monotonic() - began))
        stage.live(chaos, say=say)
        say(f"calm after {time.monotonic() - began:.0f} s, with {stage.processes.kills.total()} kills")
        stage.heal()
        say(f"healed after {time.monotonic() - began:.0f} s")
        found = stage.judge()
    return {"minutes": round((time.monotonic() - began) / 60, 2), "chaos_seconds": round(chaos, 1), **found}


class Stage:
    """A soak with all that it consists of."""

    def __init__(
        self,
        *,
        folder: Path,
        declaration: Path,
        processes: Processes,
        database: Database,
        sandbox: str,
        gateway: str,
        seed: int,
    ) -> None:
        from resources.declarations import load_declaration

        self.folder, self.processes = folder, processes
        self._order, self._database, self._url = random.Random(seed), database, sandbox
        self._control = living.Control(sandbox)
        own = iter(random.Random(f"{seed} {n}") for n in range(4))  # of its own each, whatever the others draw
        automation = load_declaration(declaration).automation
        self._world = living.World(self._control, next(own))
        self._decider = living.Decider(automation, database, next(own))
        self._caller = living.Caller(gateway, next(own))
        self._paper = living.Paper(declaration.parent, next(own))

    def live(self, seconds: float, *, say: Say) -> None:
        """The bad day."""
        end = time.monotonic() + seconds
        steps = {
            "world": self._world.live,
            "mood": self._world.mood,
            "decide": self._decider.step,
            "call": self._caller.step,
            "paper": self._paper.step,
        }
        going = [living.Repeated(step, every=float(EVERY[name])) for name, step in steps.items()]  # type: ignore[arg-type]
        half = time.monotonic() + seconds / 2
        try:
            kinds = _dealt(self._order)
            while (pause := self._order.uniform(*EVERY["kill"])) < end - time.monotonic():  # type: ignore[misc]
                time.sleep(pause)
                self._world.widened = time.monotonic() > half
                kind = next(kinds)
                self.processes.kill(kind)
                say(f"killed the {kind}")
            time.sleep(max(0.0, end - time.monotonic()))
        finally:
            for one in going:
                one.end()

    def heal(self) -> None:
        """No faults, no kills: what waits is sent, who was not answered calls again, and each source is read for the last time."""
        self.processes.require()
        self._world.widened = True
        self._world.calm()
        self._paper.finish()
        living.wait_until(self._ready, seconds=60, what="the gateway")
        self._caller.again()
        self.processes.once(WRITER, seconds=LAST_SECONDS)
        self.processes.once(READER, seconds=LAST_SECONDS)

    def judge(self) -> dict[str, Any]:
        """Everything beside the truth."""
        state, manifest = self._control.get("state"), self._control.get("manifest")
        truth = self._truth(manifest["tickets"])
        writes, doubles = self._control.get("writes")["writes"], self._control.get("doubles")
        with self._database.connection() as connection:
            tickets = judging.judged(connection, truth)
            twice = judging.duplicates(connection)
            outbox = rows(connection, "select * from outbox where automation = %s order by action_id", (vendors.NAME,))
            acted, again = judging.actions([o for o in outbox if o["state"] == "sent"], writes)
            missed, doubled = judging.deliveries(connection, self._caller.acknowledged)
            lost_elsewhere = self._customers(connection, state["counts"]["accounts"]) + self._papers(connection)
            quarantine = rows(connection, "select code, count(*) as n from quarantine group by code order by code")
            landed = rows(connection, "select count(*) as n from landing_records")[0]["n"]
        waiting = [f"action {o['action_id']} is still {o['state']}" for o in outbox if o["state"] == "pending"]
        lost = [*tickets.lost, *acted.lost, *missed, *lost_elsewhere, *waiting]
        wrong = [*tickets.wrong_order, *acted.wrong_order]
        duplicated = [*twice, *doubled, *[f"{self._caller.forged_taken} forged"] * bool(self._caller.forged_taken)]
        actions: dict[str, int] = {}
        for one in outbox:
            actions[one["state"]] = actions.get(one["state"], 0) + 1
        return {
            "vendors": len(vendors.VENDORS),
            "tickets": len(truth),
            "changes": sum(one["versions"] for one in manifest["tickets"]),
            "requests": state["requests"],
            "faults": sum(n for kind, n in state["faults"]["injected"].items() if kind != "new_field"),
            "kills": self.processes.kills.total(),
            "lost": len(lost),
            "duplicated": len(duplicated),
            "wrong_order": len(wrong),
            "quota_violations": sum(state["quota_refused"].values()),
            "double_actions": max(doubles["double_actions"], len(again)),
            "landed": landed,
            "actions": actions,
            "deliveries": len(self._caller.acknowledged),
            "killed": dict(self.processes.kills),
            "faults_by_kind": state["faults"]["injected"],
            "quarantined": {row["code"]: row["n"] for row in quarantine},
            "details": [*lost, *wrong, *duplicated, *again][:40],
        }

    def _ready(self) -> bool:
        self.processes.require(GATEWAY)
        try:
            return httpx.get(f"{self._caller.gateway}/ready", timeout=2, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def _truth(self, tickets: Sequence[dict[str, Any]]) -> list[judging.Standing]:
        """As Zendesk's API shows each ticket, asked for by its id; deleted ones are only in the manifest."""
        shown: dict[int, dict[str, Any]] = {}
        numbers = [one["id"] for one in tickets if not one["deleted"]]
        for start in range(0, len(numbers), 100):
            shown |= {one["id"]: one for one in self._shown(numbers[start : start + 100])}
        return [
            judging.Standing(
                number=one["id"],
                at=datetime.fromisoformat(one["updated_at"]),
                deleted=one["deleted"],
                queue=None if one["deleted"] else vendors.GROUPS.get(str(shown[one["id"]]["group_id"])),
                subject="" if one["deleted"] else shown[one["id"]]["subject"],
            )
            for one in tickets
        ]

    def _shown(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        for _ in range(70):  # the minute's quota may be used up
            answer = httpx.get(
                f"{self._url}/api/v2/tickets/show_many.json",
                params={"ids": ",".join(map(str, numbers))},
                auth=("agent@example.com/token", "sandbox-token"),
                timeout=20,
                trust_env=False,
            )
            if answer.status_code != 429:
                found: list[dict[str, Any]] = answer.raise_for_status().json()["tickets"]
                return found
            time.sleep(1)
        raise TimeoutError("the sandbox does not show its tickets")

    def _customers(self, connection: Any, accounts: int) -> list[str]:
        query = "select count(distinct customer_id) as n from customers where automation = %s and source = %s"
        known = {name: rows(connection, query, (vendors.NAME, name))[0]["n"] for name in vendors.CUSTOMERS}
        return [f"{name}: {n} of {accounts} customers" for name, n in known.items() if n != accounts]

    def _papers(self, connection: Any) -> list[str]:
        known = judging.versions_of(connection, vendors.FILE)
        expected = {own_id: datetime.fromisoformat(at) for own_id, at in self._paper.written.items()}
        there = {own_id: max(one.at for one in versions) for own_id, versions in known.items()}
        query = "select count(*) as n from quarantine where automation = %s and source = %s"
        broken = rows(connection, query, (vendors.NAME, vendors.FILE))[0]["n"]
        lost = [
            f"{vendors.FILE} {i}: stands at {there.get(i)}, written at {at}"
            for i, at in expected.items()
            if there.get(i) != at
        ]
        # the same broken line is kept once
        return lost + [f"{vendors.FILE}: no broken line in quarantine"] * (self._paper.broken > 0 and broken == 0)


def _dealt(order: random.Random) -> Iterator[str]:
    """Every kind once in an order of chance, then again: so that a short soak kills each at least once."""
    while True:
        yield from order.sample(KINDS, len(KINDS))


@contextmanager
def _stage(*, seed: int, tickets: int) -> Iterator[Stage]:
    from resources.embedded_postgres import EmbeddedPostgres

    folder = Path(tempfile.mkdtemp(prefix="aios-soak-"))
    folder.chmod(0o755)  # as root the database runs under another account, which must pass here
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        server = EmbeddedPostgres(home=folder, tied=True)
        stack.callback(server.stop)
        sandbox = stack.enter_context(_sandbox(folder, seed=seed, tickets=tickets))
        url = server.start()
        with Database(url) as migrating:
            migrating.migrate()
        declaration, port = vendors.declare(folder / "automations"), free_port()
        (declaration.parent / "desk.jsonl").touch()
        environment = {
            "AIOS_HOME": str(folder),
            "AIOS_DATABASE_URL": url,
            "AIOS_AUTOMATIONS": str(declaration.parent.parent),
            vendors.URL_VARIABLE: sandbox,
            vendors.TOKEN_VARIABLE: "sandbox-token",
            vendors.SECRET_VARIABLE: living.SECRET,
        }
        processes = Processes(
            folder=folder, commands=commands(declaration, port=port), environment=environment, server=server
        )
        stack.callback(processes.end)
        for kind in (READER, WRITER, GATEWAY):
            processes.start(kind)
        database = stack.enter_context(Database(url))
        yield Stage(
            folder=folder,
            declaration=declaration,
            processes=processes,
            database=database,
            sandbox=sandbox,
            gateway=f"http://127.0.0.1:{port}",
            seed=seed,
        )


@contextmanager
def _sandbox(folder: Path, *, seed: int, tickets: int) -> Iterator[str]:
    """Its clock moves only when the soak moves it, and its exports leave nothing out: what it shows at the end then stands still."""
    options = f"--port 0 --seed {seed} --tickets {tickets // 2} --history {tickets - tickets // 2} --until {UNTIL}"
    with (folder / "sandbox.log").open("wb") as log:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "sandbox",
                "serve",
                *options.split(),
                "--frozen-clock",
                "--no-recent-guard",
                "--quota",
                "real",
            ],
            cwd=PROJECT,
            env=dict(os.environ),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.terminate()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()

"""`aios drill rollback`: a bad version is planted under load, again and again, and what the running platform does is measured.

What belongs here: the order of a drill. What does not: the platform's processes (`platform.py`) and rows (`state.py`), the bad
version (`planting.py`), tickets (`arrivals.py`) and clients (`load.py`), the kills (`killing.py`), and what the answers prove
(`judging.py`).

A drill: tickets arrive in the helpdesk and are decided through the gateway; a bad version becomes champion; the job `assess` is
launched, as its schedule would every ten minutes; from there on nobody helps: the daemon's sensor has to see the assessment, and the
job has to move the alias back, while clients go on asking. Flagged is when the assessment was made, moved is when the moved alias
could be read.
"""

import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.drill import judging
from benchmarks.drill.arrivals import let_arrive
from benchmarks.drill.judging import Standing
from benchmarks.drill.killing import ASSESSING, DAEMON, FLAGGED, KINDS, RANDOM, ROLLING, Chooser, Killer
from benchmarks.drill.load import Load
from benchmarks.drill.planting import Planter
from benchmarks.drill.platform import DrillBroken, Platform, running
from benchmarks.drill.state import State
from benchmarks.drill.watch import Watch
from benchmarks.drill.world import (
    CHANGES,
    HOURS_A_DRILL,
    NAME,
    SETTLING_HOURS,
    Size,
    declare,
    first_new_day,
    make_world,
    truths,
)
from benchmarks.machine import Elsewhere
from resources.database import Database
from resources.decisions import DecisionStore
from resources.declarations import Declared, load_declaration
from resources.lake import Lake

Say = Callable[[str], None]
BAD_VERSIONS = 3  # they take turns
FIRST_TICKETS = 12  # decided before the bad version comes
TICKETS_A_DRILL = 90
RUN_SECONDS = 300.0
PREPARE_SECONDS = 600.0  # each step before the first drill; on a busy machine training takes a few minutes
MOVE_SECONDS = 420.0  # a run whose daemon was killed is given up after two minutes, and started anew
REPAIR_SECONDS = 240.0
ANSWER_SECONDS = 60.0
AFTERWARDS_SECONDS = 2.0


def measure(
    *,
    times: int = 3,
    kill: str | None = None,
    seed: int = 7,
    size: Size | None = None,
    say: Say = lambda text: None,
) -> dict[str, Any]:
    """All drills on one platform of their own. `kill` is one of `KINDS`, `random`, or None. Raises DrillBroken."""
    if kill not in (None, RANDOM, *KINDS):
        raise DrillBroken(f"nothing is called {kill!r} here; --kill takes {', '.join((*KINDS, RANDOM))}")
    begun, elsewhere, size = time.monotonic(), Elsewhere(), size or Size(seed=seed)
    with _folder() as folder, _prepared(folder, size=size, times=times, say=say) as drills:
        chooser = Chooser(kill, random.Random(seed))
        each = [drills.one(number, chooser) for number in range(times)]
    return {
        **judging.summed(each),
        "kill": kill,
        "killed": {kind: sum(one["killed"] == kind for one in each) for kind in KINDS} if kill else {},
        **{name: judging.spread_of(judging.known(each, name)) for name in _SPREAD},
        **{name: sum(one[name] for one in each) for name in _SUMMED},
        "asked_again": _added(one["asked_again"] for one in each),
        "declared_otherwise": {block: dict(values) for block, values in CHANGES.items()},
        "seconds": round(time.monotonic() - begun, 1),
        "cores_busy_elsewhere": elsewhere.cores(),
        "each": each,
    }


_SPREAD = (
    "moved_to_served_seconds",
    "opened_to_repaired_seconds",
    "planted_to_flagged_seconds",
    "slowest_swap_seconds",
)
_SUMMED = ("requests", "tickets_decided_by_the_bad", "replayed", "replays_that_differ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a drill went, in wall seconds; None for what did not come about in time."""

    planted: float
    gate_against: int
    flagged: float | None = None
    moved: float | None = None
    served: float | None = None

    def told(self) -> dict[str, Any]:
        """As the drill's figures."""
        return {
            "gate_against": self.gate_against,
            "planted_to_flagged_seconds": _between(self.planted, self.flagged),
            "flagged_to_moved_seconds": _between(self.flagged, self.moved),
            "moved_to_served_seconds": _between(self.moved, self.served),
        }


class Drills:
    """One running platform with a good champion and bad versions to plant."""

    def __init__(self, platform: Platform, declared: Declared, database: Database, *, seed: int, say: Say) -> None:
        self._platform, self._declared, self._database, self._say = platform, declared, database, say
        self._planter = Planter(declared, database=database, lake=Lake(platform.variables["AIOS_LAKE_URL"]))
        self._model = declared.automation.model_name
        self._state = State(platform, automation=NAME, model=self._model)
        self._seed = seed
        self._good = 0
        self._bad: list[int] = []

    # --- before the first drill

    def prepare(self, *, tickets: int, versions: int) -> None:
        """Train the good version, let it decide, let agents settle that, and make the bad versions."""
        self._platform.stop_automation(but=NAME)
        self._run("ingest")
        self._run("train")
        good = self._planter.registry.current(name=self._model)
        if good is None:
            raise DrillBroken(f"training brought no champion; {self._platform.home / 'logs'} says why")
        self._good = good
        self._say(f"version {good} decides")
        self._platform.wait_for(
            "the arrivals sensor to have the first tickets decided",
            lambda: self._state.decided_by(good) >= tickets or None,
            seconds=PREPARE_SECONDS,
        )
        self._platform.advance(SETTLING_HOURS, new_tickets=0)
        self._run("ingest")
        self._bad = [self._planter.make(beside=good, seed=self._seed + number) for number in range(versions)]
        self._say(f"registered as bad: {', '.join(map(str, self._bad))}")

    def _run(self, job: str) -> None:
        self._say(f"running {job}")
        self._platform.finish(self._launch(job), seconds=PREPARE_SECONDS)

    def _launch(self, job: str) -> str:
        return self._platform.launch(f"{NAME}__{job}", tags={"aios/automation": NAME})

    # --- one drill

    def one(self, number: int, chooser: Chooser) -> dict[str, Any]:
        """Plant, wait, look. Raises DrillBroken where the drill itself could not be held."""
        if chooser.asked == DAEMON and (pause := chooser.seconds_to_wait()):
            self._say(f"waiting {pause:.0f} s: the supervisor gives up a daemon that ends too often")
            time.sleep(pause)
        self._planter.set_right(self._good)
        bad, plan = self._bad[number % len(self._bad)], chooser.plan()
        tickets = let_arrive(self._platform, self._declared.automation, count=TICKETS_A_DRILL, hours=HOURS_A_DRILL)
        before = self._state.newest_incident()
        load = Load(port=self._platform.gateway_port, path=f"/v1/automations/{NAME}/decide", seed=self._seed + number)
        with Watch(self._platform, model=self._model, champion=self._good) as watch, load:
            load.feed(tickets)
            self._platform.wait_for(
                "the first answers", lambda: len(load.answers()) >= FIRST_TICKETS or None, seconds=ANSWER_SECONDS
            )
            killer = None if plan is None else Killer(plan, self._platform, runs_of=self._new_runs())
            course = self._course(bad, load, watch, killer)
            killed = killer is not None and killer.end() is not None
            if killed and plan is not None:
                chooser.ended(plan.kind)
            time.sleep(AFTERWARDS_SECONDS)
            ended = self._state.ended(after_incident=before)
            self._planter.set_right(self._good)  # what it would have done is asked of it below, however this ended
            repaired = self._repaired(ended.rollbacks)
            wrong = self._wrong(load, tickets, bad=bad, repaired=repaired is not None)
        found = {
            "number": number + 1,
            "bad_version": bad,
            "ended_right": ended.champion == self._good and course.served is not None and not ended.held,
            **course.told(),
            "held_queues": list(ended.held),
            "incidents": [remedy for _, remedy in ended.incidents],
            "opened_to_repaired_seconds": repaired,
            "killed": plan.kind if killed and plan is not None else None,
            "kill_planned": None if plan is None else asdict(plan),
            **wrong,
            **self._answered(load, watch, tickets),
        }
        self._say(_told(found))
        return found

    def _course(self, bad: int, load: Load, watch: Watch, killer: Killer | None) -> Course:
        """From the promotion of the bad version until the gateway answers by the good one again, or the time is up."""
        wait = self._platform.wait_for
        planted = time.time()
        against = len(self._planter.promote(bad))
        flagged = moved = served = None
        with suppress(
            DrillBroken
        ):  # what did not come about is told as such; a platform that is gone is another matter
            wait("the bad version to answer", lambda: _answered_by(load, bad, planted), seconds=ANSWER_SECONDS)
            flagged = self._flagged(bad, planted, killer)
            moved = wait("the alias to move", lambda: watch.since(self._good, planted), seconds=MOVE_SECONDS)
            served = wait(
                "the good version to answer", lambda: _answered_by(load, self._good, moved), seconds=ANSWER_SECONDS
            )
        self._platform.require_up()
        return Course(planted=planted, gate_against=against, flagged=flagged, moved=moved, served=served)

    def _flagged(self, bad: int, planted: float, killer: Killer | None) -> float:
        """When the judge asked for the rollback. Its job is launched again where it ended without: killed, or not sure yet."""
        since, end = datetime.fromtimestamp(planted, UTC), time.monotonic() + RUN_SECONDS
        if killer:
            killer.begun(ASSESSING)

        def judged() -> datetime | bool | None:
            return self._state.assessed(bad, since=since) or (None if self._state.has_unfinished("assess") else False)

        while time.monotonic() < end:
            self._launch("assess")
            found = self._platform.wait_for("the judge", judged, seconds=RUN_SECONDS)
            if found:
                if killer:
                    killer.begun(FLAGGED)
                flagged: float = found.timestamp()
                return flagged
        raise DrillBroken(f"the judge asked for no rollback from version {bad} within {RUN_SECONDS:g} s")

    def _new_runs(self) -> Callable[[str], list[str]]:
        """The runs of a phase's job that were not there when the drill began."""
        jobs = {ASSESSING: f"{NAME}__assess", ROLLING: f"{NAME}__rollback"}
        known = {run.run_id for job in jobs.values() for run in self._platform.runs(job)}
        return lambda phase: [r.run_id for r in self._platform.runs(jobs[phase]) if r.run_id not in known]

    # --- what became of it

    def _repaired(self, rollbacks: Sequence[int]) -> float | None:
        """Seconds from the incident's opening until its repair was finished; None where that did not come about in time."""
        if not rollbacks:
            return None
        try:
            return self._state.repaired(rollbacks[-1], seconds=REPAIR_SECONDS)
        except DrillBroken:
            self._platform.require_up()
            return None

    def _wrong(
        self, load: Load, tickets: Sequence[Mapping[str, Any]], *, bad: int, repaired: bool
    ) -> dict[str, int | None]:
        """Wrong decisions that the bad version is to blame for, and how many of them stand after the repair."""
        truth, ids = truths(self._platform.home / "sandbox.sqlite"), [t["ticket_id"] for t in tickets]
        made = self._state.made_by(bad, ids)
        asked = {t["ticket_id"]: t for t in tickets}
        good = {one.ticket_id: self._by_the_good(load, asked[one.ticket_id]) for one in made}
        blamed = judging.wrong_by_the_bad(made, good, truth, bad=bad)
        left = judging.still_wrong(blamed, self._state.standing(ids), truth) if repaired else None
        return {"tickets_decided_by_the_bad": len(made), "wrong_before": len(blamed), "wrong_after_repair": left}

    def _by_the_good(self, load: Load, ticket: Mapping[str, Any]) -> Standing:
        """What the good version, champion again, says of a ticket; nothing is recorded."""
        answer = load.ask(ticket, record=False)
        if answer is None:
            raise DrillBroken(f"ticket {ticket['ticket_id']}: the gateway answers no more ({dict(load.failures())})")
        return Standing(
            ticket_id=answer.ticket_id, version=answer.record_version, verdict=answer.verdict, queue=answer.queue
        )

    def _answered(self, load: Load, watch: Watch, tickets: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """What the clients saw, and what the recorded decisions come out as when they are made again."""
        answers, reigns, failures = load.answers(), watch.reigns(), load.failures()
        contradicting = sum(map(judging.contradicts, answers))
        late = sum(judging.out_of_reign(a, reigns) for a in answers)
        store = DecisionStore(self._database)
        replays = [
            store.replay(decision, registry=self._planter.registry).identical
            for decision in self._state.decisions([t["ticket_id"] for t in tickets])
        ]
        differ = len(replays) - sum(replays)
        return {
            "requests": len(answers) + failures.total(),
            "failed_requests": failures.total(),
            "failures": dict(failures),
            "asked_again": dict(load.again()),
            "mixed_version_decisions": contradicting + late + differ,
            "contradicting": contradicting,
            "out_of_reign": late,
            "mixed_answers": [asdict(a) for a in answers if judging.contradicts(a) or judging.out_of_reign(a, reigns)][
                :10
            ],
            "reigns": [asdict(r) for r in reigns],
            "slowest_swap_seconds": judging.slowest_swap(answers, reigns),
            "replayed": len(replays),
            "replays_that_differ": differ,
        }


def _answered_by(load: Load, version: int, since: float) -> float | None:
    """When the first answer by a version came to a request sent after a moment."""
    return next(
        (
            a.answered_at
            for a in load.answers()
            if a.record_version == version and not a.existing and a.sent_at >= since
        ),
        None,
    )


def _between(begin: float | None, end: float | None) -> float | None:
    return None if begin is None or end is None else round(end - begin, 2)


def _told(one: Mapping[str, Any]) -> str:
    killed = f", {one['killed']} killed" if one["killed"] else ""
    repaired = "not repaired" if one["wrong_after_repair"] is None else f"{one['wrong_after_repair']} after repair"
    return (
        f"drill {one['number']}: ended {'right' if one['ended_right'] else 'WRONG'}{killed}, flagged to moved"
        f" {one['flagged_to_moved_seconds']} s, {one['wrong_before']} wrong decisions ({repaired}),"
        f" {one['failed_requests']} of {one['requests']} requests failed, {one['mixed_version_decisions']} mixed"
    )


def _added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in counts:
        for why, count in one.items():
            found[why] = found.get(why, 0) + count
    return found


@contextmanager
def _prepared(folder: Path, *, size: Size, times: int, say: Say) -> Iterator[Drills]:
    home, automations = folder / "home", folder / "automations"
    state = home / "sandbox.sqlite"
    spec = make_world(state, size=size, drills=times, now=datetime.now(UTC))
    declared = load_declaration(declare(automations, start=first_new_day(spec, state)))
    say("starting the platform")
    with running(home, automations=automations) as platform, Database(platform.database_url) as database:
        drills = Drills(platform, declared, database, seed=size.seed, say=say)
        drills.prepare(tickets=size.tickets, versions=min(times, BAD_VERSIONS))
        yield drills


@contextmanager
def _folder() -> Iterator[Path]:
    """As root the embedded Postgres runs under another account, which has to get in. After a broken drill its logs stay."""
    folder = Path(tempfile.mkdtemp(prefix="aios-drill-"))
    folder.chmod(0o755)
    try:
        yield folder
    except DrillBroken:
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    else:
        shutil.rmtree(folder, ignore_errors=True)

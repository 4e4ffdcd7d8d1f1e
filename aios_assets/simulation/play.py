"""The play: day after day through the real assets, their sensors and the remedies that these start; and the same world by hand.

What belongs here: the order of a day. What does not: what is planted (`story.py`), the people's hours (`desk.py`) and what it comes to
(`measure.py`). Nothing here tells the platform what was planted, and no remedy is carried out but by the platform's own sensors and jobs.

A day is played in two acts. Its tickets arrive; at midnight the platform ingests, scores, decides and writes, people work on drafts and
review cases, and the judge looks; then the world's agents do what they would have done during the day, given that each automatic move
took effect minutes after its ticket, and each person's when the desk got to it. So the platform is asked once a day, and no ticket
waits for that.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from dagster._utils.schedules import cron_string_iterator

from aios_assets import jobs
from aios_assets.simulation import platform as platforms
from aios_assets.simulation import world as worlds
from aios_assets.simulation.desk import Desk, Task
from aios_assets.simulation.platform import Clock, Platform, midnight_after
from aios_assets.simulation.story import BAD_LABELS, START_HOUR, Story, first_day
from aios_assets.simulation.world import Told, World
from aios_core.automation import Automation
from aios_core.declaration.sources import ZendeskSource
from aios_core.monitoring.plots import undrawn
from resources import clock as platform_clock
from resources.aliases import AliasMove
from resources.decisions import DecisionStore
from resources.incidents import IncidentStore
from resources.monitoring import Incident, MonitorDay, MonitorStore
from resources.reconciliation import Reconciliation
from resources.reviews import ReviewStore

Report = Callable[[str], None]
BAD_WEEK_DAYS = 7
REVIEWER = "simulated reviewer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What one day came to."""

    day: date
    verdicts: Mapping[str, int]
    champion: int | None
    accuracy: float | None
    held: tuple[str, ...]
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """All that is left of a play with the platform: rows to measure, each as its store gives it."""

    story: Story
    begin: datetime
    automation: Automation
    days: tuple[Day, ...]
    decisions: Any  # a data frame of DecisionStore.table
    truth: Mapping[str, Told]
    incidents: tuple[Incident, ...]
    moves: tuple[AliasMove, ...]
    measured: tuple[MonitorDay, ...]
    routed: Mapping[str, str]  # ticket -> the queue that a person chose
    desk_minutes: float
    lost: int
    duplicated: int
    seconds: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ByHand:
    """The same world without a platform: people triage every ticket."""

    routed: Mapping[str, str]  # ticket -> the queue that a person chose
    truth: Mapping[str, Told]
    desk_minutes: float


@dataclass(slots=True)
class Play:
    """One play in progress."""

    story: Story
    world: World
    platform: Platform
    clock: Clock
    report: Report
    desk: Desk = field(init=False)
    days: list[Day] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    routed: dict[str, str] = field(default_factory=dict)
    _misfiling_until: int = -1

    def __post_init__(self) -> None:
        self.desk = Desk(self.story.people)

    def begin(self) -> None:
        """The history is learnt from; then the rest of the first day passes."""
        self._run("ingest", jobs.INGEST)
        self._run("train", jobs.TRAIN)
        with self.timed("world"):
            self.world.day_begins(hours=24 - START_HOUR, tickets=0)
            self.world.day_ends({}, delay_minutes=0)

    def day(self, number: int) -> None:
        """One day, from its tickets to the judge."""
        day = self._next() if self.days else first_day(self.clock.at)
        with self.timed("world"):
            self._plant(number)
            self.world.day_begins(hours=24, tickets=self.story.arrivals(number))
        self.clock.set(midnight_after(day))
        self._run("ingest", jobs.INGEST)
        self._follow("score", "arrivals")
        moments = self._people(day)
        with self.timed("world"):
            self.world.day_ends(moments, delay_minutes=self.story.delay_minutes)
        watched = self._follow("monitor", "decided")
        for remedy in ("rollback", "narrow", "repair"):
            self._follow("remedies", remedy)
        self._follow("train", "retraining")
        if self._due(self.platform.declared.automation.schedules.train, since=midnight_after(day), hours=24):
            self._run("train", jobs.TRAIN)
        self.days.append(self._seen(day, watched))

    def _next(self) -> date:
        return self.days[-1].day + timedelta(days=1)

    def _plant(self, number: int) -> None:
        for planted in self.story.planted_on(number):
            self.report(f"day {number}: {planted.told}")
            if planted.kind == BAD_LABELS:
                self._misfiling_until = number + BAD_WEEK_DAYS
            else:
                self.world.change(planted.kind)
        if number < self._misfiling_until:
            self.world.misfile(self.story.misfiled)

    # people

    def _people(self, day: date) -> dict[str, datetime]:
        """Drafts are looked at and cases decided; when each took effect."""
        automation, people = self.platform.declared.automation, self.story.people
        self._run("review", jobs.REVIEW)
        with self.timed("people"):
            drafts, cases = self._drafts(day), self._cases()
            said = self.world.people_say([*drafts, *cases], error_share=people.error_share)
            tasks = [
                *(Task(ticket=t, since=at, minutes=automation.value.minutes_draft) for t, at in drafts.items()),
                *(Task(ticket=t, since=at, minutes=automation.value.minutes_review) for t, (_, at) in cases.items()),
            ]
            moments = self.desk.work(tasks)
            self.routed |= said
            groups = _groups(automation)
            self.world.assign({t: groups[said[t]] for t in drafts if t in said})
            self._decide({case: said[ticket] for ticket, (case, _) in cases.items() if ticket in said})
            undo = timedelta(minutes=automation.review.undo_minutes)
            moments |= {ticket: moments[ticket] + undo for ticket in cases}
            self.clock.set(self.clock.now() + undo + timedelta(minutes=1))
        if cases:
            self._follow("collect", "reviews")
            with self.timed("deliver"):
                self.platform.deliver(day)
        return moments

    def _drafts(self, day: date) -> dict[str, datetime]:
        """Today's tickets with a suggestion, and when the suggestion stood there."""
        rows = self.decided(day, day)
        rows = rows[rows["verdict"] == "draft"]
        delay = timedelta(minutes=self.story.delay_minutes)
        return {r.ticket_id: r.created_at.to_pydatetime() + delay for r in rows.itertuples()}

    def _cases(self) -> dict[str, tuple[str, datetime]]:
        """Ticket -> its waiting case, and since when it waits."""
        name, store = self.platform.declared.automation.name, ReviewStore(self.platform.database)
        waiting = [
            case
            for batch in store.batches(automation=name, states=("open",))
            for case in store.cases(automation=name, batch=batch.batch)
            if case.standing.state == "waiting"
        ]
        created = self._created(case.ticket_id for case in waiting)
        delay = timedelta(minutes=self.story.delay_minutes)
        return {c.ticket_id: (c.case_id, created.get(c.ticket_id, c.created_at) + delay) for c in waiting}

    def _created(self, tickets: Iterable[str]) -> dict[str, datetime]:
        automation = self.platform.declared.automation.name
        with self.platform.database.connection() as conn:
            return dict(
                conn.execute(
                    "select ticket_id, min(created_at) from tickets where automation = %s and ticket_id = any(%s) group by 1",
                    (automation, list(tickets)),
                ).fetchall()
            )

    def _decide(self, verdicts: Mapping[str, str]) -> None:
        store = ReviewStore(self.platform.database)
        for case, queue in verdicts.items():
            store.claim(case, actor=REVIEWER, now=self.clock.now())
            store.decide(case, actor=REVIEWER, queue=queue, now=self.clock.now())

    # jobs

    def _run(self, stage: str, job: str) -> None:
        with self.timed(stage):
            self.platform.run(self.platform.job(job))

    def _follow(self, stage: str, sensor: str) -> list[dict[str, dict[str, Any]]]:
        with self.timed(stage):
            return self.platform.follow(sensor)

    def _due(self, cron: str, *, since: datetime, hours: float) -> bool:
        """Whether a schedule fires in these hours."""
        due = next(cron_string_iterator(since.timestamp(), cron, "UTC"))
        return due < since + timedelta(hours=hours)

    # what is left

    def decided(self, first: date, last: date) -> Any:
        """The newest decision of each ticket of these days, as a data frame."""
        store = DecisionStore(self.platform.database)
        frame = store.table(self.platform.declared.automation.name, first, last + timedelta(days=1)).to_pandas()
        return frame.sort_values("decided_at", kind="stable").drop_duplicates(["source", "ticket_id"], keep="last")

    def _seen(self, day: date, watched: list[dict[str, dict[str, Any]]]) -> Day:
        from resources.modes import ModeStore

        automation = self.platform.declared.automation
        modes = ModeStore(self.platform.database).current(automation.name)
        quality = watched[-1].get("quality", {}) if watched else {}
        return Day(
            day=day,
            verdicts=dict(Counter(self.decided(day, day)["verdict"])),
            champion=self.platform.registry.current(name=automation.model_name),
            accuracy=quality.get("accuracy"),
            held=tuple(sorted(queue for queue, mode in modes.items() if mode == "review_only")),
            remedy=str(quality.get("remedy", "none")),
        )

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[stage] += time.perf_counter() - started


def with_platform(story: Story, *, begin: datetime, home: Path, report: Report = lambda _: None) -> Played:
    """Play the story with a platform under `home`. Raises StageFailed, WorldFailed."""
    started = time.perf_counter()
    clock = Clock(begin, time.monotonic)
    with (
        worlds.started(story, begin=begin, log=home / "logs" / "sandbox.log") as world,
        platforms.standing(world, home=home, first_day=first_day(begin)) as platform,
        platform_clock.running_on(clock.now),
        undrawn(),
    ):
        play = Play(story, world, platform, clock, report)
        play.seconds["start"] = time.perf_counter() - started
        play.begin()
        for number in range(story.days):
            play.day(number)
            last = play.days[-1]
            report(f"{last.day} {dict(last.verdicts)} version {last.champion} held {list(last.held)} {last.remedy}")
        return _left(play, begin)


def _left(play: Play, begin: datetime) -> Played:
    automation, database = play.platform.declared.automation, play.platform.database
    found = Reconciliation(database).of(automation=automation.name)
    first = first_day(begin)
    return Played(
        story=play.story,
        begin=begin,
        automation=automation,
        days=tuple(play.days),
        decisions=play.decided(first, play.days[-1].day),
        truth=play.world.truth(),
        incidents=tuple(IncidentStore(database).list(automation.name, limit=1_000)),
        moves=tuple(play.platform.registry.history(automation.model_name)),
        measured=tuple(MonitorStore(database).days(automation=automation.name, since=first)),
        routed=play.routed,
        desk_minutes=play.desk.minutes,
        lost=found.lost,
        duplicated=found.duplicated,
        seconds=dict(play.seconds),
    )


def by_hand(story: Story, *, begin: datetime, home: Path, automation: Automation) -> ByHand:
    """The same world and the same desk, where people triage every ticket. Raises WorldFailed."""
    desk, groups, routed = Desk(story.people), _groups(automation), dict[str, str]()
    misfiling_until = -1
    with worlds.started(story, begin=begin, log=home / "logs" / "sandbox-by-hand.log") as world:
        world.day_begins(hours=24 - START_HOUR, tickets=0)
        world.day_ends({}, delay_minutes=0)
        world.arrived()
        for number in range(story.days):
            for planted in story.planted_on(number):
                if planted.kind == BAD_LABELS:
                    misfiling_until = number + BAD_WEEK_DAYS
                else:
                    world.change(planted.kind)
            if number < misfiling_until:
                world.misfile(story.misfiled)
            world.day_begins(hours=24, tickets=story.arrivals(number))
            arrived = world.arrived()
            said = world.people_say([ticket for ticket, _ in arrived], error_share=story.people.error_share)
            tasks = [Task(ticket=t, since=at, minutes=automation.value.minutes_manual) for t, at in arrived]
            moments = desk.work(tasks)
            world.assign({ticket: groups[queue] for ticket, queue in said.items()})
            world.day_ends(moments, delay_minutes=0)
            routed |= said
        return ByHand(routed=routed, truth=world.truth(), desk_minutes=desk.minutes)


def _groups(automation: Automation) -> dict[str, int]:
    """Queue -> the helpdesk's id of it, as the declaration maps them."""
    for source in automation.sources.values():
        if isinstance(source, ZendeskSource):
            return {queue: int(group) for group, queue in source.mapping["queue"].values.items()}
    raise ValueError(f"{automation.name} has no helpdesk")

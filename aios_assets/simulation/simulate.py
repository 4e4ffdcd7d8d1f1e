"""`aios simulate`, without its command line: stories played, measured, and told on a page.

What belongs here: going through the seeds. What does not: a play (`play.py`) and the arithmetic (`measure.py`).
"""

import gc
import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from aios_assets.simulation import measure, page, pictures, platform, play, series
from aios_assets.simulation.story import Story, begins, first_day
from aios_core.errors import ConfigurationError

_Play = tuple[dict[str, Any], play.Played, play.ByHand, list[measure.Answered], list[measure.Acted]]


def _unheard(_: str) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """The result over all seeds, each seed's own, the page, and its pictures as one PNG."""

    told: dict[str, Any]
    html: str
    picture: bytes


def simulate(
    stories: list[Story],
    *,
    now: datetime,
    home: Path | None = None,
    at_once: int = 1,
    report: Callable[[str], None] = _unheard,
) -> Simulated:
    """Play each story twice, with the platform and by hand. `home` keeps what the platform wrote; else it is thrown away.

    `at_once` plays go on side by side, each in a process of its own; `report` is then called there, and must be a module's function.
    Raises StageFailed, WorldFailed, and ConfigurationError where `home` holds a play of the same seed.
    """
    if at_once > 1 and len(stories) > 1:
        with ProcessPoolExecutor(at_once, mp_context=get_context("spawn"), max_tasks_per_child=1) as processes:
            begun = [processes.submit(_apart, story, now=now, home=home, report=report) for story in stories]
            plays = [one.result() for one in begun]
    else:
        plays = [_in_folder(story, now=now, home=home, report=report) for story in stories]
    results = [told for told, *_ in plays]
    told = measure.over_seeds(results)
    if len(results) > 1:
        told["each"] = results
    _, played, hand, found, false_alarms = plays[0]
    picture = pictures.overview(series.weeks(played, hand), found, errors_by_hand=told["baseline"]["error_rate"])
    return Simulated(told=told, html=page.page(told, played, hand, found, false_alarms), picture=picture)


def _apart(story: Story, *, now: datetime, home: Path | None, report: Callable[[str], None]) -> _Play:
    """In a process of its own: what several plays tell is told apart by their seeds."""
    logging.disable(logging.INFO)
    return _in_folder(story, now=now, home=home, report=lambda said: report(f"seed {story.seed}: {said}"))


def _in_folder(story: Story, *, now: datetime, home: Path | None, report: Callable[[str], None]) -> _Play:
    with tempfile.TemporaryDirectory(prefix="aios-simulate-") as temporary:
        folder = Path(temporary) if home is None else home / f"seed-{story.seed}"
        if home is not None and folder.exists():
            raise ConfigurationError(
                f"{folder}: a play was kept here already; name another folder with --home, or remove it"
            )
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)  # as root Postgres runs under another account, which must pass here
        return _one(story, now=now, home=folder, report=report)


@contextmanager
def _few_collections() -> Iterator[None]:
    """What a platform has loaded stays: looking through all of it for cycles, again and again, is a twelfth of a play's time."""
    usual = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


def _one(story: Story, *, now: datetime, home: Path, report: Callable[[str], None]) -> _Play:
    started, begin = time.perf_counter(), begins(story.days, now=now)
    declared = platform.declare(home / "by-hand", first_day=first_day(begin))
    # a process of its own: the other core is free for it, and what it reckons does not hold up this one's interpreter
    with _few_collections(), ProcessPoolExecutor(1, mp_context=get_context("spawn")) as beside:
        by_hand = beside.submit(play.by_hand, story, begin=begin, home=home, automation=declared.automation)
        played = play.with_platform(story, begin=begin, home=home, report=report)
        report("the same world, by hand")
        hand = by_hand.result()
    day_zero = datetime.combine(first_day(begin), datetime.min.time(), tzinfo=UTC)
    found, false_alarms = measure.answered(
        story.planted, measure.acted(played.incidents), played.moves, day_zero=day_zero
    )
    told = measure.result(played, hand, day_zero=day_zero, seconds=time.perf_counter() - started)
    told |= {
        "incidents": [measure.as_json(a) for a in found],
        "stage_seconds": {k: round(v, 1) for k, v in played.seconds.items()},
    }
    return told, played, hand, found, false_alarms

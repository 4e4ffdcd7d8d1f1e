"""`aios simulate`, without its command line: stories played, measured, and told on a page.

What belongs here: going through the seeds. What does not: a play (`play.py`) and the arithmetic (`measure.py`).
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aios_assets.simulation import measure, page, pictures, play, series
from aios_assets.simulation.story import Story, begins, first_day
from aios_core.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """The result over all seeds, each seed's own, the page, and its pictures as one PNG."""

    told: dict[str, Any]
    html: str
    picture: bytes


def simulate(
    stories: list[Story], *, now: datetime, home: Path | None = None, report: Callable[[str], None] = lambda _: None
) -> Simulated:
    """Play each story twice, with the platform and by hand. `home` keeps what the platform wrote; else it is thrown away.

    Raises StageFailed, WorldFailed, and ConfigurationError where `home` holds a play of the same seed.
    """
    results: list[dict[str, Any]] = []
    first: tuple[play.Played, play.ByHand, list[measure.Answered], list[measure.Acted]] | None = None
    for story in stories:
        with tempfile.TemporaryDirectory(prefix="aios-simulate-") as temporary:
            folder = Path(temporary) if home is None else home / f"seed-{story.seed}"
            if home is not None and folder.exists():
                raise ConfigurationError(
                    f"{folder}: a play was kept here already; name another folder with --home, or remove it"
                )
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o755)  # as root Postgres runs under another account, which must pass here
            told, played, hand, found, false_alarms = _one(story, now=now, home=folder, report=report)
        results.append(told)
        first = first or (played, hand, found, false_alarms)
    assert first is not None
    told = measure.over_seeds(results)
    if len(results) > 1:
        told["each"] = results
    played, hand, found, _ = first
    picture = pictures.overview(series.weeks(played, hand), found, errors_by_hand=told["baseline"]["error_rate"])
    return Simulated(told=told, html=page.page(told, *first), picture=picture)


def _one(story: Story, *, now: datetime, home: Path, report: Callable[[str], None]) -> Any:
    started, begin = time.perf_counter(), begins(story.days, now=now)
    played = play.with_platform(story, begin=begin, home=home, report=report)
    report("the same world, by hand")
    hand = play.by_hand(story, begin=begin, home=home, automation=played.automation)
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

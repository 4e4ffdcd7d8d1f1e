"""The phrase files, read and compiled: what a line may hold and how one wording is drawn from it.

What belongs here: the little language of the phrase files. What does not: the order in which a message uses phrases
(`writer.py`) and the phrases themselves (`phrases/*.txt`).

A line of a phrase file is one phrasing. `{slot}` is filled from `slots.txt` or from the customer, `[a|b|]` is one of
the alternatives, and `== name` opens a section.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from sandbox.world.queues import QUEUES

FACTS: Final = ("name", "city", "plan", "phone", "email", "other")
"""Slots whose value belongs to the message, not to the draw: handed to `Phrase.say` in this order."""

LANGUAGES: Final = ("en", "es", "fr", "de")
MARKUP: Final = re.compile(r"\{(\w+)\}|\[([^\]]*)\]")

Draw = Callable[[], float]
Facts = Sequence[str]


@dataclass(frozen=True, slots=True)
class Phrase:
    """One compiled line: fixed text, choices to draw from, and numbers that point into the message's facts."""

    parts: "tuple[str | int | tuple[str | Phrase, ...], ...]"

    def say(self, draw: Draw, facts: Facts) -> str:
        """One wording of this phrase."""
        words: list[str] = []
        for part in self.parts:
            if isinstance(part, str):
                words.append(part)
            elif isinstance(part, int):
                words.append(facts[part])
            else:
                choice = part[int(draw() * len(part))]
                words.append(choice if isinstance(choice, str) else choice.say(draw, facts))
        return "".join(words)


Phrases = tuple[Phrase, ...]


@dataclass(frozen=True, slots=True)
class Phrasebook:
    """All sections of all files. `sections[file][section]` holds phrases; every queue's file has the same sections."""

    sections: dict[str, dict[str, Phrases]]
    given: tuple[str, ...]
    family: tuple[str, ...]
    cities: tuple[str, ...]

    def of(self, file: str, section: str) -> Phrases:
        """The phrases of one section; a missing one is a mistake in the phrase files and says so."""
        try:
            return self.sections[file][section]
        except KeyError:
            raise KeyError(f"phrases/{file}.txt has no section {section!r}; add it as '== {section}'") from None


def read_sections(name: str) -> dict[str, list[str]]:
    """The raw lines of a phrase file by section."""
    text = resources.files("sandbox.world").joinpath("phrases", f"{name}.txt").read_text(encoding="utf-8")
    sections: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("== "):
            sections[line[3:].strip()] = []
        elif line.strip() and not line.startswith("#"):
            sections[next(reversed(sections))].append(line)
    return sections


def compile_phrase(line: str, slots: dict[str, tuple[str, ...]]) -> Phrase:
    """Split a line into its parts. An unknown slot is an error that names the line."""
    parts: list[str | int | tuple[str | Phrase, ...]] = []
    end = 0
    line = line.replace("on {date}", "{on_date}")
    for match in MARKUP.finditer(line):
        if match.start() > end:
            parts.append(line[end : match.start()])
        slot, choices = match.groups()
        if slot is None:
            parts.append(tuple(compile_phrase(text, slots) if "{" in text else text for text in choices.split("|")))
        elif slot in FACTS:
            parts.append(FACTS.index(slot))
        elif slot in slots:
            parts.append(slots[slot])
        else:
            raise ValueError(f"phrase {line!r}: unknown slot {slot!r}; use one of {sorted((*FACTS, *slots))}")
        end = match.end()
    if end < len(line):
        parts.append(line[end:])
    return Phrase(tuple(parts))


def computed_slots(weekdays: Sequence[str], months: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Slots that are counted rather than listed. Dates are spelt without a year: the world has no calendar."""
    amounts = [f"${whole}.{cents:02d}" for whole in range(6, 96, 7) for cents in (0, 45, 90, 99)]
    amounts += [f"{whole} euros" for whole in range(8, 240, 13)]
    amounts += [f"{whole}.{whole % 89 + 10}" for whole in range(11, 400, 17)]
    dates = [f"{day} {month}" for month in months for day in range(2, 29, 5)]
    dates += [f"{month} {day}" for month in months for day in range(1, 29, 6)]
    dates += [f"{day:02d}/{month:02d}" for month in range(1, 13) for day in range(3, 28, 8)]
    recently = [f"last {day}" for day in weekdays] * 4 + ["yesterday"] * 12 + ["this morning"] * 4
    times = [f"{hour}:{minute:02d}" for hour in range(6, 24) for minute in (0, 15, 30)] + ["8 am", "9 pm", "noon"]
    return {
        "amount": tuple(amounts),
        "date": tuple(dates),
        "on_date": tuple([f"on {date}" for date in dates] + recently),
        "time": tuple(times),
        "zip": tuple(f"{number * 379 % 90_000 + 10_000}" for number in range(200)),
        "last4": tuple(f"{number * 7_919 % 10_000:04d}" for number in range(1, 300)),
        "ref": tuple(
            f"{'ABCDEFGHKLMNPRST'[number % 16]}{number * 104_729 % 900_000 + 100_000}" for number in range(400)
        ),
    }


@cache
def phrasebook() -> Phrasebook:
    """All phrase files, compiled once a process."""
    lists = {name: tuple(lines) for name, lines in read_sections("slots").items()}
    given, family = lists.pop("given"), lists.pop("family")
    slots = {**lists, **computed_slots(lists["weekday"], lists["month"])}
    files = (*QUEUES, "common", "ambiguous", "nova", *LANGUAGES[1:])
    sections = {
        file: {
            section: tuple(compile_phrase(line, slots) for line in lines)
            for section, lines in read_sections(file).items()
        }
        for file in files
    }
    return Phrasebook(sections, given, family, lists["city"])

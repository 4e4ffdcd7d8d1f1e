"""A passage cut into sentences and lists: what a reply may be made of, word for word.

What belongs here: the cut, and which pieces only make sense together. What does not: choosing among them (`embedded.py`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

ITEM_WORDS: Final = 30  # a longer line is a paragraph, whatever stands beside it
_END: Final = re.compile(r"(?<=[.!?。！？؟])[\"'”’)\]]*(?:\s+|(?<=[。！？]))")
_ABBREVIATED: Final = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|no|nr|approx|incl|z\.b|d\.h|u\.a|bzw|ca|dr|mr|mrs|ms|st|p\.ex|ej)\.|\b[A-Z]\.|^\d{1,2}\.)$",
    re.IGNORECASE,
)
_CLOSED: Final = re.compile(r"[.!?…:。！？؟][\"'”’)\]]*$")


@dataclass(frozen=True, slots=True)
class Unit:
    """Sentences that stand or fall together: one, or a list with the line that announces it."""

    sentences: tuple[str, ...]
    list_from: int | None = None  # from this sentence on they are lines of a list

    @property
    def text(self) -> str:
        """All of it, as words to search."""
        return "\n".join(self.sentences)


def sentences_of(text: str) -> list[str]:
    """The sentences of one paragraph or line, in order; nothing is left out but the space between them."""
    found: list[str] = []
    start = 0
    for end in _END.finditer(text):
        part = text[start : end.end()].strip()
        if part and not _ABBREVIATED.search(part):
            found.append(part)
            start = end.end()
    rest = text[start:].strip()
    return [*found, rest] if rest else found


def units_of(text: str) -> list[Unit]:
    """The units of a passage's text, in order."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return list(_units(lines))


def _units(lines: list[str]) -> Iterator[Unit]:
    at = 0
    while at < len(lines):
        lead = lines[at].endswith((":", "："))
        first = at + 1 if lead else at
        last = first
        while last < len(lines) and _is_item(lines[last], announced=lead):
            last += 1
        if last - first >= 2 or (lead and last > first):
            announced = sentences_of(lines[at]) if lead else []
            # only its last sentence announces the list
            yield from (Unit((sentence,)) for sentence in announced[:-1])
            yield Unit((*announced[-1:], *lines[first:last]), list_from=min(1, len(announced)))
            at = last
        else:
            yield from (Unit((sentence,)) for sentence in sentences_of(lines[at]))
            at += 1


def _is_item(line: str, *, announced: bool) -> bool:
    """A short line; one that nothing announces is a line of a list only where it does not end as a sentence does."""
    if len(line.split()) > ITEM_WORDS or line.endswith((":", "：")):
        return False
    return len(sentences_of(line)) <= 2 if announced else not is_closed(line)


def is_closed(sentence: str) -> bool:
    """Whether it ends as a sentence does."""
    return _CLOSED.search(sentence) is not None

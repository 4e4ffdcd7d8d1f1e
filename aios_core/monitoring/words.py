"""Which words tickets hold, as counts that add up within a stated bound, and which of them are on the rise.

What belongs here: cutting a text into countable words, counting tickets by word, adding counts up, and comparing two windows.
What does not: a model's own terms (`aios_core/scoring/tokenizer.py`) and what language a text is in (`language.py`).

A window has a bounded number of words: what is rare is dropped, and `lost` is the most tickets by which any word may be counted too
low (lossy counting, Manku and Motwani 2002). So for every word, kept or not, count <= truth <= count + lost, however windows are
merged; where nothing was dropped the counts are exact.

Words of fewer than three tickets are never kept: a name that one customer signs with must not outlive the ticket. Mail addresses
and everything with a digit in it are left out before counting.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

KEPT = 1_500
MIN_TICKETS = 3
SHOWN = 10
MIN_RISE = 0.01  # of the tickets; fewer is no change that people would act on
MIN_RATIO = 2.0
FALSE_ALARMS = 0.01  # over all words of a window

_WORD = re.compile(r"\b[^\W\d_]{3,30}\b")
_MAIL = re.compile(r"\S+@\S+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Tickets that hold a word, by word; each count is at most `lost` too low, and a word that is not there has 0."""

    counts: Mapping[str, int] = field(default_factory=dict)
    lost: int = 0

    def as_json(self) -> dict[str, Any]:
        return {"counts": dict(sorted(self.counts.items())), "lost": self.lost}

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> Words:
        return Words(counts=dict(content["counts"]), lost=content["lost"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Rising:
    """A word with the share of tickets that hold it. `reference` is the most that it can have been."""

    word: str
    reference: float
    current: float


def words_of(text: str) -> set[str]:
    """Words of three letters or more, lowered, each once; nothing with digits, no mail addresses."""
    if "@" in text:
        text = _MAIL.sub(" ", text)
    return set(_WORD.findall(text.lower()))


def count_words(texts: Iterable[str | None], *, keep: int = KEPT) -> Words:
    """One pass over the tickets of a window."""
    counted = Counter[str]()
    for text in texts:
        counted.update(words_of(text) if text else ())
    common = {word: count for word, count in counted.items() if count >= MIN_TICKETS}
    rare = max((count for count in counted.values() if count < MIN_TICKETS), default=0)
    return _bounded(common, lost=rare, added=False, keep=keep)


def add_words(parts: Iterable[Words], *, keep: int = KEPT) -> Words:
    """All parts as one window; `lost` says by how much too low a count may be."""
    counted, lost = Counter[str](), 0
    for part in parts:
        counted.update(part.counts)
        lost += part.lost
    return _bounded(counted, lost=lost, added=True, keep=keep)


def _bounded(counts: Mapping[str, int], *, lost: int, added: bool, keep: int) -> Words:
    """The `keep` most frequent. What is dropped here had `lost` too few already where parts were added."""
    if len(counts) <= keep:
        return Words(counts=dict(counts), lost=lost)
    ordered = sorted(counts, key=lambda word: (-counts[word], word))
    dropped = counts[ordered[keep]]
    return Words(
        counts={word: counts[word] for word in ordered[:keep]}, lost=lost + dropped if added else max(lost, dropped)
    )


def rising(reference: Words, reference_rows: int, current: Words, rows: int, *, shown: int = SHOWN) -> list[Rising]:
    """Words in clearly more tickets than before, those that say most about the change first.

    A word counts where its share rose by a point and doubled at least, measured against the most that its reference count can have
    been, and beyond what chance brings over all words (two proportions, Bonferroni).
    """
    if not rows or not reference_rows:
        return []
    limit = _normal_quantile(FALSE_ALARMS / max(len(current.counts), 1))
    found = []
    for word, count in current.counts.items():
        before = min(1.0, (reference.counts.get(word, 0) + reference.lost) / reference_rows)
        after = count / rows
        if after - before < MIN_RISE or after < MIN_RATIO * before:
            continue
        both = (before * reference_rows + count) / (reference_rows + rows)
        error = math.sqrt(both * (1 - both) * (1 / reference_rows + 1 / rows))
        if error == 0 or (after - before) / error >= limit:
            found.append(Rising(word=word, reference=before, current=after))
    floor = 0.5 / reference_rows
    found.sort(key=lambda r: (-r.current * math.log(r.current / max(r.reference, floor)), r.word))
    return found[:shown]


def _normal_quantile(tail: float) -> float:
    from scipy.special import ndtri

    return -float(ndtri(tail))

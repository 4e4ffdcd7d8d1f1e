"""Questions that no article answers: tickets whose best article is too far away, grouped by what they are about.

What belongs here: telling an answered question from an unanswered one, and grouping. What does not: searching (`index.py`) and where
tickets come from (`aios_assets/knowledge.py`).

A ticket is a gap where the best article's score is under a limit. The limit was measured on real questions, asked once with and once
without the article that answers them (docs/adr/0021): at `MEANING` 2 of 100 answered ones are called a gap. Words alone tell much less,
which is said wherever gaps are shown.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aios_core.retrieval.words import words_of

MEANING: Final = 0.48
WORDS: Final = 0.19
NAMED_BY: Final = 4
SMALLEST: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One ticket and the article that came closest. `cost` is what deciding it by hand costs."""

    ticket_id: str
    text: str
    language: str
    queue: str | None
    cost: float
    nearest: str | None
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """What some unanswered tickets have in common. `label` are their words that say most; `examples` the ids of some of them."""

    gap_id: str
    label: str
    queue: str | None
    tickets: int
    cost: float
    examples: tuple[str, ...]
    nearest: str | None
    nearest_score: float


def is_gap(score: float, *, by_meaning: bool) -> bool:
    """Whether the best article is too far away to be an answer."""
    return score < (MEANING if by_meaning else WORDS)


def group(unanswered: Sequence[Asked], *, smallest: int = SMALLEST, most: int = 50) -> list[Gap]:
    """Gaps by cost, dearest first. Tickets of one queue that share the word which says most in it are one gap, whatever is left is the
    queue's own; fewer than `smallest` tickets are not named, since a name made of one ticket's words would tell of its customer.
    """
    gaps: list[Gap] = []
    for queue in sorted({asked.queue or "" for asked in unanswered}):
        own = [asked for asked in unanswered if (asked.queue or "") == queue]
        gaps += _of_queue(queue or None, own, smallest)
    return sorted(gaps, key=lambda gap: (-gap.cost, gap.gap_id))[:most]


def _of_queue(queue: str | None, asked: Sequence[Asked], smallest: int) -> list[Gap]:
    words = [frozenset(w for w in words_of(a.text, language=a.language) if len(w) > 2 and w.isalpha()) for a in asked]
    left = list(range(len(asked)))
    gaps: list[Gap] = []
    while left:
        counts = Counter(word for n in left for word in words[n])
        shared = sorted((word for word, count in counts.items() if count >= smallest), key=lambda w: (-counts[w], w))
        if not shared:
            gaps.append(_gap(queue, [asked[n] for n in left], "other questions"))
            break
        members = [n for n in left if shared[0] in words[n]]
        among = Counter(word for n in members for word in words[n])
        named = sorted((w for w, c in among.items() if c >= smallest), key=lambda w: (-among[w], w))[:NAMED_BY]
        gaps.append(_gap(queue, [asked[n] for n in members], " ".join(named)))
        left = [n for n in left if shared[0] not in words[n]]
    return gaps


def _gap(queue: str | None, asked: Sequence[Asked], label: str) -> Gap:
    closest = max(asked, key=lambda one: one.score)
    return Gap(
        gap_id=hashlib.sha256(f"{queue}\0{label}".encode()).hexdigest()[:16],
        label=label,
        queue=queue,
        tickets=len(asked),
        cost=round(sum(one.cost for one in asked), 2),
        examples=tuple(sorted(one.ticket_id for one in asked)[:5]),
        nearest=closest.nearest,
        nearest_score=round(closest.score, 4),
    )

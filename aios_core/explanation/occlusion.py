"""Which words speak for an answer, found by leaving each out: for models whose parts can't be read.

What belongs here: cutting a text into pieces, and what an answer loses without each. What does not: models (handed in as a function from
texts to probabilities) and the exact terms of linear ones (`aios_core/scoring/explain.py`).

It is an approximation and is called so: a word that is left out alone says nothing of words that only count together, and a text with
a hole is no text that anyone wrote. A weight is the probability of the answer that is lost without the piece, below 0 where it rises.

A short text is taken apart by words. A long one by sentences first, the strongest of them again, and so on down to words. What is
scored is bounded in words, so a text of pages is taken apart into four parts and no further.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MOST_PIECES = 40
MOST_WORDS = 2_000  # scored a pass; with MiniLM at 8 bits 0.3 s for 30 words, 3 s for 130, on a busy machine
FEWEST_PIECES = 4
ZOOMS = 3
LONGEST_NAME = 80
SMALLEST = 5e-4  # a loss below it is shown as 0.0%, and says nothing

Floats = npt.NDArray[np.float64]
Predict = Callable[[Sequence[str]], Floats]
Span = tuple[int, int]

_WORD = re.compile(r"\w+(?:['’]\w+)*")
_SENTENCE = re.compile(r"[^.!?\n]+[.!?\n]*")


@dataclass(frozen=True, slots=True)
class Piece:
    """A word, in all places where it stands, or a sentence."""

    name: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Left:
    """What the answer loses without a piece."""

    name: str
    weight: float


def words(text: str, within: Sequence[Span] | None = None) -> list[Piece]:
    """The distinct words of a text, in order, in lower case; only those that stand in `within`, but in all their places."""
    found: dict[str, list[Span]] = {}
    for match in _WORD.finditer(text):
        found.setdefault(match.group().lower(), []).append(match.span())
    if within is not None:
        found = {name: spans for name, spans in found.items() if any(_inside(span, within) for span in spans)}
    return [Piece(name, tuple(spans)) for name, spans in found.items()]


def sentences(text: str, most: int, within: Span | None = None) -> list[Piece]:
    """At most `most` pieces of a text (or of a part of it) that follow each other: its sentences; neighbours together, or words in runs,
    where they do not fit.
    """
    start, end = within or (0, len(text))
    spans = [match.span() for match in _SENTENCE.finditer(text, start, end) if _WORD.search(match.group())]
    if len(spans) < 2:  # no full stop anywhere: runs of words
        spans = [match.span() for match in _WORD.finditer(text, start, end)]
    groups = np.array_split(np.arange(len(spans)), min(most, len(spans))) if spans else []
    joined = [(spans[group[0]][0], spans[group[-1]][1]) for group in groups]
    return [Piece(_short(text[start:end]), ((start, end),)) for start, end in joined]


def without(text: str, piece: Piece) -> str:
    """The text with every place of a piece taken out."""
    parts, last = [], 0
    for start, end in piece.spans:
        parts.append(text[last:start])
        last = end
    return "".join([*parts, text[last:]])


def occlude(predict: Predict, text: str, best: int, *, most: int = MOST_PIECES, budget: int = MOST_WORDS) -> list[Left]:
    """What class `best` loses without each word, the greatest loss first; equal ones in text order.

    `predict` gives texts x classes. At most four passes of `most` variants and about `budget` words are scored.
    """
    size = len(_WORD.findall(text))
    most = int(np.clip(budget // max(size, 1), FEWEST_PIECES, most))
    pieces, focus = words(text), (0, len(text))
    for _ in range(ZOOMS):
        if len(pieces) <= most:
            break
        parts = sentences(text, most, within=focus)
        lost = _losses(predict, text, parts, best)
        if size * FEWEST_PIECES > budget:
            # another pass would cost more than it tells: one word among hundreds moves nothing
            return ranked(parts, lost)
        pieces = _words_of_strongest(text, parts, lost)
        focus = parts[int(lost.argmax())].spans[0]
        if len(parts) <= 1 or len(words(text, [focus])) <= most:
            break
    pieces = pieces[:most]
    return ranked(pieces, _losses(predict, text, pieces, best))


def ranked(pieces: Sequence[Piece], lost: Floats) -> list[Left]:
    """By loss, the greatest first."""
    order = np.argsort(-lost, kind="stable")
    return [Left(pieces[i].name, round(float(lost[i]), 6)) for i in order]


def strongest(found: Sequence[Left], *, count: int, against: int = 2) -> list[Left]:
    """Up to `count` that speak for the answer and `against` that speak against it; none whose loss would be shown as nothing."""
    ahead = [left for left in found if left.weight >= SMALLEST][:count]
    behind = [left for left in reversed(found) if left.weight <= -SMALLEST][:against]
    return [*ahead, *behind]


def _losses(predict: Predict, text: str, pieces: Sequence[Piece], best: int) -> Floats:
    if not pieces:
        return np.zeros(0)
    answers = predict([text, *(without(text, piece) for piece in pieces)])[:, best].astype(np.float64)
    lost: Floats = answers[0] - answers[1:]
    return np.where(np.isfinite(lost), lost, 0.0)


def _words_of_strongest(text: str, parts: Sequence[Piece], lost: Floats) -> list[Piece]:
    """The words of the parts, those of the part that is missed most first."""
    chosen: dict[str, Piece] = {}
    for place in np.argsort(-lost, kind="stable"):
        for piece in words(text, parts[place].spans):
            chosen.setdefault(piece.name, piece)
    return list(chosen.values())


def _short(part: str) -> str:
    told = " ".join(part.split())
    return told if len(told) <= LONGEST_NAME else f"{told[: LONGEST_NAME - 1]}…"


def _inside(span: Span, within: Sequence[Span]) -> bool:
    return any(start <= span[0] and span[1] <= end for start, end in within)

"""The embedded drafter: a reply made of articles' own sentences, without any language model.

What belongs here: which sentences answer this question, and their order. What does not: finding articles (`retrieval/`), the words around
(`templates.py`), and whether the reply may go on (`verification/`).

Nothing is invented: every sentence is a template or stands word for word in the passage that it cites. The best passage comes first, whole
where it is short enough; from the others come only sentences that share what the question is about. Lists are never cut: instructions with a
step missing are worse than none.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aios_core.automation import Drafts
from aios_core.drafting.model import Draft, Drafter, Material, Sentence, Source
from aios_core.drafting.sentences import Unit, is_closed, units_of
from aios_core.drafting.templates import frame
from aios_core.retrieval.words import words_of

NAME: Final = "embedded-1"
NO_ANSWER: Final = "no article answers this"
# of a question's weight: what a sentence of a lesser passage must have in common with it
SHARED: Final = 0.15
# a list that is a little too long is better than none
OVER: Final = 1.5
QUESTION_WORDS: Final = 300


@dataclass(frozen=True, slots=True)
class _Piece:
    unit: Unit
    source: Source
    place: int
    score: float


def write(material: Material, drafts: Drafts, *, language: str, degraded: str | None = None) -> Draft:
    """A reply of what is there; one without sentences, and `degraded`, where there is nothing to say."""
    drafter = Drafter(kind="embedded", name=NAME)
    chosen = choose(material, most=drafts.sentences)
    if not chosen:
        said = NO_ANSWER if degraded is None else f"{degraded}; {NO_ANSWER}"
        return Draft(language=language, sentences=(), sources=(), drafter=drafter, degraded=said)
    around = frame(material, drafts, language=language)
    cited = {number for sentence in chosen for number in sentence.cites}
    return Draft(
        language=language,
        sentences=(*around.before, *_moved(chosen, by=around.next_paragraph), *around.after),
        sources=tuple(source for source in material.sources if source.number in cited),
        drafter=drafter,
        degraded=degraded,
    )


def choose(material: Material, *, most: int) -> tuple[Sentence, ...]:
    """The sentences that answer, in order: paragraph by source, best source first."""
    if not material.sources:
        return ()
    question = words_of(
        " ".join(f"{material.subject}\n{material.body}".split()[:QUESTION_WORDS]), language=material.language
    )
    units = [(source, unit) for source in material.sources for unit in units_of(source.text)]
    weights = _weights(question, [unit.text for _, unit in units], material.sources[0].language)
    pieces = [
        _Piece(unit, source, place, _share(unit.text, weights, source.language))
        for place, (source, unit) in enumerate(units)
    ]
    return _sentences(_chosen(pieces, most))


def _weights(question: Sequence[str], texts: Sequence[str], language: str) -> dict[str, float]:
    """What each word of the question weighs among these texts, all together 1: a word that all of them have says little."""
    having = Counter(word for text in texts for word in set(words_of(text, language=language)))
    weights = {word: math.log(1 + len(texts) / (1 + having[word])) for word in set(question)}
    whole = sum(weights.values()) or 1.0
    return {word: weight / whole for word, weight in weights.items()}


def _share(text: str, weights: dict[str, float], language: str) -> float:
    return sum(weights.get(word, 0.0) for word in set(words_of(text, language=language)))


def _chosen(pieces: Sequence[_Piece], most: int) -> list[_Piece]:
    best = pieces[0].source.number if pieces else 0
    first = [piece for piece in pieces if piece.source.number == best]
    taken = _fitting(first, most)
    left = most - _length(taken)
    others = [piece for piece in pieces if piece.source.number != best and piece.score >= SHARED]
    return sorted([*taken, *_fitting(others, left, strict=True)], key=lambda piece: piece.place)


def _fitting(pieces: Sequence[_Piece], most: int, *, strict: bool = False) -> list[_Piece]:
    """All where they fit, else those that say most of what was asked, until there is no room."""
    if _length(pieces) <= most:
        return list(pieces)
    taken: list[_Piece] = []
    for piece in sorted(pieces, key=lambda p: (-p.score, p.place)):
        room = most - _length(taken)
        size = len(piece.unit.sentences)
        if size <= room or (not taken and not strict and size <= most * OVER):
            taken.append(piece)
    return taken


def _length(pieces: Sequence[_Piece]) -> int:
    return sum(len(piece.unit.sentences) for piece in pieces)


def _sentences(pieces: Sequence[_Piece]) -> tuple[Sentence, ...]:
    """A paragraph a source; a list under a heading of its own is announced by that heading."""
    found: list[Sentence] = []
    paragraph, before = -1, 0
    for piece in pieces:
        if piece.source.number != before:
            paragraph, before = paragraph + 1, piece.source.number
        if piece.unit.list_from == 0 and piece.source.headings and not _asks(piece.source.headings[-1]):
            found.append(_sentence(f"{piece.source.headings[-1].rstrip(':. ')}:", piece, paragraph))
        for number, text in enumerate(piece.unit.sentences):
            item = piece.unit.list_from is not None and number >= piece.unit.list_from
            found.append(_sentence(text if item or is_closed(text) else f"{text}.", piece, paragraph, item=item))
        if piece.unit.list_from is not None:
            paragraph += 1  # what follows a list begins anew
    return tuple(found)


def _asks(heading: str) -> bool:
    """A question announces nothing."""
    return heading.rstrip().endswith("?")


def _sentence(text: str, piece: _Piece, paragraph: int, *, item: bool = False) -> Sentence:
    return Sentence(text=text, cites=(piece.source.number,), basis="passage", paragraph=paragraph, item=item)


def _moved(sentences: Sequence[Sentence], *, by: int) -> list[Sentence]:
    return [
        Sentence(text=s.text, cites=s.cites, basis=s.basis, paragraph=s.paragraph + by, item=s.item) for s in sentences
    ]

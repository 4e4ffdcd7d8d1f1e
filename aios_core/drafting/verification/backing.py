"""Whether a sentence stands in what it cites: word for word, value for value, and in what it says.

What belongs here: comparing one sentence with its passages, the customer's record and the ticket. What does not: what may be said at all
(`speech.py`), and joining the findings (`check.py`).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from aios_core.drafting.model import Material, Sentence, Source
from aios_core.drafting.sentences import sentences_of
from aios_core.drafting.verification import words
from aios_core.drafting.verification.values import Stated, agrees, values_of
from aios_core.retrieval.filters import main_language
from aios_core.retrieval.words import words_of

Found = tuple[str, str, str]  # code, message, quoted
LEAST_SHARED: Final = 0.5  # of a sentence's content words; a first choice, not measured
ALIGNED: Final = 0.5
_ENDS: Final = re.compile(r"(?:[.!?…:;。！？؟][\"'”’)\]]*|^)\s*$")
_CLAUSE: Final = re.compile(r"(?<=[.!?;:。！？])\s+|\n|,\s+(?=(?:and|but|while|whereas|or|und|aber|während|et|mais|tandis|y|pero|mientras)\b)|\s+(?:while|whereas|but|während|tandis que|mientras que)\s+")  # fmt: skip
_NAME: Final = re.compile(r"(?<![\w'’.])[A-ZÄÖÜÉÁÍÓÚÑ][\w+&-]*")
_NOT_NAMES: Final = frozenset(("I", "OK", "PDF", "FAQ", "SMS", "ID", "URL", "PIN", "USB", "QR"))

_UNITS: Final = frozenset(("EUR", "USD", "GBP", "CHF", "GB", "MB", "TB"))


@dataclass(frozen=True, slots=True)
class Ground:
    """What one sentence may be made of. `said` is the text of its passages with their headings."""

    said: str
    customer: str
    ticket: str
    language: str
    allowed: str  # customer's record, ticket's id, signature


def ground_of(cited: Sequence[Source], material: Material, *, language: str) -> Ground:
    """The passages that a sentence cites, and what is known of its customer."""
    record = [f"{name.replace('_', ' ')} {value}" for name, value in material.customer.items() if value is not None]
    return Ground(
        said="\n".join(line for s in cited for line in (*s.headings, s.text)),
        customer="\n".join(record),
        ticket=f"{material.subject}\n{material.body}",
        language=language,
        allowed="\n".join([*record, material.ticket_id, material.customer_id or "", material.signature]),
    )


def stands(text: str, cited: Sequence[Source]) -> bool:
    """Whether it stands in a cited passage word for word, and whole: the half of a sentence says something else."""
    wanted = " ".join(text.split())
    for line in (line for s in cited for part in (*s.headings, s.text) for line in part.split("\n")):
        there = " ".join(line.split())
        for form in {wanted, wanted.rstrip(".:")} - {""}:
            at = there.find(form)
            while at >= 0:
                after = there[at + len(form) :]
                if _ENDS.search(there[:at]) and (not after or after[0] in ".:" or _ENDS.search(form)):
                    return True
                at = there.find(form, at + 1)
    return False


def wrong_values(sentence: Sentence, ground: Ground) -> Iterator[Found]:
    """Amounts, dates, links and numbers that stand nowhere, and those that the passage says of something else."""
    known = [*read(ground.said), *read(ground.allowed)]
    quoting = sentence.basis == "ticket" or words.QUOTING.search(sentence.text) is not None
    of_ticket = [
        v for v in read(ground.ticket) if quoting or v.kind == "code" or (len(v.quoted) > 4 and v.kind == "number")
    ]
    for stated in read(sentence.text):
        may = known if stated.kind in ("link", "e-mail") else [*known, *of_ticket]
        if not any(_same(stated, other) for other in may):
            code = {"link": "draft.link", "e-mail": "draft.leak", "phone": "draft.leak"}.get(
                stated.kind, "draft.number"
            )
            yield code, f"{stated.quoted} {_instead(stated, known, ground)}", stated.quoted


def wrong_names(sentence: Sentence, ground: Ground) -> Iterator[Found]:
    """Names that stand nowhere, and values that the passage gives to another name."""
    allowed = f"{ground.said}\n{ground.allowed}\n{ground.ticket}".casefold()
    if main_language(ground.language) != "de":  # every noun is written like a name there
        for name in _names(sentence.text):
            if not re.search(rf"(?<!\w){re.escape(name.casefold())}", allowed) and name not in _NOT_NAMES:
                yield "draft.name", f"{name} stands neither in its source nor in the customer's record", name
    yield from _swapped(sentence, ground)


def wrong_meaning(sentence: Sentence, ground: Ground) -> Iterator[Found]:
    """Too little of it stands in the passage, or the passage says the opposite."""
    said = content(ground.said, ground.language)
    own = content(sentence.text, ground.language)
    around = said | content(ground.allowed, ground.language)
    quoting = words.QUOTING.search(sentence.text) is not None
    if quoting:
        around = around | content(ground.ticket, ground.language)
    shared = _share(own, around)
    if own and shared < LEAST_SHARED:
        missing = ", ".join(sorted(own - around)[:5])
        yield (
            "draft.backing",
            f"only {shared:.0%} of what it says stands in its source; not there: {missing}",
            sentence.text,
        )
    for clause in _clauses(sentence.text):
        yield from _opposite(clause, ground)
    for strong in words.STRONG.finditer(sentence.text):
        stem = strong[0].casefold()[:6]
        if stem not in ground.said.casefold():
            yield "draft.strength", f"`{strong[0]}` is more than its source says", strong[0]


def content(text: str, language: str) -> frozenset[str]:
    """Stemmed content words; what every text has is left out, and numbers, which are compared as values."""
    return _content(text, main_language(language))


@lru_cache(maxsize=4096)
def _content(text: str, language: str) -> frozenset[str]:
    return frozenset(w for w in words_of(text, language=language) if len(w) > 1 and not w[0].isdigit()) - _common(
        language
    )


@cache
def _common(language: str) -> frozenset[str]:
    return frozenset(words_of(words.FUNCTION_WORDS.get(language, ""), language=language))


@lru_cache(maxsize=4096)
def read(text: str) -> tuple[Stated, ...]:
    """The values of a text; a passage is read once for all sentences that cite it."""
    return tuple(values_of(text))


def _same(stated: Stated, other: Stated) -> bool:
    if agrees(stated, other):
        return True
    if stated.unit == other.unit == "date":  # the year may be left out, never added
        return any(a.startswith("*-") and a[1:] == b[b.index("-") :] for a in stated.norms for b in other.norms)
    return False


def _instead(stated: Stated, known: Sequence[Stated], ground: Ground) -> str:
    alike = sorted({other.quoted for other in known if other.unit == stated.unit and other.kind == stated.kind})
    said = f"; it says {', '.join(alike[:3])}" if alike else ""
    place = "its source" if ground.said else "the customer's record"
    return f"does not stand in {place}{said}"


def _names(text: str) -> set[str]:
    """Words written like names; a sentence's first word is one only where it is written so by itself (`iPhone`, `A4-Plus`)."""
    found = set()
    for match in _NAME.finditer(text):
        first = not text[: match.start()].strip() or re.search(r"[.!?:;\n\"“(•-]\s*$", text[: match.start()])
        if not first and len(match[0]) > 1:
            found.add(match[0])
    return found


def _swapped(sentence: Sentence, ground: Ground) -> Iterator[Found]:
    """`Basic costs 20` where the passage gives 20 to Plus alone."""
    names = {n for n in _NAME.findall(ground.said) if len(n) > 1 and n not in _UNITS and content(n, ground.language)}
    clauses = [c for line in ground.said.split("\n") for c in _clauses(line)]
    for clause in _clauses(sentence.text):
        own = _held(clause, names)
        for stated in read(clause):
            having = [c for c in clauses if any(_same(stated, other) for other in read(c))]
            theirs = [_held(c, names) for c in having]
            rivals = {n for n in own if not any(n in held for held in theirs)}
            if rivals and theirs and all(held - own for held in theirs) and not any(own & held for held in theirs):
                other = ", ".join(sorted(theirs[0] - own)[:2])
                yield (
                    "draft.name",
                    f"its source says {stated.quoted} of {other}, not of {', '.join(sorted(rivals))}",
                    stated.quoted,
                )


def _held(text: str, names: set[str]) -> set[str]:
    return {n for n in _NAME.findall(text) if n in names and not text.startswith(n)} | (
        {first} if (first := text.split(" ", 1)[0].strip(",.:")) in names else set()
    )


def _clauses(text: str) -> list[str]:
    return [part for piece in sentences_of(text) for part in _CLAUSE.split(piece) if part and part.strip()]


def _opposite(clause: str, ground: Ground) -> Iterator[Found]:
    """Compared with the clause of the passage that it is most like, where it is like one."""
    own = content(clause, ground.language)
    if len(own) < 2:
        return
    there = [c for line in ground.said.split("\n") for c in _clauses(line)]
    scored = sorted(((_share(own, content(c, ground.language)), -n, c) for n, c in enumerate(there)), reverse=True)
    if not scored or scored[0][0] < ALIGNED:
        return
    like = scored[0][2]
    near = [c for share, _, c in scored if share >= scored[0][0] - 0.01]
    if all(denied(clause, ground.language) != denied(c, ground.language) for c in near):
        yield "draft.negation", f"its source says: {like}", clause
    for one, other in words.OPPOSITES:
        for mine, against in ((one, other), (other, one)):
            hit = mine.search(clause)
            if hit and not against.search(clause) and against.search(like) and not mine.search(like):
                yield "draft.opposite", f"`{hit[0]}` is the opposite of what its source says: {like}", hit[0]


def denied(text: str, language: str) -> bool:
    """Whether it denies: two denials are none."""
    plain = words.NOT_DENYING.sub(" ", text)
    count = len(words.NEGATIONS.findall(plain))
    if main_language(language) == "fr":
        count = len(re.findall(r"\b(?:ne|n['’]\w+|sans|impossible|exclu\w*|interdit\w*)\b", plain, re.IGNORECASE))
    return count % 2 == 1


def _share(own: frozenset[str], other: frozenset[str]) -> float:
    return len(own & other) / len(own) if own else 0.0

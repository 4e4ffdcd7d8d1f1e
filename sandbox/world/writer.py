"""Puts a ticket into words: subject and body from a grammar of greeting, context, problem, details, ask and sign-off.

What belongs here: how people write (order, tone, typos, shouting, other languages). What does not: what they write about
(`tickets.py`) and the phrases (`phrases/*.txt`).
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sandbox.world.arrivals import Block
from sandbox.world.customers import PLANS, Customers
from sandbox.world.phrasebook import LANGUAGES, Draw, Facts, Phrasebook, Phrases
from sandbox.world.queues import QUEUES
from sandbox.world.tickets import AMBIGUOUS, AMBIGUOUS_PAIRS, ANGRY, MIXED, NOVA, POLITE, VAGUE, TicketColumns

Text = tuple[str, str]
SHORT_SHARE = 0.16
LONG_SHARE = 0.22


def pick(phrases: Phrases, draw: Draw, facts: Facts) -> str:
    """One wording of one of these phrases."""
    return phrases[int(draw() * len(phrases))].say(draw, facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one message is about and how it is said."""

    topic: str
    second: str
    pair: tuple[str, str]
    style: int
    refund: bool
    language: str
    tone: int


class Writer:
    """Writes the texts of whole blocks. A block's texts depend on the seed and the block alone."""

    def __init__(self, book: Phrasebook) -> None:
        self._book = book
        self._common = {name: book.of("common", name) for name in book.sections["common"]}
        self._problems = {queue: book.of(queue, "problem") for queue in QUEUES}
        self._subjects = {queue: book.of(queue, "subject") for queue in QUEUES}

    def block(self, block: Block, seed: int, columns: TicketColumns, customers: Customers) -> Iterator[Text]:
        """Subject and body of every ticket of the block, in order."""
        draw = random.Random(hash_key(block.key(seed, 2))).random
        who = columns.customer
        plans = customers.facts(who.astype(np.intp), columns.created_at).plan.tolist()
        given, family, city = (names[who].tolist() for names in (customers.given, customers.family, customers.city))
        rows = zip(
            *(
                column.tolist()
                for column in (
                    columns.topic,
                    columns.second,
                    columns.pair,
                    columns.style,
                    columns.refund,
                    columns.language,
                    columns.tone,
                )
            ),
            strict=True,
        )
        book = self._book
        for position, (topic, second, pair, style, refund, language, tone) in enumerate(rows):
            first_name, last_name = book.given[given[position]], book.family[family[position]]
            facts = [
                first_name if draw() < 0.6 else f"{first_name} {last_name}",
                book.cities[city[position]],
                PLANS[plans[position] if draw() < 0.7 else int(draw() * len(PLANS))].capitalize(),
                f"+1 555 01{int(draw() * 100):02d}",
                f"{first_name}.{last_name}{int(draw() * 90)}@example.com".lower(),
                "",
            ]
            message = Message(
                topic=QUEUES[topic],
                second=QUEUES[second],
                pair=AMBIGUOUS_PAIRS[pair],
                style=style,
                refund=refund,
                language=LANGUAGES[language],
                tone=tone,
            )
            yield self.write(message, draw, facts)

    def write(self, message: Message, draw: Draw, facts: list[str]) -> Text:
        """One message in the words of one customer."""
        if message.language != "en":
            return self._foreign(message, draw, facts)
        problem = self._problem(message, draw, facts)
        subject = self._subject(message, problem, draw, facts)
        body = self._body(message, problem, draw, facts)
        return _roughen(subject, draw), _roughen(body, draw)

    def _problem(self, message: Message, draw: Draw, facts: Facts) -> str:
        if message.style == AMBIGUOUS:
            return pick(self._book.of("ambiguous", "/".join(message.pair)), draw, facts)
        if message.style == VAGUE:
            return pick(self._common["vague"], draw, facts)
        if message.style == NOVA:
            return pick(self._book.of("nova", message.topic), draw, facts)
        if message.refund:
            return pick(self._book.of("billing", "refund"), draw, facts)
        return pick(self._problems[message.topic], draw, facts)

    def _subject(self, message: Message, problem: str, draw: Draw, facts: Facts) -> str:
        chance = draw()
        if message.style == AMBIGUOUS or chance < 0.17:
            return pick(self._common["vague_subject"], draw, facts)
        if chance < 0.42 and message.style != VAGUE:
            words = problem.split()
            return _upper_first(" ".join(words[: 3 + int(draw() * 5)]))
        if message.style == NOVA:
            return pick(self._book.of("nova", "subject"), draw, facts)
        if message.style == MIXED and chance < 0.50:
            return pick(self._subjects[message.second], draw, facts)
        return pick(self._subjects[message.topic], draw, facts)

    def _body(self, message: Message, problem: str, draw: Draw, facts: list[str]) -> str:
        common = self._common
        length = draw()
        short, long = length < SHORT_SHARE, length > 1 - LONG_SHARE
        sentences: list[str] = []
        if not short and draw() < 0.35:
            sentences.append(pick(common["context"], draw, facts))
        if long:
            sentences.extend(_upper_first(pick(common["story"], draw, facts)) for _ in range(1 + int(draw() * 2)))
        if message.tone == ANGRY and draw() < 0.5:
            sentences.append(pick(common["anger"], draw, facts))
        before = message.style == MIXED and draw() < 0.4
        if before:
            sentences.append(self._mention("before", message, draw, facts))
        shouted = message.tone == ANGRY and draw() < 0.25
        sentences.append(_sentence(problem.upper() if shouted else problem, draw))
        if not short:
            sentences.extend(self._details(message, long, draw, facts))
        if message.style == MIXED and not before:
            sentences.append(self._mention("also", message, draw, facts))
        if message.tone == ANGRY and draw() < 0.6:
            sentences.append(pick(common["anger"], draw, facts))
        if draw() < 0.45:
            own = message.style not in (VAGUE, AMBIGUOUS) and draw() < 0.5
            sentences.append(pick(self._book.of(message.topic, "ask") if own else common["ask"], draw, facts))
        if message.tone == POLITE:
            sentences.append(pick(common["thanks"], draw, facts))
        return self._frame(" ".join(dict.fromkeys(sentences)), short, draw, facts)

    def _details(self, message: Message, long: bool, draw: Draw, facts: Facts) -> Iterator[str]:
        if message.style not in (VAGUE, AMBIGUOUS, NOVA):
            if draw() < (0.5 if long else 0.08):
                yield _sentence(self._problem(message, draw, facts), draw)
            for _ in range(int(draw() * 2.6) + long):
                yield pick(self._book.of(message.topic, "detail"), draw, facts)
        for _ in range(int(draw() ** 2 * 4) + 3 * long):
            yield pick(self._common["filler"], draw, facts)

    def _mention(self, how: str, message: Message, draw: Draw, facts: list[str]) -> str:
        facts[-1] = pick(self._problems[message.second], draw, facts)
        return pick(self._common[how], draw, facts)

    def _frame(self, text: str, short: bool, draw: Draw, facts: Facts) -> str:
        if draw() < (0.25 if short else 0.6):
            text = f"{pick(self._common['greeting'], draw, facts)}\n\n{text}"
        if draw() < (0.15 if short else 0.55):
            text = f"{text}\n\n{pick(self._common['signoff'], draw, facts)}"
        if draw() < 0.05:
            text = f"{text} {pick(self._common['emoji'], draw, facts)}"
        return text

    def _foreign(self, message: Message, draw: Draw, facts: Facts) -> Text:
        file = message.language
        problem = pick(self._book.of(file, message.topic), draw, facts)
        lines = [pick(self._book.of(file, "greeting"), draw, facts), _sentence(problem, draw)]
        if draw() < 0.7:
            lines.append(pick(self._book.of(file, "ask"), draw, facts))
        lines.append(pick(self._book.of(file, "signoff"), draw, facts))
        return _upper_first(" ".join(problem.split()[:5])), "\n".join(lines)


def hash_key(key: list[int]) -> int:
    """One number from a key's parts, the same on every machine (FNV-1a over the parts)."""
    value = 0xCBF29CE484222325
    for part in key:
        value = (value ^ part) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def _upper_first(text: str) -> str:
    return text[:1].upper() + text[1:]


def _sentence(text: str, draw: Draw) -> str:
    chance = draw()
    text = text if chance < 0.12 else _upper_first(text)
    return text if text[-1] in "?!." or chance > 0.93 else text + ("!" if chance > 0.86 else ".")


def _roughen(text: str, draw: Draw) -> str:
    """Some people do not press shift, and many mistype."""
    chance = draw()
    if chance < 0.08:
        text = text.lower()
    if chance > 0.72:
        for _ in range(1 + int((chance - 0.72) * 10)):
            text = _mistype(text, draw)
    return text


def _mistype(text: str, draw: Draw) -> str:
    at = int(draw() * (len(text) - 2)) + 1
    if len(text) < 4 or not text[at].isalpha() or not text[at - 1].isalpha():
        return text
    kind = draw()
    if kind < 0.4:
        return text[: at - 1] + text[at] + text[at - 1] + text[at + 1 :]
    if kind < 0.75:
        return text[:at] + text[at + 1 :]
    return text[:at] + text[at] + text[at:]

"""A language model's answer, read strictly: one sentence a line, each with the numbers of the passages behind it.

What belongs here: reading. What does not: asking (`prompt.py`, `resources/llm.py`) and whether the sentences are true (`verification/`).

Marks such as `[2]` rather than JSON: small models manage them, and half an answer is then still a list of whole lines. What is not of
that form is no answer at all: a sentence nobody vouches for is worth less than none.
"""

import re
from collections.abc import Collection
from typing import Final

from aios_core.drafting.model import Sentence
from aios_core.errors import RetryableError

NONE: Final = "NONE"
RECORD: Final = "[C]"  # backed by the customer's record
_LINE: Final = re.compile(
    r"^\s*(?:[-*•]|\d{1,2}[.)])?\s*(?P<text>\S.*?)\s*(?P<marks>(?:\[(?:C|\d{1,2}(?:\s*,\s*\d{1,2})*)\][\s,;]*)+)(?P<end>[.!?]?)\s*$"
)
_MARK: Final = re.compile(r"\[([^\]]+)\]")
_FENCE: Final = re.compile(r"^\s*```\w*\s*$")
_THOUGHT: Final = re.compile(r"<think>.*?</think>", re.DOTALL)
_END: Final = re.compile(r"[.!?…。！？؟:][\"'”’)\]]*$")


class GarbledAnswer(RetryableError):
    """A model's answer is not of the form that it was asked for; the message shows the line."""

    code = "llm.garbled"


def read_answer(answer: str, *, sources: Collection[int], paragraph: int) -> tuple[Sentence, ...]:
    """The sentences of an answer; none where it says that no passage answers. Raises GarbledAnswer.

    `sources` are the numbers there are; `paragraph` is where the answer stands in the reply.
    """
    lines = [line.strip() for line in _THOUGHT.sub("", answer).splitlines() if line.strip() and not _FENCE.match(line)]
    if not lines:
        raise GarbledAnswer("the answer is empty")
    if len(lines) == 1 and lines[0].strip(".`'\" ").upper() == NONE:
        return ()
    return tuple(_sentence(line, sources, paragraph) for line in lines)


def _sentence(line: str, sources: Collection[int], paragraph: int) -> Sentence:
    found = _LINE.match(line)
    if found is None or not any(c.isalpha() for c in found["text"]):
        raise GarbledAnswer(f"no citation at the end of the line: {line[:120]!r}")
    marks = [part.strip() for mark in _MARK.findall(found["marks"]) for part in mark.split(",")]
    cites = tuple(dict.fromkeys(int(mark) for mark in marks if mark != "C"))
    strange = [number for number in cites if number not in sources]
    if strange:
        raise GarbledAnswer(f"there is no passage [{strange[0]}]: {line[:120]!r}")
    text = found["text"] + found["end"] if not _END.search(found["text"]) else found["text"]
    return Sentence(text=text, cites=cites, basis="model", paragraph=paragraph)

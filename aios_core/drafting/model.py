"""What a draft is made of and what it is.

What belongs here: the dataclasses that drafting, verification and their readers share. What does not: making a draft (`embedded.py`,
`prompt.py`), checking it (`verification/`), and finding what it may cite (`resources/`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from aios_core.retrieval.articles import ArticleKey

Basis = Literal["template", "passage", "customer", "ticket", "model"]
Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A passage that may be cited, under the number by which a sentence cites it. `score` is the search's own."""

    number: int
    key: ArticleKey
    version: str
    passage: int
    headings: tuple[str, ...]
    text: str
    language: str
    url: str | None = None
    score: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """All that a draft may be made of: the ticket, its own customer's record, and passages found for it.

    `now` is the moment of drafting, aware UTC. `customer` holds only this ticket's customer; `signature` closes the reply.
    """

    automation: str
    ticket_id: str
    subject: str
    body: str
    language: str
    queue: str | None
    customer_id: str | None
    customer: Mapping[str, Value]
    sources: tuple[Source, ...]
    now: datetime
    signature: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """One sentence of a reply with the numbers of the sources that back it. `basis` says where its words are from.

    `item`: it is a line of a list.
    """

    text: str
    cites: tuple[int, ...] = ()
    basis: Basis = "passage"
    paragraph: int = 0
    item: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafter:
    """Who wrote it. `kind` `embedded` needs no language model. `prompt` is the hash of the prompt as sent; `cost` in the declared currency."""

    kind: Literal["embedded", "model"]
    name: str
    prompt: str | None = None
    parameters: Mapping[str, Value] = field(default_factory=dict)
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A reply, sentence by sentence. `degraded` says why it is not what was asked for: no model answered, no article fits.

    `sources` are those that it cites, at least. Without sentences there is no reply: no article answers.
    """

    language: str
    sentences: tuple[Sentence, ...]
    sources: tuple[Source, ...]
    drafter: Drafter
    degraded: str | None = None

    @property
    def text(self) -> str:
        """The reply as it would be sent: paragraphs apart, citations left out."""
        paragraphs: dict[int, str] = {}
        for sentence in self.sentences:
            before = paragraphs.get(sentence.paragraph, "")
            words = f"- {sentence.text}" if sentence.item else sentence.text
            between = "" if not before else "\n" if sentence.item else " "
            paragraphs[sentence.paragraph] = f"{before}{between}{words}"
        return "\n\n".join(paragraphs[number] for number in sorted(paragraphs))


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is wrong with one sentence (None: with the draft as a whole). `code` is stable, `quoted` the words it is about."""

    sentence: int | None
    code: str
    message: str
    quoted: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Whether a draft may go on. `checks` names the checks that were made, `skipped` those that could not be and why."""

    findings: tuple[Finding, ...]
    checks: tuple[str, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """No check failed."""
        return not self.findings

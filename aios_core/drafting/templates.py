"""The sentences around an answer: greeting, opening, closing, signature, with facts of the customer's record filled in.

What belongs here: the built-in texts and filling. What does not: the answer (`embedded.py`, `prompt.py`).

A sentence that names a fact nobody knows is left out, so that no reply says "your plan " and nothing.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aios_core.automation import Drafts, ReplyTemplate
from aios_core.drafting.model import Basis, Material, Sentence, Value
from aios_core.drafting.sentences import sentences_of
from aios_core.retrieval.filters import main_language

DEFAULT: Final = "en"
BUILT_IN: Final[Mapping[str, ReplyTemplate]] = {
    "en": ReplyTemplate(
        greeting="Hello,",
        opening="thank you for your message.",
        closing="If this does not help, just reply to this message.",
    ),
    "de": ReplyTemplate(
        greeting="Guten Tag,",
        opening="vielen Dank für Ihre Nachricht.",
        closing="Falls das nicht hilft, antworten Sie einfach auf diese Nachricht.",
    ),
    "fr": ReplyTemplate(
        greeting="Bonjour,",
        opening="merci pour votre message.",
        closing="Si cela ne vous aide pas, répondez simplement à ce message.",
    ),
    "es": ReplyTemplate(
        greeting="Hola:",
        opening="Gracias por su mensaje.",
        closing="Si esto no le ayuda, responda a este mensaje.",
    ),
}
_FACT: Final = re.compile(r"\{(?P<of>customer|ticket)\.(?P<name>[a-z][a-z0-9_]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What stands before and after an answer; `next_paragraph` is where the answer begins."""

    before: tuple[Sentence, ...]
    after: tuple[Sentence, ...]

    @property
    def next_paragraph(self) -> int:
        """The first free paragraph after what stands before."""
        return 1 + max((s.paragraph for s in self.before), default=-1)


def template_of(drafts: Drafts, language: str) -> ReplyTemplate:
    """The declared texts of a language; what they leave out is built in. An unknown language has only what is declared."""
    code = main_language(language)
    built_in = BUILT_IN.get(code, ReplyTemplate())
    declared = drafts.templates.get(language) or drafts.templates.get(code)
    if declared is None:
        return built_in
    return ReplyTemplate(**(built_in.model_dump() | declared.model_dump(exclude_defaults=True)))


def has_template(drafts: Drafts, language: str) -> bool:
    """Whether a reply in this language can be greeted and closed."""
    code = main_language(language)
    return code in BUILT_IN or code in drafts.templates or language in drafts.templates


def frame(material: Material, drafts: Drafts, *, language: str, after: int = 1000) -> Frame:
    """Greeting and opening, closing and signature; `after` is the paragraph of the closing, behind any answer."""
    template = template_of(drafts, language)
    opening = template.openings.get(material.queue or "", template.opening)
    parts = [fill(text, material) for text in (template.greeting, opening)]
    closing, signature = (
        fill(template.closing, material),
        fill(drafts.signature or material.signature, material, whole=True),
    )
    before = [_at(part, number) for number, part in enumerate(p for p in parts if p)]
    behind = [_at(part, after + number) for number, part in enumerate(p for p in (closing, signature) if p)]
    return Frame(
        before=tuple(sentence for part in before for sentence in part),
        after=tuple(sentence for part in behind for sentence in part),
    )


def fill(text: str, material: Material, *, whole: bool = False) -> list[Sentence]:
    """The sentences of a template with their facts; those with an unknown fact are left out. `whole`: it is one sentence."""
    if not text.strip():
        return []
    found = []
    for sentence in [text.strip()] if whole else sentences_of(text):
        filled = _filled(sentence, material)
        if filled is not None:
            basis: Basis = (
                "customer" if "{customer." in sentence else "ticket" if "{ticket." in sentence else "template"
            )
            found.append(Sentence(text=filled, basis=basis))
    return found


def shown(value: Value) -> str | None:
    """A fact as people write it; None where it is not known, or says nothing as a word (yes, no)."""
    if value is None or isinstance(value, bool) or not str(value).strip():
        return None
    return f"{value:g}" if isinstance(value, float) and value == int(value) else str(value).strip()


def _filled(sentence: str, material: Material) -> str | None:
    facts: dict[tuple[str, str], Value] = {("customer", name): value for name, value in material.customer.items()}
    facts["ticket", "id"] = material.ticket_id
    text = sentence
    for found in _FACT.finditer(sentence):
        value = shown(facts.get((found["of"], found["name"])))
        if value is None:
            return None
        text = text.replace(found[0], value)
    return text


def _at(sentences: list[Sentence], paragraph: int) -> list[Sentence]:
    return [Sentence(text=s.text, basis=s.basis, paragraph=paragraph) for s in sentences]

"""What an automation asks of its drafts, as rules for the checks.

What belongs here: the rules. What does not: the checks (`check.py`).
"""

import re
from dataclasses import dataclass
from typing import Final

from aios_core.automation import Drafts
from aios_core.drafting.model import Material, Sentence
from aios_core.drafting.sentences import sentences_of
from aios_core.drafting.templates import BUILT_IN

LEAST_ENTAILMENT: Final = 0.5
_FACT: Final = re.compile(r"\{(?P<of>customer|ticket)\.(?P<name>[a-z][a-z0-9_]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftRules:
    """The most sentences and characters that a reply may have, and the sentences that an automation's people wrote themselves.

    `least_entailment` is how likely a model's sentence must follow from its source, by a checker; `entailment_required`: a draft that
    the checker could not be asked about is refused.
    """

    most_sentences: int = 60
    most_characters: int = 12_000
    templates: tuple[str, ...] = ()
    least_entailment: float = LEAST_ENTAILMENT
    entailment_required: bool = False

    def own(self, sentence: Sentence, material: Material) -> bool:
        """Whether it is a template, filled with nothing but this customer's facts."""
        text = " ".join(sentence.text.split())
        signature = " ".join(material.signature.split())
        if signature and text == signature:
            return True
        return any(_fits(template, text, material) for template in self.templates)


def rules_of(drafts: Drafts) -> DraftRules:
    """The rules of a declaration."""
    texts = {drafts.signature}
    for template in (*BUILT_IN.values(), *drafts.templates.values()):
        texts |= {template.greeting, template.opening, template.closing, *template.openings.values()}
    known = {" ".join(part.split()) for text in texts for part in (text, *sentences_of(text)) if part.strip()}
    asked = drafts.entailment
    return DraftRules(
        most_sentences=max(60, 4 * drafts.sentences),
        templates=tuple(sorted(known)),
        least_entailment=LEAST_ENTAILMENT if asked is None else asked.at_least,
        entailment_required=asked is not None and asked.required,
    )


def _fits(template: str, text: str, material: Material) -> bool:
    if "{" not in template:
        return template == text
    form, last = "", 0
    for fact in _FACT.finditer(template):
        form += re.escape(template[last : fact.start()]) + "(.+?)"
        last = fact.end()
    found = re.fullmatch(form + re.escape(template[last:]), text)
    if found is None:
        return False
    facts = [(f["of"], f["name"]) for f in _FACT.finditer(template)]
    return all(_is_fact(value, of, name, material) for value, (of, name) in zip(found.groups(), facts, strict=True))


def _is_fact(value: str, of: str, name: str, material: Material) -> bool:
    known = material.ticket_id if of == "ticket" else material.customer.get(name)
    shown = f"{known:g}" if isinstance(known, float) and known == int(known) else str(known).strip()
    return value == " ".join(shown.split())

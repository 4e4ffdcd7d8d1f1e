"""The checks of a draft, sentence by sentence, put together.

What belongs here: which checks are made of which sentence. What does not: the checks themselves (`backing.py`, `speech.py`), and what
follows from a finding (`aios_core/drafting/follow_up.py`).

A sentence of a template that is filled with this customer's facts alone is the automation's own and is not compared with articles. One that
stands in its passage word for word is true by that. Every other one is compared in values, names and content.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from aios_core.drafting.model import Draft, Finding, Material, Sentence, Source, Verification
from aios_core.drafting.verification import backing, speech
from aios_core.drafting.verification.backing import Found
from aios_core.drafting.verification.rules import DraftRules
from aios_core.errors import RetryableError
from aios_core.retrieval.filters import main_language

AskDraft = Callable[[Sequence[dict[str, Any]]], list[list[str]]]
Entails = Callable[[Sequence[tuple[str, str]]], list[float]]

CHECKS: Final = (
    "citations", "backing", "numbers", "names", "links", "promises", "words", "injection", "language", "length", "policy",
)  # fmt: skip


class EntailmentUnavailable(RetryableError):
    """The entailment checker gave no usable answer; the message says why."""

    code = "draft.entailment_unavailable"


def verify(
    draft: Draft,
    material: Material,
    *,
    rules: DraftRules,
    policy: AskDraft,
    citable: Callable[[Source], bool],
    entails: Entails | None = None,
) -> Verification:
    """Every check on every sentence; a draft without sentences has nothing to check. The same draft always gets the same findings.

    `entails` may raise EntailmentUnavailable: then that check is skipped, or refused where `rules` say that it is required.
    """
    known = {source.number: source for source in material.sources}
    findings: list[Finding] = []
    for number, sentence in enumerate(draft.sentences):
        wrong = dict.fromkeys(_wrong(sentence, draft, known, material, rules, citable))
        findings += [_finding(number, found) for found in wrong]
    findings += [_finding(number, found) for number, found in speech.wrong_language(draft, material)]
    findings += _too_long(draft, rules)
    for number, names in enumerate(policy([_facts(sentence, draft, material) for sentence in draft.sentences])):
        findings += [
            Finding(sentence=number, code="draft.policy", message=f"the policy forbids it: {name}", quoted=name)
            for name in names
        ]
    found, without = _not_entailed(draft, known, rules, entails)
    findings += found
    skipped = {"entailment": without} if without else {}
    return Verification(findings=tuple(findings), checks=CHECKS, skipped=skipped)


def _wrong(
    sentence: Sentence,
    draft: Draft,
    known: Mapping[int, Source],
    material: Material,
    rules: DraftRules,
    citable: Callable[[Source], bool],
) -> Iterator[Found]:
    cited = [known[number] for number in sentence.cites if number in known]
    yield from _citations(sentence, draft, known, citable)
    if sentence.basis in ("template", "customer", "ticket") and not cited and rules.own(sentence, material):
        return
    ground = backing.ground_of(cited, material, language=_language(cited, draft))
    yield from speech.wrong_words(sentence, ground, material)
    yield from speech.injected(sentence, ground, material)
    if backing.stands(sentence.text, cited):
        return
    yield from speech.wrong_promises(sentence, ground)
    yield from backing.wrong_values(sentence, ground)
    if speech.broken_off(sentence):
        yield "draft.half", "the sentence breaks off", sentence.text[-60:]
    yield from _backed(sentence, cited, ground, draft)


def _backed(sentence: Sentence, cited: Sequence[Source], ground: backing.Ground, draft: Draft) -> Iterator[Found]:
    """A claim needs a source; what an article's own words are said to be must be them."""
    if sentence.basis == "passage":
        message = "it does not stand in the passage that it cites" if sentence.cites else "nothing backs this sentence"
        yield "draft.backing", message, sentence.text
    elif sentence.basis == "model" and not cited:
        yield "draft.backing", "nothing backs this sentence", sentence.text
    elif cited and main_language(cited[0].language) == main_language(draft.language):
        yield from backing.wrong_names(sentence, ground)
        yield from backing.wrong_meaning(sentence, ground)
    elif not cited:
        yield "draft.template", "it is none of the declared templates, filled with this customer's facts", sentence.text


def _citations(
    sentence: Sentence, draft: Draft, known: Mapping[int, Source], citable: Callable[[Source], bool]
) -> Iterator[Found]:
    carried = {source.number: source for source in draft.sources}
    for number in sentence.cites:
        source = known.get(number)
        if source is None:
            yield "draft.citation", f"there is no source [{number}]", f"[{number}]"
        elif carried.get(number, source) != source:
            yield "draft.citation", f"source [{number}] of the draft is not the one that was found", f"[{number}]"
        elif not citable(source):
            message = f"{source.key} may not be cited: it was changed, withdrawn or is not valid now"
            yield "draft.citable", message, str(source.key)


def _too_long(draft: Draft, rules: DraftRules) -> Iterator[Finding]:
    if len(draft.sentences) > rules.most_sentences:
        message = f"{len(draft.sentences)} sentences; at most {rules.most_sentences} are allowed"
        yield Finding(sentence=None, code="draft.length", message=message)
    if len(draft.text) > rules.most_characters:
        message = f"{len(draft.text)} characters; at most {rules.most_characters} are allowed"
        yield Finding(sentence=None, code="draft.length", message=message)


def _language(cited: Sequence[Source], draft: Draft) -> str:
    return cited[0].language if cited else draft.language


def _finding(number: int | None, found: Found) -> Finding:
    return Finding(sentence=number, code=found[0], message=found[1], quoted=found[2])


def _facts(sentence: Sentence, draft: Draft, material: Material) -> dict[str, Any]:
    """What a policy is told of a sentence. `customer` has its words alone: segments, plans."""
    return {
        "automation": material.automation,
        "queue": material.queue,
        "language": draft.language,
        "basis": sentence.basis,
        "cited": bool(sentence.cites),
        "text": sentence.text,
        "promises": speech.promises_of(sentence.text),
        "topics": speech.topics_of(sentence.text),
        "amounts": [v.quoted for v in backing.read(sentence.text) if v.kind == "amount"],
        "customer": {name: value for name, value in material.customer.items() if isinstance(value, str)},
    }


def _not_entailed(
    draft: Draft, known: Mapping[int, Source], rules: DraftRules, entails: Entails | None
) -> tuple[list[Finding], str]:
    """What does not follow from its source, and why nobody was asked where that is so. Only a model's sentences are asked about."""
    if entails is None:
        return [], "none is configured"
    asked = [(n, s) for n, s in enumerate(draft.sentences) if s.basis == "model" and s.cites]
    premises = ["\n".join(known[number].text for number in s.cites if number in known) for _, s in asked]
    try:
        shares = entails([(premise, s.text) for premise, (_, s) in zip(premises, asked, strict=True)]) if asked else []
    except EntailmentUnavailable as error:
        message = f"whether it follows from its sources could not be asked: {error}"
        required = [Finding(sentence=None, code="draft.entailment", message=message)]
        return (required if rules.entailment_required else []), str(error)
    return [
        Finding(sentence=n, code="draft.entailment", message="it does not follow from its source", quoted=s.text)
        for (n, s), share in zip(asked, shares, strict=True)
        if share < rules.least_entailment
    ], ""

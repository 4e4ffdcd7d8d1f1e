"""A draft for one ticket, from the search to the verification: what the asset and the command line share.

What belongs here: gathering what a reply may be made of, the choice between model and embedded drafter, and asking for the verification.
What does not: writing (`aios_core/drafting/`), the call (`llm.py`), rows (`drafts.py`).

What a model needs is masked before it leaves, and put back into what it answers. Whatever goes wrong with a model, the embedded drafter
writes instead and the draft says why.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from aios_core.automation import Drafts
from aios_core.drafting import embedded, prompt
from aios_core.drafting.answer import GarbledAnswer, read_answer
from aios_core.drafting.languages import reply_language
from aios_core.drafting.model import Draft, Drafter, Material, Sentence, Source, Verification
from aios_core.drafting.record import material_hash
from aios_core.drafting.templates import frame
from aios_core.drafting.verification.check import verify
from aios_core.drafting.verification.rules import rules_of
from aios_core.drafting.written import Asked, Written
from aios_core.errors import ConfigurationError
from aios_core.monitoring.language import guess_language
from aios_core.privacy.masker import Masker
from aios_core.retrieval.articles import ArticleKey
from aios_core.retrieval.filters import UNKNOWN, Filter, main_language
from aios_core.retrieval.gaps import is_gap
from aios_core.retrieval.index import Hit
from aios_core.retrieval.passages import passages
from aios_core.retrieval.question import question
from resources.database import Database
from resources.declarations import Declared
from resources.entailment import EntailmentChecker
from resources.knowledge import KnowledgeStore
from resources.knowledge_index import KnowledgeSearch
from resources.llm import BudgetSpent, Completion, LanguageModel, ModelUnavailable, open_model
from resources.policy import RegoPolicy

NEAR: Final = 0.8  # of the best article's score: what is further away is about something else
PASSAGES: Final = 4  # of the best article; a longer one is cited around its passage that fits
TICKET_CHARS: Final = 100_000

Progress = Callable[[str], None]


class DraftWriter:
    """Writes and verifies drafts for one automation. Made for one run: it remembers which languages articles exist in."""

    def __init__(
        self,
        declared: Declared,
        *,
        database: Database,
        search: KnowledgeSearch,
        policy: RegoPolicy | None = None,
        model: LanguageModel | None = None,
        progress: Progress = lambda _: None,
    ) -> None:
        """Without `model` the declared one is opened, where there is one; a problem with it is told and is in every draft."""
        if declared.automation.drafts is None:
            raise ConfigurationError(
                f"{declared.file}:1: {declared.automation.name} declares no `drafts:`; an empty `drafts: {{}}` is enough"
            )
        self.drafts: Drafts = declared.automation.drafts
        self._automation = declared.automation.name
        self._search, self._store = search, KnowledgeStore(database)
        self._policy = policy or RegoPolicy(declared.policy_text)
        self._rules = rules_of(self.drafts)
        self._languages: set[str] | None = None
        self._model = model
        self._without_model = None if model else self._open(database, progress)
        settings = self.drafts.entailment
        self._entailment = None if settings is None else EntailmentChecker(settings, database=database)

    @property
    def drafter(self) -> str:
        """Who writes, with its version: a part of what makes two drafts the same."""
        if self._model is None:
            return embedded.NAME
        return f"{self._model.name}/{prompt.VERSION}/{embedded.NAME}"

    def write(self, asked: Asked, *, subject: str, now: datetime) -> Written:
        """The draft for a ticket; `subject` is what a model's call is recorded for. Raises KnowledgeError without an index."""
        material, language, degraded = self.material(asked, now=now)
        draft = self._draft(material, asked, language=language, degraded=degraded, subject=subject)
        return Written(
            draft=draft,
            material=material,
            verification=self.verified(draft, material, masker=masker_of(asked), now=now),
            material_hash=material_hash(material, self.drafts, prompt=self.drafter),
        )

    def failed(self, asked: Asked, error: Exception, *, now: datetime) -> Written:
        """No draft, because making one raised: a person writes."""
        material = self._material(asked, sources=(), language=asked.language or UNKNOWN, now=now)
        draft = Draft(
            language=material.language,
            sentences=(),
            sources=(),
            drafter=Drafter(kind="embedded", name=embedded.NAME),
            degraded=f"drafting failed: {type(error).__name__}: {error}"[:500],
        )
        return Written(
            draft=draft,
            material=material,
            verification=Verification(findings=(), checks=(), skipped={"all": "there is no draft"}),
            material_hash=material_hash(material, self.drafts, prompt=self.drafter),
        )

    def verified(self, draft: Draft, material: Material, *, masker: Masker, now: datetime) -> Verification:
        """Whether it may go on, by what may be cited at `now`. An entailment checker is shown what `masker` leaves of a sentence."""
        citable = self._citable(draft.sources, now)
        checker = self._entailment
        return verify(
            draft,
            material,
            rules=self._rules,
            policy=lambda facts: [self._policy.forbids(own) for own in facts],
            citable=lambda source: (source.key, source.version) in citable,
            entails=checker and (lambda pairs: checker([(premise, masker.mask(said)) for premise, said in pairs])),
        )

    def material(self, asked: Asked, *, now: datetime) -> tuple[Material, str, str | None]:
        """What a reply may be made of, its language, and why that is not the ticket's own."""
        text = f"{asked.subject}\n{asked.body}"[:TICKET_CHARS]
        spoken = asked.language or guess_language(text)
        language, degraded = reply_language(spoken, available=self._available(now), drafts=self.drafts)
        asks = question(asked.subject, asked.body, queue=asked.queue)[:TICKET_CHARS]
        sources = sources_of(self._hits(masker_of(asked).without(asks), language, now), most=self.drafts.articles)
        material = self._material(asked, sources=sources, language=spoken, now=now)
        return material, language, degraded

    def _material(self, asked: Asked, *, sources: tuple[Source, ...], language: str, now: datetime) -> Material:
        return Material(
            automation=self._automation,
            ticket_id=asked.ticket_id,
            subject=asked.subject,
            body=asked.body[:TICKET_CHARS],
            language=main_language(language),
            queue=asked.queue,
            customer_id=asked.customer_id,
            customer=asked.customer,
            sources=sources,
            now=now,
            signature=self.drafts.signature,
        )

    def close(self) -> None:
        """Close the connections to the model and the entailment checker."""
        if self._model is not None:
            self._model.close()
        if self._entailment is not None:
            self._entailment.close()

    def _open(self, database: Database, progress: Progress) -> str | None:
        """Open the declared model; why it can't be, where it can't."""
        if self.drafts.model is None:
            return None
        try:
            self._model = open_model(self.drafts.model, database=database, automation=self._automation)
        except ConfigurationError as error:
            progress(f"the embedded drafter writes: {error}")
            return f"no model: {error}"
        return None

    def _hits(self, text: str, language: str, now: datetime) -> list[Hit]:
        if not text.strip():
            return []
        return self._search.search(
            self._automation, text, now=now, filter=Filter(language=language), limit=self.drafts.articles
        )

    def _draft(self, material: Material, asked: Asked, *, language: str, degraded: str | None, subject: str) -> Draft:
        without = self._without_model
        if self._model is not None and material.sources:
            try:
                return self._by_model(
                    self._model, material, asked, language=language, degraded=degraded, subject=subject
                )
            except (ModelUnavailable, BudgetSpent, GarbledAnswer) as error:
                without = f"no model ({error.code}): {error}"
        said = "; ".join(part for part in (degraded, without) if part)
        return embedded.write(material, self.drafts, language=language, degraded=said or None)

    def _by_model(
        self,
        model: LanguageModel,
        material: Material,
        asked: Asked,
        *,
        language: str,
        degraded: str | None,
        subject: str,
    ) -> Draft:
        around = frame(material, self.drafts, language=language)
        masker = masker_of(asked)
        messages = prompt.messages(material, language=language, most=self.drafts.sentences, mask=masker.mask)
        sentences, calls = _ask(model, messages, material, paragraph=around.next_paragraph, subject=subject)
        restored = [replace(s, text=masker.restore(s.text)) for s in sentences]
        cited = {number for sentence in restored for number in sentence.cites}
        if not restored:
            degraded = "; ".join(part for part in (degraded, "the model found no answer in the articles") if part)
        return Draft(
            language=language,
            sentences=(*around.before, *restored, *around.after) if restored else (),
            sources=tuple(source for source in material.sources if source.number in cited),
            drafter=_drafter(model, calls),
            degraded=degraded,
        )

    def _available(self, now: datetime) -> set[str]:
        if self._languages is None:
            listed = self._store.listed(self._automation, now=now)
            self._languages = {one.article.language for one in listed}
        return self._languages

    def _citable(self, sources: Sequence[Source], now: datetime) -> set[tuple[ArticleKey, str]]:
        known = self._store.validity(self._automation, [source.key for source in sources])
        return {(key, validity.version) for key, validity in known.items() if validity.holds(now)}


def masker_of(asked: Asked) -> Masker:
    """A masker that knows the person whom this ticket is about."""
    return Masker(names=asked.names, ids=(*asked.ids, *filter(None, (asked.customer_id,))))


def sources_of(hits: Sequence[Hit], *, most: int) -> tuple[Source, ...]:
    """Numbered passages: the best article's best one first, then the rest of that article, then the best one of each other near it.

    None where the best article is too far away to be an answer.
    """
    if not hits or is_gap(hits[0].score, by_meaning=hits[0].meaning is not None):
        return ()
    near = [hit for hit in hits[:most] if hit.score >= NEAR * hits[0].score]
    found: list[Source] = []
    for place, hit in enumerate(near):
        best = hit.passage
        whole = passages(hit.article) if place == 0 else []
        first = max(0, min(best.number - 1, len(whole) - PASSAGES))
        for passage in (best, *(p for p in whole[first : first + PASSAGES] if p.number != best.number)):
            if passage.text:
                found.append(
                    Source(
                        number=len(found) + 1,
                        key=passage.key,
                        version=passage.version,
                        passage=passage.number,
                        headings=passage.headings,
                        text=passage.text,
                        language=hit.article.language,
                        url=hit.article.url,
                        score=hit.score,
                    )
                )
    return tuple(found)


def _ask(
    model: LanguageModel, messages: list[dict[str, str]], material: Material, *, paragraph: int, subject: str
) -> tuple[tuple[Sentence, ...], list[Completion]]:
    """The model's sentences; an answer of another form is asked for once again."""
    numbers = [source.number for source in material.sources]
    first = model.complete(messages, purpose="draft", subject=subject)
    try:
        return read_answer(first.text, sources=numbers, paragraph=paragraph), [first]
    except GarbledAnswer as garbled:
        asked = prompt.again(messages, first.text, str(garbled))
    second = model.complete(asked, purpose="draft", subject=subject)
    return read_answer(second.text, sources=numbers, paragraph=paragraph), [first, second]


def _drafter(model: LanguageModel, calls: Sequence[Completion]) -> Drafter:
    parameters: dict[str, Any] = model.parameters | {"prompt_version": prompt.VERSION, "calls": len(calls)}
    return Drafter(
        kind="model",
        name=model.name,
        prompt=calls[-1].prompt,
        parameters=parameters,
        tokens_in=sum(call.tokens_in for call in calls),
        tokens_out=sum(call.tokens_out for call in calls),
        cost=sum(call.cost for call in calls),
        seconds=round(sum(call.seconds for call in calls), 3),
    )

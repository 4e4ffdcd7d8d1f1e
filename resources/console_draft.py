"""A draft as people read it: paragraphs of sentences, each with the passages it cites and what was found wrong with it.

What belongs here: putting a draft and its verification together for a page. What does not: the rows (`drafts.py`), and drafting and
verifying (`aios_core/drafting/`).
"""

from dataclasses import dataclass, replace
from datetime import datetime

from aios_core.drafting.model import Draft, Drafter, Finding, Source, Verification
from resources.console_case import masked
from resources.database import Database
from resources.drafts import DraftStore


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceView:
    """One sentence; `cites` are numbers of sources that there are."""

    text: str
    basis: str
    item: bool  # a line of a list
    cites: tuple[int, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftView:
    """A draft with its verification. `general` are findings about no sentence in particular."""

    paragraphs: tuple[tuple[SentenceView, ...], ...]
    sources: tuple[Source, ...]
    findings: tuple[Finding, ...]
    general: tuple[Finding, ...]
    checks: tuple[str, ...]
    skipped: dict[str, str]
    passed: bool
    language: str
    drafter: Drafter
    degraded: str | None
    created_at: datetime

    def masked(self) -> "DraftView":
        """The same without e-mail addresses and long numbers."""
        paragraphs = tuple(
            tuple(replace(s, text=masked(s.text), findings=_masked(s.findings)) for s in paragraph)
            for paragraph in self.paragraphs
        )
        return replace(self, paragraphs=paragraphs, findings=_masked(self.findings), general=_masked(self.general))


def read_draft(database: Database, decision_id: str) -> DraftView | None:
    """The newest draft for a decision."""
    stored = DraftStore(database).of(decision_id)
    return None if stored is None else draft_view(stored.draft, stored.verification, created_at=stored.created_at)


def draft_view(draft: Draft, verification: Verification, *, created_at: datetime) -> DraftView:
    """Findings go to their sentences; one about a sentence that isn't there counts as one about the whole."""
    known = {source.number for source in draft.sources}
    paragraphs: dict[int, list[SentenceView]] = {}
    for number, sentence in enumerate(draft.sentences):
        own = tuple(f for f in verification.findings if f.sentence == number)
        shown = SentenceView(
            text=sentence.text,
            basis=sentence.basis,
            item=sentence.item,
            cites=tuple(c for c in sentence.cites if c in known),
            findings=own,
        )
        paragraphs.setdefault(sentence.paragraph, []).append(shown)
    there = range(len(draft.sentences))
    return DraftView(
        paragraphs=tuple(tuple(paragraphs[number]) for number in sorted(paragraphs)),
        sources=draft.sources,
        findings=verification.findings,
        general=tuple(f for f in verification.findings if f.sentence is None or f.sentence not in there),
        checks=verification.checks,
        skipped=dict(verification.skipped),
        passed=verification.passed,
        language=draft.language,
        drafter=draft.drafter,
        degraded=draft.degraded,
        created_at=created_at,
    )


def _masked(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    return tuple(replace(f, message=masked(f.message), quoted=masked(f.quoted)) for f in findings)

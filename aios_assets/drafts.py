"""Drafts: replies made of articles, verified sentence by sentence, for people to send.

What belongs here: the asset, of automations that declare `drafts:`. What does not: writing and verifying (`resources/drafting.py`,
`aios_core/drafting`) and what follows (`resources/drafts.py`).
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import dagster as dg

from aios_assets import naming
from aios_assets.metadata import markdown_table
from aios_core.drafting.written import Written
from aios_core.errors import RetryableError
from aios_core.privacy.masking import mask
from aios_core.retrieval.articles import KnowledgeError
from resources import clock
from resources.dagster_resources import DatabaseResource, LakeResource
from resources.database import Database
from resources.declarations import Declared
from resources.drafts import DraftStore, RecordedDraft, Wanted
from resources.lake import Lake

DRAFTS = "drafts"
COLUMNS = {
    "decision_id": "text",
    "attempt": "int",
    "ticket_id": "text",
    "language": "text",
    "content": "jsonb",
    "verification": "jsonb",
    "passed": "bool",
    "drafter": "text",
    "tokens": "int",
    "cost": "double precision",
}
REPORTED_EVERY = 10.0  # seconds
PATIENCE = timedelta(hours=1)  # so long a ticket waits for the first index; then a person gets it without a draft


def declared_by(declared: Declared) -> bool:
    """Whether this automation has drafts."""
    return declared.automation.drafts is not None


def build(declared: Declared) -> list[dg.AssetsDefinition]:
    automation = declared.automation
    if automation.drafts is None:
        return []
    spec = naming.spec(
        declared,
        DRAFTS,
        plane="decide",
        kinds=["postgres"],
        # what an agent has looked into needs no second draft
        deps=["decisions", "knowledge_index", *(["agents"] if automation.agents is not None else [])],
        description=(
            "Replies for people to send, made of articles and the customer's record alone. One row is one attempt at one decision, with "
            "its sources and the verification of every sentence. What passes leaves as a private comment; what does not goes to a person. "
            "Each run makes at most `drafts.per_run`, what is to be sent first."
        ),
        columns=COLUMNS,
    )

    @dg.multi_asset(specs=[spec], name=naming.job_name(declared, DRAFTS))
    def drafts(
        context: dg.AssetExecutionContext, database: DatabaseResource, lake: LakeResource
    ) -> dg.MaterializeResult:
        made = draft_all(declared, database=database.open(), lake=lake.open(), report=context.log.info)
        return dg.MaterializeResult(asset_key=spec.key, metadata=made.metadata(automation.value.currency))

    return [drafts]


@dataclass(slots=True)
class Made:
    """What one run made."""

    wanted: int = 0
    drafts: int = 0
    actions: int = 0
    cases: int = 0
    tokens: int = 0
    cost: float = 0.0
    results: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    degraded: Counter[str] = field(default_factory=Counter)
    shown: list[dict[str, Any]] = field(default_factory=list)
    note: str = ""

    def add(self, wanted: Wanted, written: Written, recorded: RecordedDraft) -> None:
        if not recorded.new:
            return
        draft, verification = written.draft, written.verification
        result = "no answer" if not written.answers else "passed" if verification.passed else "refused"
        self.drafts += 1
        self.actions += recorded.actions
        self.cases += recorded.cases
        self.tokens += draft.drafter.tokens_in + draft.drafter.tokens_out
        self.cost += draft.drafter.cost
        self.results[result] += 1
        self.findings.update(finding.code for finding in verification.findings)
        if draft.degraded:
            self.degraded[draft.degraded[:80]] += 1
        if len(self.shown) < 5:
            self.shown.append({"ticket": wanted.ticket_id, "result": result, "draft": mask(draft.text, limit=300)})

    def metadata(self, currency: str) -> dict[str, Any]:
        return {
            "drafts": self.drafts,
            "passed": self.results["passed"],
            "refused": self.results["refused"],
            "without_answer": self.results["no answer"],
            "actions": self.actions,
            "review_cases": self.cases,
            "left": max(0, self.wanted - self.drafts),
            "tokens": self.tokens,
            "cost": round(self.cost, 6),
            "currency": currency,
            "refused_for": dict(self.findings),
            "degraded": markdown_table([{"why": why, "drafts": n} for why, n in self.degraded.most_common(10)]),
            "sample": markdown_table(self.shown),
            **({"note": self.note} if self.note else {}),
        }


def draft_all(
    declared: Declared, *, database: Database, lake: Lake, report: Callable[[str], None] = lambda _: None
) -> Made:
    """Write, verify and record what is wanted now, one ticket a transaction: what was made before a crash stays.

    A ticket that can't be drafted stops no other, and goes to a person; before there is any index it waits, but not for long.
    """
    assert declared.automation.drafts is not None  # the asset exists only then
    from resources.drafting import DraftWriter
    from resources.knowledge_index import KnowledgeSearch

    store, made, now = DraftStore(database), Made(), clock.now()
    asking = store.wanted(declared.automation, now=now, limit=declared.automation.drafts.per_run)
    full = len(asking) == declared.automation.drafts.per_run
    made.wanted = store.count_wanted(declared.automation, now=now) if full else len(asking)
    if not asking:
        return made
    writer = DraftWriter(declared, database=database, search=KnowledgeSearch(database, lake), progress=report)
    reported = time.monotonic()
    try:
        for number, wanted in enumerate(asking):
            try:
                written = writer.write(wanted.asked, subject=wanted.decision_id, now=now)
            except RetryableError:
                raise
            except KnowledgeError as error:
                made.note = f"nothing to draft from yet: {error}"
                if now - wanted.decided_at < PATIENCE:
                    continue
                written = writer.failed(wanted.asked, error, now=now)
            except Exception as error:  # a draft that fails must not keep other tickets' actions from leaving
                written = writer.failed(wanted.asked, error, now=now)
                report(f"ticket {wanted.ticket_id} of decision {wanted.decision_id} has no draft: {error!r}")
            made.add(wanted, written, store.record(wanted, written, automation=declared.automation, now=now))
            if time.monotonic() - reported > REPORTED_EVERY:
                report(f"{number + 1} of {len(asking)} drafts")
                reported = time.monotonic()
    finally:
        writer.close()
    if made.note:
        report(made.note)
    return made

"""Agents: cases that need several steps are looked into before a person sees them.

What belongs here: the asset, of automations that declare `agents:`. What does not: running one (`resources/agents/`), its bounds and what
may follow (`aios_core/agents/`).
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dagster as dg

from aios_assets import naming
from aios_assets.metadata import markdown_table
from aios_core.errors import ConfigurationError, RetryableError
from aios_core.privacy.masking import mask
from aios_core.retrieval.articles import KnowledgeError
from resources import clock
from resources.agents.store import AgentStore, RecordedRun, Worked
from resources.dagster_resources import DatabaseResource, LakeResource
from resources.database import Database
from resources.declarations import Declared
from resources.lake import Lake

if TYPE_CHECKING:
    from resources.agents.cases import AgentWorker

AGENTS = "agents"
COLUMNS = {
    "decision_id": "text",
    "ticket_id": "text",
    "outcome": "text",
    "why": "text",
    "proposal": "jsonb",
    "content": "bytea",
    "steps": "int",
    "calls": "int",
    "tokens": "int",
    "cost": "double precision",
}

Report = Callable[[str], None]


def declared_by(declared: Declared) -> bool:
    """Whether this automation may use agents."""
    return declared.automation.agents is not None


def build(declared: Declared) -> list[dg.AssetsDefinition]:
    automation = declared.automation
    if automation.agents is None:
        return []
    spec = naming.spec(
        declared,
        AGENTS,
        plane="decide",
        kinds=["postgres"],
        deps=["decisions", "knowledge_index"],
        description=(
            "Cases that an agent looked into before a person does: with declared tools, within a budget, each call asked of the policy. One "
            "row is one run on one decision, with the whole transcript. It only proposes: a verified reply goes the way of every draft, "
            "everything else goes to a person with the proposal beside the case. Each run begins at most `agents.per_run` of them."
        ),
        columns=COLUMNS,
    )

    @dg.multi_asset(specs=[spec], name=naming.job_name(declared, AGENTS))
    def agents(
        context: dg.AssetExecutionContext, database: DatabaseResource, lake: LakeResource
    ) -> dg.MaterializeResult:
        done = look_into(declared, database=database.open(), lake=lake.open(), report=context.log.info)
        return dg.MaterializeResult(asset_key=spec.key, metadata=done.metadata(automation.value.currency))

    return [agents]


@dataclass(slots=True)
class Done:
    """What one run of the asset did."""

    runs: int = 0
    actions: int = 0
    cases: int = 0
    steps: int = 0
    calls: int = 0
    tokens: int = 0
    cost: float = 0.0
    refused_calls: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    why: Counter[str] = field(default_factory=Counter)
    shown: list[dict[str, Any]] = field(default_factory=list)
    note: str = ""

    def add(self, worked: Worked, recorded: RecordedRun) -> None:
        if not recorded.new:
            return
        made = worked.transcript
        self.runs += 1
        self.actions += recorded.actions
        self.cases += recorded.cases
        self.steps += made.spent.steps
        self.calls += made.spent.calls
        self.tokens += made.spent.tokens
        self.cost += made.spent.money
        self.refused_calls += sum(not getattr(event, "allowed", True) for event in made.events)
        self.outcomes[recorded.outcome] += 1
        self.why[worked.outcome.why] += 1
        if len(self.shown) < 5:
            said = "" if made.proposal is None else made.proposal.reason
            row = {"ticket": made.subject.ticket_id, "outcome": recorded.outcome, "why": worked.outcome.why}
            self.shown.append(row | {"steps": made.spent.steps, "proposes": mask(said, limit=200)})

    def metadata(self, currency: str) -> dict[str, Any]:
        return {
            "runs": self.runs,
            "drafts": self.outcomes["draft"],
            "to_people": self.outcomes["review"],
            "actions": self.actions,
            "review_cases": self.cases,
            "steps": self.steps,
            "tool_calls": self.calls,
            "refused_calls": self.refused_calls,
            "tokens": self.tokens,
            "cost": round(self.cost, 6),
            "currency": currency,
            "why": dict(self.why),
            "sample": markdown_table(self.shown),
            **({"note": self.note} if self.note else {}),
        }


def look_into(
    declared: Declared,
    *,
    database: Database,
    lake: Lake,
    report: Report = lambda _: None,
    worker: "AgentWorker | None" = None,
) -> Done:
    """Run on what the declaration and the policy let an agent look into, one case a transaction: what was done before a crash stays.

    Without a model that may be asked (not configured, its breaker open, its budget spent) no further run begins, and the cases go on as
    though there were no agents.
    """
    agents = declared.automation.agents
    assert agents is not None  # the asset exists only then
    from resources.agents.cases import AgentWorker
    from resources.knowledge_index import KnowledgeSearch
    from resources.llm import BudgetSpent, ModelUnavailable

    done, now, begun = Done(), clock.now(), 0
    store = AgentStore(database)
    try:
        worker = worker or AgentWorker(declared, database=database, search=KnowledgeSearch(database, lake))
    except ConfigurationError as error:
        done.note = f"no agent runs: {error}"
        report(done.note)
        return done
    until = time.monotonic() + agents.run_minutes * 60
    try:
        for candidate in store.candidates(declared.automation, now=now):
            if begun >= agents.per_run or time.monotonic() > until:
                done.note = "the rest goes on without an agent: `agents.per_run` or `run_minutes` is reached"
                break
            if not worker.may(candidate):
                continue
            begun += 1
            try:
                worker.ready()
                worked = worker.work(candidate.decision_id, now=now)
            except (BudgetSpent, ModelUnavailable, KnowledgeError) as error:
                done.note = f"no further agent runs now: {error}"
                break
            except RetryableError:
                raise
            except Exception as error:  # the other cases, and what is to be sent, must not wait for this one
                report(f"no agent on decision {candidate.decision_id}: {error!r}")
                continue
            if worked is not None:
                recorded = store.record(
                    worked, automation=declared.automation, policy_text=declared.policy_text, now=now
                )
                done.add(worked, recorded)
    finally:
        worker.close()
    if done.note:
        report(done.note)
    return done

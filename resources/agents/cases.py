"""One case for an agent, from what it may see to what follows: what the asset and the command line share.

What belongs here: gathering the case, the run, the reply as a verified draft, and the replay of a recorded run. What does not: the loop
(`running.py`) and rows (`store.py`).

What an agent writes is a draft like any other: framed by the automation's templates, and verified sentence by sentence against the
passages that it was shown.
"""

import importlib.metadata
import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from aios_core.agents import prompt
from aios_core.agents.budget import Limits
from aios_core.agents.facts import case_facts, proposal_facts
from aios_core.agents.outcome import outcome_of
from aios_core.agents.proposal import restored, sentences_of
from aios_core.agents.transcript import Subject, Terms, Transcript
from aios_core.automation import Agents, ModelSettings
from aios_core.decisions.answers import ask
from aios_core.decisions.record import parse
from aios_core.drafting.model import Draft, Drafter, Material
from aios_core.drafting.record import material_hash
from aios_core.drafting.templates import frame
from aios_core.drafting.written import Written
from aios_core.errors import ConfigurationError, PolicyError
from aios_core.privacy.masker import Masker
from resources.agents.store import AgentStore, Candidate, StoredTranscript, UnknownTranscript, Worked
from resources.agents.tooling import LiveTooling, World
from resources.agents.world import CaseKey, StatusPage, TicketWorld
from resources.database import Database, rows
from resources.declarations import Declared
from resources.drafting import DraftWriter, masker_of
from resources.drafts import DraftStore, Wanted
from resources.knowledge_index import KnowledgeSearch
from resources.llm import LanguageModel, open_model
from resources.policy import RegoPolicy

if TYPE_CHECKING:
    from resources.agents.replaying import Replayed
    from resources.agents.running import Speaker

LIBRARY: Final = "pydantic-ai-slim"

SpeakerOf = Callable[[str], "Speaker"]


class AgentWorker:
    """Runs agents on the cases of one automation."""

    def __init__(
        self,
        declared: Declared,
        *,
        database: Database,
        search: KnowledgeSearch,
        speaker: SpeakerOf | None = None,
        world: Callable[[CaseKey, Mapping[str, Any], datetime], World] | None = None,
    ) -> None:
        """`speaker` and `world` stand in for the declared model and the real one in tests.

        Raises ConfigurationError where the automation declares no agents, or its model can't be used.
        """
        automation = declared.automation
        if automation.agents is None or automation.drafts is None:
            raise ConfigurationError(f"{declared.file}:1: {automation.name} declares no `agents:`")
        require_library()
        self.agents: Agents = automation.agents
        settings = automation.agents.model or automation.drafts.model
        assert settings is not None  # the declaration says so
        self._declared, self._automation = declared, automation
        self._database, self._search = database, search
        self._policy = RegoPolicy(declared.policy_text)
        self._store, self._drafts = AgentStore(database), DraftStore(database)
        self._writer = DraftWriter(declared, database=database, search=search)
        self._settings: ModelSettings = settings
        self._model: LanguageModel | None = None
        self._speaker_of = speaker or self._open(settings)
        self._world_of = world or self._world

    def may(self, candidate: Candidate) -> bool:
        """Whether the policy lets an agent look into this case; a policy that fails says no."""
        try:
            return self._policy.agent_may(case_facts(parse(candidate.record)))
        except PolicyError:
            return False

    def ready(self) -> None:
        """Return if a run may begin now. Raises BudgetSpent, or ModelUnavailable while the breaker is open."""
        if self._model is not None:
            self._model.may_spend()

    def work(self, decision_id: str, *, now: datetime) -> Worked | None:
        """Run on one decision and see what follows; nothing is recorded. None where its ticket is gone."""
        found = self._drafts.asked([decision_id], now=now)
        if not found:
            return None
        wanted = found[0]
        recorded = parse(self._record(decision_id))
        material, language, degraded = self._writer.material(wanted.asked, now=now)
        masker = masker_of(wanted.asked)
        transcript = self._run(wanted, recorded, material, language=language, masker=masker, now=now)
        written = self._written(transcript, material, masker, language=language, degraded=degraded, now=now)
        outcome = outcome_of(
            verdict=wanted.verdict,
            queue=wanted.queue,
            ending=transcript.ending,
            proposal=transcript.proposal,
            policy=self._policy_on(transcript, recorded),
        )
        return Worked(wanted=wanted, transcript=transcript, masked=masker.masked, outcome=outcome, written=written)

    def close(self) -> None:
        """Close the model's connections."""
        self._writer.close()
        if self._model is not None:
            self._model.close()

    def _run(
        self,
        wanted: Wanted,
        recorded: Mapping[str, Any],
        material: Material,
        *,
        language: str,
        masker: Masker,
        now: datetime,
    ) -> Transcript:
        from resources.agents.running import Task, run

        budget = self.agents.budget
        key = CaseKey(
            automation=self._automation.name,
            source=wanted.source,
            ticket_id=wanted.ticket_id,
            requester_id=self._store.requester(self._automation.name, wanted),
            customer_id=wanted.asked.customer_id,
            language=language,
        )
        task = Task(
            subject=Subject(
                decision_id=wanted.decision_id,
                automation=self._automation.name,
                source=wanted.source,
                ticket_id=wanted.ticket_id,
            ),
            terms=self._terms(wanted, recorded),
            instructions=prompt.instructions(
                language=language, steps=budget.steps, calls=budget.calls, queues=self._queues(recorded)
            ),
            prompt=prompt.case(
                ticket_id=wanted.ticket_id,
                subject=wanted.asked.subject,
                body=material.body,
                queue=wanted.queue,
                verdict=wanted.verdict,
                customer=wanted.asked.customer,
                sources=material.sources,
                mask=masker.mask,
            ),
            sources=material.sources,
        )
        world = self._world_of(key, wanted.asked.customer, now)
        tooling = LiveTooling(world, masker, sources=material.sources)
        return run(
            task, speaker=self._speaker_of(wanted.decision_id), tooling=tooling, ask_tool=self._policy.agent_tool
        )

    def _terms(self, wanted: Wanted, recorded: Mapping[str, Any]) -> Terms:
        return Terms(
            limits=Limits(**self.agents.budget.model_dump()),
            tool_seconds=self.agents.tool_seconds,
            tools=tuple(sorted(self.agents.tools)),
            queues=self._queues(recorded),
            verdict=wanted.verdict,
            queue=wanted.queue,
            facts=case_facts(recorded),
            model=self._settings.name,
            parameters=self._parameters(),
            policy_revision=self._policy.revision,
            declaration=self._automation.version,
            library=library(),
        )

    def _parameters(self) -> dict[str, Any]:
        sent = ("temperature", "max_tokens", "seed")
        return {"prompt_version": prompt.VERSION} | {name: getattr(self._settings, name) for name in sent}

    def _queues(self, recorded: Mapping[str, Any]) -> tuple[str, ...]:
        """Declared ones, else the classes of the model that decided."""
        return self._automation.queue_names or tuple(recorded["classes"])

    def _world(self, key: CaseKey, customer: Mapping[str, Any], now: datetime) -> World:
        page = None
        if self.agents.outages is not None and "check_outage" in self.agents.tools:
            page = StatusPage(self.agents.outages, timeout_seconds=self.agents.tool_seconds)
        return TicketWorld(
            key,
            database=self._database,
            search=self._search,
            customer=customer,
            now=now,
            articles=self._writer.drafts.articles,
            status_page=page,
        )

    def _open(self, settings: ModelSettings) -> SpeakerOf:
        model = self._model = open_model(settings, database=self._database, automation=self._automation.name)

        def speaker(subject: str) -> "Speaker":
            from resources.agents.speaking import open_speaker

            return open_speaker(model, subject=subject)

        return speaker

    def _record(self, decision_id: str) -> bytes:
        with self._database.connection() as connection:
            (row,) = rows(connection, "select record from decisions where decision_id = %s", (decision_id,))
        return bytes(row["record"])

    def _policy_on(self, transcript: Transcript, recorded: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the rule `decision` says of the proposal as a draft."""
        if transcript.proposal is None:
            return {"error": "there is no proposal"}
        facts = proposal_facts(case_facts(recorded), queue=transcript.terms.queue)
        return ask(self._policy.ask, [facts])[0]

    def _written(
        self,
        transcript: Transcript,
        material: Material,
        masker: Masker,
        *,
        language: str,
        degraded: str | None,
        now: datetime,
    ) -> Written | None:
        """The proposed reply as a draft with its verification; None where none was proposed."""
        if transcript.proposal is None or not transcript.proposal.reply:
            return None
        proposal = restored(transcript.proposal, masker.restore)
        shown = _with_sources(material, transcript)
        around = frame(shown, self._writer.drafts, language=language)
        said = sentences_of(proposal, paragraph=around.next_paragraph)
        cited = {number for sentence in said for number in sentence.cites}
        draft = Draft(
            language=language,
            sentences=(*around.before, *said, *around.after),
            sources=tuple(source for source in shown.sources if source.number in cited),
            drafter=self._drafter(transcript),
            degraded=degraded,
        )
        verification = self._writer.verified(draft, shown, masker=masker, now=now)
        made_of = material_hash(shown, self._writer.drafts, prompt=f"agent/{self._settings.name}/{prompt.VERSION}")
        return Written(draft=draft, material=shown, verification=verification, material_hash=made_of)

    def _drafter(self, transcript: Transcript) -> Drafter:
        from aios_core.agents.transcript import Answer

        answers = [event for event in transcript.events if isinstance(event, Answer)]
        return Drafter(
            kind="model",
            name=self._settings.name,
            prompt=None,
            parameters=self._parameters() | {"agent": True, "calls": len(answers)},
            tokens_in=sum(answer.tokens_in for answer in answers),
            tokens_out=sum(answer.tokens_out for answer in answers),
            cost=transcript.spent.money,
            seconds=round(transcript.spent.seconds, 3),
        )


def replay_stored(database: Database, of: str) -> tuple[StoredTranscript, "Replayed"]:
    """Play the run on a decision or ticket again. Raises UnknownTranscript, or ConfigurationError without the extra."""
    require_library()
    from resources.agents.replaying import replay

    stored = AgentStore(database).get(of)
    with database.connection() as connection:
        found = rows(connection, "select content from policies where revision = %s", (stored.policy_revision,))
    if not found:
        raise UnknownTranscript(
            f"policy revision {stored.policy_revision} of decision {stored.decision_id} is not stored, so its run can't be"
            " played; was its row deleted?"
        )
    policy = RegoPolicy(found[0]["content"])
    return stored, replay(stored.transcript, ask_tool=policy.agent_tool, library=library())


def require_library() -> None:
    """Raises ConfigurationError where the extra `assistant` is not installed."""
    missing = [name for name in ("openai", "pydantic_ai") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"agents need the extra `assistant`, of which {' and '.join(missing)} is not installed: pip install 'aios[assistant]'"
        )


def library() -> str:
    """The loop and its version, as a transcript names it."""
    return f"{LIBRARY} {importlib.metadata.version(LIBRARY)}"


def readable(stored: StoredTranscript) -> dict[str, Any]:
    """A stored run as JSON values, in full; texts as the model saw them, the proposal in the customer's own words."""
    from aios_core.agents.proposal import proposal_record

    proposal = stored.proposal
    known = ("decision_id", "automation", "source", "ticket_id", "made_at", "outcome", "why", "sentence", "ending", "content_hash",
             "model", "policy_revision", "declaration", "steps", "calls", "tokens", "cost", "seconds")  # fmt: skip
    return {name: getattr(stored, name) for name in known} | {
        "intact": stored.intact,
        "proposal": None if proposal is None else proposal_record(proposal),
        "transcript": json.loads(stored.content),
    }


def _with_sources(material: Material, transcript: Transcript) -> Material:
    """The material with every passage that the agent was shown."""
    known: Sequence[Any] = transcript.all_sources
    fields = {name: getattr(material, name) for name in Material.__dataclass_fields__}
    return Material(**fields | {"sources": tuple(known)})

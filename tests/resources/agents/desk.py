"""A desk with tickets, articles, decisions and a policy that lets agents in; no test of its own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_ai.models.function import FunctionModel

from aios_assets.agents import Done, look_into
from aios_core.agents.transcript import Transcript
from aios_core.automation import Automation
from resources import clock
from resources.agents.cases import AgentWorker
from resources.agents.speaking import LiveSpeaker
from resources.agents.store import AgentStore, StoredTranscript
from resources.database import Database
from resources.declarations import Declared
from resources.lake import Lake
from tests.resources.agents.acting import FakeAccount, FakeWorld, Script, Script_
from tests.resources.drafting_world import World, declaration

MAY = """package aios.policy

import rego.v1

decision := {"verdict": "review", "rule": "outage_to_people"} if {
	input.flags.agent
	input.queue == "outage"
} else := {"verdict": input.proposed, "rule": "default"}

default agent_may := false

agent_may if input.queue in {"billing", "outage"}

agent_tool := {"allow": false, "rule": "no_customer_in_outage"} if {
	input.tool == "read_customer"
	input.queue == "outage"
}
"""
MODEL = {"url": "http://127.0.0.1:9/v1", "name": "scripted"}
GOOD = {"text": "The reservation disappears within five working days.", "passages": [1]}


def declares(agents: dict[str, Any] | None = None, **drafts: Any) -> Automation:
    budget = {"steps": 5, "calls": 6, "seconds": 5, "tokens": 10_000}
    base: dict[str, Any] = {"verdicts": ["review", "draft"], "budget": budget, "model": MODEL}
    return declaration(drafts=drafts, agents=base | (agents or {}))


@dataclass
class Desk(World):
    """Tickets, articles, and agents on them."""

    policy: str = MAY

    @property
    def declared(self) -> Declared:
        return Declared(self.automation, Path(), Path("defs.yaml"), self.policy)

    def worker(self, script: Script, *, world: FakeWorld | None = None, account: Any = None) -> AgentWorker:
        self.model = Script_(script)
        speaks = FunctionModel(self.model)
        return AgentWorker(
            self.declared,
            database=self.database,
            search=self.search(),
            speaker=lambda subject: LiveSpeaker(
                speaks, account or FakeAccount(), subject=subject, parameters={}, stream=False
            ),
            world=None if world is None else lambda *_: world,
        )

    def look(self, script: Script | None = None, **more: Any) -> Done:
        """What the asset does, now; without a script by the declared model."""
        worker = None if script is None else self.worker(script, **more)
        with clock.running_on(lambda: self.now):
            return look_into(self.declared, database=self.database, lake=self.lake, worker=worker)

    def stored(self, decision_id: str) -> StoredTranscript:
        found = AgentStore(self.database).transcript_of(decision_id)
        assert found is not None
        return found

    def transcript(self, decision_id: str) -> Transcript:
        return self.stored(decision_id).transcript


def desk(database: Database, folder: Path, agents: dict[str, Any] | None = None, **drafts: Any) -> Desk:
    return Desk(database, Lake(folder / "lake"), declares(agents, **drafts))

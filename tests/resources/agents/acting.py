"""Scripted models, a world that counts what reaches it, and tasks for runs of agents; no test of its own."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.usage import RequestUsage

from aios_core.agents.budget import Limits
from aios_core.agents.transcript import Subject, Terms, Transcript
from aios_core.drafting.model import Source
from aios_core.privacy.masker import Masker
from aios_core.retrieval.articles import ArticleKey
from resources.agents.running import AskTool, Task, run
from resources.agents.speaking import LiveSpeaker
from resources.agents.tooling import LiveTooling

ALL_TOOLS = ("check_outage", "read_customer", "read_ticket", "search_knowledge")
QUEUES = ("billing", "outage", "roaming")
LIMITS = Limits(steps=5, calls=6, seconds=5.0, tokens=10_000)


def source(number: int, text: str = "Pay back takes five working days.", article: str = "1") -> Source:
    return Source(
        key=ArticleKey("kb", article), number=number, version="v1", passage=0, headings=("Refunds",), text=text, language="en"
    )  # fmt: skip


@dataclass
class FakeWorld:
    """Counts every call that reached it. `answers` override what a tool gives; an exception is raised, a number slept."""

    ticket_id: str = "7"
    customer_id: str | None = "C-1"
    reached: list[tuple[str, Any]] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)
    others: tuple[str, ...] = ("8",)

    def tickets_of_requester(self) -> Sequence[str]:
        return self.others

    def search(self, query: str) -> tuple[Source, ...]:
        return self._give("search", query, (source(0),))

    def customer(self) -> Mapping[str, Any]:
        return self._give("customer", self.customer_id, {"plan": "Gold", "segment": "consumer"})

    def ticket(self, ticket_id: str) -> Mapping[str, Any] | None:
        return self._give("ticket", ticket_id, {"ticket_id": ticket_id, "subject": "Charged twice", "body": "Hello"})

    def outages(self, *, area: str, service: str | None) -> Any:
        return self._give("outages", (area, service), {"outages": []})

    def _give(self, tool: str, asked: Any, usual: Any) -> Any:
        self.reached.append((tool, asked))
        given = self.answers.get(tool, usual)
        if isinstance(given, list) and given and isinstance(given[0], tuple):
            given = given.pop(0)[0] if len(given) > 1 else given[0][0]
        if isinstance(given, Exception):
            raise given
        if isinstance(given, float):
            time.sleep(given)
        return given


@dataclass
class FakeAccount:
    """A budget without limits, which remembers what was said of each call. `refuse` is raised before a call."""

    paid: list[dict[str, Any]] = field(default_factory=list)
    price: float = 0.001
    refuse: Exception | None = None

    def may_spend(self) -> None:
        if self.refuse is not None:
            raise self.refuse

    def spent(self, **said: Any) -> float:
        self.paid.append(said)
        return self.price * (said["tokens_in"] + said["tokens_out"])


Said = str | tuple[str, Any] | list[Any] | Exception | float
Script = Sequence[Said] | Callable[[int, list[ModelMessage]], Said]


def calls(tool: str, /, **arguments: Any) -> tuple[str, Any]:
    """What a model says to call a tool."""
    return (tool, arguments)


def proposes(**said: Any) -> tuple[str, Any]:
    return ("propose_action", {"reason": "It is a question about a bill."} | said)


class Script_:
    """A model that says what it was told to, the last thing for ever. An exception is raised, a number slept for ever."""

    def __init__(self, script: Script, *, tokens: tuple[int, int] = (50, 10)) -> None:
        self.script, self.tokens = script, tokens
        self.heard: list[list[ModelMessage]] = []

    async def __call__(self, messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        self.heard.append(list(messages))
        turn = len(self.heard) - 1
        said = self.script(turn, messages) if callable(self.script) else self.script[min(turn, len(self.script) - 1)]
        if isinstance(said, Exception):
            raise said
        if isinstance(said, float):
            await asyncio.sleep(said)
        parts = [_part(one) for one in (said if isinstance(said, list) else [said])]
        usage = RequestUsage(input_tokens=self.tokens[0], output_tokens=self.tokens[1])
        return ModelResponse(parts=parts, usage=usage)

    @property
    def seen(self) -> str:
        """Everything that the model was shown."""
        return "\n".join(repr(part) for messages in self.heard[-1:] for message in messages for part in message.parts)


def _part(said: Any) -> TextPart | ToolCallPart:
    return ToolCallPart(said[0], said[1]) if isinstance(said, tuple) else TextPart(str(said))


def allow(_: Mapping[str, Any]) -> tuple[bool, str]:
    return True, "declared"


def task(*, limits: Limits = LIMITS, tools: Sequence[str] = ALL_TOOLS, tool_seconds: float = 1.0, **more: Any) -> Task:
    terms: dict[str, Any] = {
        "limits": limits,
        "tool_seconds": tool_seconds,
        "tools": tuple(tools),
        "queues": QUEUES,
        "verdict": "draft",
        "queue": "billing",
        "facts": {"automation": "care", "queue": "billing", "verdict": "draft", "customer": {"segment": "consumer"}},
        "model": "scripted",
        "parameters": {},
        "policy_revision": "p1",
        "declaration": "d1",
        "library": "test",
    }
    return Task(
        subject=Subject(decision_id="d-7", automation="care", source="helpdesk", ticket_id="7"),
        terms=Terms(**(terms | more)),
        instructions="Help with one ticket.",
        prompt="<ticket>Charged twice</ticket>",
        sources=(source(1),),
    )


def act(
    script: Script,
    *,
    world: FakeWorld | None = None,
    ask_tool: AskTool = allow,
    account: FakeAccount | None = None,
    masker: Masker | None = None,
    tokens: tuple[int, int] = (50, 10),
    **of_task: Any,
) -> Transcript:
    """One run of a scripted model."""
    given = task(**of_task)
    speaker = LiveSpeaker(
        FunctionModel(Script_(script, tokens=tokens)), account or FakeAccount(), subject="d-7", parameters={}, stream=False
    )  # fmt: skip
    tooling = LiveTooling(world or FakeWorld(), masker or Masker(), sources=given.sources)
    return run(given, speaker=speaker, tooling=tooling, ask_tool=ask_tool)

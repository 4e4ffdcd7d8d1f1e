"""One run of an agent: pydantic-ai's loop, with a budget before and a record after everything that leaves it.

What belongs here: the loop's ends to the world, and how it stops. What does not: the model (`speaking.py`), the tools (`tooling.py`), and
what follows (`cases.py`). Imported only where an agent runs, since it needs the extra `assistant`.

Live runs and replays come through here alike: they differ in who answers.

A run has a thread of its own. Whatever holds it up, whether a model, a tool or this library, it is given up after its time, and what it
brings later is refused by its recorder.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar, cast

from pydantic import TypeAdapter
from pydantic_ai import Agent, ModelRetry, RunContext, ToolOutput, UsageLimits
from pydantic_ai.exceptions import AgentRunError, UnexpectedModelBehavior, UsageLimitExceeded
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.toolsets.abstract import AbstractToolset, ToolsetTool
from pydantic_ai.usage import RequestUsage

from aios_core.agents.budget import Spent
from aios_core.agents.facts import tool_facts
from aios_core.agents.proposal import Proposal, problem_with, proposal_of
from aios_core.agents.tools import PROPOSE, Arguments, ProposeAction, declared_tools
from aios_core.agents.transcript import PROPOSED, Answer, Ending, Part, Subject, Terms, ToolUse, Transcript
from aios_core.decisions.proposal import Facts
from aios_core.drafting.model import Source
from aios_core.errors import AiosError
from resources.agents.recorder import Ended, Recorder
from resources.agents.tooling import Looked, Tooling

GRACE_SECONDS: Final = 2.0  # between the end of a run's time and giving its thread up
MESSAGE_CHARS: Final = 400

AskTool = Callable[[Facts], tuple[bool, str]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a run is about, and what bounds it."""

    subject: Subject
    terms: Terms
    instructions: str
    prompt: str
    sources: tuple[Source, ...]


class Speaker(Protocol):
    """Who answers: a model, or the record of one."""

    @property
    def model(self) -> Model: ...

    async def answer(
        self, messages: list[ModelMessage], parameters: ModelRequestParameters, *, tokens_left: int
    ) -> Answer:
        """One answer. One that failed says so in `error`; Ended is for what was never asked."""


def run(task: Task, *, speaker: Speaker, tooling: Tooling, ask_tool: AskTool) -> Transcript:
    """Run to the end. Always gives a transcript, and never one whose limits were passed by more than one answer."""
    recorder = Recorder(task.terms.limits, task.sources)
    one = _Run(task, recorder, tooling, ask_tool)
    thread = threading.Thread(target=one.go, args=(speaker,), name="agent", daemon=True)
    thread.start()
    thread.join(task.terms.limits.seconds + GRACE_SECONDS)
    events, spent = recorder.close()
    proposal, ending = one.result()
    return Transcript(
        subject=task.subject,
        terms=task.terms,
        instructions=task.instructions,
        prompt=task.prompt,
        sources=task.sources,
        events=events,
        spent=spent,
        ending=ending,
        proposal=proposal,
    )


class _Run:
    """The state of one run, and what its loop calls."""

    def __init__(self, task: Task, recorder: Recorder, tooling: Tooling, ask_tool: AskTool) -> None:
        self.task, self.recorder = task, recorder
        self._tooling, self._ask_tool = tooling, ask_tool
        self._proposal: Proposal | None = None
        self._ending: Ending | None = None

    def result(self) -> tuple[Proposal | None, Ending]:
        """What came of it by now: either a proposal, or why there is none."""
        ending = self._ending or Ending(code="seconds", message=self._late())
        return (self._proposal if ending.code == PROPOSED else None), ending

    def go(self, speaker: Speaker) -> None:
        """The whole run, in its own thread."""
        try:
            self._proposal = asyncio.run(self._loop(speaker))
            self._ending = Ending(code=PROPOSED)
        except BaseException as error:  # a thread has nobody above it to tell
            self._ending = _ending(error, self._late())

    async def _loop(self, speaker: Speaker) -> Proposal:
        limits = self.task.terms.limits
        agent = Agent(
            _Bounded(self, speaker),
            output_type=ToolOutput(ProposeAction, name=PROPOSE, max_retries=limits.steps),
            toolsets=[_Tools(self)],
            instructions=self.task.instructions,
            retries=limits.steps,  # the steps are what bounds them
            end_strategy="early",
        )
        agent.output_validator(self._checked)
        async with asyncio.timeout(limits.seconds):
            ended = await agent.run(self.task.prompt, usage_limits=UsageLimits(request_limit=limits.steps + 1))
        return proposal_of(ended.output, decided=self.task.terms.queue)

    async def call(self, tool: str, arguments: Arguments, call_id: str) -> str:
        """One call of a declared tool with valid arguments: policy, budget, world, record."""
        self.recorder.before(Spent(calls=1))
        started = time.monotonic()
        classes: dict[str, str] = {}
        allowed, rule = True, ""
        try:
            classes = await self._in_time(lambda: self._tooling.classes(tool, arguments))
            allowed, rule = self._may(tool, classes)
            looked = (
                await self._in_time(lambda: self._tooling.use(tool, arguments)) if allowed else _refusal(tool, rule)
            )
        except TimeoutError:
            longest = self.task.terms.tool_seconds
            message = f"{tool} gave no answer within {longest:g} s"
            looked = Looked(text=message, error="tool.timeout", seconds=longest)
        seconds = round(time.monotonic() - started, 3) if looked.seconds is None else looked.seconds
        use = ToolUse(
            id=call_id,
            tool=tool,
            arguments=arguments.model_dump(mode="json", exclude_none=True),
            classes=classes,
            allowed=allowed,
            rule=rule,
            result=looked.text,
            error=looked.error,
            sources=looked.sources,
            seconds=seconds,
        )
        self.recorder.made(use, Spent(seconds=seconds))
        if looked.error == "tool.timeout":
            raise Ended("tool.timeout", looked.text)
        return looked.text

    def _may(self, tool: str, classes: dict[str, str]) -> tuple[bool, str]:
        """Whether the policy lets it. Nobody else's records, whatever the policy says."""
        if "other" in (classes.get("customer"), classes.get("ticket")):
            return False, "stranger"
        return self._ask_tool(tool_facts(self.task.terms.facts, tool=tool, arguments=classes))

    async def _checked(self, context: RunContext[None], said: ProposeAction) -> ProposeAction:
        """The proposal as far as it can be checked at once; what is wrong is told to the model."""
        wrong = problem_with(said, queues=self.task.terms.queues, passages=self.recorder.passages)
        if wrong is not None:
            raise ModelRetry(wrong)
        decided = self.task.terms.queue
        classes = {
            "queue": "none" if said.queue is None else "same" if said.queue == decided else "other",
            "reply": "yes" if said.reply else "no",
        }
        allowed, rule = self._may(PROPOSE, classes)
        result = "" if allowed else f"policy rule `{rule}` lets no agent propose this"
        use = ToolUse(
            id=context.tool_call_id or PROPOSE, tool=PROPOSE, arguments={}, classes=classes, allowed=allowed, rule=rule, result=result
        )  # fmt: skip
        self.recorder.made(use, Spent())
        if not allowed:
            raise Ended("forbidden", result)
        return said

    async def _in_time(self, call: Callable[[], T]) -> T:
        """In a thread that nobody waits for: one that hangs can't be stopped, only left."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def settle(value: Any, error: BaseException | None) -> None:
            if not done.done():
                done.set_exception(error) if error else done.set_result(value)

        def work() -> None:
            value, failed = None, None
            try:
                value = call()
            except Exception as error:
                failed = error
            with contextlib.suppress(RuntimeError):  # the run is over, and its loop closed
                loop.call_soon_threadsafe(settle, value, failed)

        threading.Thread(target=work, name="agent-tool", daemon=True).start()
        async with asyncio.timeout(self.task.terms.tool_seconds):
            return await done

    def _late(self) -> str:
        return f"no end within {self.task.terms.limits.seconds:g} s"


class _Bounded(WrapperModel):
    """A model as the loop sees it: every request is counted before, and recorded after."""

    def __init__(self, one: _Run, speaker: Speaker) -> None:
        super().__init__(speaker.model)
        self._one, self._speaker = one, speaker

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,  # noqa: ARG002 (the speaker has its own)
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        recorder = self._one.recorder
        recorder.before(Spent(steps=1))
        heard = await self._speaker.answer(messages, model_request_parameters, tokens_left=recorder.tokens_left)
        answer = _numbered(heard, recorder)
        tokens = answer.tokens_in + answer.tokens_out
        recorder.made(answer, Spent(tokens=tokens, money=answer.cost, seconds=answer.seconds))
        if answer.error is not None:
            raise Ended(answer.error, answer.message)
        usage = RequestUsage(input_tokens=answer.tokens_in, output_tokens=answer.tokens_out)
        return ModelResponse(parts=[*map(_part, answer.parts)], usage=usage, model_name=self.model_name)


class _Tools(AbstractToolset[None]):
    """The declared tools; a model that names another is told that there is none."""

    def __init__(self, one: _Run) -> None:
        self._one = one

    @property
    def id(self) -> str:
        return "declared"

    async def get_tools(self, ctx: RunContext[None]) -> dict[str, ToolsetTool[None]]:  # noqa: ARG002 (the library's signature)
        return {
            tool.name: ToolsetTool(
                toolset=self,
                tool_def=ToolDefinition(
                    name=tool.name,
                    description=tool.description,
                    parameters_json_schema=tool.arguments.model_json_schema(),
                    sequential=True,  # so that a replay meets the same order
                ),
                max_retries=self._one.task.terms.limits.steps,
                args_validator=cast(Any, TypeAdapter(tool.arguments).validator),
            )
            for tool in declared_tools(self._one.task.terms.tools)
        }

    async def call_tool(self, name: str, tool_args: Any, ctx: RunContext[None], tool: ToolsetTool[None]) -> Any:  # noqa: ARG002
        return await self._one.call(name, tool_args, ctx.tool_call_id or name)


def _refusal(tool: str, rule: str) -> Looked:
    why = "it means somebody else's records" if rule == "stranger" else f"policy rule `{rule}`"
    return Looked(text=f"{tool} was refused: {why}. Go on without it.", seconds=0.0)


def _numbered(answer: Answer, recorder: Recorder) -> Answer:
    """With ids of our own; a recorded answer has them already, and gets the same."""
    parts = [
        Part(kind=p.kind, text=p.text, tool=p.tool, id=recorder.next_id()) if p.kind == "call" else p
        for p in answer.parts
    ]
    return Answer(**{name: getattr(answer, name) for name in Answer.__dataclass_fields__} | {"parts": tuple(parts)})


def _part(part: Part) -> TextPart | ToolCallPart:
    if part.kind == "call":
        return ToolCallPart(tool_name=part.tool, args=part.text, tool_call_id=part.id)
    return TextPart(content=part.text if part.kind == "text" else "")


def _ending(error: BaseException, late: str) -> Ending:
    """The stable code of what ended a run, and a sentence."""
    if isinstance(error, Ended):
        return Ending(code=error.code, message=error.message[:MESSAGE_CHARS])
    if isinstance(error, TimeoutError):
        return Ending(code="seconds", message=late)
    if isinstance(error, UsageLimitExceeded):
        return Ending(code="steps", message=str(error)[:MESSAGE_CHARS])
    if isinstance(error, UnexpectedModelBehavior):
        return Ending(code="model.garbled", message=str(error)[:MESSAGE_CHARS])
    if isinstance(error, AiosError):
        return Ending(code=error.code, message=str(error)[:MESSAGE_CHARS])
    kind = "model.failed" if isinstance(error, AgentRunError) else "failed"
    return Ending(code=kind, message=f"{type(error).__name__}: {error}"[:MESSAGE_CHARS])

"""A run played again from its transcript: the recorded answers and results through the same loop, budget and policy.

What belongs here: the recorded model and the recorded tools. What does not: the loop (`running.py`). Imported only where a run is played,
since it needs the extra `assistant`.

Nothing is asked of a model or of the world. What is asked again is all that is ours: what was a valid call, what the policy allowed, what
the budget bore, and what became of the last answer.
"""

from dataclasses import dataclass

from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.test import TestModel

from aios_core.agents.proposal import proposal_bytes
from aios_core.agents.tools import PROPOSE, Arguments
from aios_core.agents.transcript import Answer, Ending, ToolUse, Transcript, transcript_bytes
from resources.agents.recorder import Ended
from resources.agents.running import AskTool, Task, run
from resources.agents.tooling import Looked

DIVERGED = "diverged"
TIMEOUT = "tool.timeout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """`same_proposal`: byte for byte. `same_transcript`: and so is every event, the ending and what was spent."""

    same_proposal: bool
    same_transcript: bool
    ending: Ending
    recorded: Ending
    proposal: bytes
    library: str


def replay(transcript: Transcript, *, ask_tool: AskTool, library: str) -> Replayed:
    """Play it. `ask_tool` is the policy of the recorded revision, `library` the version of the loop that plays."""
    task = Task(
        subject=transcript.subject,
        terms=transcript.terms,
        instructions=transcript.instructions,
        prompt=transcript.prompt,
        sources=transcript.sources,
    )
    played = run(task, speaker=_Recorded(transcript), tooling=_RecordedTooling(transcript), ask_tool=ask_tool)
    proposal = proposal_bytes(played.proposal)
    return Replayed(
        same_proposal=proposal == proposal_bytes(transcript.proposal) and played.ending.code == transcript.ending.code,
        same_transcript=transcript_bytes(played) == transcript_bytes(transcript),
        ending=played.ending,
        recorded=transcript.ending,
        proposal=proposal,
        library=library,
    )


class _Recorded:
    """The model's recorded answers, one after the other; after the last one, the recorded ending."""

    def __init__(self, transcript: Transcript) -> None:
        self.model: Model = TestModel()  # stands where a model must be, and is never asked
        self._left = [event for event in transcript.events if isinstance(event, Answer)]
        self._ending = transcript.ending

    async def answer(
        self,
        messages: list[ModelMessage],  # noqa: ARG002 (a record does not listen)
        parameters: ModelRequestParameters,  # noqa: ARG002
        *,
        tokens_left: int,  # noqa: ARG002
    ) -> Answer:
        if not self._left:
            raise Ended(self._ending.code, self._ending.message)
        return self._left.pop(0)


class _RecordedTooling:
    """The recorded results, which must be asked for as they were."""

    def __init__(self, transcript: Transcript) -> None:
        self._left = [e for e in transcript.events if isinstance(e, ToolUse) and e.tool != PROPOSE]
        self._ending = transcript.ending

    def classes(self, tool: str, arguments: Arguments) -> dict[str, str]:
        use = self._next(tool, arguments)
        if not use.allowed or not use.rule:
            self._left.pop(0)
        if not use.rule:
            raise TimeoutError  # as it did before the policy was asked
        return dict(use.classes)

    def use(self, tool: str, arguments: Arguments) -> Looked:
        use = self._next(tool, arguments)
        self._left.pop(0)
        if use.error == TIMEOUT:
            raise TimeoutError
        return Looked(text=use.result, sources=use.sources, error=use.error, seconds=use.seconds)

    def _next(self, tool: str, arguments: Arguments) -> ToolUse:
        if not self._left:
            raise Ended(self._ending.code, self._ending.message)
        use = self._left[0]
        asked = arguments.model_dump(mode="json", exclude_none=True)
        if use.tool != tool or dict(use.arguments) != asked:
            raise Ended(DIVERGED, f"{tool} was called with {asked}; the transcript has {use.tool} with {use.arguments}")
        return use

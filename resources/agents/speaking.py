"""A model's answers for an agent: bounded in size and time, paid for, and never believed to be well formed.

What belongs here: one answer, and every way in which there is none. What does not: the loop (`running.py`) and the endpoint's budget and
breaker (`resources/llm.py`, asked before and told after each call). Imported only where an agent runs, since it needs the extra
`assistant`.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any, Final, Protocol

from pydantic_ai.exceptions import (
    ModelConnectionError,
    ModelServerError,
    ModelTimeoutError,
    ModelUnavailableError,
)
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings

from aios_core.agents.tools import clean
from aios_core.agents.transcript import Answer, Part
from aios_core.errors import AiosError
from resources.agents.recorder import Ended
from resources.llm import LanguageModel
from resources.llm_stream import tokens_of

MOST_CHARS: Final = 60_000  # of one answer: a proposal has at most 13,000
KEPT_CHARS: Final = 2_000  # of one that was longer
NAME_CHARS: Final = 100
PART_CHARS: Final = 20  # that a part weighs by being there
PAUSE_SECONDS: Final = 0.2  # longer with each try; the run's own time bounds them all
MESSAGE_CHARS: Final = 400


class Account(Protocol):
    """What may be spent, and what was: `resources.llm.LanguageModel` is one."""

    def may_spend(self) -> None: ...

    def spent(
        self, *, purpose: str, subject: str, tokens_in: int, tokens_out: int, error: str = "", seconds: float = 0.0
    ) -> float: ...


class LiveSpeaker:
    """A model that answers now. `stream`: read as it comes, so that silence, size and a cut are noticed at once."""

    def __init__(
        self,
        model: Model,
        account: Account,
        *,
        subject: str,
        parameters: Mapping[str, Any],
        stream: bool,
        tries: int = 1,
    ) -> None:
        self.model = model
        self._account, self._subject, self._stream, self._tries = account, subject, stream, tries
        self._parameters = parameters

    async def answer(
        self, messages: list[ModelMessage], parameters: ModelRequestParameters, *, tokens_left: int
    ) -> Answer:
        """The next answer. Raises Ended where none may be asked for; an answer that failed says so itself."""
        try:
            self._account.may_spend()
        except AiosError as error:
            raise Ended(error.code, str(error)) from error
        started = time.monotonic()
        try:
            answer = await self._tried(messages, parameters, tokens_left)
        except asyncio.CancelledError:
            self._pay(Answer(error="seconds", message="given up"), time.monotonic() - started)
            raise
        seconds = round(time.monotonic() - started, 3)
        return _with(answer, cost=self._pay(answer, seconds), seconds=seconds)

    async def _tried(
        self, messages: list[ModelMessage], parameters: ModelRequestParameters, tokens_left: int
    ) -> Answer:
        """An answer; where the endpoint dropped the call or was overloaded, asked again. Silence is not asked again: it took its time."""
        for tried in range(1, self._tries + 1):
            try:
                return _counted(await self._heard(messages, parameters, tokens_left), messages)
            except Exception as error:
                if tried == self._tries or not _worth_another(error):
                    return _failed(error)
                await asyncio.sleep(PAUSE_SECONDS * tried)
        raise AssertionError("the last try always ends")

    async def _heard(
        self, messages: list[ModelMessage], parameters: ModelRequestParameters, tokens_left: int
    ) -> Answer:
        settings = _settings(self._parameters, tokens_left)
        if not self._stream:
            return _answer(await self.model.request(messages, settings, parameters))
        async with self.model.request_stream(messages, settings, parameters) as stream:
            chars = 0
            async for event in stream:
                chars += _size(event)
                if chars > MOST_CHARS:
                    return _oversized(stream.get())
            response = stream.get()
        if response.finish_reason is None:
            return _with(_answer(response), error="model.garbled", message="the answer was cut off")
        return _answer(response)

    def _pay(self, answer: Answer, seconds: float) -> float:
        # an answer that came and is of no use is the model's fault, not the endpoint's: its breaker stays closed
        down = answer.message if answer.error in ("model.failed", "seconds") else ""
        return self._account.spent(
            purpose="agent",
            subject=self._subject,
            tokens_in=answer.tokens_in,
            tokens_out=answer.tokens_out,
            error=down,
            seconds=seconds,
        )


def open_speaker(model: LanguageModel, *, subject: str) -> LiveSpeaker:
    """The declared model at its endpoint, through the client of `resources/llm.py`: its time-outs, no retries of its own."""
    # what every compatible endpoint knows; `max_completion_tokens` only OpenAI's own does
    profile = OpenAIModelProfile(
        openai_chat_supports_max_completion_tokens=False, openai_chat_streaming_requires_finish_reason=True
    )
    spoken = OpenAIChatModel(model.name, provider=OpenAIProvider(openai_client=model.async_client()), profile=profile)
    return LiveSpeaker(
        spoken, model, subject=subject, parameters=model.parameters, stream=True, tries=model.settings.tries
    )


def _settings(parameters: Mapping[str, Any], tokens_left: int) -> ModelSettings:
    declared = {name: parameters[name] for name in ("temperature", "seed") if name in parameters}
    most = min(int(parameters.get("max_tokens", tokens_left)), max(1, tokens_left))
    settings: ModelSettings = {"max_tokens": most, **declared}  # type: ignore[typeddict-item]
    return settings


def _answer(response: ModelResponse) -> Answer:
    """The parts that count; a model's thoughts are not kept."""
    parts: list[Part] = []
    for part in response.parts:
        if isinstance(part, ToolCallPart):
            said = part.args if isinstance(part.args, str) else json.dumps(part.args or {}, ensure_ascii=False)
            parts.append(Part(kind="call", tool=clean(part.tool_name)[:NAME_CHARS], text=clean(said)))
        elif isinstance(part, TextPart) and part.content:
            parts.append(Part(kind="text", text=clean(part.content)))
    usage = response.usage
    answer = Answer(parts=tuple(parts), tokens_in=usage.input_tokens or 0, tokens_out=usage.output_tokens or 0)
    return _shortened(answer) if sum(map(_chars, parts)) > MOST_CHARS else answer


def _chars(part: Part) -> int:
    """What a part weighs: a thousand empty calls are not nothing."""
    return PART_CHARS + len(part.tool) + len(part.text)


def _oversized(response: ModelResponse) -> Answer:
    return _shortened(_answer(response))


def _shortened(answer: Answer) -> Answer:
    """An answer that is too long is no answer; its beginning is kept to be looked at."""
    kept, left = [], KEPT_CHARS
    for part in answer.parts:
        if left > 0:
            kept.append(Part(kind=part.kind, tool=part.tool, id=part.id, text=part.text[:left]))
            left -= _chars(part)
    message = f"the answer has more than {MOST_CHARS:,} characters"
    return _with(answer, parts=tuple(kept), error="model.oversized", message=message)


def _failed(error: Exception) -> Answer:
    """Whatever an endpoint does instead of answering, be it silence or HTML, is its failure, and its breaker hears of it."""
    message = f"{type(error).__name__}: {error}"
    cause = error.__cause__
    said = message if cause is None else f"{message} ({type(cause).__name__}: {cause})"
    return Answer(error="model.failed", message=clean(said)[:MESSAGE_CHARS])


def _worth_another(error: Exception) -> bool:
    again = ModelConnectionError | ModelServerError | ModelUnavailableError
    return isinstance(error, again) and not isinstance(error, ModelTimeoutError)


def _counted(answer: Answer, messages: list[ModelMessage]) -> Answer:
    """With tokens: an endpoint that does not count them is counted for, rather too high than too low."""
    if answer.tokens_in or answer.tokens_out:
        return answer
    asked = ModelMessagesTypeAdapter.dump_json(messages).decode("utf-8", "replace")
    answered = "".join(part.tool + part.text for part in answer.parts)
    return _with(answer, tokens_in=tokens_of(asked), tokens_out=tokens_of(answered))


def _size(event: Any) -> int:
    """Characters that an event of the stream brings."""
    part, delta = getattr(event, "part", None), getattr(event, "delta", None)
    said = [getattr(part, name, None) for name in ("content", "args", "tool_name")]
    said += [getattr(delta, name, None) for name in ("content_delta", "args_delta")]
    return (PART_CHARS if part is not None else 0) + sum(len(str(one)) for one in said if one)


def _with(answer: Answer, **changes: Any) -> Answer:
    return Answer(**{name: getattr(answer, name) for name in Answer.__dataclass_fields__} | changes)

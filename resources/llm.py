"""Language models behind OpenAI-compatible endpoints: asked with a time-out, a budget and a circuit breaker, and recorded.

What belongs here: one call, its tries and what ends it. What does not: prompts (`aios_core/drafting/prompt.py`), masking, which comes before
(`aios_core/privacy/masker.py`), and rows (`llm_calls.py`).

Budget and breaker are rows in Postgres, so that all processes share them. A call is tried `tries` times within `timeout_seconds`, pauses
included; only a call that failed in all its tries counts for the breaker. Whoever calls has something to do without a model: every error
here says why, and none loses anything.
"""

import importlib.util
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from aios_core.automation import ModelSettings
from aios_core.drafting.answer import GarbledAnswer
from aios_core.errors import ConfigurationError, RetryableError
from aios_core.traffic.breaker import BreakerRules
from resources import clock
from resources.breakers import BreakerOpen, Breakers
from resources.connectors.http import RetryPolicy
from resources.database import Database
from resources.deployments import expand
from resources.llm_calls import Answered, Asked, BudgetSpent, Message, ModelCalls, refuse_over
from resources.llm_stream import Taken, prompt_hash, retry_after, text_of, tokens_of

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

__all__ = [
    "BudgetSpent",
    "Completion",
    "GarbledAnswer",
    "LanguageModel",
    "Message",
    "ModelRefused",
    "ModelUnavailable",
    "open_model",
    "prompt_hash",
]

CHARS_A_TOKEN: Final = (
    40  # an endpoint that ignores `max_tokens` is stopped here; the longest tokens are runs of spaces
)
PAUSES: Final = RetryPolicy(base_seconds=0.5, max_wait=10.0)
AGAIN: Final = frozenset({408, 409, 425, 429})


class ModelUnavailable(RetryableError):
    """The model gave no whole answer in time; the message says what happened."""

    code = "llm.unavailable"


class ModelRefused(ModelUnavailable):
    """The endpoint does not want this call: a wrong key, an unknown model, a prompt that is too long. Asking again changes nothing."""

    code = "llm.refused"
    retryable = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A whole answer. `cost` is in `value.currency`; `reason` is the endpoint's word for why it stopped, `length` where it was cut."""

    text: str
    tokens_in: int
    tokens_out: int
    cost: float
    seconds: float
    model: str
    prompt: str
    reason: str = "stop"


def open_model(settings: ModelSettings, *, database: Database, automation: str = "shared") -> "LanguageModel":
    """The declared model. Raises ConfigurationError where its variables are unset or the extra `assistant` is not installed."""
    if importlib.util.find_spec("openai") is None:
        raise ConfigurationError(
            "language models need the extra `assistant`, which is not installed: pip install 'aios[assistant]'"
        )
    url = expand(settings.url)
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ConfigurationError(f"drafts.model.url: `{settings.url}` is no http or https URL; it mostly ends in /v1")
    key = expand(settings.key) if settings.key is not None else "none"
    return LanguageModel(settings, url=url, key=key, database=database, automation=automation)


class LanguageModel:
    """One model at one endpoint, for one automation. Safe to share between threads. Messages must be masked already."""

    def __init__(
        self,
        settings: ModelSettings,
        *,
        url: str,
        key: str,
        database: Database,
        automation: str,
        now: Callable[[], datetime] = clock.now,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.settings, self.automation = settings, automation
        self.calls = ModelCalls(database)
        self._url, self._key = url, key
        self._breakers = Breakers(
            database,
            rules=BreakerRules(
                failures=settings.breaker_failures,
                pause=timedelta(seconds=settings.breaker_seconds),
                probe=timedelta(seconds=settings.timeout_seconds),
            ),
        )
        self._now, self._sleep, self._chance = now, sleep, chance
        self._opened: OpenAI | None = None

    @property
    def name(self) -> str:
        """The model's name at the endpoint."""
        return self.settings.name

    @property
    def parameters(self) -> dict[str, Any]:
        """What is sent beside the messages."""
        declared = self.settings
        seed = {} if declared.seed is None else {"seed": declared.seed}
        return {
            "model": declared.name,
            "temperature": declared.temperature,
            "max_tokens": declared.max_tokens,
            **seed,
        }

    @property
    def breaker_key(self) -> str:
        """Under which `resources/breakers.py` keeps its breaker: the endpoint and the model."""
        return f"model:{urlsplit(self._url).netloc.rpartition('@')[2]}:{self.name}"

    def complete(self, messages: Sequence[Message], *, purpose: str, subject: str) -> Completion:
        """The whole answer. Raises ModelUnavailable, ModelRefused or BudgetSpent."""
        taken = _Whole()
        for _ in self._tried(messages, purpose, subject, taken, whole=True):
            pass
        assert taken.completion is not None  # no error means an answer
        return taken.completion

    def stream(self, messages: Sequence[Message], *, purpose: str, subject: str) -> Iterator[str]:
        """The answer as it comes. Once something came it is not asked again: a half answer ends in ModelUnavailable."""
        yield from self._tried(messages, purpose, subject, _Whole(), whole=False)

    def client(self) -> "OpenAI":
        """The client under it, with its time-outs and without retries: for libraries that speak for themselves.

        They ask `may_spend` before and say `spent` after each call.
        """
        if self._opened is None:
            from openai import OpenAI

            from resources.llm_transport import sync_client

            self._opened = OpenAI(
                base_url=self._url, api_key=self._key, max_retries=0, http_client=sync_client(**self._bounds())
            )
        return self._opened

    def async_client(self) -> "AsyncOpenAI":
        """The same for asynchronous callers; a new one each time, since it belongs to an event loop."""
        from openai import AsyncOpenAI

        from resources.llm_transport import async_client

        return AsyncOpenAI(
            base_url=self._url, api_key=self._key, max_retries=0, http_client=async_client(**self._bounds())
        )

    def may_spend(self) -> None:
        """Return if a call may be made now. Raises BudgetSpent, and ModelUnavailable while the breaker is open."""
        self._admit()
        if self.settings.daily_budget is not None:
            spent = self.calls.spent_today(self.automation, now=self._now())
            refuse_over(self.automation, self.settings.daily_budget, spent=spent, most=self._price(0, 1))

    def spent(
        self,
        *,
        purpose: str,
        subject: str,
        tokens_in: int,
        tokens_out: int,
        messages: Sequence[Message] = (),
        answer: str = "",
        error: str = "",
        seconds: float = 0.0,
    ) -> float:
        """Record a call that `client()` made: its cost. With `error` it counts against the breaker, without for it."""
        cost = self._price(tokens_in, tokens_out)
        asked = self._asked(messages, purpose, subject, most=cost, budget=None)
        call_id = self.calls.begin(asked, now=self._now())
        state = "failed" if error else "answered"
        self.calls.end(
            call_id,
            Answered(
                state=state,
                answer=answer,
                error=error,
                tokens_in=tokens_in,
                tokens_out=tokens_out,
                cost=cost,
                seconds=seconds,
            ),
        )
        self._tell_breaker(error)
        return cost

    def close(self) -> None:
        """Close its connections."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    # one call: tries with pauses

    def _tried(
        self, messages: Sequence[Message], purpose: str, subject: str, taken: "_Whole", *, whole: bool
    ) -> Iterator[str]:
        self._admit()
        until, tried, begun = time.monotonic() + self.settings.timeout_seconds, 0, False
        while True:
            tried += 1
            try:
                for piece in self._once(messages, purpose, subject, taken, until):
                    begun = True
                    yield piece
            except _Failed as failed:
                pause = self._pause(failed, tried, until)
                if pause is None or (begun and not whole):
                    self._tell_breaker(str(failed.error))
                    raise failed.error from failed.__cause__
                self._sleep(pause)
            else:
                self._tell_breaker("")
                return

    def _pause(self, failed: "_Failed", tried: int, until: float) -> float | None:
        """Seconds to wait before the next try; None where there is none."""
        if tried >= self.settings.tries or not failed.error.retryable:
            return None
        pause = PAUSES.wait(tried, retry_after=failed.retry_after, chance=self._chance())
        return pause if time.monotonic() + pause < until else None

    def _once(
        self, messages: Sequence[Message], purpose: str, subject: str, taken: "_Whole", until: float
    ) -> Iterator[str]:
        """One try, recorded whatever becomes of it."""
        taken.begin()
        asked = self._asked(messages, purpose, subject, most=self._most(messages), budget=self.settings.daily_budget)
        call_id = self.calls.begin(asked, now=self._now())
        error, started = "the caller did not read on", time.monotonic()
        try:
            yield from self._read(messages, taken, until)
            error = ""
        except _Failed as failed:
            error = str(failed.error)
            raise
        finally:
            answered = self._answered(messages, taken, error, time.monotonic() - started)
            self.calls.end(call_id, answered)
        taken.completion = Completion(
            text=answered.answer,
            tokens_in=answered.tokens_in,
            tokens_out=answered.tokens_out,
            cost=answered.cost,
            seconds=answered.seconds,
            model=self.name,
            prompt=asked.prompt,
            reason=taken.reason,
        )

    def _read(self, messages: Sequence[Message], taken: "_Whole", until: float) -> Iterator[str]:
        import openai

        completions: Any = self.client().chat.completions  # its types are a class a role
        try:
            with completions.create(
                messages=[dict(m) for m in messages],
                stream=True,
                stream_options={"include_usage": True},
                timeout=self._silence(until),
                **self.parameters,
            ) as stream:
                for chunk in stream:
                    piece = taken.take(chunk)
                    if piece:
                        yield piece
                    if taken.chars > CHARS_A_TOKEN * self.settings.max_tokens:
                        raise _Failed(self._unavailable("the answer is far longer than `max_tokens`"))
                    if time.monotonic() > until:
                        raise _Failed(self._unavailable(f"no end within {self.settings.timeout_seconds:g} s"))
        except openai.APIStatusError as error:
            raise self._refusal(error) from error
        except openai.APITimeoutError as error:
            said = str(error.__cause__ or "") or "silence"
            raise _Failed(self._unavailable(f"no answer in time: {said}")) from error
        except openai.APIConnectionError as error:
            raise _Failed(self._unavailable(f"no connection: {error.__cause__ or error}")) from error
        except (openai.APIError, ValueError, TypeError, AttributeError) as error:
            raise _Failed(self._unavailable(f"it does not speak the protocol: {error}")) from error
        if not taken.reason:
            raise _Failed(self._unavailable("the answer was cut off" if taken.chars else "an answer without content"))

    def _silence(self, until: float) -> float:
        return max(0.001, min(self.settings.first_token_seconds, until - time.monotonic()))

    def _refusal(self, error: Any) -> "_Failed":
        status = int(error.status_code)
        said = f"HTTP {status}: {str(error.message)[:300]}"
        if status in AGAIN or status >= 500:
            return _Failed(self._unavailable(said), retry_after=retry_after(error.response.headers))
        return _Failed(ModelRefused(f"{self.breaker_key}: {said}; check `drafts.model`: url, key, name and max_tokens"))

    def _unavailable(self, what: str) -> ModelUnavailable:
        return ModelUnavailable(f"{self.breaker_key}: {what}")

    # money, breaker, record

    def _asked(
        self, messages: Sequence[Message], purpose: str, subject: str, *, most: float, budget: float | None
    ) -> Asked:
        return Asked(
            automation=self.automation,
            purpose=purpose,
            subject=subject,
            model=self.name,
            prompt=prompt_hash(messages),
            messages=messages,
            parameters=self.parameters,
            most=most,
            budget=budget,
        )

    def _answered(self, messages: Sequence[Message], taken: "_Whole", error: str, seconds: float) -> Answered:
        tokens_in, tokens_out = taken.usage or (
            # a try that was refused before it answered costs nothing
            (tokens_of(text_of(messages)), tokens_of(taken.text)) if taken.chars or not error else (0, 0)
        )
        return Answered(
            state="failed" if error else "answered",
            answer=taken.text,
            error=error,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            estimated=taken.usage is None,
            cost=self._price(tokens_in, tokens_out),
            seconds=seconds,
        )

    def _most(self, messages: Sequence[Message]) -> float:
        return self._price(tokens_of(text_of(messages)), self.settings.max_tokens)

    def _price(self, tokens_in: int, tokens_out: int) -> float:
        return (tokens_in * self.settings.price_in + tokens_out * self.settings.price_out) / 1e6

    def _admit(self) -> None:
        try:
            self._breakers.admit(self.breaker_key, now=self._now())
        except BreakerOpen as error:
            raise ModelUnavailable(str(error)) from error

    def _tell_breaker(self, error: str) -> None:
        if error:
            self._breakers.failed(self.breaker_key, now=self._now(), why=error)
        else:
            self._breakers.succeeded(self.breaker_key, now=self._now())

    def _bounds(self) -> dict[str, float]:
        return {
            "silence_seconds": self.settings.first_token_seconds,
            "whole_seconds": self.settings.timeout_seconds,
        }


class _Whole(Taken):
    """With the answer as a whole, once it came to its end."""

    completion: Completion | None = None


class _Failed(Exception):
    """A try that came to nothing, with what the caller is told if there is no other."""

    def __init__(self, error: ModelUnavailable, *, retry_after: float | None = None) -> None:
        super().__init__(str(error))
        self.error, self.retry_after = error, retry_after

"""Language models: faults caused at a real endpoint, budgets and breakers that processes share, and what is kept."""

import re
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aios_core.automation import ModelSettings
from aios_core.errors import ConfigurationError
from resources.database import Database
from resources.llm import (
    BudgetSpent,
    Completion,
    LanguageModel,
    ModelRefused,
    ModelUnavailable,
    open_model,
    prompt_hash,
)
from resources.llm_calls import ModelCalls
from tests.resources.openai_endpoint import Endpoint, Fault, Reply, openai_endpoint

pytest.importorskip("openai", reason="the extra `assistant` is not installed")

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Is it open?"}]


class Clock:
    """The business clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def settings(endpoint: Endpoint | None = None, **changes: Any) -> ModelSettings:
    url = endpoint.url if endpoint is not None else "http://127.0.0.1:9/v1"
    quick = {"first_token_seconds": 0.5, "timeout_seconds": 2.0, "price_in": 10.0, "price_out": 30.0, "max_tokens": 50}
    return ModelSettings(url=url, name="small", **(quick | changes))


def model(
    database: Database,
    endpoint: Endpoint | None = None,
    *,
    clock: Clock | None = None,
    pauses: list[float] | None = None,
    **changes: Any,
) -> LanguageModel:
    declared = settings(endpoint, **changes)
    waited = [] if pauses is None else pauses
    return LanguageModel(
        declared, url=declared.url, key="secret-key", database=database, automation="care", now=clock or Clock(),
        sleep=waited.append, chance=lambda: 0.5,
    )  # fmt: skip


def ask(of: LanguageModel) -> Completion:
    return of.complete(MESSAGES, purpose="draft", subject="d-1")


def test_an_answer_is_streamed_counted_priced_and_kept_as_it_was_asked(database: Database) -> None:
    with openai_endpoint(Reply(text="Yes, from nine. [1]", usage=(100, 20))) as endpoint:
        asked = model(database, endpoint, daily_budget=1.0)
        assert list(asked.stream(MESSAGES, purpose="draft", subject="d-1")) == ["Yes,", " from", " nine.", " [1]"]
        done = ask(asked)
        asked.close()
    assert (done.text, done.tokens_in, done.tokens_out, done.reason) == ("Yes, from nine. [1]", 100, 20, "stop")
    assert done.cost == pytest.approx(100 * 10e-6 + 20 * 30e-6)
    request = endpoint.requests[0]
    assert (request["messages"], request["max_tokens"], request["temperature"], request["seed"]) == (
        MESSAGES,
        50,
        0.0,
        7,
    )
    kept = ModelCalls(database).of("d-1")
    assert [(row["state"], row["answer"], row["estimated"]) for row in kept] == [("answered", done.text, False)] * 2
    assert kept[0]["messages"] == MESSAGES
    assert kept[0]["prompt"] == done.prompt == prompt_hash(MESSAGES)
    assert kept[0]["parameters"] == asked.parameters
    assert ModelCalls(database).spent_today("care", now=NOW) == pytest.approx(2 * done.cost)


def test_tokens_that_an_endpoint_does_not_count_are_estimated_and_said_to_be(database: Database) -> None:
    with openai_endpoint(Reply(text="Yes. [1]", usage=None)) as endpoint:
        done = ask(model(database, endpoint))
    assert (done.tokens_in, done.tokens_out) == (-(-len("Be brief.\nIs it open?") // 3), 3)
    assert ModelCalls(database).of("d-1")[0]["estimated"] is True


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("never", "no answer in time"),
        ("half", "no connection|cut off"),
        ("no_end", "cut off"),
        ("garbage", "without content"),
        ("wrong_json", "protocol"),
        ("empty", "without content"),
        ("error_event", "out of memory"),
        ("endless", "longer than"),
    ],
)
def test_an_endpoint_that_misbehaves_is_asked_again_and_the_second_answer_counts(
    database: Database, fault: Fault, said: str
) -> None:
    pauses: list[float] = []
    with openai_endpoint(Reply(fault=fault, text="one two three four. [1]"), Reply(text="Yes. [1]")) as endpoint:
        asked = model(database, endpoint, pauses=pauses, timeout_seconds=10.0, first_token_seconds=0.3)
        assert ask(asked).text == "Yes. [1]"
    failed, answered = ModelCalls(database).of("d-1")
    assert (failed["state"], answered["state"]) == ("failed", "answered")
    assert re.search(said, failed["error"]), failed["error"]
    assert len(pauses) == 1


def test_an_endpoint_that_only_keeps_the_connection_alive_is_left_after_the_whole_time(database: Database) -> None:
    started = time.monotonic()
    with openai_endpoint(Reply(fault="pings")) as endpoint, pytest.raises(ModelUnavailable, match="no answer in time"):
        ask(model(database, endpoint, timeout_seconds=0.4, first_token_seconds=0.3))
    assert time.monotonic() - started < 20  # it would go on for ever


def test_slow_tokens_are_waited_for_and_a_whole_answer_that_takes_too_long_is_not(database: Database) -> None:
    with openai_endpoint(Reply(text="one two three four [1]", pause=0.3)) as endpoint:
        slow = model(database, endpoint, first_token_seconds=1.5, timeout_seconds=30.0)
        assert ask(slow).text == "one two three four [1]"
        with pytest.raises(ModelUnavailable, match="no answer in time"):
            ask(model(database, endpoint, first_token_seconds=1.5, timeout_seconds=0.9))


def test_a_busy_endpoint_says_when_and_is_obeyed_with_jitter_on_top(database: Database) -> None:
    pauses: list[float] = []
    busy = Reply(status=429, headers={"Retry-After": "3"})
    with openai_endpoint(busy, Reply(status=500), Reply(text="Yes. [1]")) as endpoint:
        assert ask(model(database, endpoint, pauses=pauses, timeout_seconds=30.0)).text == "Yes. [1]"
        assert len(endpoint.requests) == 3
    assert pauses[0] >= 3.0
    assert 0 < pauses[1] < 3.0
    assert [row["cost"] for row in ModelCalls(database).of("d-1")][:2] == [0.0, 0.0]


def test_a_pause_past_the_whole_time_is_not_waited_for(database: Database) -> None:
    pauses: list[float] = []
    with openai_endpoint(Reply(status=429, headers={"Retry-After": "3600"})) as endpoint:
        with pytest.raises(ModelUnavailable, match="HTTP 429"):
            ask(model(database, endpoint, pauses=pauses))
        assert len(endpoint.requests) == 1
    assert pauses == []


def test_a_refusal_is_not_tried_again_and_says_what_to_look_at(database: Database) -> None:
    with openai_endpoint(Reply(status=401)) as endpoint:
        with pytest.raises(ModelRefused, match="HTTP 401.*drafts.model") as refused:
            ask(model(database, endpoint))
        assert len(endpoint.requests) == 1
    assert not refused.value.retryable
    assert "secret-key" not in str(refused.value)


def test_half_a_stream_is_an_error_once_something_was_handed_on(database: Database) -> None:
    with openai_endpoint(Reply(text="one two three four", fault="half"), Reply()) as endpoint:
        stream = model(database, endpoint).stream(MESSAGES, purpose="draft", subject="d-1")
        assert next(stream) == "one"
        with pytest.raises(ModelUnavailable):
            list(stream)
        assert len(endpoint.requests) == 1


def test_a_breaker_opens_for_all_processes_lets_one_try_and_closes_again(database: Database) -> None:
    clock = Clock()
    with openai_endpoint(Reply(status=503)) as endpoint:
        one, other = (
            model(database, endpoint, clock=clock, tries=1, breaker_failures=2, breaker_seconds=60.0) for _ in range(2)
        )
        for _ in range(2):
            with pytest.raises(ModelUnavailable, match="HTTP 503"):
                ask(one)
        with pytest.raises(ModelUnavailable, match="left alone"):
            ask(other)
        with pytest.raises(ModelUnavailable, match="left alone"):
            other.may_spend()
        assert len(endpoint.requests) == 2
        clock.now += timedelta(seconds=61)
        endpoint.replies = [Reply(text="Yes. [1]")]
        assert ask(other).text == "Yes. [1]"
        assert ask(one).text == "Yes. [1]"


def test_nothing_listens_there(database: Database) -> None:
    with pytest.raises(ModelUnavailable, match="no connection"):
        ask(model(database, tries=2))


def test_a_budget_holds_between_processes_and_a_new_day_has_a_new_one(database: Database) -> None:
    """A call may cost 50 tokens of 30 a million and 7 of 10: eight threads together get no more than the budget allows."""
    most = (50 * 30 + 7 * 10) / 1e6
    clock = Clock()
    with openai_endpoint(Reply(text="Yes. [1]", usage=(7, 50))) as endpoint:
        outcomes: list[str] = []

        def one() -> None:
            try:
                ask(model(database, endpoint, clock=clock, daily_budget=most * 3.5))
                outcomes.append("answered")
            except BudgetSpent:
                outcomes.append("spent")

        threads = [threading.Thread(target=one) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["answered"] * 3 + ["spent"] * 5
        assert ModelCalls(database).spent_today("care", now=NOW) == pytest.approx(most * 3)
        clock.now += timedelta(days=1)
        assert ask(model(database, endpoint, clock=clock, daily_budget=most * 3.5)).text == "Yes. [1]"


def test_a_call_whose_process_died_counts_at_its_highest_price(database: Database) -> None:
    with openai_endpoint(Reply(text="one two three", pause=0.05)) as endpoint:
        asked = model(database, endpoint, daily_budget=1.0)
        stream = asked.stream(MESSAGES, purpose="draft", subject="d-1")
        next(stream)
        (row,) = ModelCalls(database).of("d-1")
        assert (row["state"], row["cost"]) == ("under_way", pytest.approx((7 * 10 + 50 * 30) / 1e6))
        stream.close()
    (row,) = ModelCalls(database).of("d-1")
    assert (row["state"], row["error"]) == ("failed", "the caller did not read on")


def test_calls_made_by_another_library_are_recorded_and_counted(database: Database) -> None:
    with openai_endpoint(Reply(text="Yes.")) as endpoint:
        asked = model(database, endpoint, daily_budget=0.001)
        asked.may_spend()
        said = asked.client().chat.completions.create(model="small", messages=[{"role": "user", "content": "Hm?"}])
        assert said.choices[0].message.content == "Yes."
        assert asked.spent(purpose="agent", subject="d-2", tokens_in=40, tokens_out=20, answer="Yes.") == pytest.approx(
            0.001
        )
        with pytest.raises(BudgetSpent, match="daily_budget"):
            asked.may_spend()
    assert ModelCalls(database).of("d-2")[0]["purpose"] == "agent"


def test_characters_that_postgres_can_not_hold_lose_no_call(database: Database) -> None:
    with openai_endpoint(Reply(text="zero \x00 half \ud83d [1]")) as endpoint:
        assert "zero" in ask(model(database, endpoint)).text
    assert ModelCalls(database).of("d-1")[0]["answer"] == "zero  half ? [1]"


def test_what_is_not_set_up_is_said_before_anything_is_asked(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = ModelSettings(url="${CARE_MODEL_URL}", key="${CARE_MODEL_KEY}", name="small")
    with pytest.raises(ConfigurationError, match="CARE_MODEL_URL"):
        open_model(declared, database=database)
    monkeypatch.setenv("CARE_MODEL_URL", "somewhere")
    with pytest.raises(ConfigurationError, match="no http or https URL"):
        open_model(declared, database=database)
    monkeypatch.setenv("CARE_MODEL_URL", "http://127.0.0.1:9/v1")
    with pytest.raises(ConfigurationError, match="CARE_MODEL_KEY"):
        open_model(declared, database=database)

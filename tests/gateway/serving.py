"""Versions to serve, requests to send and callers to send them, for the tests of the machine API; no test of its own."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pyarrow as pa
from fastapi import FastAPI
from fastapi.testclient import TestClient

from aios_core.scoring.model import MANIFEST_FILE, ScoringModel
from aios_core.training.export import export
from aios_core.training.files import CARD_FILE, with_golden
from aios_core.training.fit import fit
from gateway.app import create_app
from gateway.settings import Settings
from resources.database import Database
from resources.deployments import deployment
from resources.lake import Lake
from resources.registry import Registry
from resources.runtime import open_session
from tests.aios_core.training.making import FACTS, TOPICS, automation, model, small, small_files, table, tickets

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HERE = {"base_url": "http://127.0.0.1:8780", "client": ("127.0.0.1", 50_000)}
NAME = "triage"


@cache
def other_files() -> dict[str, bytes]:
    """A version that gives other numbers than `small_files`, so that a mixture of the two would show."""
    texts, labels, facts = tickets(400, seed=9, confusing=0.3)
    features = table(texts, facts=facts, spec=FACTS)
    fitted = fit(features, labels, model=model(char_ngrams=None), features_spec=FACTS, queues=tuple(TOPICS))
    return with_golden(
        export(fitted, automation=automation(), snapshot_id="other"), features.slice(0, 64), open_session
    )


@cache
def loaded(version: int) -> ScoringModel:
    """Version 1 is `small_files`, 2 is `other_files`, as a test registers them."""
    return ScoringModel.from_files([small_files, other_files][version - 1](), open_session, name=NAME, version=version)


def register(registry: Registry, files: dict[str, bytes], *, name: str = NAME, of: str = "triage") -> int:
    manifest = json.loads(files[MANIFEST_FILE])
    return registry.register(
        name=name, automation=of, kind=manifest["kind"], files=files, snapshot_id=manifest["training"]["snapshot_id"],
        classes=manifest["classes"], metrics=manifest["metrics"], card=json.loads(files[CARD_FILE]),
    )  # fmt: skip


def promote(registry: Registry, version: int, *, name: str = NAME) -> None:
    registry.move(
        name=name, alias="champion", version=version, actor="ana", reason="because", evidence={}, now=datetime.now(UTC)
    )


def roll_back(registry: Registry, *, name: str = NAME) -> None:
    registry.rollback(name=name, actor="judge", reason="worse", evidence={}, now=datetime.now(UTC))


def with_versions(database: Database, lake: Lake) -> Registry:
    """Versions 1 and 2 of `triage`, the first of them champion."""
    registry = Registry(database, lake=lake)
    assert [register(registry, small_files()), register(registry, other_files())] == [1, 2]
    promote(registry, 1)
    return registry


def settings_for(home: Any, url: str, **changes: Any) -> Settings:
    of = deployment({"AIOS_HOME": str(home), "AIOS_DATABASE_URL": url, **changes.pop("environ", {})})
    return Settings(deployment=of, secret_key="s" * 40, **changes)


@contextmanager
def running(settings: Settings, *, lake: Lake, **more: Any) -> Iterator[TestClient]:
    """A caller on this machine, of a gateway whose models are loaded."""
    app = create_app(settings, lake=lake, **more)
    with TestClient(app, **HERE) as caller:
        wait_for(lambda: app.state.hall.ready)
        yield caller


def hall(caller: TestClient) -> Any:
    app = caller.app
    assert isinstance(app, FastAPI)
    return app.state.hall


def wait_for(done: Callable[[], Any], seconds: float = 15.0) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.01)


def asking(*texts: str, **facts: Sequence[Any]) -> dict[str, Any]:
    """An `infer` request; facts by feature column."""
    inputs = [{"name": "text", "shape": [len(texts)], "datatype": "BYTES", "data": list(texts)}]
    for name, values in facts.items():
        kind = "FP64" if name == "crm_tenure_months" else "BYTES"
        inputs.append({"name": name, "shape": [len(texts)], "datatype": kind, "data": list(values)})
    return {"inputs": inputs}


def said(answer: Any, output: str) -> list[Any]:
    """The data of one output of an answer in JSON."""
    return next(o["data"] for o in answer.json()["outputs"] if o["name"] == output)


def scored(version: int, texts: Sequence[str], facts: Sequence[dict[str, Any]] = ()) -> pa.RecordBatch:
    """What the batch path gives for these rows."""
    return loaded(version).score_batch(table(texts, facts=facts, spec=FACTS))


def some_texts(count: int) -> list[str]:
    return small()[1].column("text").to_pylist()[:count]

import json
from pathlib import Path

import numpy as np
import pytest

from aios_core.errors import ConfigurationError
from benchmarks import retrieval

TOPICS = ("router", "bill", "garden", "ship")


def by_topic(texts):
    """Stands in for an encoder: a direction a topic, none for what is about something else."""
    rows = np.array([[t.lower().count(topic) for topic in TOPICS] + [0.1] for t in texts], np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [
        {"title": topic, "body": f"All of the {topic}, number {n}.", "queries": [f"my {topic}", f"which {topic} is it"]}
        for n, topic in enumerate(TOPICS)
    ]
    (tmp_path / "kb").mkdir()
    (tmp_path / "kb" / "stackfaq_even.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return tmp_path


def test_it_reports_the_half_that_nothing_was_chosen_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval, "_encoder", lambda: by_topic)
    ((name, found),) = retrieval.measure(data=folder).items()
    assert name == "stackfaq"
    assert (found["articles"], found["questions"]) == (4, 4)
    for method in ("bm25", "embeddings", "fusion"):
        assert set(found[method]) == {"recall_1", "recall_5", "mrr", "p95_ms"}
        assert found[method]["recall_1"] == 1
    assert found["gaps"]["meaning"] == {"answered_called_gap": 0.0, "unanswered_found": 1.0}


def test_a_search_that_errs_shows_in_the_figures(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        retrieval, "_encoder", lambda: lambda texts: np.eye(1, 5, 2, np.float32).repeat(len(texts), axis=0)
    )
    found = retrieval.measure(data=folder)["stackfaq"]
    assert found["embeddings"]["recall_1"] < 1
    assert found["embeddings"]["mrr"] < 1
    assert found["bm25"]["recall_1"] == 1


def test_without_the_data_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval, "_encoder", lambda: by_topic)
    with pytest.raises(ConfigurationError, match="--data"):
        retrieval.measure(data=tmp_path)

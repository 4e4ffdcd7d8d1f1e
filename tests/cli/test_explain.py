"""`aios decision explain` and `aios model explain`, over a real version and its decision."""

import json

import pytest

from tests.cli.conftest import Aios
from tests.explaining import Desk, desk


@pytest.fixture
def made(database, tmp_path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("AIOS_LAKE_URL", str(tmp_path / "lake"))
    return desk(database, tmp_path)


def test_a_decision_is_explained_in_words_and_as_json(aios: Aios, made: Desk) -> None:
    told = json.loads(aios("decision", "explain", made.decision_id, "--json").stdout)
    assert told["contributions"]["method"] == "exact"
    assert [n["label"] for n in told["neighbours"]["examples"]] == ["billing"] * 3
    assert sum(step["settled"] for step in told["steps"]) == 1
    shown = aios("decision", "explain", made.decision_id).stdout
    assert "Exact: each weight" in shown
    assert "settled it" in shown
    assert "Similar tickets by cosine" in shown


def test_a_version_is_explained_in_words_and_as_json(aios: Aios, made: Desk) -> None:
    told = json.loads(aios("model", "explain", "triage", "1", "--json").stdout)
    assert told["rows"] == sum(n for _, _, n in told["confusion"]["cells"])
    assert {"queue", "text length"} <= {segment["dimension"] for segment in told["segments"]}
    assert told["importances"][0]["queues"]["billing"]
    shown = aios("model", "explain", "triage", "1").stdout
    assert "held-back tickets" in shown
    assert "95% interval" in shown


def test_a_version_that_is_not_there_is_one_line(aios: Aios, made: Desk) -> None:
    done = aios("model", "explain", "triage", "7")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: model triage has no version 7")

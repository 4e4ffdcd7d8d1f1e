import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.measuring import timed
from benchmarks.processes import run_step
from benchmarks.workspace import PROJECT, Workspace

HEAVY = {"pandas", "sklearn", "evidently", "great_expectations", "onnxruntime", "matplotlib", "dagster"}
# programs of their own, which the benchmark only starts
OTHERS = {"drift", "gpu", "score", "__main__"}
PEERS = "peers"  # run in an environment of their own, which has what they import


@pytest.fixture
def step(tmp_path, monkeypatch):
    """Runs the body of a step in a process of its own."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    Workspace(folder=tmp_path, rows=1_000, seed=7).save()

    def run(body, *, timeout_seconds=60):
        (tmp_path / "a_step.py").write_text(f"def run(workspace):\n    {body}\n    return {{'rows': workspace.rows}}\n")
        return run_step("a", "a_step", tmp_path, timeout_seconds=timeout_seconds)

    return run


def test_a_steps_peak_is_its_own_and_not_its_parents(step):
    held = bytearray(b"x") * 300_000_000
    assert step("pass")["peak_rss_mb"] < 150
    assert len(held) == 300_000_000


def test_a_steps_peak_counts_what_it_has_let_go(step):
    idle, busy = step("pass")["peak_rss_mb"], step("held = bytearray(b'x') * 200_000_000; del held")["peak_rss_mb"]
    assert 185 < busy - idle < 215


def test_a_step_that_does_not_end_is_ended(step):
    found = step("import time; time.sleep(60)", timeout_seconds=1)
    assert found["error"] == "not done after 1 s; measure fewer --rows"


def test_a_step_that_leaves_without_a_result_is_a_failure(step):
    assert step("import os; os._exit(3)")["error"] == "its process ended with code 3 and left no result"


def test_a_block_is_timed_even_where_it_fails():
    with pytest.raises(KeyError), timed() as watch:
        {}["nothing"]
    assert watch.seconds > 0
    assert watch.figures(10)["rows_per_s"] == pytest.approx(10 / watch.seconds, rel=0.01)


def test_nothing_heavy_is_imported_before_a_step_runs():
    folder = PROJECT / "benchmarks"
    modules = [
        ".".join(("benchmarks", *path.relative_to(folder).with_suffix("").parts))
        for path in folder.rglob("*.py")
        if PEERS not in path.parts
    ]
    ours = sorted(m.removesuffix(".__init__") for m in modules if m.split(".")[1] not in OTHERS)
    assert "benchmarks.steps.decisions" in ours
    code = f"import importlib, sys\nfor name in {ours!r}: importlib.import_module(name)\nprint(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True, timeout=60
    )
    assert set(loaded.stdout.split()) & HEAVY == set()


def test_the_automation_is_the_projects_own_with_files_for_its_systems():
    declared = Workspace(folder=Path("somewhere"), rows=1_000, seed=7).declared()
    assert declared.automation.name == "customer_escalations"
    assert {source.connector for source in declared.automation.sources.values()} == {"file"}
    assert declared.automation.actions.source == "helpdesk"
    assert len(declared.automation.features.customer) == 6
    assert "package aios.policy" in declared.policy_text

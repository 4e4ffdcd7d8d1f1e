"""`aios drill`: what it says, and that a drill that went wrong is a failed command."""

import json
from typing import Any

import pytest

from benchmarks.drill import rollback
from tests.cli.conftest import call

FOUND = {
    "drills": 2,
    "ended_right": 2,
    "flagged_to_moved_seconds": {"p50": 20.0, "max": 25.0},
    "wrong_decisions": {"before": 40, "after_repair": 0},
    "failed_requests": 0,
    "mixed_version_decisions": 0,
    "each": [{"number": 1}, {"number": 2}],
}


class Measuring:
    """Stands for the drills: takes what is asked, answers as told."""

    def __init__(self, **changes: Any) -> None:
        self.found, self.asked = FOUND | changes, {}

    def __call__(self, **asked: Any) -> dict[str, Any]:
        self.asked = asked
        asked["say"]("drill 1 goes on")
        return self.found


def test_the_figures_are_json_on_standard_output_and_progress_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    measuring = Measuring()
    monkeypatch.setattr(rollback, "measure", measuring)
    done = call("drill", "rollback", "--times", "2", "--kill", "random", "--seed", "3", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout) == FOUND
    assert "drill 1 goes on" in done.stderr
    assert {name: measuring.asked[name] for name in ("times", "kill", "seed")} == {
        "times": 2,
        "kill": "random",
        "seed": 3,
    }


@pytest.mark.parametrize(
    "wrong",
    [{"ended_right": 1}, {"failed_requests": 1}, {"mixed_version_decisions": 1}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_drill_that_went_wrong_fails_the_command_after_its_figures(
    monkeypatch: pytest.MonkeyPatch, wrong: dict[str, int]
) -> None:
    monkeypatch.setattr(rollback, "measure", Measuring(**wrong))
    done = call("drill", "rollback", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout) == FOUND | wrong


def test_what_can_not_be_killed_is_refused_before_anything_is_started() -> None:
    done = call("drill", "rollback", "--kill", "gateway")
    assert done.exit_code == 2
    assert "daemon" in done.stderr

"""`aios robot`: what is declared, a trial with its evidence, and what was done."""

import json
import shutil

import pytest

from resources.deployments import OWN_AUTOMATIONS
from tests.cli.conftest import Aios

pytest.importorskip("robot", reason="the extra `rpa` is not installed")
TASK = """*** Settings ***
Library    resources.robots.library.Aios

*** Tasks ***
Work
    IF    '${ticket}' == '404'    Ticket Is Gone
    Log    ${note}
"""
ROBOT = """
robots:
  desk: {task: robots/desk.robot, account: desk}
"""


@pytest.fixture
def mine(tmp_path, monkeypatch) -> str:
    folder = tmp_path / "automations" / "desk_care"
    shutil.copytree(OWN_AUTOMATIONS / "customer_escalations", folder)
    declared = (folder / "defs.yaml").read_text().replace("name: customer_escalations", "name: desk_care")
    (folder / "defs.yaml").write_text(declared)
    (folder / "robots").mkdir()
    (folder / "robots" / "desk.robot").write_text(TASK)
    with (folder / "defs.yaml").open("a") as file:
        file.write("".join(f"  {line}\n" if line else "\n" for line in ROBOT.splitlines()))
    monkeypatch.setenv("AIOS_AUTOMATIONS", str(tmp_path / "automations"))
    return "desk_care"


def test_a_trial_runs_the_robot_and_leaves_its_log(aios: Aios, mine: str, tmp_path, database) -> None:
    (shown,) = json.loads(aios("robot", "list", "--automation", mine, "--json").stdout)
    assert (shown["robot"], shown["writes_actions"]) == ("desk", False)
    out = tmp_path / "evidence"
    done = aios("robot", "try", "desk", "--automation", mine, "--ticket", "7", "--out", str(out), "--json")
    assert (done.exit_code, json.loads(done.stdout)["status"]) == (0, "sent")
    assert (out / "log.html").exists()
    gone = aios("robot", "try", "desk", "--automation", mine, "--ticket", "404", "--out", str(out), "--json")
    assert (gone.exit_code, json.loads(gone.stdout)["status"]) == (1, "gone")
    assert json.loads(aios("robot", "runs", "--automation", mine, "--json").stdout) == [], "a trial is nobody's action"
    assert aios("robot", "try", "nobody", "--automation", mine, "--ticket", "7").exit_code == 2

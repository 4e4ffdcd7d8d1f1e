"""`aios thresholds`: what a manager types."""

import json
from pathlib import Path

import pytest

from aios_core.thresholds.proposal import Settings
from resources.thresholds import ThresholdStore
from tests.aios_core.thresholds.making import proposal
from tests.cli.conftest import Aios
from tests.resources.gatekeeping import NOW, Triage, triage


@pytest.fixture
def desk(database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Triage:
    monkeypatch.setenv("AIOS_AUTOMATIONS", str(tmp_path / "automations"))
    monkeypatch.setenv("AIOS_LAKE_URL", str(tmp_path / "lake"))
    return triage(database, tmp_path)


def test_what_can_not_be_done_yet_says_what_to_do_first(aios: Aios, desk: Triage) -> None:
    for arguments, says in (
        (("propose", "--automation", "triage"), "has no champion"),
        (("propose", "--automation", "triage", "--max-error", "2"), "--max-error lies between"),
        (("replay", "--automation", "triage", "--automate", "0.9", "--draft", "0.5"), "decided nothing in the last 30 days"),
        (("replay", "--proposal", "nothing"), "aios thresholds list"),
        (("accept", "nothing", "--by", "Ana"), "aios thresholds list"),
    ):  # fmt: skip
        done = aios("thresholds", *arguments)
        assert (done.exit_code, says in done.stderr) == (1, True), (arguments, done.stderr)
    assert aios("thresholds", "replay", "--automation", "triage", "--automate", "0.5", "--draft", "0.6").exit_code == 2
    assert "no proposal for triage" in aios("thresholds", "list", "--automation", "triage").stdout


def test_a_proposal_for_another_declaration_is_listed_and_not_accepted(aios: Aios, desk: Triage) -> None:
    from dataclasses import replace

    made = proposal(Settings(max_error=0.05))
    made = replace(made, basis=replace(made.basis, automation="triage", model_name="triage"))
    ThresholdStore(desk.database).keep(made, actor="cli:ana", now=NOW)
    [row] = json.loads(aios("thresholds", "list", "--automation", "triage", "--json").stdout)
    assert (row["proposal"], row["made_by"], row["accepted_by"]) == (made.proposal_id, "cli:ana", None)
    before = desk.declared.file.read_bytes()
    refused = aios("thresholds", "accept", made.proposal_id, "--by", "Ana")
    assert (refused.exit_code, "propose again" in refused.stderr) == (1, True)
    assert desk.declared.file.read_bytes() == before

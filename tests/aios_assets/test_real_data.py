"""The examples on real data: other people's tickets, from files, by YAML alone."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from resources.declarations import load_declaration
from tests.conftest import PROJECT
from tests.whole_platform import Platform

EXAMPLES = PROJECT / "examples"

pytestmark = [pytest.mark.data, pytest.mark.slow]


def _loop(platform: Platform, name: str) -> dict[str, Any]:
    examples = Platform(platform.database, platform.lake, EXAMPLES, platform.instance)
    return examples.run(load_declaration(EXAMPLES / name / "defs.yaml"))


def test_banking77_is_routed_as_well_as_promised_with_thresholds_from_its_training_file_alone(
    shared_data: Path, platform: Platform
) -> None:
    summary = _loop(platform, "banking77")

    assert summary["landed"] == summary["canonical"] == 10_003 + 3_080
    assert (summary["quarantined"], summary["lost"], summary["duplicated"]) == (0, 0, 0)
    assert summary["scored"] == sum(summary["decisions"].values()) == 3_080
    metrics = summary["metrics"]
    assert metrics["accuracy"] >= 0.90
    assert metrics["accuracy_automated"] >= 0.97
    assert metrics["coverage_automated"] >= 0.75
    learnt = platform.instance.get_latest_materialization_event(dg.AssetKey(["banking77", "training_set"]))
    assert learnt.asset_materialization.metadata["rows"].value == 10_003


def test_five_years_of_hadoop_issues_are_learnt_and_decided_by_yaml_alone(
    shared_data: Path, platform: Platform
) -> None:
    summary = _loop(platform, "hadoop_issues")

    assert summary["landed"] == summary["canonical"] == 2_503
    assert (summary["quarantined"], summary["lost"], summary["duplicated"]) == (0, 0, 0)
    assert summary["model"] == {"name": "hadoop_issues", "version": 1, "alias": "champion"}
    assert platform.rows("select min(day) >= '2023-01-01', count(distinct model_version) from decisions") == [(True, 1)]
    [(known,)] = platform.rows(
        "select count(*) from tickets t where created_at >= '2023-01-01' and status <> 'deleted'"
        " and not exists (select from decisions d where d.ticket_id = t.ticket_id)"
    )
    assert known == 0
    # what maintainers settle on is hardly written in an issue: a machine that is honest about it leaves most to people
    assert summary["decisions"]["review"] > summary["decisions"]["automate"]

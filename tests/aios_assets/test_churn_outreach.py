"""An automation without any text: who gets an offer, from CRM facts alone, by YAML alone."""

import json
from pathlib import Path

import pytest

from resources.declarations import load_declaration
from tests.conftest import PROJECT
from tests.whole_platform import Platform

EXAMPLE = PROJECT / "examples" / "churn_outreach"

pytestmark = [pytest.mark.data, pytest.mark.slow]


def test_seven_thousand_customers_are_learnt_from_and_decided_without_a_word_of_text(
    shared_data: Path, platform: Platform
) -> None:
    declared = load_declaration(EXAMPLE / "defs.yaml")
    examples = Platform(platform.database, platform.lake, EXAMPLE.parent, platform.instance)
    summary = examples.run(declared)

    assert (
        summary["landed"] == summary["canonical"] == 2 * 7_043
    )  # each customer is a customer, and somebody to decide about
    assert (summary["quarantined"], summary["lost"], summary["duplicated"]) == (0, 0, 0)
    assert summary["scored"] == sum(summary["decisions"].values()) == 3_488
    assert summary["metrics"]["accuracy"] >= 0.78
    assert summary["metrics"]["accuracy_automated"] >= 0.9
    assert summary["decisions"]["automate"] > 700
    assert summary["remedy"] == "none"
    version = platform.registry.get("churn_outreach", 1)
    assert (version.kind, version.classes) == ("tabular", ("none", "offer"))
    assert version.metrics["macro_f1"] >= 0.68
    manifest = platform.registry.manifest(name="churn_outreach", version=1)
    assert "crm_gender" not in json.dumps(manifest)

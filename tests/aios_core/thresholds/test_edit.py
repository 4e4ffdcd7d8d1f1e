"""Cut-offs in a declaration's text: these values change, every other character stays."""

import difflib

import pytest
import yaml

from aios_core.thresholds.edit import edited
from aios_core.thresholds.tickets import ThresholdError

BLOCK = """# top
type: x
attributes:
  name: care   # who

  # --- how sure ---
  decisions:
    # a probability
    automate: 0.9   # high
    draft: 0.6
    costs: {wrong_automation: 12}
    audit_share: 0.01 # last

  # --- people ---
  review:
    max_batch: 200
"""
CHANGES = {
    "decisions.automate": 0.94,
    "decisions.queues.billing.automate": "never",
    "decisions.queues.billing.draft": 0.7,
}


def decisions(text: str) -> dict:
    return yaml.safe_load(text)["attributes"].get("decisions")


def removed_and_added(before: str, after: str) -> list[str]:
    return [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "-+"]


def test_a_block_keeps_its_comments_and_gets_new_keys_at_its_end() -> None:
    after = edited(BLOCK, CHANGES)
    assert removed_and_added(BLOCK, after) == [
        "-     automate: 0.9   # high",
        "+     automate: 0.94   # high",
        "+     queues:",
        "+       billing: {automate: never, draft: 0.7}",
    ]
    assert after.index("# last") < after.index("queues:") < after.index("# --- people")


def test_writing_the_same_again_changes_nothing_and_other_values_only_themselves() -> None:
    once = edited(BLOCK, CHANGES)
    assert edited(once, CHANGES) == once
    more = edited(once, {"decisions.queues.billing.draft": 0.65, "decisions.queues.outage.automate": 0.995})
    assert decisions(more)["queues"] == {"billing": {"automate": "never", "draft": 0.65}, "outage": {"automate": 0.995}}


@pytest.mark.parametrize(
    "text",
    [
        "attributes: {name: care, decisions: {automate: 0.9, draft: 0.6}, review: {}}\n",
        "attributes:\n  decisions: {audit_share: 0.1}  # ours\n  name: care",
        "attributes:\n  decisions: {queues: {}}\n",
        "attributes:\n  decisions: {queues: {billing: {automate: 0.8}}}\n",
        "attributes:\n  decisions:\n    queues:\n      billing:\n        draft: 0.5\n      # end\n  name: care\n",
        "attributes:\n  name: care\n  description: |\n    many\n    lines\n",
        'attributes:\n  decisions: {automate: {accuracy: 0.97}, policy: "p.rego"}\n',
        "attributes:\n  name: care\n",
        "attributes:\n    owners:\n    - a\n    - b\n# the end\n",
    ],
)
def test_every_layout_ends_up_with_these_values_and_all_others_as_they_were(text: str) -> None:
    before, after = (yaml.safe_load(t)["attributes"] for t in (text, edited(text, CHANGES)))
    found = after.pop("decisions")
    old = before.pop("decisions", {})
    assert after == before
    assert found["automate"] == 0.94
    assert found["queues"]["billing"] == {"automate": "never", "draft": 0.7}
    assert {k: v for k, v in found.items() if k not in ("automate", "queues")} == {
        k: v for k, v in old.items() if k not in ("automate", "queues")
    }
    assert text.count("#") == edited(text, CHANGES).count("#")


@pytest.mark.parametrize(
    "text",
    ["type: x\n", "attributes:\n  decisions:\n", "attributes:\n  decisions:\n    automate:\n      accuracy: 0.97\n"],
)
def test_what_can_not_be_cut_out_safely_is_left_to_a_person(text: str) -> None:
    with pytest.raises(ThresholdError, match="by hand"):
        edited(text, CHANGES)

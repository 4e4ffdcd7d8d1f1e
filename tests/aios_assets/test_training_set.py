"""What is left out of a training set, and that an automation may learn it all the same."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from aios_assets.training import _doubted, _doubts, _without
from tests.resources.gatekeeping import NOW, triage
from tests.resources.pausing import LEARNT, paused, rows_of


@dataclass(frozen=True)
class Opened:
    """A resource that is open already."""

    it: Any

    def open(self) -> Any:
        return self.it


def test_labels_of_before_a_changed_rule_are_left_out_and_told_unless_the_automation_wants_them(database, tmp_path):
    world = triage(database, tmp_path)
    world.add(rows=LEARNT)
    labelled, features, old = rows_of()
    incident = paused(world)
    stores = [Opened(it) for it in (world.database, world.lake, world.registry)]
    automation, now = world.declared.automation, NOW + timedelta(hours=1)
    found = _doubts(automation, labelled, features, *stores, now=now)
    kept = _without(features, found)
    assert kept.num_rows == features.num_rows - len(old)
    told = _doubted(found, labelled)
    assert told["doubted"] == len(old)
    assert told[f"doubt_of_incident_{incident}"].startswith("crm_plan plus since ")
    training = automation.model.training.model_copy(update={"leave_outdated": False})
    all_the_same = automation.model_copy(update={"model": automation.model.model_copy(update={"training": training})})
    assert _doubts(all_the_same, labelled, features, *stores, now=now) == []

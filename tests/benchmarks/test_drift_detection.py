"""`aios bench drift --detection`, in short: real worlds, a version trained in each, and what it sees of them."""

from collections import Counter

import pytest

from benchmarks import drift_detection
from benchmarks.drift_detection import Counted, World, _measured, play_world


@pytest.mark.parametrize("seed", [201])
def test_no_calm_day_is_flagged_and_each_drift_is_on_its_first_day(seed: int) -> None:
    found = play_world(seed, days=2, tickets_a_day=600, history=1_500)
    assert found.false_alarms == []
    assert (found.calm_days, found.missed) == (2, [])
    assert dict(found.detected) == dict(found.named) == {"new_product": 1, "class_shift": 1, "label_rule": 1}


def test_the_figures_have_the_keys_that_are_promised_and_name_what_was_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    def played(seed: int, **_: object) -> Counted:
        missed = ["seed 4 label_rule: nothing"] if seed == 4 else []
        kinds = Counter({"new_product": 1, "class_shift": 1, "label_rule": 0 if missed else 1})
        alarms = [f"seed {seed} day 1: why"] if seed == 3 else []
        return Counted(calm_days=10, false_alarms=alarms, detected=kinds, named=kinds, missed=missed)

    monkeypatch.setattr(drift_detection, "play_world", played)
    told = list[str]()
    found = drift_detection.measure(seeds=3, first_seed=3, workers=1, progress=told.append)
    assert (found["worlds"], found["drift_free_days"], found["false_alarm_days"]) == (3, 30, 1)
    assert found["detected"] == {"new_product": 3, "class_shift": 3, "label_rule": 2}
    assert found["missed"] == ["seed 4 label_rule: nothing"]
    assert len(told) == 3


def test_a_changed_rule_changes_no_text_and_only_outcomes_tell() -> None:
    world = World(seed=202, days=2, tickets_a_day=250, history=800)
    calm, ruled = world.calm, world.changed("label_rule")
    assert calm[1].features.column("text").equals(ruled[1].features.column("text"))
    assert calm[1].labels != ruled[1].labels
    assert calm[0].labels == ruled[0].labels
    *_, drift = _measured(world, ruled)
    kinds = {kind.kind: kind.drifted for kind in drift.kinds}
    assert (kinds["feature"], kinds["prediction"]) == (False, False)

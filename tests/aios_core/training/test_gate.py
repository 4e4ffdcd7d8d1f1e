import pytest

from aios_core.scoring.model import ScoringModel
from aios_core.training.gate import metrics_on, promotion
from resources.runtime import open_session
from tests.aios_core.training.making import small, small_files


@pytest.mark.parametrize(
    ("new", "old", "promoted"),
    [
        (0.8, None, True),
        (0.49, None, False),
        (float("nan"), None, False),
        (0.8, 0.81, True),
        (0.8, 0.9, False),
        (0.9, 0.7, True),
        (0.49, 0.3, False),
    ],
)
def test_a_version_is_promoted_when_good_enough_and_not_clearly_worse(new, old, promoted):
    verdict = promotion({"macro_f1": new}, {"macro_f1": old} if old else None, min_macro_f1=0.5)
    assert verdict.promote is promoted
    assert verdict.evidence["champion_macro_f1"] == old
    assert "macro-F1" in verdict.reason


def test_a_champion_can_be_measured_on_rows_it_was_not_made_for():
    _, new, labels = small()
    model = ScoringModel.from_files(small_files(), open_session)
    assert metrics_on(model, new, labels)["accuracy"] > 0.85
    foreign = metrics_on(model, new, ["a queue it does not have"] * len(labels))
    assert foreign["accuracy"] == 0
    assert foreign["log_loss"] > 20

"""The calibration picture is drawn where pictures are."""

from aios_core.monitoring.plots import NOTHING, undrawn
from aios_core.training.plots import calibration_plot

RELIABILITY = {"confidence": [0.5, 0.7, 0.9], "accuracy": [0.45, 0.72, 0.9]}
CURVE = {"coverage": [0.1, 0.5, 1.0], "accuracy": [0.99, 0.97, 0.9], "accuracy_lower": [0.97, 0.95, 0.88]}


def test_equal_numbers_give_equal_bytes_and_in_a_play_nothing_is_drawn():
    with undrawn():
        assert calibration_plot(RELIABILITY, CURVE) == NOTHING
    picture = calibration_plot(RELIABILITY, CURVE)
    assert len(picture) > len(NOTHING)
    assert picture == calibration_plot(RELIABILITY, CURVE)

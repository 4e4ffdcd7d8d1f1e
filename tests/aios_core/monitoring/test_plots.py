"""Pictures are small, real PNGs, and show what they were given."""

import base64
import io
from datetime import date, timedelta

import numpy as np
import pytest
from PIL import Image

from aios_core.monitoring import plots
from aios_core.monitoring.errors import MonitorError
from aios_core.monitoring.value import DayValue

DAYS = [date(2026, 10, 20) + timedelta(days=i) for i in range(60)]
COLUMNS = [f"crm_column_with_a_long_name_{i}" for i in range(20)]


def worth(days):
    return [
        DayValue(day=d, tickets=100, automated_share=0.7, hours_saved=5, net_value=100 - 20 * i, cost_per_decision=0.5)
        for i, d in enumerate(days)
    ]


def drift(days):
    rng = np.random.default_rng(0)
    return plots.drift_over_time(
        [(d, {c: float(v) for c, v in zip(COLUMNS, rng.random(20), strict=True)}) for d in days],
        limit=0.2,
        flagged=days[-2:],
    )


PICTURES = {
    "drift": lambda: drift(DAYS),
    "drift of one day": lambda: drift(DAYS[:1]),
    "drift of no day": lambda: drift([]),
    "confidence": lambda: plots.confidence_histogram(
        np.random.default_rng(0).beta(5, 1, 5_000), automate=0.9, draft=0.6
    ),
    "no confidence": lambda: plots.confidence_histogram([]),
    "confusion": lambda: plots.confusion([f"queue {i}" for i in range(12)], np.full((12, 12), 7)),
    "confusion of 77 queues": lambda: plots.confusion(
        COLUMNS * 3 + COLUMNS[:17], np.random.default_rng(0).poisson(3, (77, 77))
    ),
    "confusion of nothing": lambda: plots.confusion([], []),
    "value": lambda: plots.value_over_time(worth(DAYS), currency="EUR"),
    "value of one day": lambda: plots.value_over_time(worth(DAYS[:1]), currency="EUR"),
    "reliability": lambda: plots.reliability({"confidence": [0.5, 0.9], "accuracy": [0.4, 0.95], "rows": [10, 10]}),
    "reliability of nothing": lambda: plots.reliability({}),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_is_a_small_png_of_the_panels_width(name):
    png = PICTURES[name]()
    assert Image.open(io.BytesIO(png)).size[0] == 620
    assert len(png) <= plots.MAX_BYTES


def test_a_picture_shows_its_numbers():
    calm = plots.drift_over_time([(d, {"queue": 0.01}) for d in DAYS], limit=0.2)
    drifted = plots.drift_over_time([(d, {"queue": 0.01 if i < 30 else 0.5}) for i, d in enumerate(DAYS)], limit=0.2)
    assert calm != drifted
    assert calm == plots.drift_over_time([(d, {"queue": 0.01}) for d in reversed(DAYS)], limit=0.2)


def test_markdown_holds_the_picture_and_an_alt_text_that_can_not_break_it():
    png = PICTURES["reliability"]()
    text = plots.plot_markdown(png, "a ](b) [c]")
    head, _, data = text.partition("](data:image/png;base64,")
    assert head == "![a )(b) (c)"
    assert base64.b64decode(data.removesuffix(")")) == png


def test_a_picture_that_is_too_big_for_the_event_log_is_refused(monkeypatch):
    monkeypatch.setattr(plots, "MAX_BYTES", 100)
    with pytest.raises(MonitorError, match="over the 100"):
        PICTURES["reliability"]()


def test_while_nothing_is_drawn_no_figure_is_made_and_afterwards_one_is(monkeypatch):
    made = []
    figure = plots._figure
    monkeypatch.setattr(plots, "_figure", lambda *size: made.append(size) or figure(*size))
    with plots.undrawn():
        empty = {name: draw() for name, draw in PICTURES.items()}
    assert set(empty.values()) == {plots.NOTHING}
    assert not made
    assert drift(DAYS) != plots.NOTHING
    assert made

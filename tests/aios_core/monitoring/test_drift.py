"""Drift is found where there is some, and only there."""

import json
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from aios_core.automation import Monitoring
from aios_core.monitoring import report
from aios_core.monitoring.drift import measure
from aios_core.monitoring.errors import MonitorError
from tests.aios_core.monitoring.samples import world

LIMITS = Monitoring()
REFERENCE = world(99, 5_000)


def drift(current, *, reference=REFERENCE, limits=LIMITS, page=False, **more):
    return measure(arrow(reference), arrow(current), limits=limits, page=page, **more)


def arrow(frame):
    return pa.Table.from_pandas(frame, preserve_index=False)


@pytest.mark.parametrize("rows", [300, 1_000, 3_000])
def test_days_without_drift_are_not_flagged(rows):
    days = [drift(world(seed, rows)) for seed in range(5)]
    assert [d.reason for d in days if d.drifted] == []
    assert max(c.psi for d in days for c in d.columns.values()) < 0.15


def test_a_day_of_few_tickets_in_77_queues_is_not_flagged():
    queues = tuple(f"queue-{i:02d}" for i in range(77))
    reference = world(99, 5_000, queues=queues)
    days = [drift(world(seed, 300, queues=queues), reference=reference) for seed in range(5)]
    assert [d.reason for d in days if d.flagged] == []


def test_a_strict_limit_still_asks_for_more_than_chance():
    strict = Monitoring(psi_limit=0.01)
    assert [drift(world(seed, 300), limits=strict).drifted for seed in range(5)] == [()] * 5


@pytest.mark.parametrize(
    ("change", "column"),
    [({"new_words": 1.5}, "unseen_share"), ({"new_words": 1.5}, "confidence"), ({"fraud_wave": 0.3}, "queue")],
)
@pytest.mark.parametrize("rows", [300, 3_000])
def test_new_words_and_a_wave_of_one_queue_are_flagged(change, column, rows):
    found = drift(world(7, rows, **change))
    assert found.flagged
    assert column in found.drifted
    assert column in found.reason


def test_a_crm_that_stopped_answering_is_drift_of_its_columns():
    found = drift(world(3, 400, crm_down=True))
    assert found.drifted == ("crm_tenure",)
    assert found.columns["crm_tenure"].missing_current == 1.0
    assert found.columns["crm_tenure"].moved[0].level == "(missing)"
    assert not found.flagged  # one quiet column of ten is below the share limit, and no sentinel


def test_enough_drifted_columns_flag_the_day_without_any_sentinel():
    found = drift(world(3, 2_000, longer=0.6, crm_down=True), limits=Monitoring(share_limit=0.1), sentinels=())
    assert found.share == 0.2
    assert found.flagged
    assert set(found.drifted) == {"text_length", "crm_tenure"}


def test_one_huge_text_neither_makes_nor_hides_drift():
    day = world(5, 1_000, longer=0.6)
    calm = world(5, 1_000)
    for frame in (day, calm):
        frame.loc[0, "text_length"] = 1e9
    assert "text_length" in drift(day).drifted
    assert drift(calm).drifted == ()


def test_a_new_category_on_many_rows_is_drift():
    day = world(5, 500)
    day["channel"] = np.where(np.arange(500) % 5 == 0, "whatsapp", day["channel"])
    column = drift(day).columns["channel"]
    assert column.drifted
    assert "(new)" in [m.level for m in column.moved]


def test_a_constant_column_that_stays_constant_is_quiet_and_one_that_changes_is_not():
    day = world(5, 500)
    assert drift(day).columns["crm_region"].psi == 0
    day["crm_region"] = 4.0
    assert drift(day).columns["crm_region"].drifted


def test_too_few_rows_give_no_share_and_say_why():
    found = drift(world(1, 199))
    assert (found.share, found.flagged, found.html) == (None, False, None)
    assert found.reason == "too few rows to say: 199 of 200 needed"
    assert drift(world(1, 0)).share is None


def test_a_reference_of_a_few_rows_gives_no_share_and_says_what_to_do():
    found = drift(world(1, 500), reference=world(2, 19))
    assert found.share is None
    assert "19 rows" in found.reason
    assert "train" in found.reason


def test_columns_of_one_side_only_are_skipped_and_named():
    found = drift(world(1, 500).rename(columns={"crm_plan": "crm_tariff"}))
    assert found.skipped == {
        "crm_plan": "not in this window",
        "crm_tariff": "not in the model version's reference",
    }
    assert len(found.columns) == 9


def test_a_reference_from_another_world_is_an_error_not_no_drift():
    with pytest.raises(MonitorError, match="share no column"):
        drift(world(1, 500)[["queue"]], reference=pd.DataFrame({"petal_length": [1.0] * 500}))


def test_a_crash_inside_evidently_is_an_error_not_no_drift(monkeypatch):
    def broken(*_args, **_more):
        raise KeyError("boom")

    monkeypatch.setattr(report, "_run", broken)
    with pytest.raises(MonitorError, match="Evidently could not compare text_length"):
        drift(world(1, 500))


def test_a_score_that_is_not_a_number_is_an_error(monkeypatch):
    monkeypatch.setattr(report, "_scores", lambda _snapshot: dict.fromkeys(REFERENCE.columns, float("nan")))
    with pytest.raises(MonitorError, match="no usable score for text_length"):
        drift(world(1, 500))


def test_evidently_agrees_with_the_formula_also_for_windows_larger_than_it_is_given():
    """PSI = sum((p - q) ln(p / q)); 60,000 rows are handed over as 5,000."""
    day = world(11, 60_000, longer=0.2)
    edges = np.quantile(REFERENCE["text_length"], np.arange(1, 10) / 10, method="inverted_cdf")
    p = np.bincount(np.searchsorted(edges, REFERENCE["text_length"]), minlength=10) / len(REFERENCE)
    q = np.bincount(np.searchsorted(edges, day["text_length"]), minlength=10) / len(day)
    assert drift(day).columns["text_length"].score == pytest.approx(float(((p - q) * np.log(p / q)).sum()), abs=1e-3)


def test_the_page_is_evidentlys_own_with_the_verdict_on_top_and_needs_no_network():
    found = drift(world(7, 500, new_words=1.5), page=True)
    text = found.html.decode()
    assert text.split("<body>")[1].startswith("<p style=")
    assert f">{found.reason} (500 rows.)</p>" in text
    assert 1_000_000 < len(found.html) < 6_000_000
    assert re.findall(r"<(?:script|link)[^>]+(?:src|href)=[\"']?(?:https?:)?//[^>]+>", text) == []
    assert found.columns == drift(world(7, 500, new_words=1.5)).columns


def test_a_level_that_looks_like_markup_does_not_become_markup_of_our_headline():
    day = world(5, 500)
    reference = REFERENCE.assign(channel="<img src=x>")
    text = drift(day, reference=reference, page=True).html.decode()
    headline = text[text.index("<body>") : text.index("</p>", text.index("<body>"))]
    assert "<img" not in headline
    assert "&lt;img src=x&gt;" in headline


def test_what_a_day_keeps_is_plain_json():
    content = json.loads(json.dumps(drift(world(7, 300)).as_json()))
    assert content["queue"]["kind"] == "categorical"
    assert content["text_length"].keys() >= {"psi", "drifted", "kind", "role", "threshold", "moved"}

"""Drift is found where there is some, and only there."""

import json
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from aios_core.automation import Monitoring
from aios_core.monitoring import report
from aios_core.monitoring.drift import measure, measure_sketches, measure_window
from aios_core.monitoring.errors import MonitorError
from aios_core.monitoring.reference import Window, add_windows
from aios_core.monitoring.settled import settle
from aios_core.monitoring.sketch import cuts_of, merge, sketch
from tests.aios_core.monitoring.samples import world
from tests.aios_core.monitoring.settling import day, refunds_are_complaints
from tests.aios_core.monitoring.settling import reference as trained

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


CUTS = cuts_of(arrow(REFERENCE))
BASE = sketch(CUTS, arrow(REFERENCE))


def judged(day, *, before, limits=LIMITS):
    """A day as the platform asks: with the days before it."""
    current = sketch(CUTS, arrow(day))
    recent = merge([current, *(sketch(CUTS, arrow(other)) for other in before)])
    return measure_sketches(CUTS, BASE, current, limits=limits, recent=recent, page=False)


def more_fraud(seed, wave):
    return world(seed, 1_000, fraud_wave=wave)


def test_one_strange_day_has_to_last_before_it_is_flagged():
    strange, calm = more_fraud(1, 0.23), [world(seed, 1_000) for seed in (2, 3)]
    alone = judged(strange, before=calm)
    assert alone.drifted == ("queue",)
    assert LIMITS.psi_limit < alone.columns["queue"].psi < 2 * LIMITS.psi_limit
    assert (alone.flagged, alone.columns["queue"].lasting) == (False, False)
    assert alone.reason.startswith("Not flagged yet: ")
    again = judged(strange, before=[more_fraud(4, 0.23), calm[0]])
    assert again.flagged
    assert again.columns["queue"].lasting


def test_a_strong_drift_and_two_sentinels_together_are_flagged_on_their_first_day():
    calm = [world(seed, 1_000) for seed in (2, 3)]
    assert judged(more_fraud(1, 0.6), before=calm).flagged
    both = judged(world(1, 1_000, new_words=0.9), before=calm)
    assert {"confidence", "unseen_share"} <= set(both.drifted)
    assert max(both.columns[name].psi for name in both.drifted) < 2 * LIMITS.psi_limit
    assert both.flagged


def test_a_first_day_has_no_other_to_agree_with():
    assert judged(more_fraud(1, 0.23), before=[]).flagged


def test_kinds_of_drift_are_told_apart_and_what_was_not_looked_at_is_no_answer():
    kinds = {kind.kind: kind for kind in judged(world(7, 1_000, fraud_wave=0.6), before=[]).kinds}
    assert {name: kind.drifted for name, kind in kinds.items()} == {
        "feature": False,
        "prediction": True,
        "label": None,
        "concept": None,
    }
    assert "queue (PSI" in kinds["prediction"].told
    assert kinds["concept"].told == "outcomes were not looked at"
    few = {kind.kind: kind.drifted for kind in drift(world(1, 50)).kinds}
    assert few == dict.fromkeys(("feature", "prediction", "label", "concept"))


@pytest.mark.parametrize("empty", [float("nan"), None])
def test_a_column_that_is_all_missing_is_drift_of_that_column_and_the_number_of_its_values_says_so(empty):
    day = world(5, 500)
    day["crm_spend"] = pd.Series([empty] * 500, dtype=float)
    column = drift(day).columns["crm_spend"]
    assert (column.drifted, column.missing_current, column.distinct_current) == (True, 1.0, 0)
    assert column.distinct_reference > 100


def test_a_column_that_was_all_missing_at_training_and_now_has_values_is_drift():
    reference = REFERENCE.assign(crm_spend=np.nan)
    assert drift(world(5, 500), reference=reference).columns["crm_spend"].drifted
    assert not drift(world(5, 500).assign(crm_spend=np.nan), reference=reference).columns["crm_spend"].drifted


def test_a_column_that_became_constant_shows_one_value():
    column = drift(world(5, 500).assign(text_length=80.0)).columns["text_length"]
    assert (column.drifted, column.distinct_current) == (True, 1)


def test_evidently_shows_what_outcomes_say_with_a_test_of_its_own():
    known = trained()
    rows = day(3, 600, rule=refunds_are_complaints)
    window = Window(sketch=sketch(known.cuts, rows), settled=settle(known.cuts, rows))
    found = measure_window(known, window, limits=LIMITS)
    assert found.flagged
    assert "Outcomes contradict the promises" in found.reason
    text = found.html.decode()
    assert "accuracy promised less accuracy turned out" in text
    assert {kind.kind: kind.drifted for kind in found.kinds} == {
        "feature": False,
        "prediction": False,
        "label": False,
        "concept": True,
    }
    json.dumps(found.explained())


def test_outcomes_that_come_late_are_looked_at_as_the_last_days_together():
    known = trained()

    def window(seed, settled):
        rows = day(seed, 600, rule=refunds_are_complaints, settled=settled)
        return Window(sketch=sketch(known.cuts, rows), settled=settle(known.cuts, rows))

    fresh, before = window(1, 0.02), [window(2, 0.3), window(3, 0.6)]
    assert measure_window(known, fresh, limits=LIMITS, page=False).kinds[-1].drifted is None
    found = measure_window(known, fresh, limits=LIMITS, recent=add_windows([*before, fresh]), page=False)
    assert (found.flagged, found.kinds[-1].drifted) == (True, True)
    few = measure_window(
        known, fresh, limits=Monitoring(min_rows=2_000), recent=add_windows([*before, fresh]), page=False
    )
    assert (few.share, few.flagged) == (None, True)
    assert "too few rows to say" in few.reason


def test_a_day_of_too_few_tickets_is_looked_at_together_with_the_days_before_it():
    known = trained()

    def window(seed, rows, **change):
        scored = day(seed, rows, **change)
        return Window(sketch=sketch(known.cuts, scored), settled=settle(known.cuts, scored))

    def asked(small, *before):
        recent = add_windows([*before, small])
        return measure_window(known, small, limits=Monitoring(min_rows=200), recent=recent, page=False)

    calm, elsewhere = window(1, 120), window(2, 120, rule=refunds_are_complaints)
    alone = asked(calm)
    assert (alone.share, alone.reason) == (None, "too few rows to say: 120 of 200 needed")
    together = asked(calm, window(3, 120))
    assert (together.rows, together.share, together.flagged) == (120, 0.0, False)
    assert together.reason.startswith("240 rows of the last days together: No drift")
    changed = asked(elsewhere, window(4, 120, rule=refunds_are_complaints))
    assert changed.flagged

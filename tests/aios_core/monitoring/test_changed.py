"""What changed is named: the queues, sources, words and customers behind a drift, and nothing where nothing drifted."""

import numpy as np
import pyarrow as pa
import pytest

from aios_core.automation import Monitoring
from aios_core.monitoring.changed import queues_of
from aios_core.monitoring.drift import Drift, measure_window
from aios_core.monitoring.reference import Window
from aios_core.monitoring.settled import settle
from aios_core.monitoring.sketch import sketch
from tests.aios_core.monitoring.settling import (
    business_ports_elsewhere,
    day,
    reference,
    refunds_are_complaints,
)

REFERENCE = reference()


def measured(rows: pa.Table) -> Drift:
    window = Window(sketch=sketch(REFERENCE.cuts, rows), settled=settle(REFERENCE.cuts, rows))
    return measure_window(REFERENCE, window, limits=Monitoring(), page=False)


def replaced(rows: pa.Table, name: str, values: list) -> pa.Table:
    return rows.set_column(rows.column_names.index(name), name, pa.array(values))


def names(found: Drift, what: str) -> list[str]:
    return [cause.name for cause in found.changed if cause.what == what]


def test_nothing_is_behind_a_day_without_drift():
    assert measured(day(1, 600)).changed == ()


def with_new_product(rows: pa.Table, who: np.ndarray) -> pa.Table:
    """Tickets of `who` hold words that nobody used before."""
    unseen = np.where(who, 0.5, rows.column("unseen_share").to_numpy())
    texts = [f"{t} Nova satellite" if new else t for t, new in zip(rows.column("text").to_pylist(), who, strict=True)]
    return replaced(replaced(rows, "unseen_share", list(unseen)), "text", texts)


@pytest.mark.parametrize(("column", "value"), [("queue", "outage"), ("crm_plan", "business"), ("channel", "web")])
def test_new_words_are_named_with_the_tickets_that_hold_them(column, value):
    rows = day(2, 1_000)
    who = np.array([v == value for v in rows.column(column).to_pylist()])
    found = measured(with_new_product(rows, who))
    assert names(found, "column")[0].startswith("unseen share: ")
    assert names(found, "word") == ["nova", "satellite"]
    shown = {"queue": "predicted queue", "crm_plan": "customer plan", "channel": "channel"}[column]
    assert names(found, "segment") == [f"{shown}: {value}"]
    [cause] = [c for c in found.changed if c.what == "segment"]
    assert int(cause.told.split("%")[0]) > 90
    assert "of the tickets that unseen share gained" in cause.told
    assert cause.reference < 0.2 < 0.9 < cause.current
    assert queues_of(found.explained()["changed"]) == ((value,) if column == "queue" else ())


def test_words_that_everybody_uses_are_blamed_on_nobody():
    rows = day(2, 1_000)
    found = measured(with_new_product(rows, np.random.default_rng(1).random(1_000) < 0.4))
    assert found.flagged
    assert names(found, "segment") == []
    assert names(found, "word") == ["nova", "satellite"]


def test_a_wave_into_one_queue_names_it_and_the_queue_that_it_took_from():
    found = measured(day(3, 1_000, shares=np.array([0.15, 0.1, 0.55, 0.2])))
    told = names(found, "column") + names(found, "segment")
    assert {"predicted queue: outage", "predicted queue: billing"} <= set(told)
    assert {"prediction", "label"} <= {c.kind for c in found.changed}


def test_a_new_channel_is_named():
    rows = day(4, 1_000)
    calls = replaced(
        rows, "channel", ["phone" if i % 2 else c for i, c in enumerate(rows.column("channel").to_pylist())]
    )
    assert names(measured(calls), "column") == ["channel: (new)"]


def test_a_changed_rule_names_the_queues_and_the_customers_of_which_outcomes_contradict_the_promises():
    found = measured(day(5, 800, rule=refunds_are_complaints))
    assert names(found, "outcome")[-1] == "billing → complaint"
    assert "queue: billing" in {c.name.replace("predicted ", "") for c in found.changed if c.kind == "concept"}
    ported = measured(day(5, 1_500, rule=business_ports_elsewhere))
    assert {"customer plan: business", "predicted queue: porting", "porting → (another)"} <= set(
        names(ported, "outcome")
    )

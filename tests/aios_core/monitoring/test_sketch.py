"""Sketches add up: the law that lets any window be a sum and never a second reading."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios_core.automation import Monitoring
from aios_core.monitoring.drift import measure, measure_sketches
from aios_core.monitoring.errors import MonitorError
from aios_core.monitoring.sketch import Sketch, cuts_of, empty, merge, sketch
from tests.aios_core.monitoring.samples import world

ROW = st.tuples(
    st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True, width=32)),
    st.one_of(st.none(), st.sampled_from(["email", "web", "", "(new)", "é🎉"])),
    st.one_of(st.none(), st.booleans()),
)
ROWS = st.lists(ROW, max_size=40)


def table(rows):
    length, channel, vip = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table({
        "length": pa.array(length, pa.float64()),
        "channel": pa.array(channel, pa.string()),
        "vip": pa.array(vip, pa.bool_()),
    })  # fmt: skip


def arrow(frame):
    return pa.Table.from_pandas(frame, preserve_index=False)


def same(one, other):
    return one.as_json() == other.as_json()


TICKET = st.tuples(
    st.one_of(st.none(), st.sampled_from(["web", "email", "chat"])),
    st.one_of(st.none(), st.sampled_from([0.01, 0.2, 0.9])),
    st.sampled_from(["billing", "outage"]),
    st.sampled_from(["my bill", "no signal", "Nova bill", None]),
    st.integers(0, 1_000_000),
)
TICKETS = st.lists(TICKET, max_size=20)


def tickets(rows):
    channel, unseen, queue, text, share = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    return pa.table({
        "channel": pa.array(channel, pa.string()),
        "unseen_share": pa.array(unseen, pa.float64()),
        "queue": pa.array(queue, pa.string()),
        "text": pa.array(text, pa.string()),
        "probabilities": pa.array([[s / 1e6, 1 - s / 1e6] for s in share], pa.list_(pa.float64())),
    })  # fmt: skip


def without_words(made):
    return {name: part for name, part in made.as_json().items() if name != "words"}


@given(reference=TICKETS, a=TICKETS, b=TICKETS, c=TICKETS)
@settings(max_examples=60, deadline=None)
def test_segments_probabilities_and_different_values_add_up_to_the_last_bit(reference, a, b, c):
    cuts = cuts_of(tickets(reference), classes=("billing", "outage"))
    one, two, three = (sketch(cuts, tickets(rows)) for rows in (a, b, c))
    together = without_words(sketch(cuts, tickets(a + b + c)))
    assert without_words(merge([merge([one, two]), three])) == together
    assert without_words(merge([one, merge([three, two])])) == together
    assert same(merge([empty(cuts), one]), one)
    assert same(Sketch.from_json(json.loads(json.dumps(one.as_json()))), one)
    assert int(one.expected.sum()) == 1_000_000 * len(a)


def test_a_sketch_knows_in_whose_tickets_the_unseen_words_were():
    reference = tickets([("web", 0.01, "billing", "x", 0), ("email", 0.2, "outage", "x", 0)] * 30)
    cuts = cuts_of(reference, classes=("billing", "outage"))
    found = sketch(cuts, tickets([("web", 0.2, "billing", "x", 0)] * 7 + [("email", 0.01, "billing", "x", 0)] * 2))
    cross = found.cross["channel", "unseen_share"]
    web, email = (cuts.columns["channel"].categories.index(name) for name in ("web", "email"))
    low, high = (cuts.columns["unseen_share"].categories.index(value) for value in (0.01, 0.2))
    assert (cross[web, high], cross[email, low], cross[web, low], cross.sum()) == (7, 2, 0, 9)


def test_a_window_that_has_no_texts_makes_the_whole_have_no_words_rather_than_too_few():
    cuts = cuts_of(tickets([("web", 0.1, "billing", "my bill", 0)] * 30), classes=("billing", "outage"))
    told = sketch(cuts, tickets([("web", 0.1, "billing", "my bill", 0)] * 5))
    silent = sketch(cuts, tickets([("web", 0.1, "billing", "my bill", 0)] * 5).drop_columns(["text", "probabilities"]))
    assert told.words.counts == {"bill": 5}
    whole = merge([told, silent])
    assert (whole.rows, whole.words, whole.expected) == (10, None, None)


@given(reference=ROWS, a=ROWS, b=ROWS, c=ROWS)
def test_merging_is_associative_commutative_and_equal_to_one_pass(reference, a, b, c):
    cuts = cuts_of(table(reference))
    one, two, three = (sketch(cuts, table(rows)) for rows in (a, b, c))
    together = sketch(cuts, table(a + b + c))
    assert same(merge([merge([one, two]), three]), together)
    assert same(merge([one, merge([two, three])]), together)
    assert same(merge([three, one, two]), together)
    assert same(merge([empty(cuts), one]), one)


@given(reference=ROWS, rows=ROWS)
def test_a_sketch_survives_json_and_loses_no_row(reference, rows):
    made = sketch(cuts_of(table(reference)), table(rows))
    assert same(Sketch.from_json(json.loads(json.dumps(made.as_json()))), made)
    assert {int(counts.sum()) for counts in made.counts.values()} == {len(rows)}


def test_drift_of_a_week_is_the_drift_of_its_days_added_up():
    reference, days = arrow(world(99, 5_000)), [arrow(world(seed, 300, new_words=1.5)) for seed in range(7)]
    cuts = cuts_of(reference)
    added = measure_sketches(
        cuts, sketch(cuts, reference), merge(sketch(cuts, day) for day in days), limits=Monitoring(), page=False
    )
    assert added == measure(reference, pa.concat_tables(days), limits=Monitoring(), page=False)
    assert added.flagged


def test_a_column_that_one_day_lacked_is_left_out_of_the_week_and_named():
    reference = arrow(world(99, 1_000))
    cuts = cuts_of(reference)
    days = [arrow(world(1, 300)), arrow(world(2, 300)).drop_columns(["crm_plan"])]
    week = merge(sketch(cuts, day) for day in days)
    assert (week.rows, week.absent, "crm_plan" in week.counts) == (600, {"crm_plan"}, False)
    found = measure_sketches(cuts, sketch(cuts, reference), week, limits=Monitoring(), page=False)
    assert found.skipped == {"crm_plan": "not in this window"}


def test_sketches_under_different_cuts_are_not_added():
    one, other = cuts_of(arrow(world(1, 500))), cuts_of(arrow(world(2, 500)))
    assert one.fingerprint != other.fingerprint
    with pytest.raises(MonitorError, match="different cuts"):
        merge([empty(one), empty(other)])
    with pytest.raises(MonitorError, match="no window"):
        merge([])


def test_a_year_of_days_is_added_up_without_a_row_being_read():
    cuts = cuts_of(arrow(world(99, 5_000)))
    day = sketch(cuts, arrow(world(1, 300)))
    year = merge([day] * 365)
    assert year.rows == 365 * 300
    assert all((year.counts[name] == 365 * counts).all() for name, counts in day.counts.items())
    assert np.array_equal(year.counts["queue"], day.counts["queue"] * 365)

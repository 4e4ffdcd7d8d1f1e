"""What turned out, as counts: they add up like sketches, and hold what outcomes and promises say."""

import json

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios_core.monitoring.errors import MonitorError
from aios_core.monitoring.settled import Settled, add_settled, nothing_settled, settle
from aios_core.monitoring.sketch import cuts_of
from tests.aios_core.monitoring.settling import CLASSES, business_ports_elsewhere, day, reference

CUTS = reference(rows=300).cuts
PIECES = [day(seed, 40, settled=0.6, rule=business_ports_elsewhere) for seed in range(6)]
parts = st.lists(st.sampled_from(range(len(PIECES))), min_size=1, max_size=5)


@given(one=parts, two=parts)
@settings(max_examples=40, deadline=None)
def test_adding_is_commutative_associative_and_equal_to_one_pass(one, two):
    each = [settle(CUTS, PIECES[i]) for i in one + two]
    together = settle(CUTS, pa.concat_tables([PIECES[i] for i in one + two])).as_json()
    assert add_settled(each).as_json() == together
    assert add_settled(each[::-1]).as_json() == together
    grouped = add_settled([add_settled(each[: len(one)]), add_settled(each[len(one) :]), nothing_settled(CUTS)])
    assert grouped.as_json() == together


def test_it_counts_the_settled_alone_and_says_what_was_right_and_what_promised():
    rows = day(1, 500, settled=0.5, rule=business_ports_elsewhere)
    found = settle(CUTS, rows)
    told = zip(*(rows.column(name).to_pylist() for name in ("queue", "label", "confidence")), strict=True)
    known = [row for row in told if row[1] is not None]
    assert found.rows == len(known)
    assert found.right == sum(q == label for q, label, _ in known)
    assert found.promised == pytest.approx(sum(c for *_, c in known))
    assert int(found.seen[:, -1].sum()) == sum(label == "wholesale" for _, label, _ in known) > 0
    assert int(found.segments["crm_plan"][:, 0].sum()) == len(known)


def test_it_survives_json_and_nothing_settled_is_nothing():
    found = settle(CUTS, PIECES[0])
    assert Settled.from_json(json.loads(json.dumps(found.as_json()))).as_json() == found.as_json()
    none = settle(CUTS, PIECES[0].set_column(PIECES[0].column_names.index("label"), "label", pa.nulls(40, pa.string())))
    assert none.as_json() == nothing_settled(CUTS).as_json()


def test_rows_that_can_not_be_settled_say_why():
    with pytest.raises(MonitorError, match="without label"):
        settle(CUTS, PIECES[0].drop_columns(["label"]))
    stranger = PIECES[0].set_column(PIECES[0].column_names.index("queue"), "queue", pa.array(["moon"] * 40))
    with pytest.raises(MonitorError, match="'moon' was predicted"):
        settle(CUTS, stranger)
    two = ("billing", "outage")
    with pytest.raises(MonitorError, match="probabilities of 2 classes"):
        settle(cuts_of(PIECES[0], classes=two), PIECES[0].filter(pc.is_in(PIECES[0].column("queue"), pa.array(two))))
    with pytest.raises(MonitorError, match="can't be added"):
        add_settled([])


def test_outcomes_of_other_versions_are_not_added():
    other = cuts_of(day(5, 300), classes=CLASSES)
    with pytest.raises(MonitorError, match="different cuts"):
        add_settled([nothing_settled(CUTS), nothing_settled(other)])

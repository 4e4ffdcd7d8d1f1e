"""A version's reference: whole from its file, less from the rows of older versions, and an error where it can't be read."""

import json
from dataclasses import replace

import pyarrow as pa
import pytest

from aios_core.automation import Monitoring
from aios_core.monitoring.drift import measure_window
from aios_core.monitoring.errors import MonitorError
from aios_core.monitoring.reference import Reference, Window, add_windows, from_rows_apart, read_reference
from aios_core.monitoring.settled import settle
from aios_core.monitoring.sketch import BESIDE, sketch
from tests.aios_core.monitoring.settling import CLASSES, day, reference

MADE = reference(rows=800)


def window(rows: pa.Table, known: Reference) -> Window:
    return Window(sketch=sketch(known.cuts, rows), settled=settle(known.cuts, rows))


def test_it_comes_back_as_it_was_written_and_measures_alike():
    read = read_reference(MADE.to_bytes())
    assert read.cuts.fingerprint == MADE.cuts.fingerprint
    assert read.to_bytes() == MADE.to_bytes()
    rows = day(1, 500, words="nova")
    one, other = (
        measure_window(known, window(rows, known), limits=Monitoring(), page=False)
        for known in (
            MADE,
            Reference(
                cuts=read.cuts, sketch=read.sketch, settled=read.settled, labels=MADE.labels, calibration_error=0.01
            ),
        )
    )
    assert one == other
    assert [c.name for c in one.changed if c.what == "word"] == []  # explained only where something drifted


def test_labels_are_those_of_the_newest_rows_where_there_are_enough_of_them():
    newest = MADE.settled.seen.sum(axis=0)
    assert MADE.label_counts == dict(zip(CLASSES, newest[:-1].tolist(), strict=True)) != MADE.labels
    assert reference(rows=100).label_counts == MADE.labels
    assert replace(MADE, settled=None).label_counts == MADE.labels


def test_an_older_version_without_a_sketch_is_still_compared_with_its_rows():
    plain = day(99, 800).drop_columns([*BESIDE, "label"])
    old = from_rows_apart(plain, classes=CLASSES)
    found = measure_window(old, window(day(1, 500), old), limits=Monitoring(), page=False)
    assert found.share == 0
    assert {kind.kind: kind.drifted for kind in found.kinds}["concept"] is False
    assert found.columns["queue"].distinct_reference is None
    short = day(1, 500).set_column(2, "text_length", pa.array([9.0] * 500))
    grown = measure_window(old, window(short, old), limits=Monitoring(), page=False)
    assert [c.name.split(":")[0] for c in grown.changed] == ["text length"]


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda told: "{", "can't be read"),
        (lambda told: json.dumps(told | {"format": 9}), "has format 9"),
        (lambda told: json.dumps({k: v for k, v in told.items() if k != "cuts"}), "can't be read"),
        (lambda told: json.dumps(told | {"sketch": told["sketch"] | {"cuts": "0" * 16}}), "not under its own cuts"),
        (
            lambda told: json.dumps(told | {"cuts": {"columns": {"a": {"kind": "image"}}, "classes": []}}),
            "no kind of column",
        ),
        (lambda told: json.dumps([told]), "can't be read"),
    ],
)
def test_a_damaged_reference_is_an_error_that_says_what_to_do(damage, what):
    with pytest.raises(MonitorError, match=what) as raised:
        read_reference(damage(json.loads(MADE.to_bytes())).encode())
    assert "train" in str(raised.value)


def test_a_reference_of_another_schema_is_an_error_not_no_drift():
    strange = pa.table({"petal_length": [1.0] * 300, "ticket_id": ["1"] * 300, "source": ["x"] * 300})
    other = from_rows_apart(strange.drop_columns(["ticket_id", "source"]), classes=CLASSES)
    with pytest.raises(MonitorError, match="share no column"):
        measure_window(other, Window(sketch=sketch(other.cuts, day(1, 300))), limits=Monitoring(), page=False)


def test_numbers_that_became_texts_are_an_error_that_names_the_column():
    rows = day(1, 300)
    wrong = rows.set_column(rows.column_names.index("text_length"), "text_length", pa.array(["long"] * 300))
    with pytest.raises(MonitorError, match="column text_length: the model's reference holds numbers"):
        sketch(MADE.cuts, wrong)


def test_a_window_without_rows_says_so():
    found = measure_window(MADE, window(day(1, 300).slice(0, 0), MADE), limits=Monitoring(), page=False)
    assert (found.share, found.flagged) == (None, False)
    assert found.reason.startswith("too few rows to say: 0")
    assert {kind.drifted for kind in found.kinds} == {None}


def test_windows_add_up_and_what_is_settled_is_known_only_where_all_know_it():
    one, two = window(day(1, 100), MADE), window(day(2, 200), MADE)
    both = add_windows([one, two])
    assert (both.sketch.rows, both.settled.rows) == (300, 300)
    assert add_windows([one, Window(sketch=two.sketch)]).settled is None

"""The law of the row readers: every byte belongs to exactly one item, and nothing but the first bad line is refused."""

import csv
import io

from hypothesis import example, given, settings
from hypothesis import strategies as st

from resources.connectors.files.rows import Item, csv_items, jsonl_items

COLUMNS = ("a", "b")
FIELD = st.text(alphabet='xy ,"\n\r\té😀ع\x00', max_size=12)


def read(data: bytes) -> list[Item]:
    lines = io.BytesIO(data)
    return list(csv_items(iter(lines.readline, b""), columns=COLUMNS, delimiter=",", encoding="utf-8"))


@settings(max_examples=200, deadline=None)
@given(data=st.one_of(st.binary(max_size=200), st.text(alphabet='xy,"\n\r', max_size=200).map(str.encode)))
@example(data=b'x,"\ny,y\nx,"y\n')
@example(data=b'"')
def test_whatever_a_csv_file_holds_every_byte_is_accounted_for(data: bytes) -> None:
    items = read(data)
    assert b"".join(i.raw for i in items) == data
    assert all(i.settled for i in items[:-1])
    assert all(i.payload is None or not i.code for i in items)
    assert all(i.payload is not None or i.code or not i.raw.strip(b"\r\n") for i in items)


@settings(max_examples=200, deadline=None)
@given(rows=st.lists(st.tuples(FIELD, FIELD), max_size=20))
def test_well_formed_csv_comes_back_as_it_was_written(rows: list[tuple[str, str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    items = read(text.getvalue().encode())
    assert [tuple(i.payload.values()) for i in items if i.payload is not None] == rows


@settings(max_examples=100, deadline=None)
@given(place=st.integers(0, 9), bad=st.sampled_from([b'x,"open\n', b'"a"b,c\n', b"one\n", b"a,b,c\n", b"\xff,x\n"]))
def test_one_bad_line_anywhere_costs_one_row(place: int, bad: bytes) -> None:
    good = [f"{n},text\n".encode() for n in range(10)]
    items = read(b"".join([*good[:place], bad, *good[place:]]))
    assert [i.raw for i in items if i.payload is not None] == good
    assert [i.raw for i in items if i.code] == [bad]


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=200))
def test_whatever_a_json_lines_file_holds_every_byte_is_accounted_for(data: bytes) -> None:
    items = list(jsonl_items(iter(io.BytesIO(data).readline, b""), encoding="utf-8"))
    assert b"".join(i.raw for i in items) == data
    assert all(i.payload is not None or i.code or not i.raw.strip() for i in items)

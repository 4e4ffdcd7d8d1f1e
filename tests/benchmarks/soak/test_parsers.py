"""Parsers under whatever may come: any JSON, any mutation of a real answer, any bytes. Nothing crashes, and good items arrive beside bad ones."""

import copy
import json
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.soak import parsers
from benchmarks.soak.fuzzing import mutated, nested
from resources.connectors.base import Page, Reject
from resources.database import Database
from resources.landing import LandingStore
from tests.resources.ingesting import rows

TARGETS = parsers.targets()
PAGES = sorted(name for name in TARGETS if not name.startswith(("hook.", "file.", "topic.")))
CALM = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(["", "0", "2026-03-01", "9999-12-31T23:59:59Z", "\0", "x" * 500, "-1", "1e999"]),
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)


def as_json(value: Any) -> bytes:
    """As a vendor may write it: with integers past 64 bits too."""
    return json.dumps(value).encode()


@pytest.mark.parametrize("name", TARGETS)
@CALM
@given(data=st.data())
def test_any_mutation_of_a_real_answer_is_records_and_rejects_and_never_a_crash(name: str, data: st.DataObject) -> None:
    seed = parsers.seeds()[name]
    if name.startswith("file."):
        cut, put = data.draw(st.integers(0, len(seed))), data.draw(st.binary(max_size=12))
        TARGETS[name](seed[:cut] + put + seed[data.draw(st.integers(cut, len(seed))) :])
        return
    TARGETS[name](
        as_json(mutated(orjson.loads(seed), data.draw(st.randoms(use_true_random=False)), data.draw(anything)))
    )


@pytest.mark.parametrize("name", TARGETS)
@CALM
@given(value=anything)
def test_any_json_at_all_is_read_or_refused_with_a_code(name: str, value: Any) -> None:
    TARGETS[name](as_json(value))


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("depth", [100, 300, 5_000])
def test_json_nested_past_every_limit_is_no_crash(name: str, depth: int) -> None:
    seed = parsers.seeds()[name]
    if name.startswith(("hook.", "file.", "topic.")):
        TARGETS[name](b"[" * depth + b"]" * depth)
        return
    body = orjson.loads(seed)
    TARGETS[name](nested(body, parsers.items_of(name, body), depth))


@pytest.mark.parametrize("name", PAGES)
@CALM
@given(data=st.data())
def test_items_beside_a_broken_one_arrive_as_they_are(name: str, data: st.DataObject) -> None:
    body = orjson.loads(parsers.seeds()[name])
    items = parsers.items_of(name, body)
    assert items is not None
    good = copy.deepcopy(items)
    items.insert(data.draw(st.integers(0, len(items))), data.draw(scalars | st.lists(scalars, max_size=3)))
    page = parsers.pages_of(name, as_json(body))[0]
    assert [record.payload for record in page.records] == good
    assert [reject.code for reject in page.rejects] == ["record.not_an_object"]


@pytest.mark.parametrize("name", ["zendesk.tickets", "freshdesk.tickets", "salesforce.customers"])
def test_rejects_are_in_quarantine_with_their_code_and_the_rest_of_the_page_has_landed(
    database: Database, name: str
) -> None:
    body = orjson.loads(parsers.seeds()[name])
    items = parsers.items_of(name, body)
    assert items is not None
    good = len(items)
    items += [None, "a text", {"id": [1]}, {"Id": {}}]
    page = parsers.pages_of(name, as_json(body))[0]
    landed = LandingStore(database).land(automation="soak", source="vendor", page=page, previous_cursor=None)
    assert (landed.landed, landed.rejected) == (good, 4)
    codes = dict(rows(database, "select code, count(*) from quarantine group by code"))
    assert sum(codes.values()) == 4
    assert codes["record.not_an_object"] == 2
    assert all(parsers.CODE.match(code) for code in codes)


def test_the_law_is_one_that_can_be_broken() -> None:
    record = parsers.pages_of("freshdesk.tickets", parsers.seeds()["freshdesk.tickets"])[0].records[0]
    page = Page(object="tickets", records=(record,), rejects=(), cursor=7, done=True)  # type: ignore[arg-type]
    with pytest.raises(parsers.Broken, match="a cursor that is no text"):
        parsers.check_pages(parsers.declared("freshdesk"), "freshdesk", "tickets", [page])
    with pytest.raises(parsers.Broken, match="no stable code"):
        reject = Reject(object="tickets", external_id="1", code="Oh no!", message="", payload="")
        parsers.check_pages(
            parsers.declared("freshdesk"), "freshdesk", "tickets", [replace(page, cursor="", rejects=(reject,))]
        )

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios_core.automation import CrmFeature, Features
from aios_core.features.build import FeatureError, build_features

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SPEC = Features(customer=(CrmFeature(name="plan", kind="categorical"), CrmFeature(name="spend", kind="numeric")))


def tickets(*rows):
    base = {
        "source": "desk", "ticket_id": "1", "version": "v1", "correlation_id": "c1", "created_at": NOON, "known_at": NOON,
        "subject": "Help", "body": "It broke", "priority": "high", "channel": "web", "language": "en",
        "requester_id": "u1", "customer_id": None,
    }  # fmt: skip
    return pa.Table.from_pylist([base | row for row in rows], schema=pa.schema(
        [(n, pa.timestamp("us", tz="UTC") if n.endswith("_at") else pa.string()) for n in base]
    ))  # fmt: skip


def contacts(*rows):
    base = {
        "source": "desk",
        "contact_id": "u1",
        "version": "1",
        "customer_id": "A",
        "event_time": NOON,
        "known_at": NOON,
    }
    return pa.Table.from_pylist([base | row for row in rows]) if rows else pa.table({})


def customers(*rows):
    base = {"source": "crm", "customer_id": "A", "version": "1", "event_time": NOON - HOUR, "known_at": NOON - HOUR}
    return pa.Table.from_pylist([base | row for row in rows]) if rows else pa.table({})


def plan_of(ticket, *versions, links=({},)):
    built = build_features(tickets(ticket), contacts=contacts(*links), customers=customers(*versions), features=SPEC)
    return built.column("crm_plan")[0].as_py()


def test_a_ticket_gets_its_customers_facts_and_its_own_text():
    built = build_features(
        tickets({}),
        contacts=contacts({}),
        customers=customers({"attributes": '{"plan": "plus", "spend": "12.5"}'}),
        features=SPEC,
    )
    (row,) = built.to_pylist()
    assert row["text"] == "Help\nIt broke"
    assert (row["ticket_version"], row["priority"], row["customer_id"]) == ("v1", "high", "A")
    assert (row["crm_plan"], row["crm_spend"]) == ("plus", 12.5)


def test_a_fact_that_became_true_after_the_ticket_is_not_used():
    before = {"version": "1", "attributes": '{"plan": "basic"}'}
    future = {"version": "2", "event_time": NOON + HOUR, "known_at": NOON + HOUR, "attributes": '{"plan": "leaked"}'}
    assert plan_of({}, before, future) == "basic"


def test_a_fact_that_was_recorded_after_the_ticket_came_is_not_used_even_if_the_ticket_version_is_younger():
    backdated = {"known_at": NOON + HOUR, "attributes": '{"plan": "leaked"}'}
    assert plan_of({"known_at": NOON + 5 * HOUR}, backdated) is None


def test_the_newest_fact_true_at_arrival_wins_over_one_recorded_later():
    old = {"version": "1", "event_time": NOON - 9 * HOUR, "known_at": NOON - HOUR, "attributes": '{"plan": "old"}'}
    new = {"version": "2", "event_time": NOON - 2 * HOUR, "known_at": NOON - 2 * HOUR, "attributes": '{"plan": "new"}'}
    assert plan_of({}, old, new) == plan_of({}, new, old) == "new"


def test_a_link_to_a_customer_is_identity_and_may_be_known_later_than_the_ticket():
    known = {"attributes": '{"plan": "plus"}'}
    later = {"known_at": NOON + HOUR}
    assert plan_of({}, known, links=(later,)) == "plus"


def test_a_link_known_at_arrival_is_not_replaced_by_a_later_one():
    first = {"customer_id": "A", "known_at": NOON - HOUR}
    moved = {"customer_id": "B", "version": "2", "known_at": NOON + HOUR}
    assert plan_of({}, {"attributes": '{"plan": "plus"}'}, links=(moved, first)) == "plus"


def test_a_customer_named_by_the_ticket_needs_no_link():
    assert plan_of({"customer_id": "A", "requester_id": None}, {"attributes": {"plan": "plus"}}, links=()) == "plus"


def test_unknown_customers_give_nulls_and_odd_values_become_clean_ones():
    odd = customers({"attributes": '{"plan": true, "spend": "not a number"}'})
    built = build_features(
        tickets({}, {"requester_id": "nobody"}), contacts=contacts({}), customers=odd, features=SPEC
    ).to_pylist()
    assert [(row["crm_plan"], row["crm_spend"]) for row in built] == [("true", None), (None, None)]


def test_no_customers_and_no_contacts_at_all_still_give_features():
    built = build_features(tickets({}, {}), contacts=pa.table({}), customers=pa.table({}), features=SPEC)
    assert built.num_rows == 2
    assert built.column("crm_plan").null_count == 2


def test_only_the_declared_text_fields_are_read():
    built = build_features(
        tickets({}), contacts=contacts(), customers=customers(), features=Features(text=("subject",))
    )
    assert built.column("text").to_pylist() == ["Help"]


def test_a_missing_column_is_named():
    with pytest.raises(FeatureError, match="tickets table has no column body"):
        build_features(tickets({}).drop_columns(["body"]), contacts=contacts(), customers=customers(), features=SPEC)


hours = st.integers(-6, 6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(hours, hours), max_size=8))
def test_whatever_the_versions_the_fact_used_is_the_newest_that_was_true_and_known(clocks):
    versions = [
        {
            "version": str(i),
            "event_time": NOON + e * HOUR,
            "known_at": NOON + k * HOUR,
            "attributes": f'{{"spend": {i}}}',
        }
        for i, (e, k) in enumerate(clocks)
    ]
    built = build_features(tickets({}), contacts=contacts({}), customers=customers(*versions), features=SPEC)
    used = built.column("crm_spend")[0].as_py()
    usable = [(e, k, i) for i, (e, k) in enumerate(clocks) if e <= 0 and k <= 0]
    assert used == (None if not usable else max(usable, key=lambda v: (v[0], v[1], str(v[2])))[2])

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from aios_core.review.batching import ExistingBatch, WaitingCase, batch_name, plan

DAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)

queues = st.sampled_from(["billing", "outage", "Card/payment wrong?", "a.2", "a", "ünknown"])
cases = st.lists(st.tuples(queues, st.floats(0, 50), st.integers(0, 600)), max_size=60).map(
    lambda rows: [
        WaitingCase(case_id=f"c{i:03}", queue=q, priority=p, waiting_since=NOW - timedelta(minutes=m))
        for i, (q, p, m) in enumerate(rows)
    ]
)


def waiting(count: int, queue: str = "billing") -> list[WaitingCase]:
    return [WaitingCase(case_id=f"c{i}", queue=queue, priority=float(i), waiting_since=NOW) for i in range(count)]


@given(cases, st.integers(1, 12))
def test_every_case_is_in_exactly_one_batch_and_no_batch_is_too_large(found, max_batch):
    batches = plan(found, max_batch=max_batch, day=DAY)
    assert sorted(c for b in batches for c in b.cases) == sorted(c.case_id for c in found)
    assert all(0 < len(b.cases) <= max_batch for b in batches)
    assert len({b.name for b in batches}) == len(batches)


@given(cases, st.integers(1, 12), st.randoms())
def test_the_order_in_which_cases_come_does_not_matter(found, max_batch, random):
    shuffled = list(found)
    random.shuffle(shuffled)
    assert plan(shuffled, max_batch=max_batch, day=DAY) == plan(found, max_batch=max_batch, day=DAY)


@given(cases, st.integers(1, 12))
def test_a_case_never_waits_behind_one_of_lower_priority(found, max_batch):
    rank = {c.case_id: c.priority for c in found}
    for queue in {c.queue for c in found}:
        order = [rank[c] for b in plan(found, max_batch=max_batch, day=DAY) if b.queue == queue for c in b.cases]
        assert order == sorted(order, reverse=True)


@given(st.lists(st.integers(0, 9), max_size=8), st.integers(1, 10))
def test_planning_in_steps_never_gives_a_name_twice_nor_overfills(arrivals, max_batch):
    sizes: dict[str, int] = {}
    made: list[str] = []
    for step, count in enumerate(arrivals):
        new = [
            WaitingCase(case_id=f"{step}-{i}", queue="billing", priority=1.0, waiting_since=NOW) for i in range(count)
        ]
        existing = [ExistingBatch(name=n, queue="billing", room=max_batch - s) for n, s in sizes.items()]
        for batch in plan(new, max_batch=max_batch, day=DAY, existing=existing):
            assert batch.new == (batch.name not in sizes)
            made += [batch.name] if batch.new else []
            sizes[batch.name] = sizes.get(batch.name, 0) + len(batch.cases)
    assert len(set(made)) == len(made)
    assert all(s <= max_batch for s in sizes.values())
    assert sum(sizes.values()) == sum(arrivals)
    assert len(made) == -(-sum(arrivals) // max_batch)


def test_names_are_the_day_and_queue_then_numbered():
    assert [b.name for b in plan(waiting(5), max_batch=2, day=DAY)] == [
        "2026-11-20/billing",
        "2026-11-20/billing.2",
        "2026-11-20/billing.3",
    ]


def test_a_closed_batch_is_not_filled_and_its_name_not_used_again():
    closed = ExistingBatch(name="2026-11-20/billing", queue="billing", room=0)
    (batch,) = plan(waiting(2), max_batch=5, day=DAY, existing=[closed])
    assert (batch.name, batch.new) == ("2026-11-20/billing.2", True)


def test_a_batch_waits_as_long_as_its_oldest_case():
    old = WaitingCase(case_id="old", queue="billing", priority=0.0, waiting_since=NOW - timedelta(hours=3))
    assert plan([*waiting(2), old], max_batch=5, day=DAY)[0].waiting_since == NOW - timedelta(hours=3)


def test_queues_that_look_alike_in_a_name_keep_names_of_their_own():
    names = {batch_name(DAY, q, 1) for q in ("a b", "a-b", "a/b", "a", "a.2", "..", "/")}
    assert len(names) == 7
    assert all(n.count("/") == 1 and ".." not in n for n in names)
    assert batch_name(DAY, "a", 2) not in names


def test_audit_cases_stand_among_the_others_over_all_batches_of_a_queue():
    """By their own priority, that of a sure case, they would fill the last batch."""
    sure = [
        WaitingCase(case_id=f"a{n}", queue="billing", priority=0.001, waiting_since=NOW, audit=True) for n in range(30)
    ]
    planned = plan([*waiting(70), *sure], max_batch=10, day=DAY)
    with_audit = [batch for batch in planned if any(c.startswith("a") for c in batch.cases)]
    assert len(with_audit) >= 8
    assert set().union(*(batch.drawn for batch in planned)) == {c.case_id for c in sure}

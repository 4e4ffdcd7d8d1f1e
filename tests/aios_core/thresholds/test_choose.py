"""The choice: monotone in what a manager turns, in order whatever comes, and truly the cheapest."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios_core.thresholds.calibrate import calibrate
from aios_core.thresholds.choose import NEVER, Load, chain, stream_of, within
from tests.aios_core.thresholds.making import automation, tickets

CUTS = [n / 20 for n in range(6, 20)]
QUEUES = ("billing", "fraud", "outage")


def streams(seeds, *, rows=80, audit=0.0, **decisions):
    declared = automation(**decisions)
    found = {}
    for queue, seed in zip(QUEUES, seeds, strict=False):
        mine = tickets(rows, seed=seed, queue=queue)
        found[queue] = stream_of(mine, calibrate(mine), automation=declared, share=1.0, audit_share=audit)
    return found


def options(seeds, **more):
    return {name: (stream, [*CUTS, NEVER], [*CUTS, NEVER]) for name, stream in streams(seeds, **more).items()}


SEEDS = st.lists(st.integers(0, 10_000), min_size=1, max_size=3)


@settings(max_examples=25, deadline=None)
@given(seeds=SEEDS, capacities=st.tuples(st.floats(0, 250), st.floats(0, 250)))
def test_more_capacity_never_costs_more(seeds, capacities) -> None:
    steps, cheapest = chain(options(seeds))
    few, many = (steps[within(steps, cheapest, c)].load for c in sorted(capacities))
    assert many.cost <= few.cost + 1e-9


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), costs=st.tuples(st.floats(0, 80), st.floats(0, 80)))
def test_a_dearer_error_never_lowers_a_cut_off(seed, costs) -> None:
    cuts = []
    for cost in sorted(costs):
        steps, cheapest = chain(options([seed], costs={"wrong_automation": cost, "wrong_draft": 3, "review": 2}))
        cuts.append(steps[cheapest].pairs["billing"])
    assert cuts[1][0] >= cuts[0][0]


@settings(max_examples=25, deadline=None)
@given(seeds=SEEDS)
def test_automate_is_always_above_draft_and_the_chain_only_saves_reviews(seeds) -> None:
    steps, cheapest = chain(options(seeds))
    for step in steps:
        assert all(a > d or a == d == NEVER for a, d in step.pairs.values())
    reviews = [s.load.reviews for s in steps]
    assert all(a > b for a, b in pairwise(reviews))
    costs = [s.load.cost for s in steps]
    assert costs[cheapest] == pytest.approx(min(costs))
    assert all(a <= b + 1e-9 for a, b in pairwise(costs[cheapest:]))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_without_a_capacity_it_is_the_cheapest_of_all_pairs(seed) -> None:
    made = options([seed])
    steps, cheapest = chain(made)
    stream, automate, draft = made["billing"]
    everything = min(cost for _, _, cost in stream.pairs(automate, draft))
    assert steps[cheapest].load.cost == pytest.approx(everything)


def test_a_load_is_what_counting_row_by_row_gives() -> None:
    mine = tickets(300, seed=3)
    found = stream_of(mine, calibrate(mine), automation=automation(), share=0.5, audit_share=0.1).load((0.8, 0.5))
    error = calibrate(mine).error(mine.queue, mine.confidence)
    high, middle = mine.confidence >= 0.8, (mine.confidence >= 0.5) & (mine.confidence < 0.8)
    assert found.tickets == pytest.approx(150)
    assert found.automated == pytest.approx(0.5 * 0.9 * high.sum())
    assert found.wrong == pytest.approx(0.5 * 0.9 * error[high].sum())
    low = 300 - high.sum() - middle.sum()
    assert found.reviews == pytest.approx(0.5 * (low + 0.1 * (high.sum() + middle.sum())))
    draft = 2.5 * 32 / 60
    paid = 12 * error[high].sum() + draft * middle.sum() + 3 * error[middle].sum() + 2 * low
    seen_by_people = 2 * 0.1 * 300
    assert found.cost == pytest.approx(0.5 * (0.9 * paid + seen_by_people))


def test_where_not_even_the_fewest_reviews_can_be_done_the_fewest_are_chosen() -> None:
    steps, cheapest = chain(options([1], audit=0.5))
    assert within(steps, cheapest, 0.0) == len(steps) - 1
    assert steps[-1].load.reviews == pytest.approx(40)


def test_a_review_is_saved_where_that_costs_least() -> None:
    made = streams([1, 2], rows=200)
    both = {name: (stream, [NEVER], [*CUTS, NEVER]) for name, stream in made.items()}
    steps, cheapest = chain(both)
    prices = [(b.load.cost - a.load.cost) / (a.load.reviews - b.load.reviews) for a, b in pairwise(steps)]
    assert prices == pytest.approx(sorted(prices))
    assert steps[0].load != steps[cheapest].load


def test_loads_add_up_and_an_error_needs_something_automated() -> None:
    one = Load(tickets=2, automated=1, wrong=0.5, cost=3)
    assert (one + one).cost == 6
    assert (one + one).error == 0.5
    assert Load().error is None


def test_calibration_falls_with_confidence_and_knows_a_rare_kind_of_row_by_its_weight() -> None:
    mine = tickets(2_000, seed=5, error=lambda c: 1.3 - c)
    found = calibrate(mine)
    at = found.error(mine.queue[:3], np.array([0.4, 0.7, 0.95]))
    assert at[0] > at[1] > at[2]
    assert at[1] == pytest.approx(0.6, abs=0.1)
    assert calibrate(mine.where(np.zeros(2_000, bool))).error(mine.queue[:1], np.array([0.9])) == pytest.approx([0.1])


def test_weights_undo_that_people_see_wrong_tickets_more_often() -> None:
    """Sure tickets are wrong half the time, but those that are right were labelled in one of ten cases only."""
    world = replace(tickets(20_000, seed=6, error=lambda c: 0.5 + 0 * c), confidence=np.full(20_000, 0.9))
    drawn = np.random.default_rng(1).random(20_000) < np.where(world.wrong, 1.0, 0.1)
    seen = world.where(drawn)
    weighted = replace(seen, weight=np.where(seen.wrong, 1.0, 10.0))
    assert calibrate(seen).shared.at(np.array([0.9]))[0] > 0.85
    assert calibrate(weighted).shared.at(np.array([0.9]))[0] == pytest.approx(0.5, abs=0.03)

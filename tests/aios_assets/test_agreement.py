from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from aios_assets import jobs
from resources.declarations import Declared
from resources.review_agreement import Compared, measured, pairs_of, queues_of
from resources.reviews import ReviewStore
from tests.aios_assets.conftest import policy_text
from tests.aios_assets.small_desk import DECLARATION, TODAY
from tests.review_world import Wanted, record
from tests.whole_platform import Platform


def case(queue: str, **said: str) -> Compared:
    return Compared(case_id="c", queue=queue, said=tuple(said.items()))


CASES = [
    case("billing", ana="billing", ben="billing"),
    case("billing", ben="fraud", ana="fraud"),
    case("billing", ana="billing", ben="fraud"),
    case("fraud", ana="fraud", ben="fraud", eva="fraud"),
]


def test_each_pair_is_compared_whoever_spoke_first():
    rows = {(r["one"], r["other"]): (r["cases"], r["cohen_kappa"]) for r in pairs_of(CASES)}
    assert rows[("ana", "ben")] == (4, pytest.approx(0.5))
    assert rows[("ana", "eva")] == (1, None)


def test_queues_are_measured_apart_the_fullest_first():
    billing, fraud = queues_of(CASES)
    assert (billing["queue"], billing["cases"], billing["agreed"]) == ("billing", 3, pytest.approx(2 / 3))
    assert (fraud["cases"], fraud["agreed"], fraud["fleiss_kappa"]) == (1, 1.0, None)


def test_nothing_compared_is_said_as_nothing():
    assert measured([]) == {"cases": 0, "agreed": None, "fleiss_kappa": None}


TWO = "  review: {quorum: 2, undo_minutes: 0}\n"
SAID = {"T0": "laptops", "T1": "laptops", "T2": "rooms"}


@pytest.fixture
def reviewed(platform: Platform) -> Declared:
    """Three cases on which two people have spoken, once differently; no job of Dagster has run yet."""
    declared, now = platform.declare("desk", DECLARATION + TWO, policy_text()), datetime.now(UTC) - timedelta(minutes=1)
    of, store = declared.automation, ReviewStore(platform.database)
    wanted = [Wanted(ticket_id=t, body=f"What {t} says.", queue="laptops", day=TODAY) for t in SAID]
    record(platform.database, wanted, of=of, now=now)
    (batch,) = store.make_batches(automation=of, now=now)
    for case in store.cases(automation="desk", batch=batch.batch):
        store.decide(case.case_id, actor="ana", queue="laptops", now=now)
        store.decide(case.case_id, actor="ben", queue=SAID[case.ticket_id], now=now)
    store.make_batches(automation=of, now=now)
    return declared


def test_the_asset_shows_what_two_people_said_and_a_batch_that_is_no_partition_yet_is_collected(
    platform: Platform, reviewed: Declared
):
    platform.execute(reviewed, jobs.ASSESS)
    shown = platform.shown(reviewed, "agreement")
    assert (shown["cases"], shown["agreed"], shown["in_dispute"]) == (3, pytest.approx(2 / 3), 1)
    assert shown["fleiss_kappa"] == pytest.approx(-0.2)
    assert "| 3 | 0.66" in shown["by_queue"]
    assert "| ana | ben | 3 |" in shown["by_pair"]
    assert "| ben |" in shown["people"]

    with dg.partition_loading_context(dynamic_partitions_store=platform.instance):  # as the daemon does
        ((request,), _) = platform.tick(reviewed, "reviews")
        ((again,), _) = platform.tick(reviewed, "reviews")
    assert platform.instance.get_dynamic_partitions("desk__review_batches") == [request.partition_key]
    assert again.partition_key == request.partition_key

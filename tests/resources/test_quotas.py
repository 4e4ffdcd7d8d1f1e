import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from aios_core.traffic.quota import Limit
from resources.database import Database
from resources.quotas import Quotas

ACCOUNT = Limit(name="account", requests=5, seconds=0.4)
EXPORTS = Limit(name="exports", requests=1, seconds=0.4)
SOON = timedelta(seconds=5)


def test_a_place_is_taken_under_all_limits_or_none(database: Database) -> None:
    quotas = Quotas(database)
    first = quotas.take("desk", [ACCOUNT, EXPORTS], answer_within=SOON)
    second = quotas.take("desk", [ACCOUNT, EXPORTS], answer_within=SOON)
    assert (len(first.slots), first.wait) == (2, 0)
    assert (second.slots, second.wait > 0) == ((), True)
    assert quotas.used("desk", [ACCOUNT, EXPORTS]) == {"account": 1, "exports": 1}
    assert quotas.used("another", [ACCOUNT]) == {"account": 0}


def test_an_answered_request_counts_for_one_window_more_and_one_never_sent_not_at_all(database: Database) -> None:
    quotas = Quotas(database)
    place = quotas.take("desk", [EXPORTS], answer_within=SOON)
    quotas.unused(place)
    place = quotas.take("desk", [EXPORTS], answer_within=SOON)
    quotas.answered(place, [EXPORTS])
    wait = quotas.take("desk", [EXPORTS], answer_within=SOON).wait
    assert 0 < wait <= 0.4
    time.sleep(wait)
    assert quotas.take("desk", [EXPORTS], answer_within=SOON).wait == 0


def test_many_processes_together_never_exceed_it(database: Database) -> None:
    quotas = Quotas(database)
    sent: list[tuple[float, float]] = []

    def work(_: int) -> None:
        while (place := quotas.take("desk", [ACCOUNT], answer_within=SOON)).wait:
            time.sleep(min(place.wait, 0.02))
        begun = time.monotonic()
        time.sleep(0.01)
        sent.append((begun, time.monotonic()))
        quotas.answered(place, [ACCOUNT])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(20)))
    begun, ended = sorted(b for b, _ in sent), sorted(e for _, e in sent)
    assert len(sent) == 20
    for earlier, later in zip(ended, begun[5:], strict=False):
        assert later - earlier >= 0.38, "the sixth request left before a window after the first one's answer"


def test_what_the_vendor_asks_to_wait_holds_for_everybody_and_is_not_shortened(database: Database) -> None:
    quotas = Quotas(database)
    quotas.pause("desk", 30)
    quotas.pause("desk", 1)
    assert 25 < Quotas(database).take("desk", [], answer_within=SOON).wait <= 30
    assert quotas.take("another", [], answer_within=SOON).wait == 0


def test_what_a_vendor_says_of_its_limits_is_kept(database: Database) -> None:
    quotas = Quotas(database)
    quotas.learn("desk", [ACCOUNT])
    quotas.learn("desk", [Limit(name="account", requests=9, seconds=0.4)])
    assert Quotas(database).learnt("desk")["account"].requests == 9

import pytest

from resources.review_agreement import Compared, measured, pairs_of, queues_of


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

"""A whole soak of a minute: every vendor at once, everything killed, and nothing lost, doubled or out of order at the end."""

import pytest

from benchmarks.soak.measure import ZEROES, measure
from benchmarks.soak.vendors import VENDORS

pytestmark = [pytest.mark.xdist_group("soak"), pytest.mark.slow]


@pytest.mark.timeout(300)
def test_a_minute_of_everything_at_once_loses_doubles_and_exceeds_nothing() -> None:
    found = measure(minutes=1, seed=7)
    assert {name: found[name] for name in ZEROES} == dict.fromkeys(ZEROES, 0), found["details"]
    assert found["vendors"] == len(VENDORS)
    assert found["kills"] >= 1
    assert found["faults"] >= 5
    assert found["changes"] > found["tickets"] > 100
    assert found["requests"] > 50
    assert found["deliveries"] > 10

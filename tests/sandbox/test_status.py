"""The status page: the same seed and moment give the same outages, and a question narrows them."""

from datetime import UTC, datetime, timedelta

from sandbox.status import SERVICES, outages
from tests.sandbox.conftest import Start

MOMENT = datetime(2026, 11, 20, 14, tzinfo=UTC)


def test_outages_are_drawn_from_the_seed_and_come_and_go() -> None:
    hours = [outages(7, MOMENT + timedelta(hours=h)) for h in range(48)]
    assert hours[0] == outages(7, MOMENT)
    assert outages(8, MOMENT) != hours[0]
    keys = [{(o["area"], o["service"], o["since"]) for o in hour} for hour in hours]
    assert all(keys[n].isdisjoint(keys[n + 12]) for n in range(36))  # none lasts longer than 12 hours
    assert 1 <= len(hours[0]) <= 20
    assert {o["service"] for hour in hours for o in hour} == set(SERVICES)
    for hour, found in enumerate(hours):
        now = (MOMENT + timedelta(hours=hour)).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert all(o["since"] <= now < o["expected_until"] for o in found)


def test_the_page_answers_by_area_and_service_without_sign_in(start: Start) -> None:
    client = start().client
    every = client.get("/status/outages").json()["outages"]
    assert every
    one = every[0]
    asked = {"area": one["area"].upper(), "service": one["service"]}
    assert client.get("/status/outages", params=asked).json()["outages"] == [one]
    assert client.get("/status/outages", params={"area": "Nowhere"}).json()["outages"] == []

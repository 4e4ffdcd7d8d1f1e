"""Lists that change while they are read."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios_core.declaration.listing import Listing
from aios_core.errors import PermanentError
from resources.connectors.json_api.asking import Asked
from resources.connectors.json_api.reading import read

BEGIN = datetime(2026, 11, 20, 12, tzinfo=UTC)


@dataclass
class Desk:
    """An API over items that people change between any two requests; its clock goes in whole seconds, and often stands still."""

    chance: random.Random
    size: int = 3
    exclusive: bool = False
    step: int = 1
    items: dict[int, int] = field(default_factory=dict)  # id -> second of its last change
    now: int = 0
    text: dict[int, int] = field(default_factory=dict)
    asked: int = 0
    busy: bool = True

    def change(self) -> None:
        """Some items are made or changed."""
        for _ in range(self.chance.randrange(4)):
            self.now += self.chance.choice((0, 0, 0, 1, self.step))
            number = self.chance.choice([*self.items, len(self.items)])
            self.items[number] = self.now
            self.text[number] = self.text.get(number, 0) + 1

    def ask(self, asked: Asked) -> tuple[Any, Mapping[str, str]]:
        self.asked += 1
        if self.busy:
            self.change()
        since = datetime.fromisoformat(str(asked.params["since"]))
        least = (since - BEGIN).total_seconds()
        known = [
            {"id": n, "at": (BEGIN + timedelta(seconds=at)).isoformat(), "text": self.text[n]}
            for n, at in sorted(self.items.items(), key=lambda pair: (pair[1], pair[0]))
            if (at > least if self.exclusive else at >= least)
        ]
        place = int(asked.params["page"])
        return known[place * self.size : (place + 1) * self.size], {}


def listing(**told: Any) -> Listing:
    return Listing(
        **{
            "path": "/tickets",
            "params": {"since": "{since}", "page": "{page}"},
            "updated": "at",
            "sorted": True,
            "paging": "page",
            "first": 0,
            "size": 3,
            "overlap_seconds": 0,
        }
        | told
    )


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"exclusive": True},
        {"since": "%Y-%m-%dT%H:%M+00:00"},
        {"overlap_seconds": 2},
    ],
    ids=["inclusive", "exclusive", "by the minute", "with an overlap"],
)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_nothing_is_missed_however_a_sorted_list_changes_while_it_is_read(told: dict[str, Any], seed: int) -> None:
    chance = random.Random(seed)
    desk = Desk(chance, exclusive=bool(told.get("exclusive")), step=40 if "since" in told else 1)
    declared = listing(**told)
    landed: dict[str, tuple[str, int]] = {}
    newest: datetime | None = None
    for turn in range(6):
        desk.busy = turn < 5
        desk.change()
        stop = chance.randrange(1, 8)  # a reader may die after any page, and goes on from its cursor
        for pages, found in enumerate(read(declared, object="tickets", ask=desk.ask, newest=newest), start=1):
            for record in found.records:
                landed[record.external_id] = (record.version, record.payload["text"])
            newest = found.newest
            if desk.busy and (pages == stop or pages == 30):
                break
        else:
            continue
    assert {int(n): text for n, (_, text) in landed.items()} == desk.text


def test_items_of_one_moment_over_many_pages_are_paged_and_then_left_behind() -> None:
    desk = Desk(random.Random(1), busy=False)
    desk.items = dict.fromkeys(range(8), 5) | {8: 9}
    desk.text = dict.fromkeys(range(9), 1)
    pages = list(read(listing(), object="tickets", ask=desk.ask, newest=None))
    assert {r.external_id for page in pages for r in page.records} == {str(n) for n in range(9)}
    assert pages[-1].newest == BEGIN + timedelta(seconds=9)


def test_a_moment_with_more_items_than_the_api_shows_is_refused_with_the_way_out() -> None:
    desk = Desk(random.Random(1), busy=False)
    desk.items, desk.text = dict.fromkeys(range(20), 5), dict.fromkeys(range(20), 1)
    with pytest.raises(PermanentError, match="more than 6 items changed at .*; read them by an export"):
        list(read(listing(most_pages=2), object="tickets", ask=desk.ask, newest=BEGIN + timedelta(seconds=5)))


def test_an_unsorted_list_moves_its_cursor_at_its_end_only() -> None:
    desk = Desk(random.Random(1), busy=False)
    desk.items, desk.text = {n: 100 - n for n in range(7)}, dict.fromkeys(range(7), 1)
    pages = list(read(listing(sorted=False), object="tickets", ask=desk.ask, newest=None))
    assert [p.newest for p in pages] == [None, None, BEGIN + timedelta(seconds=100)]


def test_an_item_changed_twice_in_one_second_is_two_versions_and_one_unchanged_is_one() -> None:
    desk = Desk(random.Random(1), busy=False)
    desk.items, desk.text = {1: 5}, {1: 1}
    versions = []
    for text in (1, 1, 2):
        desk.text[1] = text
        (page,) = read(listing(), object="tickets", ask=desk.ask, newest=None)
        versions.append(page.records[0].version)
    assert versions[0] == versions[1] != versions[2]


def test_what_is_no_item_is_rejected_and_the_rest_goes_on() -> None:
    def ask(_: Asked) -> tuple[Any, Mapping[str, str]]:
        return [
            {"id": 1, "at": "2026-11-20T12:00:05Z"},
            "x",
            {"id": 2, "at": "yesterday"},
            {"at": "2026-11-20T12:00:06Z"},
        ], {}

    (page,) = read(listing(paging="none", params={"since": "{since}"}), object="tickets", ask=ask, newest=None)
    assert [r.external_id for r in page.records] == ["1"]
    assert [r.code for r in page.rejects] == ["record.not_an_object", "record.bad_time", "record.no_id"]
    assert page.newest == BEGIN + timedelta(seconds=5)

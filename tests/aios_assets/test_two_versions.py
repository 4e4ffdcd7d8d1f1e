"""A day that champion and canary share: each ticket is decided, and measured, under the version that scored it."""

from collections.abc import Mapping
from datetime import date, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios_assets import decisions, watched_days
from aios_core.lifecycle.evaluation import keys_of
from tests.aios_core.decisions.making import features, score, ticket

DAY = date(2026, 11, 20)
P = (0.95, 0.03, 0.02)


class Partitions:
    """The two datasets of a lake, in memory."""

    def __init__(self, tables: Mapping[tuple[str, date], pa.Table]) -> None:
        self._tables = tables

    def has_partition(self, *, automation: str, dataset: str, day: date) -> bool:
        return (dataset, day) in self._tables

    def read_partition(self, *, automation: str, dataset: str, day: date) -> pa.Table:
        return self._tables[dataset, day]


def lake(versions: list[list[int | None]], *, shuffled: bool = False) -> tuple[Partitions, dict[str, int | None]]:
    """Days of tickets with the version that scored each (None: no score), and version by ticket."""
    tables, by_ticket = {}, {}
    for number, day in enumerate(versions):
        rows = [ticket(number * 100 + i) for i in range(len(day))]
        scored = [score(r, P) | {"model_version": v} for r, v in zip(rows, day, strict=True) if v is not None]
        by_ticket |= {r["ticket_id"]: v for r, v in zip(rows, day, strict=True)}
        tables["features", DAY + timedelta(days=number)] = features(rows)
        if scored:
            scored = scored[::-1] if shuffled else scored
            tables["scores", DAY + timedelta(days=number)] = pa.Table.from_pylist(scored)
    return Partitions(tables), by_ticket


days = st.lists(st.lists(st.sampled_from([1, 2, None]), min_size=1, max_size=9), min_size=1, max_size=4)


@given(versions=days, shuffled=st.booleans(), at_once=st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_every_ticket_is_decided_once_under_its_own_version_with_its_score_at_hand(versions, shuffled, at_once):
    store, by_ticket = lake(versions, shuffled=shuffled)
    seen = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decisions, "ROWS_AT_ONCE", at_once)
        pieces = list(decisions.pieces(store, "care", [DAY + timedelta(days=n) for n in range(len(versions))]))
    for version, rows, scores in pieces:
        assert rows.num_rows <= at_once
        assert version == 0 or set(scores.column("model_version").to_pylist()) <= {version}
        known = set() if scores is None else set(keys_of(scores))
        for key in keys_of(rows):
            assert key[1] not in seen
            seen[key[1]] = version if key in known else None
    assert seen == by_ticket


def test_without_any_score_a_day_is_decided_without_a_model():
    store, _ = lake([[None, None]])
    [(version, rows, scores)] = decisions.pieces(store, "care", [DAY])
    assert (version, rows.num_rows, scores) == (0, 2, None)


def test_drift_of_a_shared_day_is_that_of_the_version_that_scored_most_of_it():
    store, _ = lake([[2, 1, 1, 2, 1]])
    version, rows = watched_days.scored_rows(store, "care", DAY)
    assert (version, rows.num_rows) == (1, 3)

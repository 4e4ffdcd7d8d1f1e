"""How sources were read, seen from the tables that reads, quotas and breakers write."""

from datetime import UTC, datetime, timedelta

import pytest

from aios_core.traffic.quota import Limit
from resources.breakers import Breakers
from resources.connectors.failures import SourceUnavailable
from resources.connectors.traffic import Quota, SharedTraffic
from resources.database import Database
from resources.source_reads import SourceReads

NOW = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
READ = {"automation": "care", "source": "desk", "connector": "freshdesk", "contract": "evolve", "clock": lambda: NOW}


def traffic(database: Database) -> SharedTraffic:
    quota = Quota(counts=lambda *_: ("all",), known={"all": Limit(name="all", requests=50, seconds=60.0)})
    return SharedTraffic(database, vendor="freshdesk", url="https://desk.example", credential="s", quota=quota,
                         clock=lambda: datetime.now(UTC))  # fmt: skip


def test_a_read_is_told_with_what_it_brought_and_what_is_left_of_the_quota(database: Database) -> None:
    shared = traffic(database)
    with SourceReads(database).reading(**READ, traffic=[shared]) as read:
        for _ in range(3):
            with shared.call("GET", "/tickets"):
                pass
        read.landed, read.rejected, read.changes = 7, 1, ["tickets: new `sla` (text)"]
    (state,) = SourceReads(database).states()
    assert (state.landed, state.rejected, state.changes) == (7, 1, ("tickets: new `sla` (text)",))
    assert [(limit.name, limit.used, limit.left) for limit in state.limits] == [("all", 3, 47)]
    assert (state.breaker, state.failing) == ("closed", False)


def test_a_read_that_fails_says_why_and_the_next_good_one_ends_it(database: Database) -> None:
    reads = SourceReads(database)
    with pytest.raises(SourceUnavailable), reads.reading(**READ, traffic=[traffic(database)]):
        raise SourceUnavailable("no answer")
    (state,) = reads.states()
    assert (state.failing, state.error, state.read_at) == (True, "no answer", None)
    with reads.reading(**(READ | {"clock": lambda: NOW + timedelta(minutes=5)})):
        pass
    (state,) = reads.states()
    assert (state.failing, state.landed) == (False, 0)
    assert state.limits, "what it shares is known from before"


def test_a_vendor_that_is_left_alone_is_seen_with_its_reason(database: Database) -> None:
    shared = traffic(database)
    with SourceReads(database).reading(**READ, traffic=[shared]):
        pass
    for _ in range(5):
        Breakers(database).failed(shared.name, now=NOW, why="timed out")
    (state,) = SourceReads(database).states()
    assert (state.breaker, state.breaker_why) == ("open", "timed out")

"""The page of sources, and the same as metrics."""

from datetime import timedelta

from resources.breakers import Breakers
from resources.source_reads import SourceReads
from tests.resources.test_source_reads import NOW, READ, traffic


def test_without_a_read_the_page_says_how_to_begin(ana):
    assert "No source was read yet" in ana.see("/sources").text


def test_a_source_is_shown_with_its_read_its_quota_and_why_it_is_left_alone(ana, database, clock):
    shared = traffic(database)
    with SourceReads(database).reading(**READ, traffic=[shared]) as read:
        read.landed, read.changes = 1234, ["tickets: new `<sla>` (text)"]
    for _ in range(5):
        Breakers(database).failed(shared.name, now=NOW, why="timed out <here>")
    Breakers(database).failed("events:https://warehouse.example", now=NOW, why="answered 500")
    page = ana.see("/sources").text
    assert "1,234 new" in page
    assert '/assets/care/desk_landing">desk</a>' in page
    assert "50 of 50" in page
    assert "left alone" in page
    assert f'since <time datetime="{NOW.isoformat()}"' in page
    assert "timed out &lt;here&gt;" in page
    assert "new <code>&lt;sla&gt;</code> (text)" in page
    assert "events:https://warehouse.example" in page
    assert 'aria-current="page">Sources' in page


def test_a_failed_read_is_told_with_its_error(ana, database):
    try:
        with SourceReads(database).reading(**(READ | {"clock": lambda: NOW - timedelta(minutes=3)})):
            raise RuntimeError("the token has expired")
    except RuntimeError:
        pass
    page = ana.see("/sources").text
    assert "failed" in page
    assert "the token has expired" in page


def test_the_same_numbers_are_metrics(ana, database):
    shared = traffic(database)
    with SourceReads(database).reading(**READ, traffic=[shared]), shared.call("GET", "/tickets"):
        pass
    for _ in range(5):
        Breakers(database).failed(shared.name, now=NOW, why="gone")
    lines = ana.get("/metrics").text.splitlines()
    assert 'aios_quota_left{automation="care",quota="all",source="desk"} 49' in lines
    assert 'aios_breaker_open{system="freshdesk https://desk.example"} 1.0' in lines
    assert f'aios_source_read_seconds{{automation="care",source="desk"}} {NOW.timestamp()}' in lines
    assert 'aios_source_failing{automation="care",source="desk"} 0' in lines

"""An incident's timeline is in the order of what happened, and links to where to look."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from aios_core.monitoring.timeline import (
    ORDER,
    AliasMoved,
    Drifted,
    FirstDecision,
    Link,
    ModeSet,
    Repair,
    Story,
    seconds_to_move,
    timeline,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def at(seconds):
    return NOW + timedelta(seconds=seconds)


def story(**more):
    base = {"incident_id": 7, "automation": "care", "remedy": "rollback", "queue": None, "reason": "Version 1 is better.",
            "evidence": {}, "actor": "run:r1", "opened_at": at(20)}  # fmt: skip
    return Story(**base | more)


WHOLE = story(
    assessed_at=NOW,
    drifted=Drifted(day=date(2026, 11, 19), version=2, reason="Flagged: queue.", report="reports/1.html", measured_at=at(-900)),
    moved=AliasMoved(name="care", version=1, previous=2, actor="run:r1", at=at(21)),
    confirmed=(FirstDecision(decision_id="g", way="gateway", at=at(22)), FirstDecision(decision_id="b", way="batch", at=at(90))),
    repair=Repair(good_version=1, onset=at(-9000), why="its promotion", run_id="r2", started_at=at(60), finished_at=at(120),
                  fates={"unchanged": 80, "corrected": 15, "review": 5}, batches=("2026-11-20/incident_7",)),
    closed_at=at(4_000), closed_by="person:ada", closed_why="the labels were mended",
)  # fmt: skip


def test_a_rollback_is_told_from_the_first_drifted_partition_to_its_end():
    entries = timeline(WHOLE)
    assert [e.kind for e in entries] == [
        "drifted", "flagged", "decided", "moved", "confirmed", "confirmed", "repaired", "closed",
    ]  # fmt: skip
    told = {e.kind: e for e in entries}
    assert told["drifted"].links == (Link(kind="report", target="reports/1.html"),)
    assert told["moved"].text == "The champion of care was moved from version 2 to version 1."
    assert told["moved"].links == (Link(kind="run", target="r1"), Link(kind="model", target="care"))
    assert told["confirmed"].links == (Link(kind="decision", target="b"),)
    assert told["repaired"].text == (
        "100 decisions since its promotion were looked at again under version 1: 80 unchanged, 15 corrected, 5 sent to review, "
        "0 settled by people before."
    )
    assert told["repaired"].links[1] == Link(kind="batch", target="2026-11-20/incident_7")
    assert told["closed"].text == "ada closed it: the labels were mended"
    assert seconds_to_move(WHOLE) == 21


def test_a_narrowing_is_told_with_its_queue_and_its_lifting():
    found = story(
        remedy="narrow", queue="fraud", assessed_at=NOW,
        modes=(ModeSet(queue="fraud", mode="review_only", actor="run:r1", at=at(20)),
               ModeSet(queue="fraud", mode="normal", actor="person:ada", at=at(50))),
    )  # fmt: skip
    assert [(e.kind, e.text) for e in timeline(found)][1:] == [
        ("decided", "A run began to narrow queue fraud."),
        ("moved", "Queue fraud goes to people only."),
        ("lifted", "Queue fraud is automated again."),
    ]
    assert seconds_to_move(found) == 20


def test_what_has_not_happened_yet_is_not_told():
    assert [e.kind for e in timeline(story())] == ["decided"]
    assert seconds_to_move(story()) is None
    at_work = Repair(good_version=1, onset=NOW, why="w", run_id=None, started_at=NOW, finished_at=None)
    assert [e.kind for e in timeline(story(repair=at_work))] == ["decided"]


@given(st.lists(st.integers(0, 3), min_size=5, max_size=5))
def test_entries_are_in_the_order_of_time_and_at_one_moment_in_that_of_their_causes(seconds):
    opened, moved, confirmed, finished, closed = map(at, seconds)
    entries = timeline(
        story(
            opened_at=opened, assessed_at=NOW, closed_at=closed, closed_by="run:r9",
            moved=AliasMoved(name="care", version=1, previous=2, actor="a", at=moved),
            confirmed=(FirstDecision(decision_id="b", way="batch", at=confirmed),),
            repair=Repair(good_version=1, onset=NOW, why="w", run_id=None, started_at=NOW, finished_at=finished),
        )
    )  # fmt: skip
    assert len(entries) == 6
    placed = [(e.at, ORDER.index(e.kind)) for e in entries]
    assert placed == sorted(placed)

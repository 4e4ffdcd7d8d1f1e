"""What the answers and decisions of a drill prove: which contradict themselves, which came from the wrong version, which were wrong.

What belongs here: pure counting over what was noted. What does not: noting it (`load.py`, `rollback.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.drill.load import Answer
from benchmarks.serve.latency import percentile

SWAP_SECONDS = 1.0  # the gateway follows a move within this time, to a version that it has loaded
LOADING_SECONDS = 5.0  # and to one that is new to it, which it loads and tries first; the one before answers meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class Reign:
    """A version was champion at most from `begun` to `ended` (wall seconds); None: it still is.

    A commit can't be seen at the very moment, so `begun` is the last look at which it was not champion yet, and `ended` the first
    at which it was not any more.
    """

    version: int
    begun: float
    ended: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What holds for a ticket: the decision that stands, and whether a person is asked or was."""

    ticket_id: str
    version: int
    verdict: str
    queue: str | None
    with_people: bool = False


def contradicts(answer: Answer) -> bool:
    """Whether header, body and record name different versions."""
    return not answer.header_version == answer.body_version == answer.record_version


def out_of_reign(answer: Answer, reigns: Sequence[Reign]) -> bool:
    """Whether the answering version was not champion at any time from shortly before the request until its answer.

    How shortly is what a swap may take. An answer that repeats an earlier decision is of that time, and is not judged.
    """
    if answer.existing:
        return False
    return not any(
        reign.version == answer.record_version
        and reign.begun <= answer.answered_at
        and (reign.ended is None or answer.sent_at <= reign.ended + swap_seconds(reigns, number))
        for number, reign in enumerate(reigns)
    )


def swap_seconds(reigns: Sequence[Reign], number: int) -> float:
    """What the gateway may take to follow the end of a reign: longer where the next version has not reigned before."""
    following = reigns[number + 1 : number + 2]
    before = {reign.version for reign in reigns[: number + 1]}
    return SWAP_SECONDS if all(reign.version in before for reign in following) else LOADING_SECONDS


def slowest_swap(answers: Iterable[Answer], reigns: Sequence[Reign]) -> float | None:
    """Seconds from the end of a reign until the last answer that was asked for after it and still came from that version."""
    slowest = None
    for reign in reigns:
        if reign.ended is None:
            continue
        slowest = slowest or 0.0
        for answer in answers:
            late = not answer.existing and answer.record_version == reign.version and answer.sent_at > reign.ended
            again = any(
                r.version == reign.version and r.begun > reign.ended and r.begun <= answer.answered_at for r in reigns
            )
            if late and not again:
                slowest = max(slowest, answer.sent_at - reign.ended)
    return None if slowest is None else round(slowest, 3)


def wrong(standing: Standing, truth: Mapping[str, str]) -> bool:
    """Whether the ticket was automated into a queue where it does not belong, and nobody is asked about it."""
    return standing.verdict == "automate" and not standing.with_people and standing.queue != truth[standing.ticket_id]


def wrong_by_the_bad(
    before: Iterable[Standing], good: Mapping[str, Standing], truth: Mapping[str, str], *, bad: int
) -> list[str]:
    """Tickets that the bad version automated wrongly where the good one would not have: what the bad version is to blame for."""
    return [
        one.ticket_id
        for one in before
        if one.version == bad and wrong(one, truth) and not wrong(good[one.ticket_id], truth)
    ]


def still_wrong(blamed: Sequence[str], after: Mapping[str, Standing], truth: Mapping[str, str]) -> int:
    """How many of those stand as wrongly now."""
    return sum(wrong(after[ticket], truth) for ticket in blamed)


def spread_of(seconds: Sequence[float]) -> dict[str, float | None]:
    """Median and maximum."""
    ascending = sorted(seconds)
    found = {"p50": percentile(ascending, 0.5), "max": ascending[-1] if ascending else None}
    return {name: None if value is None else round(value, 2) for name, value in found.items()}


def summed(each: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The figures of all drills together, from each drill's own."""
    repaired = [one["wrong_after_repair"] for one in each]
    return {
        "drills": len(each),
        "ended_right": sum(one["ended_right"] for one in each),
        "flagged_to_moved_seconds": spread_of(known(each, "flagged_to_moved_seconds")),
        "wrong_decisions": {
            "before": sum(one["wrong_before"] for one in each),
            "after_repair": None if not repaired or None in repaired else sum(repaired),
        },
        "failed_requests": sum(one["failed_requests"] for one in each),
        "mixed_version_decisions": sum(one["mixed_version_decisions"] for one in each),
    }


def known(each: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    """A figure of all drills that have it."""
    return [one[name] for one in each if one.get(name) is not None]

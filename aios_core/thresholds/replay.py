"""Recorded decisions made again under other cut-offs: what would have been different.

What belongs here: deciding again, and counting. What does not: finding the records (`resources/threshold_replay.py`). Nothing here is
ever recorded.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from aios_core.automation import Automation
from aios_core.lifecycle.comparison import Answer, mean_cost

SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """One recorded decision and its verdict under other cut-offs. `label` is what turned out, None where nobody looked."""

    decision_id: str
    queue: str | None
    then: str
    now: str
    label: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueReplay:
    """Of one predicted queue, under the cut-offs of then and those tried. Errors are known ones: of tickets that somebody looked at."""

    queue: str
    tickets: int
    changed: int
    automated_then: int
    automated_now: int
    drafts_then: int
    drafts_now: int
    reviews_then: int
    reviews_now: int
    wrong_then: int
    wrong_now: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """All of it. Costs are means a ticket over the `settled` ones. `newly_wrong` names decisions that would now be automated wrongly."""

    decisions: int
    days: int
    same: int
    settled: int
    verdicts: Mapping[tuple[str, str], int]
    queues: tuple[QueueReplay, ...]
    whole: QueueReplay
    cost_then: float
    cost_now: float
    currency: str
    newly_wrong: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        changes = [{"then": a, "now": b, "tickets": n} for (a, b), n in sorted(self.verdicts.items())]
        return asdict(self) | {"verdicts": changes}


def replayed(rows: Sequence[Again], *, days: int, automation: Automation) -> Replayed:
    """Count what would have been different; costs are those declared now, for both."""
    settled = [r for r in rows if r.label is not None]
    labels = [str(r.label) for r in settled]
    newly = [r.decision_id for r in settled if r.now == "automate" and r.then != "automate" and r.label != r.queue]
    return Replayed(
        decisions=len(rows),
        days=days,
        same=sum(r.then == r.now for r in rows),
        settled=len(settled),
        verdicts=Counter((r.then, r.now) for r in rows),
        queues=tuple(_counted(queue, [r for r in rows if (r.queue or "") == queue]) for queue in sorted({r.queue or "" for r in rows})),
        whole=_counted("all", rows),
        cost_then=mean_cost(labels, [Answer(queue=r.queue, verdict=r.then) for r in settled], automation),
        cost_now=mean_cost(labels, [Answer(queue=r.queue, verdict=r.now) for r in settled], automation),
        currency=automation.value.currency,
        newly_wrong=tuple(newly[:SHOWN]),
    )  # fmt: skip


def _counted(queue: str, rows: Sequence[Again]) -> QueueReplay:
    then, now = Counter(r.then for r in rows), Counter(r.now for r in rows)
    wrong = [r for r in rows if r.label is not None and r.label != r.queue]
    return QueueReplay(
        queue=queue or "(no score)",
        tickets=len(rows),
        changed=sum(r.then != r.now for r in rows),
        automated_then=then["automate"],
        automated_now=now["automate"],
        drafts_then=then["draft"],
        drafts_now=now["draft"],
        reviews_then=then["review"],
        reviews_now=now["review"],
        wrong_then=sum(r.then == "automate" for r in wrong),
        wrong_now=sum(r.now == "automate" for r in wrong),
    )

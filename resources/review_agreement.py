"""Second opinions beside first ones, how fast people decide, and how often a verdict is turned round: read from Postgres.

What belongs here: those reads, and the measures over them by queue and pair. What does not: the measures themselves
(`aios_core/review/agreement.py`), the asset and the page.

Compared are the opinions of one round of one case, each given without a lead's word; a round that was sent back is compared too: people
said it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any

from psycopg import Connection

from aios_core.review.agreement import agreed_share, cohen_kappa, fleiss_kappa
from resources.database import Database, rows

LATELY = WINDOW = timedelta(days=90)
ENOUGH = 20  # second opinions in a queue, below which a share says little
LONGEST = timedelta(hours=1)  # a claim that led to a verdict later than this was no work at the screen


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The opinions on one case in one round, in the order in which they were given: (person, queue)."""

    case_id: str
    queue: str  # predicted
    said: tuple[tuple[str, str], ...]

    @property
    def counts(self) -> Mapping[str, int]:
        return Counter(queue for _, queue in self.said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """One person in one predicted queue. `turned` are verdicts of theirs that were undone, sent back or overridden."""

    actor: str
    queue: str
    decided: int
    corrected: int  # chose another queue than the model
    median_seconds: float | None  # from taking the case to the verdict
    undone: int
    rejected: int
    overridden: int

    @property
    def turned_share(self) -> float | None:
        """Of their verdicts, those that did not stand."""
        return (self.undone + self.rejected + self.overridden) / self.decided if self.decided else None


class AgreementStore:
    """Bounded reads over a window of an automation's reviews."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def compared(self, *, automation: str, since: datetime, until: datetime) -> list[Compared]:
        """Cases on which two people or more have spoken, whose last opinion was given within the window."""
        with self._database.connection() as conn:
            return _compared(conn, automation=automation, since=since, until=until)

    def worked(self, *, automation: str, since: datetime, until: datetime) -> list[Worked]:
        """Who decided how much in each queue, how fast, and how much of it stood."""
        wanted = {"automation": automation, "since": since, "until": until, "longest": LONGEST}
        with self._database.connection() as conn:
            return [Worked(**row) for row in rows(conn, _WORKED, wanted)]

    def in_dispute(self, *, automation: str, until: datetime, limit: int = 200) -> list[dict[str, Any]]:
        """Tickets whose label people disagree on and that nothing learns from, the newest in front."""
        from resources.review_contradictions import DISPUTED

        query = DISPUTED.format(automation="%(automation)s", until="%(until)s")
        with self._database.connection() as conn:
            return rows(
                conn,
                f"select c.ticket_id, c.state, c.verdict_queue, c.decided_by, c.contested, c.case_id from review_cases c"
                f" join ({query}) d using (source, ticket_id) where c.automation = %(automation)s"
                " order by c.decided_at desc nulls first, c.case_id limit %(limit)s",
                {"automation": automation, "until": until, "limit": limit},
            )


def measured(compared: Sequence[Compared]) -> dict[str, Any]:
    """Cases with two opinions or more, the share that agreed, and Fleiss' kappa; None where nothing can be said."""
    counts: list[Mapping[str, int]] = [case.counts for case in compared]
    return {"cases": len(counts), "agreed": agreed_share(counts), "fleiss_kappa": fleiss_kappa(counts)}


def queues_of(compared: Sequence[Compared]) -> list[dict[str, Any]]:
    """The same by predicted queue, the one with most cases first."""
    sizes = Counter(case.queue for case in compared)
    return [{"queue": queue, **measured([c for c in compared if c.queue == queue])} for queue, _ in sizes.most_common()]


def pairs_of(compared: Sequence[Compared]) -> list[dict[str, Any]]:
    """Cohen's kappa of every two people who decided the same cases, those with most cases first."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for case in compared:
        for (one, first), (other, second) in combinations(sorted(case.said), 2):
            found.setdefault((one, other), []).append((first, second))
    ordered = sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return [
        {"one": one, "other": other, "cases": len(said), "cohen_kappa": cohen_kappa(said)}
        for (one, other), said in ordered
    ]


def by_queue(conn: Connection[Any], *, automation: str, now: datetime) -> dict[str, float]:
    """Predicted queue -> the share of its second opinions that agreed lately; queues with too few are left out."""
    found: dict[str, list[bool]] = {}
    for case in _compared(conn, automation=automation, since=now - LATELY, until=now):
        found.setdefault(case.queue, []).append(len(case.counts) == 1)
    return {queue: sum(agreed) / len(agreed) for queue, agreed in found.items() if len(agreed) >= ENOUGH}


def _compared(conn: Connection[Any], *, automation: str, since: datetime, until: datetime) -> list[Compared]:
    found = rows(conn, _COMPARED, {"automation": automation, "since": since, "until": until})
    return [
        Compared(case_id=r["case_id"], queue=r["queue"], said=tuple(zip(r["actors"], r["queues"], strict=True)))
        for r in found
    ]


_COMPARED = """
select o.case_id, c.queue, array_agg(o.actor order by o.at, o.actor) as actors, array_agg(o.queue order by o.at, o.actor) as queues
from review_opinions o join review_cases c using (case_id)
where c.automation = %(automation)s and o.at <= %(until)s
group by o.case_id, o.round, c.queue having count(*) > 1 and max(o.at) > %(since)s
order by max(o.at), o.case_id
"""

# a verdict is timed from the claim before it; what turns a verdict round counts for whose verdict it was
_WORKED = """
with said as (
    select e.event_id, e.case_id, e.actor, e.at, e.detail ->> 'queue' as chosen, c.queue,
      e.at - (select max(b.at) from review_events b where b.case_id = e.case_id and b.kind = 'claim' and b.actor = e.actor
              and b.at <= e.at) as took,
      (select n.kind from review_events n where n.case_id = e.case_id and n.event_id > e.event_id
         and n.kind in ('undo', 'reject', 'override') and (n.kind <> 'undo' or n.actor = e.actor)
         and (n.kind <> 'override' or n.detail ->> 'queue' <> e.detail ->> 'queue')
       order by n.event_id limit 1) as turned
    from review_events e join review_cases c using (case_id)
    where e.kind = 'decide' and c.automation = %(automation)s and e.at > %(since)s and e.at <= %(until)s
)
select actor, queue, count(*) as decided, count(*) filter (where chosen <> queue) as corrected,
  percentile_cont(0.5) within group (order by extract(epoch from took)::float8) filter (where took <= %(longest)s) as median_seconds,
  count(*) filter (where turned = 'undo') as undone, count(*) filter (where turned = 'reject') as rejected,
  count(*) filter (where turned = 'override') as overridden
from said group by 1, 2 order by decided desc, actor, queue
"""

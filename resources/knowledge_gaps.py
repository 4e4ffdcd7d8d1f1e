"""Gaps in the knowledge, as they were found last: rows of `knowledge_gaps`.

What belongs here: keeping and reading them, and the search for them over tickets. What does not: grouping
(`aios_core/retrieval/gaps.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from aios_core.automation import Automation
from aios_core.privacy.masking import mask
from aios_core.retrieval.gaps import Asked, Gap, group, is_gap
from aios_core.retrieval.question import question
from resources.database import Database, rows
from resources.knowledge_index import KnowledgeSearch

MOST_TICKETS = 1_000  # searched; each costs one embedding


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search over tickets found. Where there were more tickets than are searched, `share` of them were."""

    searched: int
    share: float
    unanswered: int
    by_meaning: bool
    gaps: tuple[Gap, ...]


class GapStore:
    """The gaps of each automation."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replace(self, gaps: Sequence[Gap], *, automation: str, currency: str, now: datetime) -> None:
        """These, instead of those found before."""
        with self._database.connection() as connection:
            connection.execute("delete from knowledge_gaps where automation = %s", (automation,))
            for gap in gaps:
                values = asdict(gap) | {
                    "automation": automation, "currency": currency, "found_at": now, "examples": Jsonb(list(gap.examples))
                }  # fmt: skip
                connection.execute(
                    "insert into knowledge_gaps (automation, gap_id, label, queue, tickets, cost, currency, examples, nearest,"
                    " nearest_score, found_at) values (%(automation)s, %(gap_id)s, %(label)s, %(queue)s, %(tickets)s, %(cost)s,"
                    " %(currency)s, %(examples)s, %(nearest)s, %(nearest_score)s, %(found_at)s)",
                    values,
                )

    def list(self, automation: str) -> list[DictRow]:
        """Dearest first."""
        with self._database.connection() as connection:
            return rows(
                connection,
                "select label, queue, tickets, cost, currency, examples, nearest, nearest_score, found_at from knowledge_gaps"
                " where automation = %s order by cost desc, gap_id",
                (automation,),
            )


def find_gaps(
    tickets: Sequence[Mapping[str, Any]],
    *,
    automation: Automation,
    search: KnowledgeSearch,
    now: datetime,
    progress: Callable[[str], None] = lambda _: None,
) -> Found:
    """`tickets` have `ticket_id`, `subject`, `body`, `language` and `queue`. Of more than 1,000 every n-th is searched, and each gap
    counts for as many as it stands for. A ticket costs what triage by hand does.
    """
    step = max(1, -(-len(tickets) // MOST_TICKETS))
    chosen = sorted(tickets, key=lambda t: str(t["ticket_id"]))[::step]
    share = len(chosen) / len(tickets) if tickets else 1.0
    cost = automation.value.minutes_manual / 60 * automation.value.hourly_cost / share
    by_meaning = False
    unanswered: list[Asked] = []
    for number, ticket in enumerate(chosen):
        if number % 100 == 0:
            progress(f"searching, {number} of {len(chosen)} tickets done")
        text = f"{ticket['subject'] or ''}\n{ticket['body'] or ''}"
        if not text.strip():
            continue  # it asks nothing that an article could answer
        asks = question(ticket["subject"] or "", ticket["body"] or "", queue=ticket["queue"])
        hits = search.search(automation.name, asks, now=now, limit=1)
        best = hits[0] if hits else None
        by_meaning = by_meaning or (best is not None and best.meaning is not None)
        if best is None or is_gap(best.score, by_meaning=best.meaning is not None):
            unanswered.append(
                Asked(
                    ticket_id=str(ticket["ticket_id"]),
                    text=mask(text, limit=len(text) + 100),
                    language=ticket["language"] or "unknown",
                    queue=ticket["queue"],
                    cost=cost,
                    nearest=None if best is None else str(best.article.key),
                    score=0.0 if best is None else best.score,
                )
            )
    gaps = group(unanswered)
    return Found(
        searched=len(chosen),
        share=share,
        unanswered=len(unanswered),
        by_meaning=by_meaning,
        gaps=tuple(scaled(gaps, share)),
    )


def scaled(gaps: Sequence[Gap], share: float) -> list[Gap]:
    """Each gap with as many tickets as it stands for; its cost has that already."""
    return [Gap(**(asdict(gap) | {"tickets": round(gap.tickets / share)})) for gap in gaps]

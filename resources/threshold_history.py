"""Recorded decisions as cut-offs are chosen and tried on them: what was scored, and what turned out.

What belongs here: reading them, and how far each outcome can be trusted. What does not: choosing (`aios_core/thresholds/`).

An outcome is somebody's word only where somebody looked. A reviewer looked at what was sent to review or drawn for the audit slice;
an agent looked at drafts and at tickets that were left to people. Of what was automated, a ticket that an agent moved is an error that
was noticed; one that nobody moved says nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from aios_core.decisions.record import decode_number, decode_rows, parse
from resources.database import Database, rows

MOST_ROWS = 20_000  # of the newest decisions: a share of them is known to a third of a point
SCORE = ("probabilities", "queue", "novelty")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A ticket's newest decision. `label` is what turned out, by whoever; `trusted` whether somebody had to look for it."""

    decision_id: str
    source: str
    ticket_id: str
    day: date
    verdict: str
    queue: str | None
    rule: str
    audit: bool
    policy_revision: str
    content: dict[str, Any]
    label: str | None
    origin: str | None

    @property
    def trusted(self) -> bool:
        if self.label is None:
            return False
        if self.origin == "review":
            return self.audit or self.verdict == "review"
        return self.verdict != "automate"

    @property
    def moved(self) -> bool:
        """It was automated, and an agent took it elsewhere."""
        return self.verdict == "automate" and self.label is not None and self.label != self.queue

    @property
    def weight(self) -> float:
        """One over the chance that somebody looked: what would have been automated is seen by the audit slice alone."""
        if not self.trusted:
            return 0.0
        drawn = self.audit and self.rule == "audit" and self.content["band"] == "high"
        return 1.0 / self.content["audit_share"] if drawn and self.content["audit_share"] else 1.0


def recorded(
    database: Database,
    automation: str,
    *,
    first: date,
    last: date,
    model_version: int | None = None,
    limit: int = MOST_ROWS,
) -> list[Recorded]:
    """The newest decision of each ticket of the days from `first` to `last`, oldest first; of more than `limit` the newest.

    `model_version` keeps those of one version.
    """
    asked = {"automation": automation, "first": first, "last": last, "version": model_version, "limit": limit}
    with database.connection() as conn:
        found = rows(conn, _RECORDED, asked)
    names = [name for name in Recorded.__slots__ if name != "content"]
    return [
        Recorded(**{name: row[name] for name in names}, content=parse(bytes(row["record"]))) for row in reversed(found)
    ]


def volume(database: Database, automation: str, *, first: date, last: date) -> tuple[int, int]:
    """(tickets decided, days from the first of them to the last) in the days from `first` to `last`."""
    with database.connection() as conn:
        row = conn.execute(
            "select count(distinct (source, ticket_id)), max(day) - min(day) + 1 from decisions"
            " where automation = %s and day between %s and %s",
            (automation, first, last),
        ).fetchone()
    return (row[0], row[1] or 0) if row else (0, 0)


def decided(database: Database, automation: str, tickets: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Which of these (source, ticket id) were ever decided outside the audit slice: their outcomes are no fair sample."""
    with database.connection() as conn:
        return set(
            conn.execute(
                "select distinct d.source, d.ticket_id from decisions d"
                " join unnest(%s::text[], %s::text[]) as asked (source, ticket_id)"
                "   on d.source = asked.source and d.ticket_id = asked.ticket_id"
                " where d.automation = %s and not d.audit",
                ([t[0] for t in tickets], [t[1] for t in tickets], automation),
            ).fetchall()
        )


def features_of(made: Sequence[Recorded]) -> pa.Table:
    """Their feature rows; all must have the same columns."""
    return decode_rows(made[0].content["ticket"]["columns"], [r.content["ticket"]["values"] for r in made])


def scores_of(made: Sequence[Recorded]) -> pa.Table | None:
    """Their scores as recorded; None where none has one."""
    found = [
        {
            **{name: r.content[name] for name in ("source", "ticket_id", "ticket_version")},
            "probabilities": [decode_number(p) for p in r.content["probabilities"]],
            "queue": r.content["predicted"],
            "novelty": decode_number(r.content.get("novelty")),
        }
        for r in made
        if r.content["scored"]
    ]
    return pa.Table.from_pylist(found) if found else None


_RECORDED = """
select * from (
    select distinct on (d.source, d.ticket_id) d.decision_id, d.source, d.ticket_id, d.day, d.verdict, d.queue, d.rule, d.audit,
           d.policy_revision, d.record, o.queue as label, o.origin, d.decided_at
    from decisions d
    left join lateral (select queue, origin from outcomes o
                       where o.automation = d.automation and o.source = d.source and o.ticket_id = d.ticket_id
                       order by (origin = 'review') desc, known_at desc, event_time desc limit 1) o on true
    where d.automation = %(automation)s and d.day between %(first)s and %(last)s
      and (%(version)s::integer is null or d.model_version = %(version)s)
    order by d.source, d.ticket_id, d.decided_at desc, d.decision_id desc
) newest order by decided_at desc, decision_id desc limit %(limit)s
"""

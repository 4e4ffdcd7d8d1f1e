"""Reconciliation: is every landed record accounted for, and nothing twice?

What belongs here: counts over the tables that should always come out as zero. What does not: mending.
"""

from dataclasses import dataclass

from resources.database import Database

# A landed record is accounted for when a canonical row or a quarantine entry names it.
_LOST = """
select count(*) from landing_records l
where l.automation = %(a)s
  and not exists (select 1 from tickets t where t.automation = l.automation and t.landing_id = l.landing_id)
  and not exists (select 1 from contacts c where c.automation = l.automation and c.landing_id = l.landing_id)
  and not exists (select 1 from customers c where c.automation = l.automation and c.landing_id = l.landing_id)
  and not exists (select 1 from quarantine q where q.automation = l.automation and q.landing_id = l.landing_id)
"""
_DUPLICATED = """
select (select coalesce(sum(n - 1), 0) from (
          select count(*) n from decisions d join tickets t using (automation, source, ticket_id)
          where d.automation = %(a)s and t.version = d.ticket_version
          group by d.source, d.ticket_id, t.content_hash, d.model_name, d.model_version, d.policy_revision) twice)
     + (select coalesce(sum(n - 1), 0) from (
          select count(*) n from outbox where automation = %(a)s and state = 'sent'
          group by target, external_id, kind, decision_id) twice)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Records that vanished between stages, and decisions or actions made twice for the same content."""

    lost: int
    duplicated: int


class Reconciliation:
    """Counts what should be zero."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, *, automation: str) -> Balance:
        with self._database.connection() as conn:
            lost = conn.execute(_LOST, {"a": automation}).fetchone()
            duplicated = conn.execute(_DUPLICATED, {"a": automation}).fetchone()
        return Balance(lost=int(lost[0]) if lost else 0, duplicated=int(duplicated[0]) if duplicated else 0)

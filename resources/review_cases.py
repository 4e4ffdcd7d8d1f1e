"""One review case as a row: reading it with its opinions, writing its next standing, noting what happened.

What belongs here: what every step on a case needs. What does not: the steps (`review_steps.py`, `review_leads.py`) and which of them is
allowed (`aios_core/review/states.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from aios_core.automation import Review
from aios_core.review.states import Opinion, Standing, UnknownCase
from resources.database import rows

DEFAULTS = Review()  # for a case that has no batch yet
LEADS = ("lead", "admin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One ticket waiting for, or decided by, people. `due_at` is its batch's; `escalated_at` when it was raised before being late."""

    standing: Standing
    automation: str
    source: str
    ticket_id: str
    decision_id: str
    correlation_id: str
    batch: str | None
    priority: float
    created_at: datetime
    lease: timedelta
    undo: timedelta
    due_at: datetime | None = None
    escalated_at: datetime | None = None

    @property
    def case_id(self) -> str:
        return self.standing.case_id

    @property
    def opinions(self) -> tuple[Opinion, ...]:
        """Those of this round, the oldest first."""
        return self.standing.opinions

    @property
    def opinions_needed(self) -> int:
        return self.standing.opinions_needed

    @property
    def contested(self) -> bool:
        """Opinions differ: a lead's turn."""
        return self.standing.contested

    @property
    def rework(self) -> str | None:
        """Why a lead sent the last verdict back."""
        return self.standing.rework

    @property
    def assigned_to(self) -> str | None:
        return self.standing.assigned_to


def read_case(conn: Connection[Any], case_id: str) -> Case:
    """One case. Raises UnknownCase."""
    found = rows(conn, f"{CASES} where c.case_id = %s", (case_id,))
    if not found:
        raise UnknownCase(f"there is no review case {case_id}; a newer decision on its ticket may have replaced it")
    return case_of(found[0])


def lock_case(conn: Connection[Any], case_id: str) -> Case:
    """One case that nobody else changes until the transaction ends. Raises UnknownCase.

    Locked first and read after: opinions read in the locking statement would be those from before the wait.
    """
    conn.execute("select 1 from review_cases where case_id = %s for update", (case_id,))
    return read_case(conn, case_id)


def lock_with_batch(conn: Connection[Any], case_id: str) -> Case:
    """The same where the batch must not be closed meanwhile. The batch first: the order in which collecting locks them."""
    before = read_case(conn, case_id)
    conn.execute(
        "select 1 from review_batches where automation = %s and batch = %s for update",
        (before.automation, before.batch),
    )
    return lock_case(conn, case_id)


def case_of(row: DictRow) -> Case:
    """A row of `CASES`."""
    own = ("automation", "source", "ticket_id", "decision_id", "correlation_id", "batch", "priority", "created_at", "due_at",
           "escalated_at")  # fmt: skip
    standing = {name: row[name] for name in Standing.__dataclass_fields__ if name != "opinions"}
    return Case(
        standing=Standing(opinions=tuple(_opinion(o) for o in row["opinions"]), **standing),
        lease=timedelta(minutes=row["lease_minutes"] or DEFAULTS.lease_minutes),
        undo=timedelta(minutes=DEFAULTS.undo_minutes if row["undo_minutes"] is None else row["undo_minutes"]),
        **{name: row[name] for name in own},
    )


def move(
    conn: Connection[Any],
    case: Case,
    new: Standing,
    kind: str | None,
    now: datetime,
    *,
    actor: str,
    detail: Mapping[str, Any] | None = None,
) -> Case:
    """Write a new standing with its opinions and its event; a step that changed nothing leaves no trace."""
    old = case.standing
    if new == old:
        return case
    conn.execute(
        f"update review_cases set {', '.join(f'{name} = %s' for name in _WRITTEN)} where case_id = %s",
        (*(Jsonb(dict(new.form)) if name == "form" else getattr(new, name) for name in _WRITTEN), new.case_id),
    )
    if new.round == old.round:
        _keep_opinions(conn, old, new)
    if kind:
        note(conn, new.case_id, kind, actor, detail or {}, now)
    return read_case(conn, new.case_id)


def note(conn: Connection[Any], case_id: str, kind: str, actor: str, detail: Mapping[str, Any], now: datetime) -> None:
    """What happened to a case, for its history."""
    conn.execute(
        "insert into review_events (case_id, kind, actor, detail, at) values (%s, %s, %s, %s, %s)",
        (case_id, kind, actor, Jsonb(dict(detail)), now),
    )


def is_lead(conn: Connection[Any], person: str) -> bool:
    """Whether the person may settle what others disagree on."""
    found = conn.execute("select 1 from users where username = %s and role = any(%s)", (person, list(LEADS))).fetchone()
    return found is not None


def _keep_opinions(conn: Connection[Any], old: Standing, new: Standing) -> None:
    """One may be new, one may be taken back. Those of rounds that ended stay."""
    gone = {o.actor for o in old.opinions} - {o.actor for o in new.opinions}
    if gone:
        conn.execute(
            "delete from review_opinions where case_id = %s and round = %s and actor = any(%s)",
            (new.case_id, new.round, sorted(gone)),
        )
    for said in new.opinions:
        if old.opinion_of(said.actor) is None:
            conn.execute(
                "insert into review_opinions (case_id, round, actor, queue, comment, form, at) values (%s, %s, %s, %s, %s, %s, %s)",
                (new.case_id, new.round, said.actor, said.queue, said.comment, Jsonb(dict(said.form)), said.at),
            )


def _opinion(said: Mapping[str, Any]) -> Opinion:
    return Opinion(
        actor=said["actor"],
        queue=said["queue"],
        comment=said["comment"],
        at=datetime.fromisoformat(said["at"]),
        form=said["form"],
    )


_WRITTEN: Sequence[str] = ("state", "claimed_by", "claim_expires", "verdict", "verdict_queue", "comment", "decided_by", "decided_at",
                           "assigned_to", "opinions_needed", "contested", "overridden", "rework", "round", "form")  # fmt: skip

CASES = """
select c.*, coalesce(b.state <> 'open', false) as closed, b.lease_minutes, b.undo_minutes, b.due_at, o.said as opinions
from review_cases c left join review_batches b on b.automation = c.automation and b.batch = c.batch
cross join lateral (
    select coalesce(jsonb_agg(jsonb_build_object('actor', actor, 'queue', queue, 'comment', comment, 'form', form, 'at', at)
                              order by at, actor), '[]') as said
    from review_opinions where case_id = c.case_id and round = c.round
) o
"""

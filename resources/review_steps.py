"""The steps that any reviewer takes on a case: get the next one, claim, keep, give back, leave to somebody, decide, undo, comment.

What belongs here: each step as one transaction. What does not: what only a lead may do (`review_leads.py`) and which step is allowed
(`aios_core/review/states.py`).

A killed process leaves a case either before or after a step, never between. A refused verdict is written down as an event too: what
somebody decided is never silently dropped.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from psycopg import Connection

from aios_core.errors import PermanentError
from aios_core.review import states
from aios_core.review.form import Form, answers
from aios_core.review.states import Opinion, ReviewConflict
from resources import review_rules
from resources.database import Database
from resources.database import rows as read_rows
from resources.review_cases import Case, is_lead, lock_case, lock_with_batch, move, note, read_case

LONGEST_NOTE = 5_000


class UnknownPerson(PermanentError):
    """A case can only be left to somebody with an account."""

    code = "review.unknown_person"


class EmptyNote(PermanentError):
    """A comment or a reason without words."""

    code = "review.empty"


class CaseSteps:
    """What a reviewer does with cases. All times are aware UTC, handed in as `now`."""

    _database: Database

    def case(self, case_id: str) -> Case:
        """One case. Raises UnknownCase."""
        with self._database.connection() as conn:
            return read_case(conn, case_id)

    def opinions(self, case_id: str) -> list[Opinion]:
        """Verdicts given in this round, the oldest first. Raises UnknownCase."""
        return list(self.case(case_id).opinions)

    def next_case(
        self,
        *,
        automation: str,
        batch: str,
        actor: str,
        now: datetime,
        besides: str | None = None,
        take_skipped: bool = False,
    ) -> Case | None:
        """Claim the next case of a batch: the actor's own claim first, then what was left to them, then the first free one by priority.

        `besides` is a case not to be handed out (the one just left); cases that the actor skipped come back only with
        `take_skipped`. Contested cases go to leads only, and nobody gets a case they have spoken on. Returns None when nothing is
        left for this person. Two callers never get the same case.
        """
        return self._next(
            "c.automation = %(automation)s and c.batch = %(batch)s",
            {"automation": automation, "batch": batch},
            actor=actor, now=now, besides=besides, take_skipped=take_skipped,
        )  # fmt: skip

    def next_for(
        self,
        actor: str,
        *,
        now: datetime,
        automation: str | None = None,
        queue: str | None = None,
        besides: str | None = None,
        take_skipped: bool = False,
    ) -> Case | None:
        """The same over all open batches, of one automation or one of its queues where they are named."""
        where = ["c.batch is not null"]
        if automation is not None:
            where.append("c.automation = %(automation)s")
        if queue is not None:
            where.append("c.queue = %(queue)s")
        return self._next(
            " and ".join(where), {"automation": automation, "queue": queue},
            actor=actor, now=now, besides=besides, take_skipped=take_skipped,
        )  # fmt: skip

    def _next(self, where: str, named: Mapping[str, Any], *, actor: str, now: datetime, besides: str | None,
              take_skipped: bool) -> Case | None:  # fmt: skip
        wanted = {**named, "actor": actor, "now": now, "besides": besides or "", "take_skipped": take_skipped}
        with self._database.connection() as conn:
            found: list[Any] = []
            for query in (_OWN, _LEFT_TO_ME, _FREE):
                found = read_rows(conn, query.format(where=where), wanted)
                if found:
                    break
            if not found:
                return None
            return self._claimed(conn, read_case(conn, found[0]["case_id"]), actor, now)

    def claim(self, case_id: str, *, actor: str, now: datetime) -> Case:
        """Claim one case by its id. Raises UnknownCase, ReviewConflict."""
        with self._database.connection() as conn:
            return self._claimed(conn, lock_case(conn, case_id), actor, now)

    def heartbeat(self, case_id: str, *, actor: str, now: datetime) -> Case:
        """Prolong one's own lease. Raises UnknownCase, and ReviewConflict where it was lost."""
        with self._database.connection() as conn:
            case = lock_case(conn, case_id)
            kept = states.heartbeat(case.standing, actor=actor, now=now, lease=case.lease)
            return move(conn, case, kept, None, now, actor=actor)

    def release(self, case_id: str, *, actor: str, now: datetime, until: datetime | None = None) -> Case:
        """Give a case back to the others; with `until`, only while the lease ends no later. Raises UnknownCase.

        With `until` it is a page that was left, not a person who gives up: what was left to them stays theirs.
        """
        with self._database.connection() as conn:
            case = lock_case(conn, case_id)
            expires = case.standing.claim_expires
            if until and expires and expires > until:
                return case
            given = states.release(case.standing, actor=actor, keep_assignment=until is not None)
            return move(conn, case, given, "release", now, actor=actor)

    def release_all(self, *, actor: str, now: datetime) -> int:
        """Give back everything the actor holds (at sign-out); returns how many cases that were. What was left to them stays theirs."""
        with self._database.connection() as conn:
            given = read_rows(
                conn,
                "update review_cases set state = 'waiting', claimed_by = null, claim_expires = null"
                " where state = 'claimed' and claimed_by = %s returning case_id",
                (actor,),
            )
            for row in given:
                note(conn, row["case_id"], "release", actor, {"because": "sign-out"}, now)
        return len(given)

    def skip(self, case_id: str, *, actor: str, reason: str = "", now: datetime) -> Case:
        """Leave a case to somebody else: it is released, and not handed to this person again unless asked for."""
        with self._database.connection() as conn:
            case = lock_case(conn, case_id)
            released = states.release(case.standing, actor=actor)
            note(conn, case_id, "skip", actor, {"reason": reason}, now)
            return move(conn, case, released, None, now, actor=actor)

    def reassign(self, case_id: str, *, actor: str, to: str, reason: str, now: datetime) -> Case:
        """Leave a case to one person, who alone gets it until they give it back.

        Raises UnknownCase, UnknownPerson, ReviewConflict.
        """
        with self._database.connection() as conn:
            case = lock_case(conn, case_id)
            if not read_rows(conn, "select 1 from users where username = %s", (to,)):
                raise UnknownPerson(f"nobody is called {to!r} here; `aios user list` lists who is")
            left = states.reassign(
                case.standing, actor=actor, to=to, now=now, lead=is_lead(conn, actor), to_lead=is_lead(conn, to)
            )
            return move(conn, case, left, "reassign", now, actor=actor, detail={"to": to, "reason": reason})

    def comment(self, case_id: str, *, actor: str, text: str, now: datetime) -> Case:
        """A note on the case without a verdict. Raises UnknownCase, EmptyNote."""
        with self._database.connection() as conn:
            case = lock_case(conn, case_id)
            note(conn, case_id, "comment", actor, {"text": words(text, case_id, "a comment")}, now)
            return case

    def decide(
        self,
        case_id: str,
        *,
        actor: str,
        queue: str,
        comment: str | None = None,
        form: Mapping[str, Any] | None = None,
        now: datetime,
    ) -> Case:
        """Record a verdict; the case is decided once as many people agree as it needs.

        Raises UnknownCase, UnknownQueue, InvalidForm, and ReviewConflict when somebody else was first or it is not one's turn.
        """
        refused: ReviewConflict | None = None
        with self._database.connection() as conn:
            case = lock_case(conn, case_id)
            review_rules.check_queue(conn, case, queue)
            asked = review_rules.asked_of(conn, case)
            said = {"queue": queue, "comment": comment}
            try:
                decided = states.decide(
                    case.standing,
                    actor=actor,
                    queue=queue,
                    comment=comment,
                    now=now,
                    form=answers(asked.rules.form, form or {}, queue=queue),
                    needed=asked.opinions_needed(case, chosen=queue),
                    lead=case.contested and is_lead(conn, actor),
                )
            except ReviewConflict as conflict:
                refused = conflict
                note(conn, case_id, "conflict", actor, said, now)
            else:
                settled = {"opinion": True} if decided.state != "decided" else {}
                settled |= {"settled": True} if decided.overridden else {}
                filled = {"form": dict(form)} if form else {}
                conn.execute("update review_cases set text_hash = %s where case_id = %s and text_hash is distinct from %s",
                             (asked.text_hash, case_id, asked.text_hash))  # fmt: skip
                case = move(conn, case, decided, "decide", now, actor=actor, detail=said | filled | settled)
        if refused is not None:
            raise refused
        return case

    def undo(self, case_id: str, *, actor: str, now: datetime) -> Case:
        """Take one's own verdict back and hold the case again where nobody else has it now. Raises UnknownCase, ReviewConflict."""
        with self._database.connection() as conn:
            case = lock_with_batch(conn, case_id)
            undone = states.undo(
                case.standing, actor=actor, now=now, within=case.undo, lease=case.lease, lead=is_lead(conn, actor)
            )
            mine = case.standing.opinion_of(actor)
            settled = case.standing.state == "decided"
            taken_back = {"queue": case.standing.verdict_queue if settled else mine.queue if mine else None,
                          "comment": case.standing.comment if settled else mine.comment if mine else None}  # fmt: skip
            return move(conn, case, undone, "undo", now, actor=actor, detail=taken_back)

    def choices(self, case_id: str) -> list[str]:
        """The queues a verdict on this case may name: declared ones, else the model's classes, else those seen."""
        with self._database.connection() as conn:
            return review_rules.choices(conn, read_case(conn, case_id))

    def form(self, case_id: str) -> Form:
        """What a verdict on this case is asked beside the queue, as declared when the ticket was decided. Raises UnknownCase."""
        with self._database.connection() as conn:
            return review_rules.asked_of(conn, read_case(conn, case_id)).rules.form

    def _claimed(self, conn: Connection[Any], case: Case, actor: str, now: datetime) -> Case:
        lead = case.contested and is_lead(conn, actor)
        new = states.claim(case.standing, actor=actor, now=now, lease=case.lease, lead=lead)
        prolonged = case.standing.claimed_by == new.claimed_by
        return move(conn, case, new, None if prolonged else "claim", now, actor=actor)


def words(text: str, case_id: str, what: str) -> str:
    """The text, cut to what is kept. Raises EmptyNote where there is none."""
    said = text.replace("\0", "").strip()
    if not said:
        raise EmptyNote(f"case {case_id}: {what} needs words; write what the next person should know")
    return said[:LONGEST_NOTE]


_MAY = """
(not c.contested or exists (select from users u where u.username = %(actor)s and u.role in ('lead', 'admin')))
and not exists (select from review_opinions o where o.case_id = c.case_id and o.round = c.round and o.actor = %(actor)s)
"""

_OWN = (
    """
select c.case_id from review_cases c
where {where} and c.state = 'claimed' and c.claimed_by = %(actor)s and c.case_id <> %(besides)s
  and (c.assigned_to is null or c.assigned_to = %(actor)s)
  and """
    + _MAY
    + """
order by c.priority desc, c.case_id limit 1 for update of c
"""
)

_LEFT_TO_ME = (
    """
select c.case_id from review_cases c
where {where} and c.assigned_to = %(actor)s and c.state <> 'decided' and c.case_id <> %(besides)s
  and (c.state = 'waiting' or c.claim_expires <= %(now)s) and """
    + _MAY
    + """
order by c.priority desc, c.case_id limit 1 for update of c skip locked
"""
)

_FREE = (
    """
select c.case_id from review_cases c
where {where} and c.state <> 'decided' and c.case_id <> %(besides)s and c.assigned_to is null
  and (c.state = 'waiting' or c.claim_expires <= %(now)s) and """
    + _MAY
    + """
  and (%(take_skipped)s or not exists (
      select 1 from review_events e where e.case_id = c.case_id and e.kind = 'skip' and e.actor = %(actor)s))
order by c.priority desc, c.case_id limit 1 for update of c skip locked
"""
)

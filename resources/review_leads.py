"""What only a lead does with a case: send a verdict back, or settle it over others' verdicts.

What belongs here: those two steps, each one transaction. What does not: a lead's ordinary work (`review_steps.py`).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aios_core.review import states
from aios_core.review.form import answers
from resources import review_rules
from resources.database import Database
from resources.review_cases import Case, is_lead, lock_with_batch, move
from resources.review_steps import words


class LeadSteps:
    """A lead's word. All times are aware UTC, handed in as `now`."""

    _database: Database

    def reject(self, case_id: str, *, actor: str, reason: str, now: datetime) -> Case:
        """Send a verdict back: the case waits again, and the reason is shown with it.

        Raises UnknownCase, NotAllowed, ReviewConflict, EmptyNote.
        """
        with self._database.connection() as conn:
            case = lock_with_batch(conn, case_id)
            why = words(reason, case_id, "sending a verdict back")
            back = states.reject(case.standing, actor=actor, reason=why, now=now, lead=is_lead(conn, actor))
            said = [{"actor": o.actor, "queue": o.queue} for o in case.opinions]
            return move(conn, case, back, "reject", now, actor=actor, detail={"reason": why, "opinions": said})

    def override(
        self,
        case_id: str,
        *,
        actor: str,
        queue: str,
        comment: str | None = None,
        form: Mapping[str, Any] | None = None,
        now: datetime,
    ) -> Case:
        """Settle a case over what others said, which stays beside it.

        Raises UnknownCase, UnknownQueue, InvalidForm, NotAllowed, ReviewConflict.
        """
        with self._database.connection() as conn:
            case = lock_with_batch(conn, case_id)
            review_rules.check_queue(conn, case, queue)
            asked = review_rules.asked_of(conn, case)
            settled = states.override(
                case.standing,
                actor=actor,
                queue=queue,
                comment=comment,
                now=now,
                lead=is_lead(conn, actor),
                # an emergency exit asks no required questions; what is answered is still checked
                form=answers(asked.rules.form, form, queue=queue) if form else {},
            )
            before = {"before": case.standing.verdict_queue, "opinions": [o.queue for o in case.opinions]}
            conn.execute("update review_cases set text_hash = %s where case_id = %s", (asked.text_hash, case_id))
            return move(
                conn, case, settled, "override", now, actor=actor, detail={"queue": queue, "comment": comment} | before
            )

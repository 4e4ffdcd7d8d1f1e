"""Folding the steps that add up to how many cases wait where.

What belongs here: keeping that table short. What does not: writing steps, which triggers do in the transaction that moves a case
(migration 0021), and reading them (`reviews.py`, `review_work.py`).
"""

from typing import Any

from psycopg import Connection


def fold(conn: Connection[Any]) -> None:
    """All steps seen now become one row each sum; those that others write meanwhile stay as they are, and so does every sum."""
    conn.execute(
        "with gone as (delete from review_tallies where ctid = any(array("
        "   select ctid from review_tallies for update skip locked)) returning automation, batch, queue, state, steps)"
        " insert into review_tallies (automation, batch, queue, state, steps)"
        " select automation, batch, queue, state, sum(steps) from gone group by 1, 2, 3, 4 having sum(steps) <> 0"
    )

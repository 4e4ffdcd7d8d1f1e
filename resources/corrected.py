"""What corrected a decision, and what a decision corrects: reading `corrections`.

What belongs here: that one question, light enough for the gateway. What does not: making corrections (`repairs.py`).
"""

from collections.abc import Mapping
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row


def corrections_of(conn: Connection[Any], decision_id: str) -> Mapping[str, Any]:
    """{"corrected_by", "corrects"}: what replaced a decision and what it replaces, each with its incident, or None."""
    with conn.cursor(row_factory=dict_row) as cursor:
        by = cursor.execute(
            "select incident_id, fate, corrected_by as decision_id, queue from corrections where decision_id = %s"
            " and corrected_by is not null order by at desc limit 1",
            (decision_id,),
        ).fetchone()
        of = cursor.execute(
            "select incident_id, decision_id from corrections where corrected_by = %s order by at desc limit 1",
            (decision_id,),
        ).fetchone()
    return {"corrected_by": by, "corrects": of}

"""A model that a changed rule has outdated, and the pause that followed, for tests of what is learnt then; no test of its own."""

from datetime import timedelta

import pyarrow as pa

from resources.monitoring import MonitorStore
from tests.aios_core.training.making import FACTS, table, tickets
from tests.resources.gatekeeping import NOW, Triage

LEARNT, ROWS, A_DAY = 600, 900, 50
CHANGED = NOW - timedelta(days=3)


def rows_of(*, rule=True, reviewed=()):
    """Old tickets, which the version learnt, and six days of new ones; for the last three, customers on `plus` belong to roaming."""
    texts, truth, facts = tickets(ROWS)
    since = NOW - timedelta(days=(ROWS - LEARNT) // A_DAY)
    moments = [
        NOW - timedelta(days=30) if n < LEARNT else since + timedelta(days=(n - LEARNT) / A_DAY) for n in range(ROWS)
    ]
    features = table(texts, facts=facts, spec=FACTS, moments=moments)
    plus = [fact["plan"] == "plus" for fact in facts]
    labels = [
        "roaming" if rule and own and at >= CHANGED else queue
        for own, at, queue in zip(plus, moments, truth, strict=True)
    ]
    known = [NOW if n in reviewed else at for n, at in enumerate(moments)]
    labelled = features.select(["source", "ticket_id"]).append_column("label", pa.array(labels))
    labelled = labelled.append_column("label_known_at", pa.array(known, pa.timestamp("us", tz="UTC")))
    origins = ["review" if n in reviewed else "agent" for n in range(ROWS)]
    old = {n for n in range(ROWS) if plus[n] and moments[n].date() < CHANGED.date()}
    return labelled.append_column("label_origin", pa.array(origins)), features, old


def paused(world: Triage, *, rows=60, queue="*", after=timedelta(0)) -> int:
    return MonitorStore(world.database).open_incident(
        automation="triage",
        remedy="narrow",
        queue=queue,
        reason="the world changed",
        evidence={"champion": {"version": 1, "rows": rows}},
        actor="judge",
        now=NOW + after,
    )

"""Actions: what was decided leaves for the helpdesk through the outbox, exactly once in effect.

What belongs here: opening the target and delivering what is due. What does not: which action follows from what
(`aios_core/decisions/actions.py`) and delivery itself (`resources/outbox.py`).
"""

import dagster as dg

from aios_assets import naming
from resources import clock
from resources.dagster_resources import ConnectorsResource, DatabaseResource
from resources.declarations import Declared
from resources.outbox import Delivered, Outbox

COLUMNS = {
    "decision_id": "text",
    "target": "text",
    "kind": "text",
    "external_id": "text",
    "payload": "jsonb",
    "idempotency_key": "text",
    "state": "text",
    "attempts": "int",
    "sent_at": "timestamp",
}


def build(declared: Declared) -> list[dg.AssetsDefinition]:
    automation = declared.automation
    target = automation.actions.source
    spec = naming.spec(
        declared,
        "actions",
        plane="decide",
        kinds=["postgres", *([automation.sources[target].connector] if target else [])],
        deps=["decisions", *(["drafts"] if automation.drafts is not None else [])],
        description=(
            "Writes to the helpdesk: assignments, tags and notes. One row is one action, entered in the transaction "
            "of its decision and sent with an idempotency key, so that a killed process neither loses nor repeats it."
        ),
        columns=COLUMNS,
    )

    @dg.multi_asset(specs=[spec], name=naming.job_name(declared, "actions"))
    def actions(database: DatabaseResource, connectors: ConnectorsResource) -> dg.MaterializeResult:
        if target is None:
            return dg.MaterializeResult(
                asset_key=spec.key, metadata={"sent": 0, "note": "the declaration names no target"}
            )
        delivered = deliver(declared, target, database, connectors)
        return dg.MaterializeResult(
            asset_key=spec.key,
            metadata={
                "sent": delivered.sent,
                "retried": delivered.retried,
                "dead": delivered.dead,
                "conflicts": delivered.conflicts,
            },
        )

    return [actions]


def deliver(declared: Declared, target: str, database: DatabaseResource, connectors: ConnectorsResource) -> Delivered:
    """Send what is due at the target."""
    automation = declared.automation
    with connectors.open(automation.sources[target], automation=automation, folder=declared.folder) as connector:
        return Outbox(database.open()).deliver(
            automation=automation,
            target=target,
            connector=connector,
            now=clock.now(),
        )

"""Actions: what was decided leaves for the helpdesk through the outbox, exactly once in effect.

What belongs here: opening the target and delivering what is due. What does not: which action follows from what
(`aios_core/decisions/actions.py`) and delivery itself (`resources/outbox.py`).
"""

from typing import Any

import dagster as dg

from aios_assets import naming
from aios_assets.metadata import markdown_table
from resources import clock
from resources.dagster_resources import ConnectorsResource, DatabaseResource
from resources.declarations import Declared
from resources.deployments import deployment
from resources.dry_run import DryRuns
from resources.lake import Lake
from resources.outbox import Delivered, Outbox
from resources.robots.writer import RobotWriter

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
                **(kept_back(declared, database) if automation.actions.dry_run else {}),
            },
        )

    return [actions]


def kept_back(declared: Declared, database: DatabaseResource) -> dict[str, Any]:
    """What the dry run would have done, beside what people did."""
    found = DryRuns(database.open()).compare(declared.automation.name, differences=5)
    queues = [
        {"queue": q.queue, "would": q.would, "same": q.same, "other": q.other, "open": q.open} for q in found.queues
    ]
    return {
        "dry_run": True,
        "would_have_moved": found.would,
        "people_did_the_same": found.same,
        "people_did_something_else": found.other,
        **({"agreement": found.agreement} if found.agreement is not None else {}),
        "beside_what_people_did": markdown_table(queues),
    }


def deliver(declared: Declared, target: str, database: DatabaseResource, connectors: ConnectorsResource) -> Delivered:
    """Send what is due at the target: over its API, or by the declared robot, one action after the other."""
    automation = declared.automation
    outbox, console = Outbox(database.open()), deployment().gateway_url
    if automation.actions.robot is not None:
        writer = RobotWriter(
            automation.robots[automation.actions.robot],
            name=automation.actions.robot,
            automation=automation.name,
            folder=declared.folder,
            database=database.open(),
            lake=Lake(deployment().lake_url),
        )
        # a robot takes seconds for an action, and what one action waits for must not hold the rows of the others
        return outbox.deliver(
            automation=automation, target=target, connector=writer, now=clock.now(), batch_size=1, console=console
        )
    with connectors.open(automation.sources[target], automation=automation, folder=declared.folder) as connector:
        return outbox.deliver(
            automation=automation, target=target, connector=connector, now=clock.now(), console=console
        )

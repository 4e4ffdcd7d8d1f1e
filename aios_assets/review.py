"""Review: waiting cases become batches for people, finished batches become outcomes. No run waits for a person.

What belongs here: the two assets around the console. What does not: batching rules (`aios_core/review`) and the console
(`gateway/`).
"""

import dagster as dg

from aios_assets import naming, partitions
from aios_assets.metadata import markdown_table
from resources import clock
from resources.dagster_resources import DatabaseResource
from resources.declarations import Declared
from resources.reviews import ReviewStore

OUTCOME_COLUMNS = {"ticket_id": "text", "queue": "text", "actor": "text", "known_at": "timestamp"}


def build(declared: Declared) -> list[dg.AssetsDefinition]:
    return [_batches(declared), _outcomes(declared)]


def _batches(declared: Declared) -> dg.AssetsDefinition:
    automation = declared.automation
    spec = naming.spec(
        declared,
        "review_batches",
        plane="people",
        kinds=["postgres"],
        # so that a case has its draft when a person opens it
        deps=["decisions", *(["drafts"] if automation.drafts is not None else [])],
        description=(
            "Cases waiting for a person, grouped by day and queue, the costliest doubts first. One row is one batch "
            "and one partition of `review_outcomes`; people work on them in the review console."
        ),
        columns={"batch": "text", "queue": "text", "size": "int", "due_at": "timestamp", "state": "text"},
    )

    @dg.multi_asset(specs=[spec], name=naming.job_name(declared, "review_batches"))
    def review_batches(context: dg.AssetExecutionContext, database: DatabaseResource) -> dg.MaterializeResult:
        store = ReviewStore(database.open())
        made = store.make_batches(automation=automation, now=clock.now())
        # All open ones, not only the new: a run killed after make_batches leaves partitions to be added here.
        known = [b.batch for b in store.batches(automation=automation.name)]
        if known:
            context.instance.add_dynamic_partitions(partitions.review_batches(declared).name, known)
        return dg.MaterializeResult(
            asset_key=spec.key,
            metadata={
                "batches": len(made),
                "cases": sum(b.size for b in made),
                "open": markdown_table([{"batch": b.batch, "cases": b.size, "due": b.due_at} for b in made]),
            },
        )

    return review_batches


def _outcomes(declared: Declared) -> dg.AssetsDefinition:
    automation = declared.automation
    spec = naming.spec(
        declared,
        "review_outcomes",
        plane="people",
        kinds=["postgres"],
        deps=["review_batches"],
        description=(
            "What reviewers decided, one partition a finished batch. One row is one verdict; it becomes an outcome for "
            "the next training set, and the assignment leaves for the helpdesk."
        ),
        columns=OUTCOME_COLUMNS,
        partitions_def=partitions.review_batches(declared),
    )

    @dg.multi_asset(specs=[spec], name=naming.job_name(declared, "review_outcomes"))
    def review_outcomes(context: dg.AssetExecutionContext, database: DatabaseResource) -> dg.MaterializeResult:
        collected = ReviewStore(database.open()).collect(
            automation=automation, batch=context.partition_key, now=clock.now()
        )
        return dg.MaterializeResult(
            asset_key=spec.key,
            metadata={
                "outcomes": collected.outcomes,
                "agreed": collected.agreed,
                "corrected": collected.corrected,
                "actions": collected.actions,
            },
        )

    return review_outcomes

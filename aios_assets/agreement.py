"""Agreement: how far reviewers agree, how fast they decide, and how often a verdict is turned round.

What belongs here: the asset around those measures. What does not: the measures (`aios_core/review/agreement.py`) and reading opinions
(`resources/review_agreement.py`).
"""

from dataclasses import asdict

import dagster as dg

from aios_assets import naming
from aios_assets.metadata import markdown_table
from resources import clock
from resources.dagster_resources import DatabaseResource
from resources.declarations import Declared
from resources.review_agreement import WINDOW, AgreementStore, measured, pairs_of, queues_of

SHOWN = 60


def build(declared: Declared) -> list[dg.AssetsDefinition]:
    automation = declared.automation
    spec = naming.spec(
        declared,
        "agreement",
        plane="people",
        kinds=["postgres"],
        deps=["review_outcomes"],
        description=(
            "How far reviewers agree on cases that two or more of them decided in the last 90 days (Fleiss' kappa over all, Cohen's a "
            "pair of people), by queue; how fast each person decides and how many verdicts did not stand; and the labels in dispute, "
            "which nothing learns from before a lead has settled them."
        ),
        columns={"queue": "text", "cases": "int", "agreed": "float", "fleiss_kappa": "float"},
    )

    @dg.multi_asset(specs=[spec], name=naming.job_name(declared, "agreement"))
    def agreement(database: DatabaseResource) -> dg.MaterializeResult:
        now, store = clock.now(), AgreementStore(database.open())
        window = {"automation": automation.name, "since": now - WINDOW, "until": now}
        compared, worked = store.compared(**window), store.worked(**window)
        disputed = store.in_dispute(automation=automation.name, until=now)
        everything = measured(compared)
        return dg.MaterializeResult(
            asset_key=spec.key,
            metadata={
                **{name: value for name, value in everything.items() if value is not None},
                "by_queue": markdown_table(queues_of(compared)[:SHOWN]),
                "by_pair": markdown_table(pairs_of(compared)[:SHOWN]),
                "people": markdown_table([asdict(w) | {"turned_share": w.turned_share} for w in worked[:SHOWN]]),
                "in_dispute": len(disputed),
                "disputed": markdown_table(disputed[:SHOWN]),
            },
        )

    return [agreement]

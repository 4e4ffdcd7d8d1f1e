"""The jobs of an automation: which assets run together. Schedules and sensors start them; so can a person.

Each runs in one process: a day's work is a few large steps, and starting a process for each costs more than they do. On
Kubernetes each step has a pod of its own (`pods.py`), so that only what scores asks for a GPU.
"""

from collections.abc import Iterable
from typing import Any

import dagster as dg

from aios_assets import agents, drafts, landing, naming, partitions, pods, requesters, synthetic
from aios_assets.remedies import narrow_job, rollback_job
from aios_assets.repair import repair_job
from aios_assets.rollout import advance_job
from resources.declarations import Declared

INGEST, TRAIN, SCORE, REVIEW, COLLECT = "ingest", "train", "score", "review", "collect"
MONITOR, ASSESS = "monitor", "assess"
ROLLBACK, NARROW, REPAIR = "rollback", "narrow", "repair"
SHADOW, ADVANCE = "shadow", "advance"
ALERTS = "alerts"
KNOWLEDGE, GAPS = "knowledge", "gaps"
CHALLENGE, SYNTHETIC = "challenge", "synthetic"


def build(declared: Declared) -> list[Any]:
    sources = declared.automation.sources
    customers = ["customers"] if declared.automation.sources_of("customers") else []
    joined = [requesters.REQUESTERS] if requesters.declared_by(declared) else []
    days = partitions.days(declared)
    marked = [synthetic.DECISIONS] if synthetic.declared_by(declared) else []
    looked = [agents.AGENTS] if agents.declared_by(declared) else []
    drafted = [*looked, *([drafts.DRAFTS] if drafts.declared_by(declared) else [])]
    return [
        _job(
            declared,
            INGEST,
            [*(landing.asset_name(s) for s in sources), "tickets", "outcomes", *customers, *joined],
            "Read every source from its cursor, and make canonical what is new.",
        ),
        _job(
            declared,
            TRAIN,
            ["training_set", "candidate", "model_version"],
            "Train on outcomes known by now; register and, past the gate, promote.",
        ),
        _job(
            declared,
            SCORE,
            ["features", "scores", "decisions", *drafted, "actions", *marked],
            "Score and decide days of tickets, and send what was decided.",
            partitions_def=days,
        ),
        _job(
            declared,
            REVIEW,
            # by its schedule it also drafts and sends what no scoring run came back for
            [*drafted, *(["actions"] if drafted else []), "review_batches"],
            "Group waiting cases into batches for people.",
        ),
        _job(
            declared,
            COLLECT,
            ["review_outcomes"],
            "Turn one finished batch into outcomes.",
            partitions_def=partitions.review_batches(declared),
        ),
        _job(
            declared,
            MONITOR,
            ["drift", "estimated_quality", "quality", "value"],
            "Compare days with the model version's reference, and recent decisions with what turned out.",
            partitions_def=days,
        ),
        _job(
            declared,
            ASSESS,
            ["quality", "value", "agreement"],
            "Judge the champion by the outcomes known now, count what the automation is worth, and see how far reviewers agree.",
        ),
        _job(
            declared,
            SHADOW,
            ["shadow_scores"],
            "Score days of tickets under the version in shadow, beside the champion; nothing is decided by it.",
            partitions_def=days,
        ),
        _job(
            declared, ALERTS, ["alerts"], "Look at every signal once, tell what is due, and show the history of alerts."
        ),
        _job(
            declared,
            CHALLENGE,
            ["challenger"],
            "Hear the champion and the best other version on the same recent tickets.",
        ),
        *(
            [
                _job(
                    declared,
                    SYNTHETIC,
                    [synthetic.PROBES],
                    "Judge the marked tickets under way, and send the next one.",
                )
            ]
            if marked
            else []
        ),
        *_knowledge_jobs(declared),
        advance_job(declared),
        rollback_job(declared),
        narrow_job(declared),
        repair_job(declared),
    ]


def _knowledge_jobs(declared: Declared) -> list[Any]:
    if declared.automation.knowledge is None:
        return []
    return [
        _job(
            declared,
            KNOWLEDGE,
            ["articles", "knowledge_index"],
            "Read articles, and make their index again where it changed.",
        ),
        _job(declared, GAPS, ["knowledge_gaps"], "Find the questions that no article answers."),
    ]


def _job(declared: Declared, name: str, assets: Iterable[str], description: str, **more: Any) -> Any:
    return dg.define_asset_job(
        naming.job_name(declared, name),
        selection=dg.AssetSelection.assets(*(naming.key(declared, a) for a in assets)),
        description=description,
        executor_def=pods.executor(),
        tags=naming.run_tags(declared),
        **more,
    )

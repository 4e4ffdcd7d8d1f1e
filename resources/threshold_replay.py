"""Recorded history decided again under other cut-offs.

What belongs here: the records, their policies, and their rules with other cut-offs. What does not: counting
(`aios_core/thresholds/replay.py`). Nothing is written.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from aios_core.automation import Automation
from aios_core.decisions.decide import decide
from aios_core.decisions.record import recorded_rules
from aios_core.decisions.thresholds import Thresholds
from aios_core.thresholds.replay import Again, Replayed, replayed
from aios_core.thresholds.tickets import ThresholdError
from resources import threshold_history as history
from resources.database import Database
from resources.policy import RegoPolicy

# of a record, what `recorded_rules` reads and what its feature row is made of: equal ones are decided in one pass
_RULES = ("declaration", "model_name", "model_version", "classes", "policy_revision", "undeclared", "queues", "costs", "modes",
          "audit_share", "fallback_queue")  # fmt: skip


def replay_history(
    database: Database, automation: Automation, thresholds: Thresholds, *, days: int, now: datetime
) -> Replayed:
    """Decide the last days' tickets again: each from its own recorded features, score, rules and policy, under these cut-offs.

    Of each ticket the newest decision counts, and at most `history.MOST_ROWS`. Raises ThresholdError where there is none.
    """
    first, last = (now - timedelta(days=days)).date(), now.date()
    made = history.recorded(database, automation.name, first=first, last=last)
    if not made:
        raise ThresholdError(
            f"{automation.name} decided nothing in the last {days} days; look further back with --days"
        )
    policies = _policies(database, {r.policy_revision for r in made})
    again: list[Again] = []
    for _, several in groupby(sorted(made, key=_alike), key=_alike):
        mine = list(several)
        rules = replace(recorded_rules(mine[0].content), thresholds=thresholds)
        decisions = decide(
            history.features_of(mine),
            history.scores_of(mine),
            rules=rules,
            policy=policies[mine[0].policy_revision].ask,
            day_of=mine[0].day,
        )
        again += [
            Again(decision_id=r.decision_id, queue=r.queue, then=r.verdict, now=d.verdict, label=_label(r))
            for r, d in zip(mine, decisions, strict=True)
        ]
    covered = (max(r.day for r in made) - min(r.day for r in made)).days + 1
    return replayed(again, days=covered, automation=automation)


def _label(made: history.Recorded) -> str | None:
    """What turned out where somebody looked, and where an agent moved what had been automated."""
    return made.label if made.trusted or made.moved else None


def _alike(made: history.Recorded) -> str:
    parts: Mapping[str, Any] = {name: made.content[name] for name in _RULES}
    return json.dumps([parts, made.content["ticket"]["columns"]], sort_keys=True)


def _policies(database: Database, revisions: set[str]) -> dict[str, RegoPolicy]:
    with database.connection() as conn:
        found = conn.execute(
            "select revision, content from policies where revision = any(%s)", (list(revisions),)
        ).fetchall()
    if missing := revisions - {revision for revision, _ in found}:
        raise ThresholdError(
            f"policy revision {min(missing)} is not stored, so decisions made under it can't be replayed; was its row deleted?"
        )
    return {revision: RegoPolicy(content) for revision, content in found}

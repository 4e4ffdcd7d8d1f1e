"""Decisions: scores and the automation's Rego policy to verdicts, recorded with actions, review cases and ledger entry."""

import json
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from aios_core.decisions.decide import decide
from aios_core.decisions.model import rules_for
from aios_core.scoring.model import MANIFEST_FILE
from benchmarks.measuring import per_second, timed
from benchmarks.steps.training import FOLDER
from benchmarks.workspace import MODEL_VERSION, Workspace
from resources.decisions import DecisionStore
from resources.policy import Facts, RegoPolicy

ROWS_AT_ONCE = 20_000  # as the asset; it is not imported, since Dagster's memory would come along


class Asked:
    """A policy that counts the seconds spent in it."""

    def __init__(self, policy: RegoPolicy) -> None:
        self._policy = policy
        self.seconds = 0.0

    def ask(self, facts: Sequence[Facts]) -> list[dict[str, Any]]:
        before = time.perf_counter()
        answers = self._policy.ask(facts)
        self.seconds += time.perf_counter() - before
        return answers


def run(workspace: Workspace) -> dict[str, Any]:
    declared, lake = workspace.declared(), workspace.lake()
    automation = declared.automation
    policy = RegoPolicy(declared.policy_text)
    rules = rules_for(
        automation,
        policy_revision=policy.revision,
        model_version=MODEL_VERSION,
        manifest=json.loads(lake.get(f"{FOLDER}/{MANIFEST_FILE}")),
    )
    asked, recording, new = Asked(policy), 0.0, 0
    verdicts: Counter[str] = Counter()
    with workspace.database() as database:
        store = DecisionStore(database)
        with timed() as watch:
            for day in workspace.days():
                where = {"automation": automation.name, "day": day}
                features = lake.read_partition(dataset="features", **where)
                scores = lake.read_partition(dataset="scores", **where)
                for start in range(0, features.num_rows, ROWS_AT_ONCE):
                    made = decide(
                        features.slice(start, ROWS_AT_ONCE),
                        scores.slice(start, ROWS_AT_ONCE),
                        rules=rules,
                        policy=asked.ask,
                        day_of=day,
                    )
                    before = time.perf_counter()
                    recorded = store.record(
                        made, automation=automation, policy_text=declared.policy_text, now=datetime.now(UTC)
                    )
                    recording += time.perf_counter() - before
                    new += recorded.new
                    verdicts.update(d.verdict for d in made)
    if new != workspace.new:
        raise AssertionError(f"{workspace.new} tickets in the window, but {new} decisions")
    return {
        **watch.figures(new),
        "decide_rows_per_s": per_second(new, watch.seconds - recording),
        "record_rows_per_s": per_second(new, recording),
        "policy_seconds": round(asked.seconds, 3),
        "verdicts": dict(verdicts.most_common()),
    }

"""Decisions to record and a helpdesk to send to, for the tests of stores; no test of its own."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from aios_core.automation import Automation
from aios_core.decisions.actions import OutboxAction
from aios_core.decisions.decide import decide
from aios_core.decisions.model import Decision, rules_for
from resources.connectors.base import Page, WriteResult
from resources.policy import RegoPolicy
from tests.aios_core.decisions.making import CLASSES, automation, features, score, scores, ticket

__all__ = ["CLASSES", "FakeHelpdesk", "automation", "decisions", "ticket"]

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
POLICY = """package aios.policy

import rego.v1

decision := {"verdict": input.proposed, "rule": "as_proposed"}
"""
# automate, draft, review in turn
CONFIDENCES = ([0.95, 0.03, 0.02], [0.7, 0.2, 0.1], [0.4, 0.35, 0.25])


def decisions(
    rows: Sequence[dict[str, Any]], declared: Automation | None = None, *, model_version: int = 3,
    probabilities: Sequence[Sequence[float]] = CONFIDENCES,
) -> list[Decision]:  # fmt: skip
    """Decisions over feature rows, their scores taken in turn from `probabilities`."""
    declared = declared or automation()
    policy = RegoPolicy(POLICY)
    rules = rules_for(
        declared, policy_revision=policy.revision, model_version=model_version, manifest={"classes": CLASSES}
    )
    given = [
        score(row, probabilities[i % len(probabilities)]) | {"model_version": model_version}
        for i, row in enumerate(rows)
    ]
    return decide(features(rows), scores(given) if given else None, rules=rules, policy=policy.ask)


class FakeHelpdesk:
    """A connector that records effects by idempotency key, as the read-before-write of a real one does."""

    objects = ("tickets",)

    def __init__(self, answers: dict[str, str] | None = None) -> None:
        self.answers = answers or {}
        self.effects: dict[str, str] = {}
        self.calls: list[list[str]] = []

    def read(self, *, object: str, cursor: str | None) -> Iterator[Page]:
        yield from ()

    def write(self, actions: Sequence[OutboxAction]) -> list[WriteResult]:
        """`answers` by ticket id; `sent` otherwise."""
        self.calls.append([a.external_id for a in actions])
        results = []
        for action in actions:
            status: Any = self.answers.get(action.external_id, "sent")
            if status == "sent":
                self.effects.setdefault(action.idempotency_key, action.payload["queue"])
            results.append(WriteResult(external_id=action.external_id, status=status, message=f"{status} by fake"))
        return results

    def check(self) -> str:
        return "fake helpdesk"

    def close(self) -> None:
        return None

"""Tickets whose true error is known, for the tests of cut-offs; no test of its own."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from aios_core.automation import Automation
from aios_core.decisions.thresholds import Thresholds
from aios_core.thresholds.proposal import Basis, Proposal, Settings, propose
from aios_core.thresholds.tickets import Tickets, joined, words
from tests.aios_core.decisions.making import automation as declared

Error = Callable[[Any], Any]


def automation(**decisions: Any) -> Automation:
    """Three queues, no audit slice; a wrong automation costs 12, a review 2."""
    return declared(decisions={"audit_share": 0.0} | decisions)


def tickets(
    rows: int, *, seed: int, error: Error = lambda c: 1 - c, queue: str = "billing", labelled: bool = True, high: str = "automate"
) -> Tickets:  # fmt: skip
    """Rows of one predicted queue with confidences from 0.3 to 1, each wrong with probability `error(confidence)`."""
    chance = np.random.default_rng(seed)
    confidence = np.round(chance.uniform(0.3, 1.0, rows), 6)
    wrong = chance.random(rows) < error(confidence)
    labels = [("another" if w else queue) if labelled else None for w in wrong]
    return Tickets(
        queue=words([queue] * rows),
        confidence=confidence,
        high=words([high] * rows),
        middle=words(["draft" if high != "review" else "review"] * rows),
        low=words(["review"] * rows),
        label=words(labels),
        weight=np.ones(rows),
        unbiased=np.ones(rows, bool),
        first_half=chance.random(rows) < 0.5,
    )


def basis(stream: Tickets, *, source: str = "decisions") -> Basis:
    return Basis(
        automation="care",
        declaration="d1",
        model_name="care",
        model_version=3,
        stream=source,
        stream_rows=len(stream),
        per_day=100.0,
        labelled=1,
        unbiased=1,
        audited=0,
        currency="EUR",
    )


def proposal(
    settings: Settings,
    *,
    now: Thresholds | None = None,
    halved: bool = False,
    errors: Sequence[float | None] = (None, 0.33, None),
    rows: Sequence[int] = (3_000, 3_000, 40),
    **decisions: Any,
) -> Proposal:
    """Three queues: billing with many tickets and few errors, fraud wrong in a third of cases, outage with few tickets.

    `errors` are those of billing, fraud and outage whatever the confidence; None: fewer the surer.
    """
    parts = list(zip(("billing", "fraud", "outage"), rows, errors, strict=True))
    known = joined([
        tickets(count, seed=n, queue=queue, error=(lambda c: (1 - c) ** 2) if e is None else (lambda c, e=e: e + 0 * c))
        for n, (queue, count, e) in enumerate(parts)
    ])  # fmt: skip
    stream = joined([
        replace(tickets(1_000, seed=10 + n, queue=queue, labelled=False), unbiased=np.zeros(1_000, bool))
        for n, (queue, _, _) in enumerate(parts)
    ])  # fmt: skip
    return propose(
        known,
        stream,
        automation=automation(**decisions),
        now=now or Thresholds(automate=0.9, draft=0.6),
        settings=settings,
        basis=basis(stream),
        halved=halved,
    )

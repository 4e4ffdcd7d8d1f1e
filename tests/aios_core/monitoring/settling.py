"""Scored rows with and without outcomes for the tests of label and concept drift: a calibrated model, and rules that change."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from aios_core.monitoring.reference import Reference, reference_of

CLASSES = ("billing", "complaint", "outage", "porting")
SHARES = np.array([0.4, 0.1, 0.3, 0.2])
PLANS = np.array(["basic", "business"])
Rule = Callable[[str, str, float], str]  # (label, plan, luck) -> label


def same(label: str, plan: str, luck: float) -> str:
    return label


def refunds_are_complaints(label: str, plan: str, luck: float) -> str:
    return "complaint" if label == "billing" and luck < 0.3 else label


def business_ports_elsewhere(label: str, plan: str, luck: float) -> str:
    return "wholesale" if label == "porting" and plan == "business" else label


def day(
    seed: int,
    rows: int,
    *,
    rule: Rule = same,
    settled: float = 1.0,
    overconfident: float = 0.0,
    shares: np.ndarray = SHARES,
    words: str = "",
) -> pa.Table:
    """Rows of `monitor_rows` with `label`: probabilities are the chances that labels are then drawn with, but for what is asked for."""
    rng = np.random.default_rng(seed)
    topic = rng.choice(len(CLASSES), rows, p=shares)
    sure = np.clip(rng.beta(12, 1.2, rows), 0.4, 0.999)
    probabilities = np.repeat(((1 - sure) / (len(CLASSES) - 1))[:, None], len(CLASSES), axis=1)
    probabilities[np.arange(rows), topic] = sure
    probabilities = np.round(probabilities, 6)
    truth = probabilities * (1 - overconfident) + overconfident / len(CLASSES)
    drawn = (truth.cumsum(axis=1) < rng.random((rows, 1)) * truth.sum(axis=1, keepdims=True)).sum(axis=1)
    labels = [CLASSES[min(i, len(CLASSES) - 1)] for i in drawn]
    plans = rng.choice(PLANS, rows)
    known = rng.random(rows) < settled
    luck = rng.random(rows)
    ruled = [rule(*row) if is_known else None for *row, is_known in zip(labels, plans, luck, known, strict=True)]
    return pa.table({
        "source": ["desk"] * rows,
        "ticket_id": [str(i) for i in range(rows)],
        "text_length": rng.poisson(80, rows),
        "unseen_share": np.round(rng.beta(2, 20, rows), 6),
        "confidence": probabilities.max(axis=1),
        "queue": [CLASSES[i] for i in probabilities.argmax(axis=1)],
        "channel": rng.choice(["web", "email"], rows),
        "crm_plan": plans,
        "text": [f"my {CLASSES[i]} {words}" for i in topic],
        "probabilities": list(probabilities),
        "label": pa.array(ruled, pa.string()),
    })  # fmt: skip


def reference(seed: int = 99, rows: int = 3_000, **more: object) -> Reference:
    rows_of = day(seed, rows, **more)  # type: ignore[arg-type]
    made = reference_of(rows_of.drop_columns(["label"]), classes=CLASSES, settled=rows_of)
    labels = {name: int(share * 10_000) for name, share in zip(CLASSES, SHARES, strict=True)}
    return Reference(cuts=made.cuts, sketch=made.sketch, settled=made.settled, labels=labels, calibration_error=0.01)

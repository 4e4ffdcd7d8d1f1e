"""Seeded tickets-and-scores frames for the tests of drift: a drift-free world, and worlds that changed in one way."""

import numpy as np
import pandas as pd

QUEUES = ("billing", "outage", "roaming", "porting", "device", "cancellation", "fraud", "complaint")


def world(
    seed: int,
    rows: int,
    *,
    longer: float = 0.0,
    new_words: float = 0.0,
    fraud_wave: float = 0.0,
    crm_down: bool = False,
    queues: tuple[str, ...] = QUEUES,
) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    shares = np.linspace(2, 0.5, len(queues))
    shares[-2] += fraud_wave * shares.sum()
    return pd.DataFrame({
        "text_length": np.exp(rng.normal(4.5 + longer, 0.6, rows)).round(),
        "unseen_share": rng.beta(2 + new_words, 20, rows).round(6),
        "confidence": np.round(1 - rng.beta(0.5 + new_words / 3, 4, rows), 6),
        "queue": rng.choice(queues, rows, p=shares / shares.sum()),
        "language": rng.choice(np.array(["en", "de", "es", None], dtype=object), rows, p=[0.9, 0.05, 0.03, 0.02]),
        "channel": rng.choice(["email", "web", "phone"], rows, p=[0.5, 0.4, 0.1]),
        "crm_plan": rng.choice(["basic", "plus", "pro"], rows),
        "crm_tenure": np.where(rng.random(rows) < (1 if crm_down else 0.1), np.nan, rng.integers(0, 72, rows)),
        "crm_spend": np.where(rng.random(rows) < 0.3, 0, rng.gamma(2, 30, rows)),
        "crm_region": np.full(rows, 3.0),
    })  # fmt: skip

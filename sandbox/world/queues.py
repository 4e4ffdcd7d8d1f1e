"""The ten queues: names, vendor ids, shares, who writes to them, and how urgent they are.

What belongs here: tables about queues. What does not: what people write (`phrases/`) and what agents do (`tickets.py`).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

QUEUES: Final = (
    "billing",
    "outage",
    "roaming",
    "porting",
    "device",
    "cancellation",
    "fraud",
    "complaint",
    "activation",
    "plan_change",
)
INDEX: Final = {name: position for position, name in enumerate(QUEUES)}
FIRST_GROUP_ID: Final = 4001
PRIORITIES: Final = ("low", "normal", "high", "urgent")

SHARES: Final = np.array([0.18, 0.13, 0.08, 0.08, 0.11, 0.09, 0.06, 0.09, 0.09, 0.09])
SHIFT: Final = np.array([0.6, 5.0, 0.5, 2.5, 0.5, 1.0, 0.6, 1.5, 0.4, 0.4])
"""What `class_shift` multiplies the shares with: a bad month for the network and a campaign of a competitor."""

PRIORITY_WEIGHTS: Final = np.array(
    [
        [0.30, 0.50, 0.16, 0.04],  # billing
        [0.05, 0.30, 0.40, 0.25],  # outage
        [0.15, 0.45, 0.30, 0.10],  # roaming
        [0.20, 0.50, 0.25, 0.05],  # porting
        [0.30, 0.50, 0.17, 0.03],  # device
        [0.25, 0.55, 0.17, 0.03],  # cancellation
        [0.02, 0.13, 0.40, 0.45],  # fraud
        [0.10, 0.40, 0.38, 0.12],  # complaint
        [0.20, 0.50, 0.25, 0.05],  # activation
        [0.55, 0.38, 0.06, 0.01],  # plan_change
    ]
)

SEGMENTS: Final = ("consumer", "small_business", "enterprise")
TENURE_EDGES: Final = (3, 24)
HIGH_CHURN: Final = 0.5


def group_id(queue: int) -> int:
    """The vendor's id of the queue at this position."""
    return FIRST_GROUP_ID + queue


def profile_of(segment: NDArray[np.int8], tenure: NDArray[np.int32], churn: NDArray[np.float64]) -> NDArray[np.intp]:
    """Which of the 18 customer profiles each customer is: segment x tenure band x churn risk."""
    band = np.digitize(tenure, TENURE_EDGES)
    return (segment.astype(np.intp) * 3 + band) * 2 + (churn > HIGH_CHURN)


def topic_table(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cumulative shares of the queues for each customer profile: shape (18, 10)."""
    table = np.tile(shares, (18, 1))
    for profile in range(18):
        segment, band, churning = profile // 6, profile // 2 % 3, profile % 2
        row = table[profile]
        if segment:
            row[INDEX["plan_change"]] *= 1.5
            row[INDEX["cancellation"]] *= 0.7
        if band == 0:
            row[[INDEX["activation"], INDEX["porting"]]] *= 2.5
            row[INDEX["cancellation"]] *= 0.4
        if churning:
            row[[INDEX["cancellation"], INDEX["complaint"]]] *= 1.8
    cumulative: NDArray[np.float64] = np.cumsum(table / table.sum(axis=1, keepdims=True), axis=1)
    cumulative[:, -1] = 1.0
    return cumulative

"""The ten queues: names, vendor ids, shares, who writes to them, and how urgent they are.

What belongs here: tables about queues. What does not: what people write (`phrases/`) and what agents do (`tickets.py`).
"""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sandbox.world.customers import Facts

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


def profile_of(facts: Facts) -> NDArray[np.intp]:
    """Which of the 48 customer profiles each customer is: tenure band x segment x churn x payment x plan."""
    band = np.digitize(facts.tenure, TENURE_EDGES)
    parts = (facts.segment > 0, facts.churn > HIGH_CHURN, facts.autopay, facts.plan >= 2)
    profile = band.astype(np.intp)
    for part in parts:
        profile = profile * 2 + part
    return profile


@cache
def topic_table(*, shifted: bool) -> NDArray[np.float64]:
    """Cumulative shares of the queues for each customer profile, before or after `class_shift`: shape (48, 10)."""
    shares = SHARES * SHIFT if shifted else SHARES
    table = np.array([shares * _leaning(profile) for profile in range(48)])
    cumulative: NDArray[np.float64] = np.cumsum(table / table.sum(axis=1, keepdims=True), axis=1)
    return cumulative


def _leaning(profile: int) -> NDArray[np.float64]:
    """How much more a customer of this profile writes to each queue: what makes CRM facts worth having."""
    profile, high_plan = divmod(profile, 2)
    profile, autopay = divmod(profile, 2)
    profile, churning = divmod(profile, 2)
    band, business = divmod(profile, 2)
    leaning = np.ones(len(QUEUES))
    for applies, factors in (
        (business, {"plan_change": 2.0, "cancellation": 0.6, "billing": 0.8}),
        (band == 0, {"activation": 3.5, "porting": 2.2, "cancellation": 0.3, "device": 0.5}),
        (band == 2, {"device": 1.5, "activation": 0.5}),
        (churning, {"cancellation": 2.2, "complaint": 1.3}),
        (autopay, {"fraud": 1.5, "billing": 0.85}),
        (high_plan, {"roaming": 1.8, "outage": 0.85}),
    ):
        for queue, factor in factors.items() if applies else ():
            leaning[INDEX[queue]] *= factor
    return leaning

"""The customers: what the CRM knows of each, and how some of them change while the world runs.

What belongs here: drawing customers and asking what was true of one at a moment. What does not: the CRM's field names and ids
(`sandbox/salesforce/`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sandbox.world.spec import CALM_SECONDS, DAY, QUIET_SECONDS, WorldSpec

PLANS = ("basic", "plus", "premium", "business")
PLAN_SPEND = np.array([18.0, 32.0, 55.0, 78.0])
CHANGING_SHARE = 0.18
CHANGES_AFTER_START = 14 * DAY
DELETED_SHARE = 0.01

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Aligned columns of what was true of some customers at some moments."""

    plan: NDArray[np.int8]
    segment: NDArray[np.int8]
    tenure: NDArray[np.int32]
    spend: Floats
    churn: Floats
    autopay: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Customers:
    """Every customer before and after their one change. Times are seconds relative to the start clock."""

    before: Facts
    after: Facts
    changed_at: Floats  # infinity: never changes
    created_at: Floats
    modified_at: Floats  # the last change before the world began
    deleted_at: Floats  # infinity: never deleted
    given: NDArray[np.int16]
    family: NDArray[np.int16]
    city: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.changed_at)

    def facts(self, who: NDArray[np.intp], when: Floats) -> Facts:
        """What was true of customer `who[i]` at `when[i]`."""
        changed = when >= self.changed_at[who]
        return Facts(
            plan=np.where(changed, self.after.plan[who], self.before.plan[who]),
            segment=np.where(changed, self.after.segment[who], self.before.segment[who]),
            tenure=np.where(changed, self.after.tenure[who], self.before.tenure[who]),
            spend=np.where(changed, self.after.spend[who], self.before.spend[who]),
            churn=np.where(changed, self.after.churn[who], self.before.churn[who]),
            autopay=np.where(changed, self.after.autopay[who], self.before.autopay[who]),
        )


def draw_customers(spec: WorldSpec, *, given: int, family: int, cities: int) -> Customers:
    """All customers of a world; `given`, `family` and `cities` are how many names there are to draw from."""
    count = spec.customers
    rng = np.random.default_rng([spec.seed, 1])
    segment = np.searchsorted([0.72, 0.92], rng.random(count), side="right").astype(np.int8)
    before = _draw_facts(rng, segment)
    after = _change_facts(rng, before)
    first = spec.first_moment
    span = CHANGES_AFTER_START - first
    changes = rng.random(count) < CHANGING_SHARE
    changed_at = np.where(changes, first + span * rng.random(count), np.inf)
    deleted = rng.random(count) < DELETED_SHARE
    created_at = first - (before.tenure + rng.random(count)) * 30.4 * DAY
    return Customers(
        before=before,
        after=after,
        changed_at=after_the_calm(changed_at),
        created_at=created_at,
        modified_at=first - (first - created_at) * rng.random(count) * 0.9 - DAY * 0.01,
        deleted_at=np.where(deleted, CALM_SECONDS + CHANGES_AFTER_START * rng.random(count), np.inf),
        given=rng.integers(0, given, count, dtype=np.int16),
        family=rng.integers(0, family, count, dtype=np.int16),
        city=rng.integers(0, cities, count, dtype=np.int16),
    )


def after_the_calm(moments: Floats) -> Floats:
    """What would happen around the start waits until a quarter of an hour after it."""
    around = (moments > -QUIET_SECONDS) & (moments < CALM_SECONDS)
    return np.where(around, CALM_SECONDS + moments / CALM_SECONDS, moments)


def _draw_facts(rng: np.random.Generator, segment: NDArray[np.int8]) -> Facts:
    count = len(segment)
    consumer_plan = np.searchsorted([0.40, 0.75], rng.random(count), side="right")
    business_plan = np.where(rng.random(count) < 0.75, 3, 2)
    plan = np.where(segment == 0, consumer_plan, business_plan).astype(np.int8)
    tenure = np.minimum(rng.exponential(30.0, count), 180).astype(np.int32)
    lines = 1 + np.where(segment == 0, 0, rng.poisson(np.where(segment == 2, 12, 3), count))
    spend = np.round(PLAN_SPEND[plan] * lines * rng.lognormal(0, 0.2, count), 2)
    odds = 0.1 - 0.025 * tenure + 0.6 * (plan == 0) - 0.5 * (segment > 0) + rng.normal(0, 0.8, count)
    return Facts(
        plan=plan,
        segment=segment,
        tenure=tenure,
        spend=spend,
        churn=_risk(odds),
        autopay=rng.random(count) < 0.62,
    )


def _change_facts(rng: np.random.Generator, before: Facts) -> Facts:
    """A changing customer moves to another plan, or changes how they pay; risk is scored anew either way."""
    count = len(before.plan)
    moves_plan = rng.random(count) < 0.6
    plan = np.where(moves_plan, (before.plan + rng.integers(1, 4, count)) % 4, before.plan).astype(np.int8)
    spend = np.round(before.spend * PLAN_SPEND[plan] / PLAN_SPEND[before.plan] * rng.lognormal(0, 0.05, count), 2)
    return Facts(
        plan=plan,
        segment=before.segment,
        tenure=before.tenure + 1,
        spend=spend,
        churn=_risk(np.log(before.churn / (1 - before.churn)) + rng.normal(0, 1, count)),
        autopay=np.where(moves_plan, before.autopay, ~before.autopay),
    )


def _risk(odds: Floats) -> Floats:
    """A probability from log odds, never quite 0 or 1."""
    risk: Floats = np.clip(1 / (1 + np.exp(-odds)), 0.001, 0.999)
    return risk.round(3)

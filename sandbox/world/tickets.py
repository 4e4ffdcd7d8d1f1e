"""What one block of tickets is about, where it truly belongs, and what agents will do with it.

What belongs here: everything of a ticket that is drawn as a column. What does not: its wording (`writer.py`) and what a client
has changed since (`sandbox/helpdesk/`).

The truth (`truth`, and the agents' verdict `first_label`) is known to the world only. Nothing else that is drawn here may
depend on it, except through the moment of the verdict: a test changes the labelling rule and compares every byte that is served.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sandbox.world.arrivals import ENTERED, Block
from sandbox.world.customers import Customers, Facts
from sandbox.world.queues import INDEX, PRIORITY_WEIGHTS, QUEUES, profile_of, topic_table
from sandbox.world.spec import WorldSpec

PLAIN, MIXED, AMBIGUOUS, VAGUE, NOVA = range(5)
STYLE_EDGES: Final = (0.79, 0.91, 0.96)
"""Plain up to the first edge, then mixed (12%), ambiguous (5%), vague (4%)."""
CALM, POLITE, ANGRY = range(3)
CHANNELS: Final = ("web", "email", "native_messaging", "mobile_sdk", "api")
CHANNEL_EDGES: Final = (0.36, 0.70, 0.86, 0.96)
PRODUCTS: Final = ("mobile", "home_internet", "roaming_pack", "business_line", "nova")
LANGUAGE_EDGES: Final = (0.968, 0.980, 0.990)

AMBIGUOUS_PAIRS: Final = (
    ("billing", "plan_change"),
    ("device", "outage"),
    ("activation", "porting"),
    ("cancellation", "complaint"),
    ("fraud", "billing"),
    ("outage", "roaming"),
    ("cancellation", "plan_change"),
    ("activation", "device"),
)
TILT: Final = 0.9
"""How often an ambiguous ticket goes where the CRM facts point."""
NOVA_SHARE: Final = 0.30
NOVA_TOPICS: Final = ("activation", "outage", "billing")
REFUND_SHARE: Final = 0.25
FORM_TOPICS: Final = ("billing", "outage", "roaming")
"""What there are paper forms for, which people enter when all is done."""
MISTAKE_SHARE: Final = 0.02
REOPEN_SHARE: Final = 0.025
SPEED_WHEN_ROUTED: Final = 2.5
"""An agent gets to a ticket this much faster while it stands in the queue where it belongs."""
LEAST_HOURS: Final = 1.0
MEDIAN_HOURS: Final = 6.0
CLOSE_AFTER_HOURS: Final = 96.0

_PAIRS: Final = np.array([[INDEX[first], INDEX[second]] for first, second in AMBIGUOUS_PAIRS], dtype=np.int16)
_NOVA: Final = np.array([INDEX[name] for name in NOVA_TOPICS], dtype=np.int16)
_FORMS: Final = np.array([INDEX[name] for name in FORM_TOPICS], dtype=np.int16)
_COLUMNS: Final = 28

Floats = NDArray[np.float64]
Codes = NDArray[np.int16]


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketColumns:
    """Aligned columns of the tickets of one block, oldest first. Moments are seconds relative to the start clock."""

    created_at: Floats
    customer: NDArray[np.int32]
    topic: Codes  # the queue the text is about
    second: Codes  # the queue a mixed text mentions besides
    pair: Codes  # which ambiguous pair, where style says so
    style: Codes
    refund: NDArray[np.bool_]  # a refund dispute, if about billing
    language: Codes
    tone: Codes
    channel: Codes
    product: Codes
    priority: Codes
    truth: Codes
    first_label: Codes  # the agent's verdict, which now and then is a mistake
    last_label: Codes  # the verdict after a reopening
    work: Floats  # hours of waiting until an agent's verdict
    reopen_after: Floats  # hours after the verdict; infinity: never
    second_work: Floats  # hours from reopening to the second verdict
    agent: Codes
    mood: Floats  # 0..1, decides the satisfaction rating

    def __len__(self) -> int:
        return len(self.created_at)


def draw_tickets(spec: WorldSpec, customers: Customers, block: Block) -> TicketColumns:
    """All columns of a block. The random numbers of a row do not depend on drift, so drift changes only what it means to."""
    rng = np.random.default_rng(block.key(spec.seed, 1))
    u = rng.random((block.count, _COLUMNS))
    created = block.start + block.seconds * np.sort(u[:, 0])
    who = (len(customers) * u[:, 1] ** 1.4).astype(np.intp)
    facts = customers.facts(who, created)
    topic = _topics(spec, facts, created, u[:, 2])
    style = np.searchsorted(STYLE_EDGES, u[:, 3], side="right").astype(np.int16)
    pair = (u[:, 4] * len(AMBIGUOUS_PAIRS)).astype(np.int16)
    ambiguous = style == AMBIGUOUS
    topic = np.where(ambiguous, _resolve_pair(pair, facts, u[:, 5]), topic)
    nova = (created >= spec.drift_at("new_product")) & (u[:, 6] < NOVA_SHARE)
    if block.kind in ENTERED:
        topic, style, nova = _FORMS[(u[:, 2] * len(_FORMS)).astype(np.intp)], np.zeros_like(style), np.zeros_like(nova)
    topic = np.where(nova, _NOVA[(u[:, 7] * len(_NOVA)).astype(np.intp)], topic)
    style = np.where(nova, NOVA, style).astype(np.int16)
    refund = (topic == INDEX["billing"]) & np.isin(style, (PLAIN, MIXED)) & (u[:, 8] < REFUND_SHARE)
    truth = _apply_rule(spec, topic, refund, facts, created)
    first_label, last_label, mistaken = _labels(truth, u[:, 9], u[:, 10])
    if block.kind in ENTERED:
        mistaken = np.zeros(block.count, dtype=np.bool_)
        first_label = last_label = _by_last_years_list(truth) if block.kind == "misfiled" else truth
    tone = _tone(topic, u[:, 11])
    return TicketColumns(
        created_at=created,
        customer=who.astype(np.int32),
        topic=topic,
        second=((topic + 1 + (u[:, 12] * (len(QUEUES) - 1)).astype(np.int16)) % len(QUEUES)).astype(np.int16),
        pair=pair,
        style=style,
        refund=refund,
        language=np.where(
            np.isin(style, (PLAIN, MIXED)), np.searchsorted(LANGUAGE_EDGES, u[:, 13], side="right"), 0
        ).astype(np.int16),
        tone=tone,
        channel=np.searchsorted(CHANNEL_EDGES, u[:, 14], side="right").astype(np.int16),
        product=_product(topic, nova, facts, u[:, 15]),
        priority=_priority(topic, tone, u[:, 16]),
        truth=truth,
        first_label=first_label,
        last_label=last_label,
        work=LEAST_HOURS + MEDIAN_HOURS * np.exp(0.9 * _normal(u[:, 17], u[:, 18])),
        reopen_after=np.full(block.count, np.inf)
        if block.kind in ENTERED
        else np.where(u[:, 19] < np.where(mistaken, 0.5, REOPEN_SHARE), 2 + 60 * u[:, 20], np.inf),
        second_work=LEAST_HOURS + 20 * u[:, 21],
        agent=(u[:, 22] * 24).astype(np.int16),
        mood=u[:, 23],
    )


def _normal(first: Floats, second: Floats) -> Floats:
    """Standard normal numbers from two uniform ones (Box and Muller 1958)."""
    return np.sqrt(-2.0 * np.log1p(-first)) * np.cos(2 * np.pi * second)


def _topics(spec: WorldSpec, facts: Facts, created: Floats, u: Floats) -> Codes:
    profile = profile_of(facts)
    usual = _drawn(u, topic_table(shifted=False)[profile])
    shifted_at = spec.drift_at("class_shift")
    if not (created >= shifted_at).any():
        return usual
    return np.where(created >= shifted_at, _drawn(u, topic_table(shifted=True)[profile]), usual)


def _drawn(u: Floats, cumulative: Floats) -> Codes:
    """The option that each uniform number falls on; `cumulative` has a row for each and ends with 1."""
    drawn: Codes = np.sum(u[:, None] >= cumulative[:, :-1], axis=1, dtype=np.int16)
    return drawn


def _resolve_pair(pair: Codes, facts: Facts, u: Floats) -> Codes:
    """Which of the two queues an ambiguous text belongs to: the CRM facts say it, mostly."""
    points_to_second = np.select(
        [pair == position for position in range(len(AMBIGUOUS_PAIRS))],
        [
            facts.segment > 0,
            facts.tenure < 20,
            facts.tenure >= 8,
            facts.churn < 0.3,
            ~facts.autopay,
            facts.plan >= 2,
            facts.segment > 0,
            facts.tenure >= 8,
        ],
    )
    second = np.where(u < TILT, points_to_second, ~points_to_second)
    codes: Codes = _PAIRS[pair, second.astype(np.intp)]
    return codes


def _apply_rule(spec: WorldSpec, topic: Codes, refund: NDArray[np.bool_], facts: Facts, created: Floats) -> Codes:
    """The labelling rule. After `label_rule` and `account_team` the same texts belong elsewhere.

    With an account team, whatever a business customer writes about is for the people who look after contracts; fraud is not.
    """
    ruled = created >= spec.drift_at("label_rule")
    moved = ruled & (topic == INDEX["porting"]) & ((facts.segment > 0) | (facts.plan == 3))
    truth = np.where(moved, INDEX["plan_change"], topic)
    truth = np.where(ruled & refund, INDEX["complaint"], truth)
    theirs = (created >= spec.drift_at("account_team")) & (facts.segment > 0) & (truth != INDEX["fraud"])
    return np.where(theirs, INDEX["plan_change"], truth).astype(np.int16)


def _labels(truth: Codes, u: Floats, other: Floats) -> tuple[Codes, Codes, NDArray[np.bool_]]:
    mistaken = u < MISTAKE_SHARE
    wrong = (truth + 1 + (other * (len(QUEUES) - 1)).astype(np.int16)) % len(QUEUES)
    return np.where(mistaken, wrong, truth).astype(np.int16), truth, mistaken


def _by_last_years_list(truth: Codes) -> Codes:
    """Each form's queue as a list names it on which the forms stood in another order."""
    wrong = truth.copy()
    for form, neighbour in zip(_FORMS, np.roll(_FORMS, -1), strict=True):
        wrong[truth == form] = neighbour
    return wrong


def _tone(topic: Codes, u: Floats) -> Codes:
    anger = np.full(len(QUEUES), 0.16)
    anger[[INDEX["complaint"], INDEX["outage"], INDEX["cancellation"]]] = (0.45, 0.28, 0.22)
    angry = u < anger[topic]
    return np.where(angry, ANGRY, np.where(u > 0.68, POLITE, CALM)).astype(np.int16)


def _priority(topic: Codes, tone: Codes, u: Floats) -> Codes:
    """Urgency by queue; an angry customer ticks a higher box."""
    pressed = np.where(tone == ANGRY, 0.45 + 0.55 * u, u)
    return _drawn(pressed, np.cumsum(PRIORITY_WEIGHTS, axis=1)[topic])


def _product(topic: Codes, nova: NDArray[np.bool_], facts: Facts, u: Floats) -> Codes:
    usual = np.where(u < 0.70, 0, 1)
    usual = np.where((topic == INDEX["roaming"]) & (u < 0.5), 2, usual)
    usual = np.where((facts.segment > 0) & (u > 0.6), 3, usual)
    return np.where(nova, 4, usual).astype(np.int16)

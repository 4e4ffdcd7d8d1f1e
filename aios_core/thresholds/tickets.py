"""Scored tickets as a choice of cut-offs sees them.

What belongs here: their columns, and what the rules make of each. What does not: where they come from (`resources/thresholds.py`) and
choosing (`choose.py`).

A verdict depends on the cut-offs through the band alone. So each ticket is decided three times, once as if it were in each band, by
the very `decide` that decides tickets; after that any pair of cut-offs is a look-up, whatever the policy says.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aios_core.decisions.answers import Policy
from aios_core.decisions.decide import decide
from aios_core.decisions.model import Decision, Rules
from aios_core.decisions.thresholds import Thresholds
from aios_core.errors import PermanentError

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Words = npt.NDArray[np.object_]

NO_SCORE = -1.0  # below every cut-off
_EVERY = 0.0
BANDS = {
    "high": Thresholds(automate=_EVERY, draft=-1.0),
    "middle": Thresholds(automate=None, draft=_EVERY),
    "low": Thresholds(automate=None, draft=None),
}


class ThresholdError(PermanentError):
    """Cut-offs can't be chosen, replayed or accepted; the message says why and what to do."""

    code = "thresholds.invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tickets:
    """Columns, one row a ticket.

    `queue` is the predicted one, None without a usable score (then `confidence` is NO_SCORE). `high`, `middle` and `low` are the
    verdicts in each band, leaving the audit slice aside. `label` is what turned out right, None where nobody said.
    `weight` corrects for how likely a row was to get its label. `unbiased` rows were labelled without regard to their score: only
    they can carry a guarantee. `first_half` splits them for good, by a hash of the ticket.
    """

    queue: Words
    confidence: Floats
    high: Words
    middle: Words
    low: Words
    label: Words
    weight: Floats
    unbiased: Bools
    first_half: Bools

    def __len__(self) -> int:
        return len(self.queue)

    @property
    def wrong(self) -> Bools:
        """Labelled rows whose prediction was not right."""
        differs: Bools = np.asarray(self.label != self.queue, bool)
        return self.labelled & differs

    @property
    def labelled(self) -> Bools:
        return np.array([label is not None for label in self.label], bool)

    def where(self, chosen: Bools) -> "Tickets":
        """Those rows alone."""
        return Tickets(**{name: getattr(self, name)[chosen] for name in self.__slots__})

    def of(self, queues: Sequence[str]) -> "Tickets":
        """Those predicted as one of these queues."""
        return self.where(np.isin(self.queue.astype(str), list(queues)) & (self.confidence != NO_SCORE))


def tickets_of(
    features: pa.Table,
    scores: pa.Table | None,
    *,
    rules: Rules,
    policy: Policy,
    labels: Sequence[str | None],
    weights: Sequence[float] | None = None,
    unbiased: Sequence[bool] | None = None,
) -> Tickets:
    """Decide feature rows in all three bands; `labels` and the rest are aligned with them. A ticket must occur once."""
    made = in_bands(features, scores, rules=rules, policy=policy)
    some, rows = made["high"], len(labels)
    if len(some) != rows:
        raise ThresholdError(f"{rows} labels for {len(some)} tickets: a ticket occurs twice; keep its newest decision")
    return Tickets(
        queue=words([d.queue for d in some]),
        confidence=np.array([NO_SCORE if d.confidence is None else d.confidence for d in some], np.float64),
        **{band: words([d.verdict for d in decided]) for band, decided in made.items()},
        label=words(labels),
        weight=np.ones(rows) if weights is None else np.asarray(weights, np.float64),
        unbiased=np.zeros(rows, bool) if unbiased is None else np.asarray(unbiased, bool),
        first_half=np.array([in_first_half(d.source, d.ticket_id) for d in some], bool),
    )


def in_bands(features: pa.Table, scores: pa.Table | None, *, rules: Rules, policy: Policy) -> dict[str, list[Decision]]:
    """Each ticket's decision in each band, without audit slice and modes: one is drawn by chance, the other passes."""
    bare = replace(rules, audit_share=0.0, modes={})
    # the day is part of a record alone, and no record is kept here
    return {
        band: decide(features, scores, rules=replace(bare, thresholds=limits), policy=policy, day_of=date(1970, 1, 1))
        for band, limits in BANDS.items()
    }


def none() -> Tickets:
    """No ticket."""
    nothing, numbers, flags = words([]), np.zeros(0), np.zeros(0, bool)
    return Tickets(queue=nothing, confidence=numbers, high=nothing, middle=nothing, low=nothing, label=nothing, weight=numbers,
                   unbiased=flags, first_half=flags)  # fmt: skip


def joined(parts: Sequence[Tickets]) -> Tickets:
    """All parts as one."""
    return Tickets(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in Tickets.__slots__})


def words(values: Sequence[str | None]) -> Words:
    """A column of words; numpy would make a list of equally long ones a matrix of letters."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def in_first_half(source: str, ticket_id: str) -> bool:
    """A fair coin a ticket, always the same, and another one than the audit slice's."""
    return hashlib.sha256(f"half\x1f{source}\x1f{ticket_id}".encode("utf-8", "surrogatepass")).digest()[0] < 128


def effective(weights: Floats) -> float:
    """To how many equally weighted rows these come: Kish (1965), "Survey Sampling"."""
    square = float((weights**2).sum())
    return float(weights.sum()) ** 2 / square if square else 0.0

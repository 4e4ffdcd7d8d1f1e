"""Champion and challenger on the same sample of recent tickets: who wins, by outcomes where there are enough, else by estimates.

What belongs here: drawing the sample and the verdict. What does not: what each version says of it (`resources/challenges.py`), and
what follows: nothing does by itself, the gate and the judge have their own evidence.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from aios_core.lifecycle.comparison import Comparison
from aios_core.lifecycle.evaluation import Key
from aios_core.monitoring.estimate import Estimate

CONTENDERS = ("canary", "shadow", "candidate", "last_good")
MIN_SETTLED = 50  # fewer outcomes than these are outvoted by the estimates
CHANCE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """Both on `rows` tickets, of which `agreed` get the same queue. `compared` is None without a settled ticket new to both."""

    champion: int
    challenger: int
    alias: str
    rows: int
    agreed: int
    estimated: tuple[Estimate, Estimate]
    compared: Comparison | None = None

    @property
    def settled(self) -> int:
        return 0 if self.compared is None else self.compared.rows

    @property
    def winner(self) -> str:
        """`champion`, `challenger`, or `even` where the difference may be chance."""
        if self.compared is not None and self.settled >= MIN_SETTLED:
            found = self.compared
            if found.mcnemar.p_value >= CHANCE:
                return "even"
            return "challenger" if found.new_only > found.old_only else "champion"
        ours, theirs = self.estimated
        if _above(theirs, ours):
            return "challenger"
        return "champion" if _above(ours, theirs) else "even"

    @property
    def by(self) -> str:
        """What the winner was found by."""
        return "outcomes" if self.settled >= MIN_SETTLED else "estimates"


def contender(standing: dict[str, int | None]) -> tuple[str, int] | None:
    """(alias, version) of the best other version that there is: the furthest on its way, else the last good one."""
    champion = standing.get("champion")
    for alias in CONTENDERS:
        version = standing.get(alias)
        if champion is not None and version is not None and version != champion:
            return alias, version
    return None


def sample(keys: Sequence[Key], *, rows: int, seed: str) -> list[Key]:
    """At most so many of them, in their order, at random by a hash: the same keys and seed give the same sample."""
    if len(keys) <= rows:
        return list(keys)
    chance = {key: hashlib.blake2b("\x1f".join((seed, *key)).encode(), digest_size=8).digest() for key in keys}
    kept = set(sorted(keys, key=chance.__getitem__)[:rows])
    return [key for key in keys if key in kept]


def _above(one: Estimate, other: Estimate) -> bool:
    """Whether the interval of one estimate lies wholly above the other's."""
    return one.low is not None and other.high is not None and one.low > other.high

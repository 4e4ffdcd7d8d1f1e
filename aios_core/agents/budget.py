"""What a run of an agent may spend, and what it has spent.

What belongs here: the arithmetic. What does not: measuring (`resources/agents/`).

A budget never changes: spending gives a new one, or says which limit it would pass. Steps and tool calls are spent before they are made.
What only an answer tells (tokens, money, seconds) is spent after it: an answer that passes the limit is the last one, and is not used.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

Of = Literal["steps", "calls", "seconds", "tokens", "money"]
KINDS: Final[tuple[Of, ...]] = ("steps", "calls", "seconds", "tokens", "money")
_WORDS: Final = {
    "steps": "answers of the model",
    "calls": "tool calls",
    "seconds": "seconds",
    "tokens": "tokens",
    "money": "in money",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most that one run may spend. `money` None: only the model's own daily budget counts."""

    steps: int
    calls: int
    seconds: float
    tokens: int
    money: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What was spent, or is about to be. Tokens are those sent and those answered."""

    steps: int = 0
    calls: int = 0
    seconds: float = 0.0
    tokens: int = 0
    money: float = 0.0

    def plus(self, more: "Spent") -> "Spent":
        """Both together. Nothing is ever given back: what is below zero counts as nothing."""
        return Spent(
            steps=self.steps + max(0, more.steps),
            calls=self.calls + max(0, more.calls),
            seconds=self.seconds + max(0.0, more.seconds),
            tokens=self.tokens + max(0, more.tokens),
            money=self.money + max(0.0, more.money),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhausted:
    """The refusal: which limit would be passed, and how far spending had come with what was asked for. `spent` is all of it."""

    of: Of
    limit: float
    wanted: float
    spent: Spent

    @property
    def sentence(self) -> str:
        """For people."""
        return f"the budget of {self.limit:g} {_WORDS[self.of]} would be passed ({self.wanted:g})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits and what is spent of them; never above them."""

    limits: Limits
    spent: Spent = Spent()

    def spend(self, more: Spent) -> "Budget | Exhausted":
        """The budget after it, or the first limit that it would pass."""
        total = self.spent.plus(more)
        for of in KINDS:
            limit, wanted = getattr(self.limits, of), getattr(total, of)
            if limit is not None and wanted > limit:
                return Exhausted(of=of, limit=float(limit), wanted=float(wanted), spent=total)
        return replace(self, spent=total)

    @property
    def tokens_left(self) -> int:
        """Tokens that may still be sent and answered."""
        return max(0, self.limits.tokens - self.spent.tokens)

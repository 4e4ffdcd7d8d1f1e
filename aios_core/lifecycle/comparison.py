"""Two model versions on the same tickets: who is right where, is it chance, what would change, what would it cost.

What belongs here: the counting, over what each version would have done with each ticket. What does not: choosing the tickets
(`evaluation.py`), deciding them (`aios_core/decisions/`), and putting a comparison into words (`page.py`).

Costs per ticket, in the declared currency, by verdict (as in `aios_core/monitoring/value.py`, with the queue's own price of an
error where one is declared): a wrong automation costs `wrong_cost` of the predicted queue; a draft the minutes of looking at it and,
where wrong, `wrong_draft`; a review `costs.review`; a fallback manual triage.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from aios_core.automation import Automation
from aios_core.errors import PermanentError

EXACT_UP_TO = 1_000  # discordant tickets; beyond that the exact test and the corrected one differ in the fourth decimal


class ComparisonError(PermanentError):
    """The versions can't be compared; the message says on what."""

    code = "model.comparison"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one version would do with one ticket; `queue` is None where it gives no usable score."""

    queue: str | None
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The tickets of one queue (by outcome) or tier. `old_wrong` is None where only one version was heard."""

    name: str
    rows: int
    new_wrong: int
    old_wrong: int | None = None
    old_only: int = 0
    new_only: int = 0

    @property
    def new_error(self) -> float:
        return self.new_wrong / self.rows

    @property
    def old_error(self) -> float | None:
        return None if self.old_wrong is None else self.old_wrong / self.rows

    @property
    def winner(self) -> str:
        """`new`, `old` or `even`, by count: whether it is chance is only asked of the whole."""
        return "even" if self.old_only == self.new_only else "new" if self.new_only > self.old_only else "old"


@dataclass(frozen=True, slots=True, kw_only=True)
class McNemar:
    """Two-sided: how likely a difference at least as large is where both versions are equally good."""

    p_value: float
    method: str  # exact | corrected


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Version `old` against version `new` on `rows` settled tickets.

    `old_only` and `new_only` count tickets that one alone gets right. `verdicts` counts (old verdict, new verdict) under the rules
    of now; `requeued` tickets get another queue. Costs are means a ticket. `rows_from` says where the tickets are from.
    """

    old: int
    new: int
    rows: int
    rows_from: str
    old_right: int
    new_right: int
    old_only: int
    new_only: int
    old_macro_f1: float
    new_macro_f1: float
    mcnemar: McNemar
    by_queue: tuple[Group, ...]
    tier: str | None
    by_tier: tuple[Group, ...]
    verdicts: Mapping[tuple[str, str], int] = field(default_factory=dict)
    requeued: int = 0
    old_cost: float = 0.0
    new_cost: float = 0.0
    currency: str = ""

    @property
    def old_accuracy(self) -> float:
        return self.old_right / self.rows

    @property
    def new_accuracy(self) -> float:
        return self.new_right / self.rows

    @property
    def reverdicted(self) -> int:
        """Tickets whose verdict would change."""
        return sum(n for (before, after), n in self.verdicts.items() if before != after)

    def as_json(self) -> dict[str, Any]:
        """All of it as plain JSON; `read_comparison` reads it back."""
        transitions = [{"old": a, "new": b, "tickets": n} for (a, b), n in sorted(self.verdicts.items())]
        return asdict(self) | {"verdicts": transitions}


def read_comparison(content: Mapping[str, Any]) -> Comparison:
    """A comparison out of `as_json`."""
    try:
        return Comparison(**{
            **content,
            "mcnemar": McNemar(**content["mcnemar"]),
            "by_queue": tuple(Group(**g) for g in content["by_queue"]),
            "by_tier": tuple(Group(**g) for g in content["by_tier"]),
            "verdicts": {(v["old"], v["new"]): v["tickets"] for v in content["verdicts"]},
        })  # fmt: skip
    except (KeyError, TypeError) as error:
        raise ComparisonError(f"a kept comparison can't be read ({error!r}); compare the versions again") from error


def compare(
    labels: Sequence[str],
    *,
    old: tuple[int, Sequence[Answer]],
    new: tuple[int, Sequence[Answer]],
    automation: Automation,
    tiers: Sequence[str | None] | None = None,
    rows_from: str = "",
) -> Comparison:
    """Compare two versions, each with its answers, row by row with `labels` (what turned out right).

    `tiers` are the customers' tiers, aligned. Raises ComparisonError without rows, and where the columns differ in length.
    """
    before, after = old[1], new[1]
    if not labels or not len(labels) == len(before) == len(after) == len(tiers or labels):
        raise ComparisonError(
            f"versions {old[0]} and {new[0]}: {len(labels)} settled tickets, {len(before)} and {len(after)} answers; "
            "compare on the same tickets, at least one"
        )
    old_right = [a.queue == label for a, label in zip(before, labels, strict=True)]
    new_right = [a.queue == label for a, label in zip(after, labels, strict=True)]
    groups = {"old_right": old_right, "new_right": new_right}
    old_only = sum(a and not b for a, b in zip(old_right, new_right, strict=True))
    new_only = sum(b and not a for a, b in zip(old_right, new_right, strict=True))
    return Comparison(
        old=old[0],
        new=new[0],
        rows=len(labels),
        rows_from=rows_from,
        old_right=sum(old_right),
        new_right=sum(new_right),
        old_only=old_only,
        new_only=new_only,
        old_macro_f1=macro_f1(labels, [a.queue for a in before]),
        new_macro_f1=macro_f1(labels, [a.queue for a in after]),
        mcnemar=mcnemar(old_only, new_only),
        by_queue=grouped(labels, **groups),
        tier=automation.lifecycle.tier if tiers is not None else None,
        by_tier=() if tiers is None else grouped(tiers, **groups),
        verdicts=Counter((a.verdict, b.verdict) for a, b in zip(before, after, strict=True)),
        requeued=sum(a.queue != b.queue for a, b in zip(before, after, strict=True)),
        old_cost=mean_cost(labels, before, automation),
        new_cost=mean_cost(labels, after, automation),
        currency=automation.value.currency,
    )


def mcnemar(old_only: int, new_only: int) -> McNemar:
    """McNemar's test on the tickets that one version alone gets right.

    Exact (binomial, two-sided) up to a thousand of them; beyond, chi-squared with Edwards' continuity correction. Q. McNemar
    (1947), "Note on the sampling error of the difference between correlated proportions", Psychometrika 12; A. L. Edwards
    (1948), Psychometrika 13.
    """
    from scipy.special import betainc, erfc  # 0.2 s to import, and only comparisons need it

    discordant = old_only + new_only
    if discordant == 0:
        return McNemar(p_value=1.0, method="exact")
    if discordant <= EXACT_UP_TO:
        fewer = min(old_only, new_only)
        # P(X <= fewer) of a fair binomial, doubled; the middle would be counted twice
        tail = float(betainc(discordant - fewer, fewer + 1, 0.5))
        return McNemar(p_value=min(1.0, 2 * tail), method="exact")
    distance = max(0, abs(old_only - new_only) - 1)
    chi_squared = distance * distance / discordant
    return McNemar(p_value=float(erfc((chi_squared / 2) ** 0.5)), method="corrected")


def grouped(
    names: Sequence[str | None], *, new_right: Sequence[bool], old_right: Sequence[bool] | None = None
) -> tuple[Group, ...]:
    """Rows counted by group, the largest first; rows without a group are in none."""
    rows, new_wrong, old_wrong, old_only, new_only = (Counter[str]() for _ in range(5))
    before = new_right if old_right is None else old_right
    for name, b, a in zip(names, before, new_right, strict=True):
        if name is None:
            continue
        rows[name] += 1
        new_wrong[name] += not a
        old_wrong[name] += not b
        old_only[name] += b and not a
        new_only[name] += a and not b
    return tuple(
        Group(
            name=name,
            rows=count,
            new_wrong=new_wrong[name],
            old_wrong=None if old_right is None else old_wrong[name],
            old_only=old_only[name],
            new_only=new_only[name],
        )
        for name, count in sorted(rows.items(), key=lambda item: (-item[1], item[0]))
    )


def macro_f1(labels: Sequence[str], predicted: Sequence[str | None]) -> float:
    """Mean F1 over the queues that occur among labels or predictions; a ticket without a prediction is a miss."""
    found: Counter[str] = Counter(p for p in predicted if p is not None)
    wanted, hit = Counter(labels), Counter(p for p, label in zip(predicted, labels, strict=True) if p == label)
    queues = sorted(wanted.keys() | found.keys())
    return sum(2 * hit[q] / (wanted[q] + found[q]) for q in queues) / len(queues)


def mean_cost(labels: Sequence[str], answers: Sequence[Answer], automation: Automation) -> float:
    """Mean cost a ticket under the declared costs."""
    costs, value = automation.decisions.costs, automation.value
    own = {q.name: q.wrong_cost for q in automation.queues if q.wrong_cost is not None}
    minute = value.hourly_cost / 60

    def cost(answer: Answer, label: str) -> float:
        wrong = answer.queue != label
        if answer.verdict == "automate":
            return own.get(answer.queue or "", costs.wrong_automation) if wrong else 0.0
        if answer.verdict == "draft":
            return value.minutes_draft * minute + (costs.wrong_draft if wrong else 0.0)
        return costs.review if answer.verdict == "review" else value.minutes_manual * minute

    return sum(cost(a, label) for a, label in zip(answers, labels, strict=True)) / max(len(labels), 1)

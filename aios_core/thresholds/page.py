"""A proposal and a replay in words: the same on the command line, in the console and in a file.

What belongs here: wording and rows of tables. What does not: numbers of its own, and the picture (`plot.py`).
"""

from typing import Any

from aios_core.thresholds.choose import Load
from aios_core.thresholds.proposal import Cut, Proposal, QueuePlan
from aios_core.thresholds.replay import QueueReplay, Replayed

COLUMNS = (
    "queue",
    "cut-offs",
    "automate",
    "draft",
    "cost a day",
    "errors a day",
    "automated",
    "reviews a day",
    "tested",
)
KINDS = {
    "own": "its own",
    "shared": "shared",
    "kept": "kept: too few tickets",
    "unproven": "kept: nothing proven",
    "person": "always a person",
}
REPLAY_COLUMNS = ("queue", "tickets", "changed", "automated", "drafts", "reviews", "known errors")


def plan_rows(found: Proposal) -> list[dict[str, Any]]:
    """One row a queue, now -> proposed, and one for all."""
    whole = {"queue": "all", **_loads(found.now, found.proposed)}
    return [*(_row(plan) for plan in found.queues), whole]


def _row(plan: QueuePlan) -> dict[str, Any]:
    return {
        "queue": plan.queue,
        "cut-offs": KINDS[plan.kind],
        "automate": _arrow(_cut(plan.now.automate), _cut(plan.proposed.automate)),
        "draft": _arrow(_cut(plan.now.draft), _cut(plan.proposed.draft)),
        **_loads(plan.load_now, plan.load),
        "tested": f"{plan.seen.wrong} of {plan.seen.rows} wrong, at most {plan.seen.bound:.1%}"
        if plan.kind in ("own", "shared") and plan.seen.rows
        else "",
    }


def _loads(now: Load, proposed: Load) -> dict[str, str]:
    return {
        "cost a day": _arrow(f"{now.cost:.2f}", f"{proposed.cost:.2f}"),
        "errors a day": _arrow(f"{now.wrong:.2f}", f"{proposed.wrong:.2f}"),
        "automated": _arrow(_share(now), _share(proposed)),
        "reviews a day": _arrow(f"{now.reviews:.1f}", f"{proposed.reviews:.1f}"),
    }


def summary(found: Proposal) -> str:
    """What it would change, in two sentences."""
    now, then, basis = found.now, found.proposed, found.basis
    saved = now.cost - then.cost
    return (
        f"Of {basis.per_day:.1f} tickets a day {basis.model_name} version {basis.model_version} would automate {_share(then)} instead of "
        f"{_share(now)}, with {then.wrong:.2f} errors a day instead of {now.wrong:.2f}; people would review {then.reviews:.1f} a day instead "
        f"of {now.reviews:.1f}. That costs {then.cost:.2f} {basis.currency} a day, {abs(saved):.2f} {'less' if saved >= 0 else 'more'} than now."
    )


def guarantee(found: Proposal) -> str:
    """What is guaranteed, and where it ends."""
    s, b = found.settings, found.basis
    tested = sum(p.seen.rows for p in {(p.kind, p.queue if p.kind == "own" else ""): p for p in found.queues}.values() if p.kind in ("own", "shared"))  # fmt: skip
    return (
        f"Guaranteed, with {s.confidence:.0%} confidence for each set of cut-offs by itself: at most {s.max_error:.1%} of the tickets automated under it "
        f"go to a wrong queue. For a queue with cut-offs of its own that is said of the queue; where queues share theirs, of them together. Each was "
        f"tested on labelled tickets that did not say which to test first ({tested} automated ones in all, of {b.unbiased} that were labelled whatever their score, "
        f"{b.audited} of them by the audit slice) by Learn-then-Test with an exact binomial test. It holds while tickets to come are exchangeable with "
        f"those: not after a new product, a changed rule, or another model version. "
        f"Costs, errors and workload are no guarantee but an estimate: {b.stream_rows} tickets ({'decided by this version' if b.stream == 'decisions' else 'held back from its training'}) "
        f"decided again under every cut-off, the error at each confidence learnt from {b.labelled} labelled tickets by isotonic regression."
    )


def replay_rows(found: Replayed) -> list[dict[str, Any]]:
    """One row a queue, then -> now, and one for all."""
    return [_replay_row(q) for q in (*found.queues, found.whole)]


def _replay_row(queue: QueueReplay) -> dict[str, Any]:
    return {
        "queue": queue.queue,
        "tickets": queue.tickets,
        "changed": queue.changed,
        "automated": _arrow(str(queue.automated_then), str(queue.automated_now)),
        "drafts": _arrow(str(queue.drafts_then), str(queue.drafts_now)),
        "reviews": _arrow(str(queue.reviews_then), str(queue.reviews_now)),
        "known errors": _arrow(str(queue.wrong_then), str(queue.wrong_now)),
    }


def replay_summary(found: Replayed) -> str:
    """What would have been different, and how much is known of it."""
    days = max(found.days, 1)
    cost = (
        f" On the {found.settled} whose outcome somebody looked at a ticket would have cost {found.cost_now:.3f} instead of "
        f"{found.cost_then:.3f} {found.currency}; people look at unsure tickets more often, so this is no fair sample."
        if found.settled
        else " Nobody has looked at the outcome of any of them yet."
    )
    return (
        f"Of {found.decisions} tickets of {found.days} days {found.decisions - found.same} would have had another verdict; "
        f"{found.whole.automated_now} would have been automated instead of {found.whole.automated_then}, and "
        f"{found.whole.reviews_now / days:.1f} reviewed a day instead of {found.whole.reviews_then / days:.1f}.{cost}"
    )


def _cut(value: float | None) -> str:
    return "never" if value is None else f"{value:g}"


def cut_words(cut: Cut) -> str:
    """Both of a pair."""
    return f"automate {_cut(cut.automate)}, draft {_cut(cut.draft)}"


def _share(load: Load) -> str:
    return f"{load.automated / load.tickets:.1%}" if load.tickets else "-"


def _arrow(now: str, then: str) -> str:
    return now if now == then else f"{now} → {then}"

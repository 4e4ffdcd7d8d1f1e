"""How many people a case needs: the declared quorum, and second opinions by rule.

What belongs here: the rule, pure. What does not: what opinions amount to (`states.py`).
"""

import hashlib
from collections.abc import Iterable, Mapping

from aios_core.automation import SecondOpinion


def opinions_needed(
    *,
    quorum: int,
    rule: SecondOpinion | None,
    case_id: str,
    queues: Iterable[str],
    costs: Mapping[str, float],
    confidence: float | None,
    agreement: Mapping[str, float] | None = None,
) -> int:
    """The quorum, or two where the rule asks for a second opinion and the quorum is one.

    `queues` are the predicted one and, once it is known, the one chosen; `costs` what a wrong decision into each costs. `agreement` is
    the share of second opinions that agreed lately, by queue, of queues that had enough of them.
    """
    if rule is None or quorum > 1:
        return quorum
    asked = list(queues)
    doubtful = confidence is None or confidence != confidence  # noqa: PLR0124  # NaN differs from itself
    if rule.above_cost is not None and any(costs.get(q, 0.0) > rule.above_cost for q in asked):
        return 2
    if rule.below_confidence is not None and (doubtful or (confidence or 0.0) < rule.below_confidence):
        return 2
    if rule.below_agreement is not None and any((agreement or {}).get(q, 1.0) < rule.below_agreement for q in asked):
        return 2
    return 2 if set(asked) & set(rule.queues) or drawn(case_id) < rule.share else 1


def drawn(case_id: str) -> float:
    """A case's lot in [0, 1), the same for ever: asking again asks for no other cases."""
    return int.from_bytes(hashlib.sha256(f"second opinion\x1f{case_id}".encode()).digest()[:6]) / 2**48

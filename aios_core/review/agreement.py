"""How far people agree beyond chance: Cohen's kappa for two, Fleiss' for several, and the plain share.

What belongs here: the measures, pure. What does not: which opinions are compared (`resources/review_agreement.py`).

Sources: Cohen, A coefficient of agreement for nominal scales (1960); Fleiss, Measuring nominal scale agreement among many raters (1971).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import isclose


def cohen_kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Of (what one said, what the other said), one entry a case, in [-1, 1]; None without cases, or where both said one thing only."""
    if not pairs:
        return None
    n = len(pairs)
    agreed = sum(a == b for a, b in pairs) / n
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    return _beyond(agreed, sum(first[queue] * second[queue] for queue in first) / (n * n))


def fleiss_kappa(cases: Sequence[Mapping[str, int]]) -> float | None:
    """Of how many people chose each queue, one entry a case, in [-1, 1]; None without cases, or where all said one thing.

    Fleiss' own measure wants equally many people on every case. Where they differ, each case weighs by its people for the shares and
    equally for the agreement, which is the same thing when they don't. A case with fewer than two opinions compares nothing and is
    left out.
    """
    compared = [dict(case) for case in cases if sum(case.values()) >= 2]
    if not compared:
        return None
    agreed = sum(_agreeing_pairs(case) for case in compared) / len(compared)
    total = sum(sum(case.values()) for case in compared)
    shares = Counter[str]()
    for case in compared:
        shares.update(case)
    return _beyond(agreed, sum((count / total) ** 2 for count in shares.values()))


def agreed_share(cases: Sequence[Mapping[str, int]]) -> float | None:
    """The share of cases with two opinions or more on which all said the same; None without such cases."""
    compared = [case for case in cases if sum(case.values()) >= 2]
    return sum(sum(n > 0 for n in case.values()) == 1 for case in compared) / len(compared) if compared else None


def _agreeing_pairs(case: Mapping[str, int]) -> float:
    n = sum(case.values())
    return sum(count * (count - 1) for count in case.values()) / (n * (n - 1))


def _beyond(agreed: float, by_chance: float) -> float | None:
    return None if isclose(by_chance, 1.0, abs_tol=1e-12) else (agreed - by_chance) / (1.0 - by_chance)

"""How sure a count makes us: Wilson's interval for one share, the exact sign test for two models on the same tickets.

What belongs here: intervals and tests over counts. What does not: what follows from them (`verdict.py`).
"""

from statistics import NormalDist


def z_of(confidence: float) -> float:
    """Standard normal quantile of a one-sided confidence: 0.95 -> 1.645."""
    return NormalDist().inv_cdf(confidence)


def wilson(correct: int, rows: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Both ends of Wilson's score interval, each one-sided at `confidence`; (0, 1) without rows.

    E. B. Wilson (1927), "Probable inference, the law of succession, and statistical inference", JASA 22. Unlike the
    normal interval it stays inside [0, 1] and holds for a handful of rows.
    """
    if rows <= 0:
        return 0.0, 1.0
    z, share = z_of(confidence), correct / rows
    centre = share + z * z / (2 * rows)
    half = z * (share * (1 - share) / rows + z * z / (4 * rows * rows)) ** 0.5
    scale = 1 + z * z / rows
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def so_few(correct: int, rows: int, *, share: float) -> float:
    """Chance of at most `correct` of `rows` where each is right with probability `share` (exact binomial); 1 without rows.

    For a handful of rows and shares near one Wilson's interval is too sure: 7 of 10 at 95 % has a chance of 1.2 %, and
    Wilson's one-sided interval leaves it out even at 0.05 %.
    """
    from scipy.special import betainc

    return float(betainc(rows - correct, correct + 1, 1 - share)) if 0 <= correct < rows else 1.0


def sign_test(wins: int, losses: int) -> float:
    """One-sided p value of at least `wins` wins among the discordant pairs if both were equally good (exact McNemar)."""
    from scipy.special import betainc  # 0.2 s to import, and only the judge needs it

    if wins <= 0:
        return 1.0
    return float(betainc(wins, losses + 1, 0.5))

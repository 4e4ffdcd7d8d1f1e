"""Cut-offs whose error is guaranteed: Learn-then-Test with an exact binomial test.

What belongs here: the tests and the words of the guarantee. What does not: which certified cut-off is the best (`choose.py`).

For each cut-off of a fixed grid the claim is tested that more than `max_error` of what is automated from it on is wrong. Tickets that
take no part in the test say where to begin: where the version has decided many, those, by what their confidences
promise; else one half of the labelled tickets, by what turned out. The others test cut-off after cut-off from there on, each at the full level, up
to the first whose claim can't be refuted. The chance that any passed cut-off errs more often than `max_error` is then at most 1 - `confidence`,
so the best of them may be chosen freely. Angelopoulos, Bates, Candès, Jordan, Lei (2021), "Learn then Test: calibrating predictive
algorithms to achieve risk control" (split fixed sequence testing). It holds where tickets to come are exchangeable with those tested.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aios_core.thresholds.tickets import Floats, Tickets


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Of the tickets automated from a cut-off on: how many were looked at, how many were wrong, and the upper bound of the error."""

    rows: int
    wrong: int
    bound: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """Cut-offs that passed, ascending, each with its evidence from the testing half. `rows` is that half."""

    rows: int
    passed: dict[float, Evidence]


def certify(
    tickets: Tickets, grid: Sequence[float], *, max_error: float, confidence: float, others: Tickets | None = None
) -> Certified:
    """Test the cut-offs of `grid` on the unbiased, labelled tickets among these that the rules would ever automate.

    `grid` ascends. `others` say where to begin, and must have no ticket in common with `tickets`; without them one half of `tickets` says it.
    """
    second = tested(tickets, halved=others is None)
    if others is None:
        known = tickets.where(tickets.unbiased & tickets.labelled & (tickets.high == "automate") & tickets.first_half)
        expected = automated(known, grid)
    else:
        expected = _promised(others, grid, rows=len(second), max_error=max_error)
    counts = automated(second, grid)
    passed: dict[float, Evidence] = {}
    for place in _in_turn(expected, max_error=max_error, level=1 - confidence):
        rows, wrong = counts[place]
        if tail(wrong, rows, max_error) > 1 - confidence:
            break
        passed[grid[place]] = Evidence(rows=rows, wrong=wrong, bound=bound(wrong, rows, confidence))
    return Certified(rows=len(second), passed=dict(sorted(passed.items())))


def tested(tickets: Tickets, *, halved: bool) -> Tickets:
    """Those that can carry a guarantee; the second half of them, where the first orders the cut-offs."""
    able = tickets.unbiased & tickets.labelled & (tickets.high == "automate")
    return tickets.where(able & ~tickets.first_half if halved else able)


def evidence(tickets: Tickets, cut: float | None, *, confidence: float) -> Evidence:
    """What `tested` tickets say of one cut-off that they did not choose; None: nothing is automated."""
    rows, wrong = (0, 0) if cut is None else automated(tickets, [cut])[0]
    return Evidence(rows=rows, wrong=wrong, bound=bound(wrong, rows, confidence) if rows else 0.0)


def automated(tickets: Tickets, cuts: Sequence[float]) -> list[tuple[int, int]]:
    """Of each cut-off, (how many are at or above it, how many of them are wrong)."""
    order = np.argsort(tickets.confidence)
    wrong = np.append(np.cumsum(tickets.wrong[order][::-1])[::-1], 0)
    places = np.searchsorted(tickets.confidence[order], np.asarray(cuts))
    return [(len(order) - int(place), int(wrong[place])) for place in places]


def _in_turn(expected: Sequence[tuple[int, int]], *, max_error: float, level: float) -> list[int]:
    """The cut-off with the least expected p value first, of equal ones the highest; then down, where more is automated; at last up.

    `expected` are (rows, wrong). What has too few rows to bear a single wrong one is no place to begin.
    """
    keys = [
        (tail(1, rows, max_error) > level, tail(wrong, rows, max_error), -place)
        for place, (rows, wrong) in enumerate(expected)
    ]
    best = keys.index(min(keys))
    return [*range(best, -1, -1), *range(best + 1, len(keys))]


def _promised(others: Tickets, grid: Sequence[float], *, rows: int, max_error: float) -> list[tuple[int, int]]:
    """(rows, wrong) at each cut-off on so many tickets, were every confidence true but for half of `max_error`.

    That half stands for labels that are wrong at any confidence, and for a version that is a little surer than it should be.
    """
    able = others.where(others.high == "automate")
    order = np.argsort(able.confidence)
    doubt = np.append(np.cumsum((1 - able.confidence[order])[::-1])[::-1], 0.0)
    places = np.searchsorted(able.confidence[order], np.asarray(grid))
    scale = rows / max(len(order), 1)
    expected = [(scale * (len(order) - int(p)), scale * float(doubt[p])) for p in places]
    return [(round(seen), round(wrong + seen * max_error / 2)) for seen, wrong in expected]


def tail(wrong: int, rows: int, error: float) -> float:
    """The chance of at most so many wrong ones among `rows` if each is wrong with this probability."""
    from scipy.special import bdtr  # 0.2 s to import

    return 1.0 if rows == 0 or error <= 0 else float(bdtr(wrong, rows, error))


def bound(wrong: int, rows: int, confidence: float) -> float:
    """Clopper and Pearson's (1934) upper bound of a share, one-sided."""
    from scipy.special import betaincinv

    return 1.0 if wrong >= rows else float(betaincinv(wrong + 1, rows - wrong, confidence))


def lower_bound(wrong: int, rows: int, confidence: float) -> float:
    """Clopper and Pearson's lower bound of a share, one-sided."""
    from scipy.special import betaincinv

    return 0.0 if wrong <= 0 else float(betaincinv(wrong, rows - wrong + 1, 1 - confidence))


def rows_needed(max_error: float, confidence: float, *, wrong: int = 1) -> int:
    """How many tickets a test needs to pass with so many wrong ones among them; endless for a `max_error` of zero."""
    if max_error <= 0:
        return 2**31
    rows = max(wrong + 1, math.ceil(math.log(1 - confidence) / math.log1p(-max_error)) if max_error < 1 else 1)
    while tail(wrong, rows, max_error) > 1 - confidence:
        rows += 1
    return rows


def grid_of(*more: float | None) -> Floats:
    """The cut-offs that are looked at: hundredths, two closer to certainty, and those that hold now."""
    fixed = [*(n / 100 for n in range(5, 100)), 0.995, 0.999]
    return np.unique(np.array([*fixed, *(round(m, 6) for m in more if m is not None)], np.float64))

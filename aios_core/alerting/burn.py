"""Burn rate: how fast lateness uses up what a service-level objective allows, over two windows.

What belongs here: the arithmetic. What does not: which cases were late (`resources/signals.py`).

An objective of 0.95 allows 5 of 100 to be late. Burn 1 uses that up exactly as fast as allowed; burn 6 six times as fast. An alert
asks for the same burn in a long window, so that it is not chance, and in a short one, so that it is still so: Google's Site
Reliability Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts", whose factors 14.4 (one hour and five minutes: 2% of a month's
allowance gone in an hour) and 6 (six hours and half an hour: 5%) are the defaults.
"""

from dataclasses import dataclass

FAST, SLOW = 14.4, 6.0
FAST_WINDOWS, SLOW_WINDOWS = (60.0, 5.0), (360.0, 30.0)  # minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Cases that fell due in one window, and how many of them were late."""

    due: int
    late: int


def burn_rate(window: Window, *, objective: float) -> float:
    """Late share over the allowed share; 0 where nothing fell due."""
    if window.due <= 0:
        return 0.0
    return (window.late / window.due) / (1.0 - objective)


def burn(long: Window, short: Window, *, objective: float, min_late: int) -> float:
    """The smaller of both burns: it is above a limit exactly when both are. Fewer than `min_late` late ones in the long window are 0."""
    if long.late < min_late:
        return 0.0
    return min(burn_rate(long, objective=objective), burn_rate(short, objective=objective))


def highest_burn(*, objective: float) -> float:
    """What everything being late would give: no limit at or above it can ever be passed."""
    return 1.0 / (1.0 - objective)

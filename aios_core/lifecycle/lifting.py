"""Which holds a new champion lifts: those on queues where it is good now.

What belongs here: the rule. What does not: closing incidents and setting modes (`resources/gatekeeper.py`), and what led to the
hold (`aios_core/monitoring/verdict.py`).

The gate only asks that a version be no worse than the champion. Where the world changed, that is little: a version that has seen two
days of it among four weeks of the old one passes, fails on the next tickets, and its queues are held again. So its newest held-back
tickets must be right as often as the automation asks for; until then people go on deciding, and each night's version is asked anew.
"""

from collections.abc import Iterable, Sequence

from aios_core.automation import Monitoring
from aios_core.decisions.model import EVERY_QUEUE
from aios_core.monitoring.verdict import enough


def lifted(held: Iterable[str], answers: Sequence[tuple[str, str]], *, limits: Monitoring) -> tuple[str, ...]:
    """Those of the `held` queues (`*`: all) that the version may decide again.

    `answers` are (queue it named, queue that was right) of its held-back tickets, oldest first.
    """
    return tuple(queue for queue in sorted(set(held)) if _good_now(queue, answers, limits))


def _good_now(queue: str, answers: Sequence[tuple[str, str]], limits: Monitoring) -> bool:
    needed = limits.min_outcomes if queue == EVERY_QUEUE else enough(limits)
    newest = [named == right for named, right in answers if queue in (EVERY_QUEUE, named)][-needed:]
    return len(newest) == needed and sum(newest) / needed >= limits.min_accuracy

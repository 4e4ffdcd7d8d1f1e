"""The sentences in which a decision is explained: the same inputs give the same words, since they are part of the record.

What belongs here: wording. What does not: the rules themselves (`decide.py`).
"""

import math

from aios_core.decisions.model import EVERY_QUEUE
from aios_core.decisions.thresholds import Thresholds
from aios_core.scoring.novelty import LIMIT


def high(queue: str, confidence: float, needed: float) -> str:
    """At or above the automate threshold."""
    sure, limit = percents(confidence, needed)
    return f"{sure} sure of {queue}, at or above the {limit} needed to automate"


def middle(queue: str, confidence: float, thresholds: Thresholds) -> str:
    """Enough for a draft, not for more."""
    if thresholds.automate is None:
        return f"{percent(confidence)} sure of {queue}, enough for a draft; {_never('automated', thresholds.automate_accuracy)}"
    sure, limit = percents(confidence, thresholds.automate)
    return f"{sure} sure of {queue}, enough for a draft but below the {limit} needed to automate"


def low(queue: str, confidence: float, thresholds: Thresholds) -> str:
    """Not even enough for a draft."""
    if thresholds.draft is None:
        return f"{percent(confidence)} sure of {queue}; {_never('drafted', thresholds.draft_accuracy)}"
    sure, limit = percents(confidence, thresholds.draft)
    return f"{sure} sure of {queue}, below the {limit} needed to draft"


def dear(verdict: str, expected: float, review: float) -> str:
    """The expected cost of a mistake is above that of a review."""
    what = "an automated" if verdict == "automate" else "a drafted"
    return f"{what} mistake would cost {expected:.2f} on average, more than the {review:.2f} of a review"


def novel(novelty: float, unseen_share: float | None) -> str:
    """Too unlike the training data for its class to mean anything."""
    words = f"; {percent(unseen_share)} of its words were never seen" if unseen_share else ""
    return f"unlike the tickets that the model learnt from, so a person decides (novelty {beyond(novelty)}{words})"


def held(mode_key: str) -> str:
    """The mode sends everything, or this queue, to people."""
    return (
        "the automation is set to review only" if mode_key == EVERY_QUEUE else f"queue {mode_key} is set to review only"
    )


def percent(value: float) -> str:
    """A share with one decimal."""
    return f"{value:.1%}"


def percents(value: float, limit: float) -> tuple[str, str]:
    """Two shares with as few decimals as still show which is the greater: never `90.0%, below the 90.0% needed`."""
    for digits in (1, 2, 3, 4):
        a, b = f"{value:.{digits}%}", f"{limit:.{digits}%}"
        if (float(a[:-1]) >= float(b[:-1])) == (value >= limit):
            return a, b
    return repr(value), repr(limit)


def beyond(novelty: float) -> str:
    """A novelty above its limit, with as few decimals as still show that it is."""
    if math.isnan(novelty):
        return "is no number"
    for digits in (1, 2, 3, 4, 5, 6):
        if float(f"{novelty:.{digits}f}") > LIMIT:
            return f"{novelty:.{digits}f}, above {LIMIT:.{digits}f}"
    return f"{novelty!r}, above {LIMIT}"


def _never(done: str, accuracy: float | None) -> str:
    if accuracy is None or math.isnan(accuracy):
        return f"nothing is {done} under this model version"
    return f"no score of this model version reached {percent(accuracy)} accuracy in training, so nothing is {done}"

"""What follows from a draft: it is sent as a suggestion, a person decides, or it is only kept.

What belongs here: the choice. What does not: actions (`aios_core/decisions/actions.py`) and cases (`resources/drafts.py`).
"""

from typing import Literal

Next = Literal["send", "person", "keep"]


def next_step(*, verdict: str, in_review: bool, passed: bool) -> Next:
    """`send`: as a suggestion to the helpdesk. `person`: a case is opened. `keep`: only recorded. `passed`: it answers and is verified.

    What waits for a person stays there, and nothing is sent past them: they see the draft. An automated ticket is in its queue already,
    where people read it: a draft of it that failed is kept and not sent.
    """
    if in_review or verdict == "review":
        return "keep"
    if passed:
        return "send"
    return "person" if verdict == "draft" else "keep"

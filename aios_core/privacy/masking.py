"""Masking of personal data in text that is shown for orientation: sample rows, logs, previews.

What belongs here: deterministic replacement of e-mail addresses, phone-like and card-like numbers. What does not:
detection of names and addresses, which needs a model, and anything a decision reads: decisions see the real text.
"""

import re

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
_LONG_NUMBER = re.compile(r"\+?\d(?:[\s()./-]?\d){6,}")


def mask(text: str, *, limit: int = 120) -> str:
    """`text` without e-mail addresses and numbers of seven digits or more, cut to `limit` characters."""
    masked = _LONG_NUMBER.sub("[number]", _EMAIL.sub("[e-mail]", text))
    return masked if len(masked) <= limit else masked[: limit - 1] + "…"

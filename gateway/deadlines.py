"""How long a caller is willing to wait.

What belongs here: the header and its meaning. What does not: what is done when the time is up (`inference/lane.py`, `decide/`).
"""

from gateway.refusals import Refused

DEADLINE = b"x-request-timeout-ms"
MAX_MS = 600_000


def seconds_given(value: bytes) -> float:
    """`X-Request-Timeout-Ms`, counted from the request's arrival here: clocks of two machines need not agree. Raises Refused."""
    if not value.isdigit() or len(value) > 9 or not 0 < int(value) <= MAX_MS:
        raise Refused(
            400, "request.timeout", f"X-Request-Timeout-Ms must be a whole number of milliseconds from 1 to {MAX_MS}"
        )
    return int(value) / 1000

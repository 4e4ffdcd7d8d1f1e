"""What ties a request to what came before and comes after: the correlation id and W3C's trace context.

What belongs here: taking both from a request's head, or minting the first. What does not: writing them down
(`access_log.py`, and decisions, which carry the correlation id for good).
"""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass

CORRELATION, TRACEPARENT = b"x-correlation-id", b"traceparent"
# what is put into logs, headers and rows must not be able to break out of them
_CORRELATION = re.compile(rb"[A-Za-z0-9_.:/+=@-]{1,128}")
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")


@dataclass(frozen=True, slots=True)
class Trace:
    """`given`: the caller brought the correlation id. `parent` is our own part of the caller's trace, if there is one."""

    correlation_id: str
    given: bool
    parent: bytes | None = None

    def headers(self) -> list[tuple[bytes, bytes]]:
        """What an answer carries."""
        own = [(CORRELATION, self.correlation_id.encode())]
        return own if self.parent is None else [*own, (TRACEPARENT, self.parent)]


def trace_of(head: Mapping[bytes, bytes]) -> Trace:
    """The trace of a request. What is malformed is replaced, as the trace context's definition asks."""
    correlation = head.get(CORRELATION)
    given = correlation is not None and _CORRELATION.fullmatch(correlation) is not None
    # an id that must differ, not a secret: 128 random bits
    name = correlation.decode() if given and correlation else f"{random.getrandbits(128):032x}"
    trace = head.get(TRACEPARENT)
    match = None if trace is None else _TRACEPARENT.fullmatch(trace)
    if match is None:
        return Trace(name, given)
    span = f"{random.getrandbits(64) or 1:016x}".encode()
    return Trace(name, given, b"00-%s-%s-%s" % (match[1], span, match[2]))

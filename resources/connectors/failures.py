"""How a call to a source can fail, and what one failed try means for the next.

What belongs here: the errors. What does not: making them of an answer (`http.py`) and what follows for quota and breaker (`traffic.py`).
"""

from aios_core.errors import PermanentError, RetryableError


class SourceUnavailable(RetryableError):
    """The source did not answer, or answered 5xx, as often as we asked."""

    code = "source.unavailable"


class SourceThrottled(RetryableError):
    """The source wants us to wait longer than a run may; `retry_after` is in seconds."""

    code = "source.throttled"

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SourceMalformed(RetryableError):
    """The body is cut off or is not the JSON that was promised."""

    code = "source.malformed"


class SourceDenied(PermanentError):
    """The credentials are not accepted, or do not allow this."""

    code = "source.denied"


class SourceRefused(PermanentError):
    """The source understood the request and says no; `status` is HTTP's."""

    code = "source.refused"

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class Again(Exception):
    """One try failed in a way that another may not. `unsent`: it never left; `untouched`: the source did nothing about it."""

    def __init__(
        self, error: RetryableError, *, retry_after: float | None = None, untouched: bool = False, unsent: bool = False
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry_after = retry_after
        self.untouched = untouched or unsent
        self.unsent = unsent

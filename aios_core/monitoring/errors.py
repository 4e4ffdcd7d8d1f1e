"""The error of a monitor that can't say anything.

What belongs here: that one type. What does not: a day with too few rows, which is an answer ("can't say yet, because"),
not a failure.
"""

from aios_core.errors import PermanentError


class MonitorError(PermanentError):
    """A monitor could not be computed. Never to be read as "no drift"."""

    code = "monitor.failed"

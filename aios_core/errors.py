"""The one error family: every failure has a stable code, says whether a retry can help, and names the way out.

What belongs here: the base class and the errors that more than one module raises. What does not: vendor- or
stage-specific subclasses, which live beside the code that raises them and derive from these.
"""

from typing import ClassVar


class AiosError(Exception):
    """Base of every error AIOS raises on purpose.

    `code` is stable: people script on it, quarantine rows carry it. `retryable` says whether trying the same thing
    again can succeed. The message names what was wrong, where, and what to do next.
    """

    code: ClassVar[str] = "aios.error"
    retryable: ClassVar[bool] = False


class PermanentError(AiosError):
    """Trying again without changing something can't help."""

    code = "aios.permanent"


class RetryableError(AiosError):
    """The same call may succeed later."""

    code = "aios.retryable"
    retryable = True


class DeclarationError(PermanentError):
    """An automation's YAML, policy or scaffold is wrong. The message starts with `file:line`."""

    code = "declaration.invalid"


class ConfigurationError(PermanentError):
    """A setting or environment variable is missing or unusable; the message names it."""

    code = "configuration.invalid"


class RecordError(PermanentError):
    """One raw record can't become a canonical entity. Its code is what quarantine stores."""

    code = "record.invalid"

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code  # type: ignore[misc]  # a record's code is finer than its class


class ModelError(PermanentError):
    """A model version can't be built, registered, loaded or used."""

    code = "model.invalid"


class PolicyError(PermanentError):
    """A policy can't be compiled, or answered something that is not a verdict."""

    code = "policy.invalid"

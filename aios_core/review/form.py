"""The verdict form: what a person is asked beside the queue, typed, from the automation's declaration.

What belongs here: the form and reading answers by it. What does not: drawing it (the gateway's templates) and keeping answers.

Answers come as a browser's form sends them (text) or as values; what is read is text, a number, or true and false. A field that the
chosen queue does not ask for is left out, whatever was sent: a hidden field keeps what was typed before the queue was changed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

from aios_core.automation import FormField
from aios_core.errors import PermanentError

Kind = Literal["choice", "text", "number", "yes_no"]
LONGEST = 2_000
YES, NO = frozenset({"yes", "true", "on", "1"}), frozenset({"no", "false", "off", "0"})


class InvalidForm(PermanentError):
    """An answer is missing or can't be read. `field` is its name, `reason` what to do about it."""

    code = "review.form"

    def __init__(self, field: str, label: str, reason: str) -> None:
        super().__init__(f"{label or field}: {reason}")
        self.field, self.reason = field, reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One question. `when_queue`: asked only for these queues; none: for every one."""

    name: str
    label: str
    kind: Kind = "text"
    options: tuple[str, ...] = ()
    required: bool = False
    help: str = ""
    when_queue: tuple[str, ...] = ()

    def asked_for(self, queue: str) -> bool:
        return not self.when_queue or queue in self.when_queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """All questions, in the order in which they are asked."""

    fields: tuple[Field, ...] = ()


def form_of(declared: Iterable[FormField]) -> Form:
    """The form that an automation declares under `review.form`."""
    return Form(fields=tuple(Field(**f.model_dump()) for f in declared))


def answers(form: Form, sent: Mapping[str, Any], *, queue: str) -> dict[str, Any]:
    """What was answered, typed: only fields asked for this queue, only those with an answer. Raises InvalidForm."""
    known = {f.name for f in form.fields}
    if strange := sorted(set(sent) - known):
        listed = ", ".join(sorted(known)) or "none"
        raise InvalidForm(strange[0], "", f"the form has no such field; it has: {listed}")
    read: dict[str, Any] = {}
    for field in form.fields:
        if not field.asked_for(queue):
            continue
        value = sent.get(field.name)
        if value is None or (isinstance(value, str) and not value.strip()):
            if field.required:
                raise InvalidForm(field.name, field.label, "an answer is needed")
            continue
        read[field.name] = _read(field, value)
    return read


def _read(field: Field, value: Any) -> str | float | bool:
    if field.kind == "yes_no":
        return _yes_no(field, value)
    if field.kind == "number":
        return _number(field, value)
    if not isinstance(value, str):
        raise InvalidForm(field.name, field.label, f"text is needed, and {type(value).__name__} was sent")
    text = value.strip()
    if "\0" in text or len(text) > LONGEST:
        raise InvalidForm(field.name, field.label, f"at most {LONGEST:,} characters of plain text")
    if field.kind == "choice" and text not in field.options:
        raise InvalidForm(field.name, field.label, f"choose one of: {', '.join(field.options)}")
    return text


def _yes_no(field: Field, value: Any) -> bool:
    said = str(value).strip().lower()
    if said not in YES | NO:
        raise InvalidForm(field.name, field.label, "answer yes or no")
    return said in YES


def _number(field: Field, value: Any) -> float:
    if isinstance(value, bool):
        raise InvalidForm(field.name, field.label, "a number is needed")
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidForm(field.name, field.label, "a number is needed, for example 12.50") from None
    if not isfinite(number):
        raise InvalidForm(field.name, field.label, "a finite number is needed")
    return number

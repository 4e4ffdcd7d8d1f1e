"""What every source declares: the canonical entity it provides, where its fields stand, and whether it calls us.

What belongs here: what sources have in common. What does not: any one of them (`sources.py`, `vendors/`).
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from aios_core.contracts import Mode
from aios_core.declaration.base import Declared
from aios_core.declaration.listing import Auth, Listing
from aios_core.declaration.thread import Thread
from aios_core.declaration.webhook import Webhook
from aios_core.declaration.writing import Writing


class FieldMapping(Declared):
    """Where one canonical field comes from in a source's payload."""

    field: str | None = Field(None, description="Column or dotted path in the payload")
    constant: str | int | float | bool | None = Field(None, description="The same value for every record")
    values: dict[str, str] = Field(default_factory=dict, description="Source value -> canonical value")
    format: str | None = Field(None, description="strptime format of a date-time column")
    markup: Literal["html"] | None = Field(None, description="The text is HTML: its words are taken, its tags left")

    @model_validator(mode="after")
    def _one_origin(self) -> "FieldMapping":
        if (self.field is None) == (self.constant is None):
            raise ValueError("a mapping needs exactly one of `field` and `constant`")
        return self


def _long_form(value: Any) -> Any:
    """`subject: text` is short for `subject: {field: text}`."""
    return {"field": value} if isinstance(value, str) else value


Mapping = dict[str, Annotated[FieldMapping, BeforeValidator(_long_form, json_schema_input_type=str | FieldMapping)]]


class SourceBase(Declared):
    """What every source declares. `provides` says which canonical entity its records become."""

    provides: Literal["tickets", "customers"]
    mapping: Mapping = Field(default_factory=dict)
    contract: Mode = Field(
        "evolve",
        description="When its records change: `evolve` takes and tells it, `quarantine` parts what does not fit, `freeze` ends the read",
    )
    webhook: Webhook | None = Field(
        None, description="The source calls us when something changed; none: it is read on schedule"
    )

    @property
    def told_at(self) -> str | None:
        """Dotted path of the ticket's id in a delivery of its webhook, where knowing it helps: lists that show changes late."""
        return None

    @property
    def actions_a_ticket(self) -> tuple[int, float] | None:
        """(actions, seconds) that the vendor lets one ticket be changed in; None: as often as one likes."""
        return None

    @property
    def usual(self) -> Mapping:
        """Where this kind of source has its canonical fields; `mapping` has the last word."""
        return {}

    @cached_property
    def fields(self) -> Mapping:
        """Every canonical field that has a place, as declared or as usual."""
        return {**self.usual, **self.mapping}


class ApiSource(SourceBase):
    """A source that is a JSON API: which lists it has of each object, and who asks. Declared by a user (`http`), or known (a vendor)."""

    url: str = Field(description="Base URL, `${VAR}` allowed")
    requests_a_minute: int | None = Field(
        None,
        ge=1,
        description="What the API allows; none: what the vendor publishes, else it says 429 when it is enough",
    )

    @cached_property
    def lists(self) -> dict[str, Sequence[Listing]]:
        """The lists of each object, objects in the order in which they are best read."""
        raise NotImplementedError

    @property
    def signs_in(self) -> Auth | None:
        """Who asks."""
        return None

    @property
    def says(self) -> dict[str, str]:
        """Headers of every request."""
        return {}

    @property
    def allowed(self) -> tuple[int, float] | None:
        """(requests, seconds) that the vendor allows a credential; None: not known."""
        return None if self.requests_a_minute is None else (self.requests_a_minute, 60.0)

    @property
    def allowed_at(self) -> dict[str, tuple[int, float]]:
        """Limits of their own that requests with this in their path have beside that: (requests, seconds)."""
        return {}

    @cached_property
    def writing(self) -> Writing | None:
        """How actions are written to it; None: they can't be."""
        return None

    @cached_property
    def thread(self) -> Thread | None:
        """Where a ticket's conversation is; None: it is not read."""
        return None

    @cached_property
    def contact(self) -> Mapping:
        """Where a user of the helpdesk (`users`) has its customer's id and its times; empty: it has no users of its own."""
        return {}


def place(**paths: Any) -> Mapping:
    """Canonical fields by their places, in the short form of a declaration."""
    return {
        name: FieldMapping.model_validate({"field": at} if isinstance(at, str) else at) for name, at in paths.items()
    }

"""How a helpdesk is written to over its JSON API: by declaration, as its lists are read (`listing.py`).

What belongs here: what can be said of an API without code. What does not: which write follows from a decision
(`aios_core/decisions/actions.py`) and sending it (`resources/connectors/json_api/`).

An action becomes the requests of `steps`, in their order. In `path`, `params` and `body` stand, alone or within a text: `{id}` (the ticket's),
`{fields}` (an object of all fields that change), `{queue}`, `{assignee}`, `{priority}` (in the vendor's own values), `{tag}` (a list that holds it has an
item for each new tag; elsewhere the request is made for each), `{note}`, `{reply}` (texts), `{now}` (ISO 8601) and `{found}` (what `first` found).
"""

from typing import Any, Literal

from pydantic import Field, model_validator

from aios_core.declaration.base import Declared
from aios_core.declaration.listing import Listing

Part = Literal["queue", "assignee", "priority", "tags", "note", "reply"]
Verb = Literal["GET", "POST", "PUT", "PATCH"]


class Call(Declared):
    """One request below the source's URL."""

    method: Verb = "GET"
    path: str
    params: dict[str, str] = Field(default_factory=dict)
    body: dict[str, Any] | Literal["{fields}"] | None = Field(
        None, description="JSON; `*` merges an object into its own"
    )
    answer: str = Field("", description="Dotted path of what is wanted in the answer; empty: all of it")


class Several(Declared):
    """How one request is about several tickets: a list in its body holds `each` for every one of them."""

    most: int = Field(ge=2, description="Tickets in one request")
    each: dict[str, Any] = Field(description="Stands in the body where `{each}` does")
    items: str = Field(description="Dotted path of the list in the answer; a ticket that is not in it was not met")
    id: str = Field("id", description="Dotted path of the ticket's id in an item")


class Reading(Call):
    """The ticket as it stands, asked before it is written to."""

    several: Several | None = None


class Notes(Declared):
    """Where a ticket's notes are: what was written already is looked for in them."""

    inside: str | None = Field(None, description="Dotted path of their list in the ticket itself")
    listing: Listing | None = Field(None, description="Or a list of their own; `{id}` is the ticket's")
    text: str = Field(description="Dotted path of a note's text")
    only: dict[str, str | bool] = Field(
        default_factory=dict, description="Dotted path -> value of those that are meant"
    )
    texts: Call | None = Field(
        None,
        description="Where the list says ids only: what asks for them, `{each}` standing for an id; its `answer` is a list",
    )

    @model_validator(mode="after")
    def _one_place(self) -> "Notes":
        if (self.inside is None) == (self.listing is None):
            raise ValueError("notes are `inside` the ticket or a `listing` of their own, one of the two")
        return self


class Step(Call):
    """One request of an action, left out where the action has nothing that it carries."""

    method: Verb = "POST"
    carries: tuple[Part, ...] = Field(min_length=1)
    repeatable: bool = Field(False, description="Twice has the effect of once, whatever happens between")
    first: Call | None = Field(None, description="Asked before; its `answer` is `{found}`")
    several: Several | None = None


class Writing(Declared):
    """All of it. The step that carries the note comes last: a note that is there says that everything before it was done."""

    read: Reading
    notes: Notes
    replies: Notes | None = Field(None, description="Where public replies are; none: the vendor's API sends none")
    steps: tuple[Step, ...] = Field(min_length=1)
    root: str = Field("", description="What the paths of writable fields begin with in a payload")
    numbers: bool = Field(False, description="Values of digits are written as numbers")
    assignee: str | None = Field(None, description="Dotted path of the person's id in a payload")
    joined: str | None = Field(None, description="Tags are one text with this between them; none: a list")
    instead: dict[Part, dict[str, dict[str, str]]] = Field(
        default_factory=dict,
        description="Fields to write, by canonical value, where the one that is read can't be written",
    )
    markup: Literal["html"] | None = Field(None, description="Notes and replies are HTML")

    @model_validator(mode="after")
    def _note_last(self) -> "Writing":
        if "note" not in self.steps[-1].carries or any("note" in step.carries for step in self.steps[:-1]):
            raise ValueError("the last step carries the note, and no other does")
        if any(step.several and {"note", "reply"} & set(step.carries) for step in self.steps):
            raise ValueError(
                "a request for several tickets carries no texts: whether it was met is looked for ticket by ticket"
            )
        carried = {part for step in self.steps for part in step.carries}
        if ("reply" in carried) != (self.replies is not None):
            raise ValueError("a step that carries the reply and `replies`, where it is looked for, go together")
        return self

    @property
    def carried(self) -> frozenset[Part]:
        """What can be written to this vendor at all."""
        return frozenset(part for step in self.steps for part in step.carries)

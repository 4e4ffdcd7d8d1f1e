"""The tools that an agent can be given, with typed arguments, and what a policy is told of those arguments.

What belongs here: names, descriptions, argument types, and whose customer or ticket an argument means. What does not: what a tool does
(`resources/agents/world.py`) and who may use it (the declaration, and the policy's rule `agent_tool`).

Every tool reads. Nothing here writes: `propose_action` ends the run with a proposal, and what follows from one is decided elsewhere.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

PROPOSE: Final = "propose_action"
Whose = Literal["own", "requester", "other"]
_UNWRITABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def clean(text: str) -> str:
    """Without control characters and halves of surrogate pairs, which neither JSON nor Postgres keeps."""
    return _UNWRITABLE.sub("", text)


Text = Annotated[str, AfterValidator(clean)]


class Arguments(BaseModel):
    """Base of all arguments: unknown names are errors, and the model is told so."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SearchKnowledge(Arguments):
    """Find passages of the knowledge base."""

    query: Text = Field(min_length=2, max_length=400, description="What to look for, in the words of the customer")


class ReadCustomer(Arguments):
    """Read the record of this ticket's customer."""

    customer_id: Text | None = Field(None, max_length=100, description="Leave it out: only this ticket's customer")


class ReadTicket(Arguments):
    """Read this ticket, or another one by the same requester."""

    ticket_id: Text | None = Field(None, max_length=100, description="Leave it out for this ticket")


class CheckOutage(Arguments):
    """Ask the status page for outages."""

    area: str = Field(pattern=r"^\w[\w .,'’-]{1,79}$", description="City or region, such as Northfield")
    service: Literal["mobile", "internet", "tv", "landline"] | None = Field(None, description="Only of this service")


class ReplyLine(Arguments):
    """One sentence of a reply."""

    text: Text = Field(min_length=1, max_length=600, description="One sentence, in the customer's language")
    passages: tuple[Annotated[int, Field(ge=1, le=999)], ...] = Field(
        default=(),
        max_length=6,
        description="Numbers of the passages that say so; none: it is from the customer's record",
    )


class ProposeAction(Arguments):
    """Propose what to do with the ticket, and end. A person or the automation's rules decide whether it is done."""

    queue: Text | None = Field(None, max_length=63, description="The queue it belongs to; none: leave it where it is")
    reply: tuple[ReplyLine, ...] = Field(
        default=(), max_length=20, description="The middle of a reply, a sentence each; none: no reply"
    )
    reason: Text = Field(min_length=1, max_length=600, description="Why, in a sentence or two, for a colleague")
    needs_person: bool = Field(False, description="True where you can't tell, or something looks wrong")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool as a model is told of it."""

    name: str
    arguments: type[Arguments]

    @property
    def description(self) -> str:
        """What it does."""
        return " ".join((self.arguments.__doc__ or "").split())


TOOLS: Final[Mapping[str, Tool]] = {
    tool.name: tool
    for tool in (
        Tool(name="search_knowledge", arguments=SearchKnowledge),
        Tool(name="read_customer", arguments=ReadCustomer),
        Tool(name="read_ticket", arguments=ReadTicket),
        Tool(name="check_outage", arguments=CheckOutage),
    )
}


def declared_tools(names: Collection[str]) -> tuple[Tool, ...]:
    """Those of the names, in the order of `TOOLS`, whatever order they were declared in."""
    return tuple(tool for name, tool in TOOLS.items() if name in names)


def whose_customer(arguments: Arguments, *, own: str | None) -> dict[str, Whose]:
    """Whose customer the arguments name: nobody named means this ticket's own."""
    if not isinstance(arguments, ReadCustomer):
        return {}
    return {"customer": "own" if arguments.customer_id is None or arguments.customer_id == own else "other"}


def whose_ticket(arguments: Arguments, *, own: str, of_requester: Collection[str]) -> dict[str, Whose]:
    """Whose ticket the arguments name: this one, another by its requester, or a stranger's."""
    if not isinstance(arguments, ReadTicket):
        return {}
    if arguments.ticket_id is None or arguments.ticket_id == own:
        return {"ticket": "own"}
    return {"ticket": "requester" if arguments.ticket_id in of_requester else "other"}

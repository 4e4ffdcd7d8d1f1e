"""Where a vendor keeps a ticket's conversation: by declaration, as its notes are looked for (`writing.py`).

What belongs here: what can be said of an API without code. What does not: asking (`resources/connectors/json_api/`), and what is made of the
answer (`aios_core/canonical/thread.py`).
"""

from typing import Literal

from pydantic import Field, model_validator

from aios_core.declaration.writing import Call, Notes


class Thread(Notes):
    """The messages of a ticket, after its own text. Paths are those of a message."""

    read: Call | None = Field(
        None, description="What gives the ticket where the messages are inside it; `{id}` is the ticket's"
    )
    at: str = Field(description="Dotted path of when it was written")
    author: str | None = Field(None, description="Dotted path of who wrote it, a name or an id")
    public: dict[str, str | bool] = Field(
        default_factory=dict,
        description="Dotted path -> value of those that the customer sees; none: it is not said",
    )
    attachments: str | None = Field(None, description="Dotted path of the list of its attachments")
    markup: Literal["html"] | None = Field(None, description="Texts are HTML")
    first: bool = Field(False, description="The oldest message is the ticket's own text")

    @model_validator(mode="after")
    def _readable(self) -> "Thread":
        if (self.inside is None) != (self.read is None):
            raise ValueError("`read` gives the ticket that the messages are `inside`: both or none")
        return self

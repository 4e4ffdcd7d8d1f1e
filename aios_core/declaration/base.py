"""What every part of a declaration is built of.

What belongs here: the base class and the kinds of words and numbers. What does not: any one part.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=63)]
Share = Annotated[float, Field(ge=0, le=1)]
Cron = Annotated[
    str, Field(pattern=r"^\S+ \S+ \S+ \S+ \S+$", description="Five cron fields, in the automation's time zone")
]


class Declared(BaseModel):
    """Base of every declared block: unknown keys are errors, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)

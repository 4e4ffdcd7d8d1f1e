"""Whose ticket it is: how a requester is joined to the customers of the CRM.

What belongs here: what can be declared. What does not: addresses and the join (`aios_core/identity/`).
"""

from typing import Literal

from pydantic import Field

from aios_core.declaration.base import Declared, Share

Address = Literal["email", "phone"]


class Identity(Declared):
    """A customer's id that the helpdesk itself knows always comes first; then addresses, in this order.

    CRM sources are asked in the order in which they are declared. Where two customers of one source share the address, nobody is joined.
    """

    by: tuple[Address, ...] = Field(("email", "phone"), description="Empty: by the helpdesk's own ids alone")
    calling_code: str | None = Field(
        None,
        pattern=r"^[1-9]\d{0,2}$",
        description="Of the country that numbers without one are from; none: such numbers join nobody",
    )
    trunk_prefix: str = Field(
        "0",
        pattern=r"^\d{0,2}$",
        description="What is dialled before a number within that country, and left out from abroad",
    )
    international_prefix: str = Field(
        "00", pattern=r"^\d{1,4}$", description="What is dialled there to reach another country"
    )
    max_ambiguous: Share = Field(
        0.05, description="The check `requesters_told_apart` warns where a larger share is ambiguous"
    )

"""A source that calls us: how its deliveries are known to be its own.

What belongs here: what can be declared. What does not: checking a delivery (`aios_core/webhooks/`) and taking it (`gateway/hooks.py`).
"""

from typing import Literal

from pydantic import Field, model_validator

from aios_core.declaration.base import Declared

Scheme = Literal["zendesk", "intercom", "hubspot", "jira", "github", "standard", "token"]
_VARIABLE = r"^\$\{[A-Z][A-Z0-9_]*\}$"


class Webhook(Declared):
    """Deliveries arrive at `/hooks/AUTOMATION/SOURCE`; each starts a read of the source, together with those that came beside it.

    `token` is for systems that can only send a header of their own making (Freshdesk, ServiceNow): `Authorization: Bearer SECRET`.
    """

    scheme: Scheme
    secret: str = Field(pattern=_VARIABLE, description="Always `${VAR}`")
    previous_secret: str | None = Field(
        None, pattern=_VARIABLE, description="While secrets are changed both are taken; unset: none"
    )
    tolerance_seconds: float = Field(
        300.0, gt=0, description="An older delivery is refused; our clock may be off as much"
    )
    ticket: str | None = Field(
        None, description="Dotted path of the ticket's id in a delivery; default: where the vendor's own events have it"
    )
    url: str | None = Field(None, description="HubSpot signs the address it calls: ours as it is seen from outside")

    @model_validator(mode="after")
    def _has_url(self) -> "Webhook":
        if self.scheme == "hubspot" and self.url is None:
            raise ValueError("webhook.url: HubSpot signs the address it calls; say what it is seen from outside")
        return self

"""`POST /hooks/{automation}/{source}`: what other systems send of their own accord.

What belongs here: taking a delivery. What does not: proving it (`aios_core/webhooks/`), and what follows, which is a read of the source
(`sensors/webhooks.py`).

Answered 200 once it is committed, so that what is acknowledged is never lost; one that was there already is answered the same, since its
sender would otherwise try for ever.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import orjson
from fastapi import APIRouter, Path, Request, Response

from aios_core.declaration.webhook import Webhook
from aios_core.errors import ConfigurationError
from aios_core.webhooks.schemes import WebhookRefused, prove
from gateway.refusals import JSON, Refused
from resources.database import Database
from resources.deployments import expand
from resources.webhooks import WebhookStore

if TYPE_CHECKING:
    from gateway.decide.declared import Declarations  # brings the policy engine along

router = APIRouter(tags=["Webhooks"])

STATUS = {
    "webhook.empty": 400,
    "webhook.malformed": 400,
    "webhook.no_time": 400,
    "webhook.too_old": 400,
    "webhook.no_secret": 503,
}
Name = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class Hooks:
    """Takes deliveries for every automation that declares them."""

    def __init__(self, database: Database, *, declarations: "Declarations", clock: Callable[[], datetime]) -> None:
        self._store, self._declarations, self._clock = WebhookStore(database), declarations, clock

    def take(self, automation: str, source: str, headers: dict[str, str], body: bytes) -> bool:
        """Whether it is new. Raises Refused."""
        declared = self._declarations.get(automation).declared.automation.sources.get(source)
        if declared is None or declared.webhook is None:
            raise Refused(
                404, "webhook.unknown", f"automation {automation} declares no webhook for a source {source[:80]}"
            )
        webhook, now = declared.webhook, self._clock()
        try:
            delivery = prove(
                webhook.scheme,
                headers=headers,
                body=body,
                secrets=_secrets(webhook),
                now=now,
                tolerance=timedelta(seconds=webhook.tolerance_seconds),
                url=expand(webhook.url) if webhook.url else "",
            )
        except WebhookRefused as refused:
            raise Refused(STATUS.get(refused.code, 401), refused.code, str(refused)) from refused
        return self._store.take(delivery, automation=automation, source=source, body=body, now=now)


@router.post("/hooks/{automation}/{source}")
async def hook(request: Request, automation: Name, source: Name) -> Response:
    """A delivery of a source's own system."""
    body = await request.body()
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        new = await asyncio.to_thread(request.app.state.hooks().take, automation, source, headers, body)
    except Refused as refused:
        return Response(refused.body(), status_code=refused.status, media_type=JSON.decode(), headers={})
    return Response(orjson.dumps({"status": "taken" if new else "known"}), media_type=JSON.decode())


def _secrets(webhook: Webhook) -> list[str]:
    """Those that are set in the environment, the present one first."""
    found = []
    for declared in (webhook.secret, webhook.previous_secret):
        try:
            value = expand(declared) if declared else ""
        except ConfigurationError:
            value = ""
        if value:
            found.append(value)
    return found

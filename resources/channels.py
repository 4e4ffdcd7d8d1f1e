"""Sending a message to a channel, through Apprise: chat, mail, pager, webhook.

What belongs here: from a declared channel and a message to what became of it. What does not: which messages there are, and trying again
(`alert_deliveries.py`).

An address stands in an environment variable and holds a secret: no error, log line or row here shows it. A variable that is not set
is no fault: the message goes nowhere, and says so.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from aios_core.automation import AlertChannel
from aios_core.errors import ConfigurationError
from resources.deployments import expand

SECONDS = 10.0  # for one message, connecting included
LONGEST_ERROR = 300
KINDS = {"info": "info", "warning": "warning", "critical": "failure"}
OVER = "success"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one try: sent; worth trying again; a dead end (the address is none); or nowhere (no address)."""

    status: Literal["sent", "retry", "failed", "nowhere"]
    error: str | None = None


Send = Callable[..., Outcome]


def send(
    channel: AlertChannel, *, title: str, body: str, severity: str, over: bool, environ: Mapping[str, str] | None = None
) -> Outcome:
    """Send one message. Never raises for what the other side does."""
    variable = channel.url[2:-1]
    try:
        address = expand(channel.url, environ)
    except ConfigurationError:
        return Outcome(status="nowhere", error=f"environment variable {variable} is not set: the message went nowhere")
    import apprise  # 60 ms, and only where something is sent

    service = apprise.Apprise.instantiate(address)
    if service is None:
        return Outcome(
            status="failed", error=f"{variable} holds no address that Apprise knows; see its list of services"
        )
    sender = apprise.Apprise()
    sender.add(service)
    kind = apprise.NotifyType(OVER if over else KINDS[severity])
    try:
        result = sender.notify(title=title, body=body, notify_type=kind, timeout=SECONDS, body_format="text")
    except Exception as error:  # a service's own fault must not stop the others' messages
        return Outcome(status="retry", error=_clean(f"{type(error).__name__}: {error}", address))
    if result:
        return Outcome(status="sent")
    said = " ".join(str(entry.message) for entry in result.logs()) or f"{result.status.name.lower()} without a word"
    return Outcome(status="retry", error=_clean(said, address))


def _clean(text: str, address: str) -> str:
    """One short line, without anything of the address that may be secret."""
    host, *_ = re.split(r"[/?]", address.split("://", 1)[-1].rsplit("@", 1)[-1], maxsplit=1)
    parts = {p for p in re.split(r"[/:?&=@]+", address) if len(p) >= 6 and p not in host}
    for part in sorted({address, *parts}, key=len, reverse=True):
        text = text.replace(part, "***")
    return " ".join(text.split())[:LONGEST_ERROR]

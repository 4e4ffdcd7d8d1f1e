"""How each system signs what it sends: over the bytes as they came, compared in constant time.

What belongs here: one function a scheme, from headers and body to a proven delivery. What does not: HTTP and rows.

Sources: the vendors' own documentation of webhook security, and the Standard Webhooks specification 1.0.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from aios_core.declaration.webhook import Scheme
from aios_core.errors import PermanentError
from aios_core.webhooks.standard import key_of, signature

MAX_ID = 200


class WebhookRefused(PermanentError):
    """A delivery that is not what it should be. `code` says why, the message never what would have been right."""

    code = "webhook.refused"

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code  # type: ignore[misc]  # finer than its class


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One delivery that is proven to come from who knows the secret. `sent_at` None: the scheme tells no time that is signed."""

    delivery_id: str
    sent_at: datetime | None
    payload: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """What a delivery says of itself before it is believed. `signed` makes the expected signatures from one secret."""

    given: tuple[bytes, ...]
    signed: Callable[[str], tuple[bytes, ...]]
    delivery_id: str | None
    sent_at: datetime | None
    timed: bool


def prove(
    scheme: Scheme,
    *,
    headers: Mapping[str, str],
    body: bytes,
    secrets: Sequence[str],
    now: datetime,
    tolerance: timedelta,
    url: str = "",
) -> Delivery:
    """The delivery, if one of `secrets` signed it and it is not too old. Header names are lower case. Raises WebhookRefused."""
    if not body.strip():
        raise WebhookRefused("webhook.empty", "the delivery has no body")
    claim = _claim_of(scheme, headers, body, url)
    if not secrets:
        raise WebhookRefused("webhook.no_secret", "no secret is set for this source, so nothing can be believed")
    # every pair is compared, so that the time taken tells nothing of which one fitted
    fits = [hmac.compare_digest(g, s) for secret in secrets for s in claim.signed(secret) for g in claim.given]
    if not any(fits):
        raise WebhookRefused(
            "webhook.bad_signature", "the signature does not fit the body; is the secret the same on both sides?"
        )
    if claim.timed:
        _in_time(claim.sent_at, now, tolerance)
    payload = _parsed(body)
    own = claim.delivery_id or _own_id(scheme, payload) or hashlib.sha256(body).hexdigest()
    if len(own) > MAX_ID:
        own = hashlib.sha256(own.encode("utf-8", "surrogatepass")).hexdigest()
    return Delivery(delivery_id=own, sent_at=claim.sent_at or _told_time(scheme, payload), payload=payload)


def _claim_of(scheme: Scheme, headers: Mapping[str, str], body: bytes, url: str) -> _Claim:
    return _CLAIMS[scheme](headers, body, url)


def _zendesk(headers: Mapping[str, str], body: bytes, url: str) -> _Claim:  # noqa: ARG001 (all claims take the same)
    stamp = headers.get("x-zendesk-webhook-signature-timestamp", "")
    return _Claim(
        given=(headers.get("x-zendesk-webhook-signature", "").encode(),),
        signed=lambda secret: (_base64(_hmac(secret, stamp.encode() + body)),),
        delivery_id=headers.get("x-zendesk-webhook-invocation-id"),
        sent_at=_iso(stamp),
        timed=True,
    )


def _intercom(headers: Mapping[str, str], body: bytes, url: str) -> _Claim:  # noqa: ARG001
    return _Claim(
        given=(headers.get("x-hub-signature", "").encode(),),
        signed=lambda secret: (b"sha1=" + _hmac(secret, body, "sha1").hex().encode(),),
        delivery_id=None,
        sent_at=None,
        timed=False,
    )


def _hubspot(headers: Mapping[str, str], body: bytes, url: str) -> _Claim:
    stamp = headers.get("x-hubspot-request-timestamp", "")
    return _Claim(
        given=(headers.get("x-hubspot-signature-v3", "").encode(),),
        signed=lambda secret: (_base64(_hmac(secret, f"POST{url}".encode() + body + stamp.encode())),),
        delivery_id=None,
        sent_at=_epoch(stamp, 1000),
        timed=True,
    )


def _jira(headers: Mapping[str, str], body: bytes, url: str) -> _Claim:
    return _hub(headers.get("x-hub-signature", ""), headers.get("x-atlassian-webhook-identifier"), body, url)


def _github(headers: Mapping[str, str], body: bytes, url: str) -> _Claim:
    return _hub(headers.get("x-hub-signature-256", ""), headers.get("x-github-delivery"), body, url)


def _hub(given: str, delivery_id: str | None, body: bytes, url: str) -> _Claim:  # noqa: ARG001
    return _Claim(
        given=(given.encode(),),
        signed=lambda secret: (b"sha256=" + _hmac(secret, body).hex().encode(),),
        delivery_id=delivery_id,
        sent_at=None,
        timed=False,
    )


def _standard(headers: Mapping[str, str], body: bytes, url: str) -> _Claim:  # noqa: ARG001
    own, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    given = tuple(
        part.removeprefix("v1,").encode()
        for part in headers.get("webhook-signature", "").split()
        if part.startswith("v1,")
    )

    def signed(secret: str) -> tuple[bytes, ...]:
        try:
            key = key_of(secret)
        except ValueError:
            key = secret.encode()
        return (signature(key, message_id=own, stamp=stamp, body=body).encode(),)

    return _Claim(given=given, signed=signed, delivery_id=own or None, sent_at=_epoch(stamp, 1), timed=True)


def _token(headers: Mapping[str, str], body: bytes, url: str) -> _Claim:  # noqa: ARG001
    return _Claim(
        given=(headers.get("authorization", "").encode(),),
        signed=lambda secret: (b"Bearer " + secret.encode(),),
        delivery_id=headers.get("x-delivery-id"),
        sent_at=None,
        timed=False,
    )


_CLAIMS: dict[Scheme, Callable[[Mapping[str, str], bytes, str], _Claim]] = {
    "zendesk": _zendesk,
    "intercom": _intercom,
    "hubspot": _hubspot,
    "jira": _jira,
    "github": _github,
    "standard": _standard,
    "token": _token,
}


def _in_time(sent_at: datetime | None, now: datetime, tolerance: timedelta) -> None:
    if sent_at is None:
        raise WebhookRefused(
            "webhook.no_time", "the delivery does not say when it was sent, or not as this scheme does"
        )
    if abs(now - sent_at) > tolerance:
        raise WebhookRefused(
            "webhook.too_old",
            f"sent at {sent_at.isoformat()}, more than {tolerance.total_seconds():g} s from now; are both clocks right?",
        )


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise WebhookRefused("webhook.malformed", f"the body is not JSON: {type(error).__name__}") from error


def _own_id(scheme: Scheme, payload: Any) -> str | None:
    """The delivery's id where it stands in the body: the same for every try to deliver it."""
    if scheme == "intercom" and isinstance(payload, dict) and isinstance(payload.get("id"), str):
        return str(payload["id"])
    if scheme == "hubspot" and isinstance(payload, list):
        ids = [
            str(event.get("eventId"))
            for event in payload
            if isinstance(event, dict) and event.get("eventId") is not None
        ]
        return ",".join(sorted(ids)) or None
    return None


def _told_time(scheme: Scheme, payload: Any) -> datetime | None:
    field, unit = {"intercom": ("created_at", 1), "jira": ("timestamp", 1000)}.get(scheme, ("", 1))
    return _epoch(str(payload.get(field, "")), unit) if field and isinstance(payload, dict) else None


def _hmac(secret: str, content: bytes, digest: str = "sha256") -> bytes:
    return hmac.new(secret.encode(), content, getattr(hashlib, digest)).digest()


def _base64(content: bytes) -> bytes:
    return base64.b64encode(content)


def _iso(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _epoch(text: str, unit: int) -> datetime | None:
    if not (text.isascii() and text.isdigit() and len(text) <= 16):
        return None
    try:
        return datetime.fromtimestamp(int(text) / unit, UTC)
    except (OverflowError, ValueError, OSError):
        return None

"""Signatures of what we send: Standard Webhooks 1.0, which receivers can check with a library of their language.

What belongs here: headers of one delivery. What does not: checking what others send us (`aios_core/webhooks/`).
"""

from collections.abc import Sequence
from datetime import datetime

from aios_core.errors import ConfigurationError
from aios_core.webhooks.standard import key_of, signature

FEWEST_BYTES = 24


def signed(*, event_id: str, at: datetime, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """`webhook-id`, `webhook-timestamp` and one signature a secret. Raises ConfigurationError for a secret that is none."""
    stamp = str(int(at.timestamp()))
    made = (signature(_key(one), message_id=event_id, stamp=stamp, body=body) for one in secrets)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(f"v1,{one}" for one in made),
    }


def _key(secret: str) -> bytes:
    try:
        key = key_of(secret)
    except ValueError as error:
        raise ConfigurationError("a webhook secret is `whsec_` and base64, as Standard Webhooks has it") from error
    if len(key) < FEWEST_BYTES:
        raise ConfigurationError(
            f"a webhook secret has at least {FEWEST_BYTES} bytes; `openssl rand -base64 32` makes one"
        )
    return key

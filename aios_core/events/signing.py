"""Signatures of what we send: Standard Webhooks 1.0, which receivers can check with a library of their language.

What belongs here: headers of one delivery. What does not: checking what others send us (`aios_core/webhooks/`).
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

from aios_core.errors import ConfigurationError

MARK = "whsec_"
FEWEST_BYTES = 24


def signed(*, event_id: str, at: datetime, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """`webhook-id`, `webhook-timestamp` and one signature a secret. Raises ConfigurationError for a secret that is none."""
    stamp = str(int(at.timestamp()))
    message = b".".join((event_id.encode(), stamp.encode(), body))
    made = (base64.b64encode(hmac.new(_key(one), message, hashlib.sha256).digest()).decode() for one in secrets)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(f"v1,{one}" for one in made),
    }


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(MARK), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigurationError("a webhook secret is `whsec_` and base64, as Standard Webhooks has it") from error
    if len(key) < FEWEST_BYTES:
        raise ConfigurationError(
            f"a webhook secret has at least {FEWEST_BYTES} bytes; `openssl rand -base64 32` makes one"
        )
    return key

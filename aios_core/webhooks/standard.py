"""Standard Webhooks 1.0: the signature, the same for what comes and for what leaves.

What belongs here: the words that are signed, and how. What does not: whose delivery it is (`schemes.py`), what we send (`aios_core/events/signing.py`).
"""

import base64
import hashlib
import hmac

MARK = "whsec_"


def key_of(secret: str) -> bytes:
    """The bytes that a secret stands for. Raises ValueError for one that is no base64."""
    return base64.b64decode(secret.removeprefix(MARK), validate=True)


def signature(key: bytes, *, message_id: str, stamp: str, body: bytes) -> str:
    """Base64 of the HMAC over id, time and body."""
    told = b".".join((message_id.encode(), stamp.encode(), body))
    return base64.b64encode(hmac.new(key, told, hashlib.sha256).digest()).decode()

"""When two cases are about the same words: their texts without personal data are equal.

What belongs here: the hash that finds them. What does not: finding and settling them (`resources/review_contradictions.py`).
"""

import hashlib

from aios_core.privacy.masking import mask

SHORTEST = 20  # "please help" says too little to be contradicted


def text_hash(subject: str, body: str) -> str | None:
    """Of the text as it reads without e-mail addresses, long numbers, case and layout; None where it says too little."""
    text = f"{subject}\n{body}"
    words = " ".join(mask(text, limit=len(text) * 2 + 100).casefold().split())
    return (
        hashlib.blake2b(words.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        if len(words) >= SHORTEST
        else None
    )

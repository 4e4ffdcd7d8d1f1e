"""The chain of ledger entries: each hash covers its entry and the hash before it.

What belongs here: an entry's hash and the check of two neighbours. What does not: storage and locks (`resources/ledger.py`).

The chain shows that an entry was changed, removed or put in between. That the newest entries were cut off, or all of it
rewritten, shows only against a hash kept elsewhere.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One ledger entry. `content_hash` is the Merkle root of its `items` items; `at` is aware."""

    sequence: int
    automation: str
    kind: str
    subject: str
    content_hash: str
    items: int
    previous_hash: str
    at: datetime
    entry_hash: str = ""


def entry_hash(entry: Entry) -> str:
    """SHA-256 over everything but the hash itself, as canonical JSON."""
    text = json.dumps(
        [
            entry.sequence,
            entry.automation,
            entry.kind,
            entry.subject,
            entry.content_hash,
            entry.items,
            entry.previous_hash,
            entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        ],
        separators=(",", ":"),
    )
    return hashlib.sha256(text.encode()).hexdigest()


def problem(entry: Entry, previous: Entry | None) -> str | None:
    """What is wrong with an entry, seen from the one before it; None where all is well."""
    expected = 1 if previous is None else previous.sequence + 1
    if entry.sequence != expected:
        return f"entry {expected} is missing" if entry.sequence > expected else f"entry {entry.sequence} comes twice"
    if entry.previous_hash != (GENESIS if previous is None else previous.entry_hash):
        return f"entry {entry.sequence} does not follow the entry before it"
    if entry.entry_hash != entry_hash(entry):
        return f"entry {entry.sequence} was changed after it was written"
    return None

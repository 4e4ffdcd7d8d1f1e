"""Salesforce record ids: 15 characters that name a record, and 3 that protect its capitals.

What belongs here: making and comparing ids. What does not: records (`records.py`).
"""

import string
from typing import Final

BASE62: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
CHECK: Final = string.ascii_uppercase + "012345"
PREFIXES: Final = {
    "Account": "001",
    "Contact": "003",
    "Case": "500",
    "AccountHistory": "017",
    "User": "005",
    "Query": "01g",
}
INSTANCE: Final = "5g0000"


def record_id(kind: str, number: int) -> str:
    """The 18-character id of the `number`-th record of a kind."""
    digits = []
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits.append(BASE62[digit])
    return with_checksum(PREFIXES[kind] + INSTANCE + "".join(reversed(digits)))


def with_checksum(short: str) -> str:
    """Append the suffix that says which of the 15 characters are capitals: one character for each five."""
    suffix = ""
    for start in (0, 5, 10):
        bits = sum(
            1 << place for place, letter in enumerate(short[start : start + 5]) if letter in string.ascii_uppercase
        )
        suffix += CHECK[bits]
    return short + suffix

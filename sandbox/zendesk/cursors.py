"""Export cursors, spelt as the vendor spells them: base64 of `seconds||id|`.

What belongs here: writing and reading a cursor. What does not: walking (`sandbox/helpdesk/store.py`).
The vendor's seconds have a fraction too; six digits of it make a cursor name one entry of the log.
"""

import base64
import binascii
import re

from sandbox.clock import SECOND
from sandbox.helpdesk.store import Position

CURSOR = re.compile(r"(\d{1,12})\.(\d{1,6})\|\|(\d{1,15})\|")


class CursorError(ValueError):
    """The cursor was not made by this export."""


def encode(position: Position) -> str:
    """The cursor that goes on after this position."""
    whole, fraction = divmod(max(0, position.at), SECOND)
    return base64.b64encode(f"{whole}.{fraction:06d}||{position.ticket_id}|".encode()).decode()


def decode(cursor: str) -> Position:
    """The position that a cursor names."""
    try:
        text = base64.b64decode(cursor, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        text = ""
    match = CURSOR.fullmatch(text)
    if match is None:
        raise CursorError(f"cursor {cursor[:40]!r} is not one of this export; pass after_cursor of an earlier page")
    whole, fraction, ticket_id = match.groups()
    return Position(int(whole) * SECOND + int(fraction.ljust(6, "0")), int(ticket_id))

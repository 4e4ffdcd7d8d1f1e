"""Which version decides a ticket while a canary is out: a sticky share by hash of the ticket's id.

What belongs here: the choice, the same for the batch path and the gateway. What does not: which versions the aliases point to
(`resources/registry.py`) and the declared share (`aios_core/automation.py`).

A ticket's place is a number in [0, 1) that depends on the automation and the ticket's id alone. It is in the canary where the
place is below the share: whoever is in at 5% stays in at 10%, and every version of one ticket is decided by the same model.
The hash has a prefix of its own, so that the canary's tickets are not those of the audit slice
(`aios_core/decisions/model.py: in_audit_slice`), which would leave the canary without automated decisions to judge.
"""

import hashlib
from collections.abc import Sequence

PREFIX = "aios.canary"


def in_canary(automation: str, ticket_id: str, share: float) -> bool:
    """Whether the canary decides this ticket: the same answer for ever at one share, and never lost by a larger one."""
    text = f"{PREFIX}\x1f{automation}\x1f{ticket_id}"
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8]) < share * 2**64


def version_for(
    ticket_id: str, *, automation: str, champion: int | None, canary: int | None, share: float
) -> int | None:
    """The version that decides this ticket; None where there is no model for it."""
    if canary is None or canary == champion:
        return champion
    return canary if in_canary(automation, ticket_id, share) else champion


def route(
    automation: str, ticket_ids: Sequence[str], *, champion: int | None, canary: int | None, share: float
) -> list[int | None]:
    """The version that decides each ticket, in their order."""
    if canary is None or canary == champion:
        return [champion] * len(ticket_ids)
    return [canary if in_canary(automation, ticket, share) else champion for ticket in ticket_ids]

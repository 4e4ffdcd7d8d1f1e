"""What is asked of drafting and what comes of it.

What belongs here: the two dataclasses at its ends. What does not: what is between (`resources/drafting.py`).
"""

from dataclasses import dataclass

from aios_core.drafting.model import Draft, Material, Value, Verification


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One ticket to be answered. `names` and `ids` are what its source's records tell of the person, to be masked."""

    ticket_id: str
    subject: str
    body: str
    language: str | None = None
    queue: str | None = None
    customer_id: str | None = None
    customer: dict[str, Value]
    names: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A draft with what it was made of and how it was judged. `answers`: there is a reply."""

    draft: Draft
    material: Material
    verification: Verification
    material_hash: str

    @property
    def answers(self) -> bool:
        """Whether there is anything to send."""
        return bool(self.draft.sentences)

"""Who a ticket is about, as its source's own records say: names and other words that only mean this person.

What belongs here: finding them in a payload, whatever the vendor. What does not: masking (`masker.py`) and reading payloads.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

_NAMES: Final = re.compile(
    r"^(?:(?:first|last|full|given|family|middle|display|contact|company|account)?_?name|alias|nickname)(?:__c)?$",
    re.IGNORECASE,
)
_OTHERS: Final = re.compile(
    r"^(?:e_?mail(?:_?address)?|phone|mobile|.*_?(?:phone|mobile)|(?:billing|shipping|mailing|home)?_?(?:street|address|city|postal_?code|zip)|external_id|.*iban)(?:__c)?$",
    re.IGNORECASE,
)
SHORTEST: Final = 3
DEEPEST: Final = 6


def names_in(payload: Any) -> list[str]:
    """Values of fields that hold a person's or a company's name."""
    return list(dict.fromkeys(_found(payload, _NAMES, 0)))


def ids_in(payload: Any) -> list[str]:
    """Values of fields that hold an address, a number or a key of theirs."""
    return list(dict.fromkeys(_found(payload, _OTHERS, 0)))


def _found(value: Any, rule: re.Pattern[str], depth: int) -> Iterator[str]:
    if depth > DEEPEST:
        return
    if isinstance(value, Mapping):
        for key, own in value.items():
            if isinstance(own, str | int) and not isinstance(own, bool) and rule.match(str(key)):
                if len(str(own).strip()) >= SHORTEST:
                    yield str(own).strip()
            else:
                yield from _found(own, rule, depth + 1)
    elif isinstance(value, list):
        for own in value:
            yield from _found(own, rule, depth + 1)

"""Which language a reply is written in.

What belongs here: the choice. What does not: guessing a text's language (`aios_core/monitoring/language.py`).
"""

from collections.abc import Collection

from aios_core.automation import Drafts
from aios_core.drafting.templates import DEFAULT, has_template
from aios_core.retrieval.filters import UNKNOWN, main_language


def reply_language(asked: str | None, *, available: Collection[str], drafts: Drafts) -> tuple[str, str | None]:
    """(language, why it is not the ticket's own). `available` are the languages that citable articles exist in."""
    usable = sorted({code for a in available if (code := main_language(a)) != UNKNOWN and _allowed(code, drafts)})
    wanted = UNKNOWN if asked is None else main_language(asked)
    if wanted in usable:
        return wanted, None
    instead = _first(usable, drafts)
    if wanted in (UNKNOWN, ""):
        return instead, None
    return instead, f"no articles in `{wanted}`, the ticket's language: written in `{instead}`"


def _allowed(code: str, drafts: Drafts) -> bool:
    declared = {main_language(language) for language in drafts.languages}
    return has_template(drafts, code) and (not declared or code in declared)


def _first(usable: list[str], drafts: Drafts) -> str:
    """The declared order counts, then English, then the alphabet."""
    declared = [main_language(language) for language in drafts.languages]
    preferred = [code for code in (*declared, DEFAULT) if code in usable]
    return (preferred or usable or [*declared, DEFAULT])[0]

"""The states of a model version, by alias, and which moves there are.

What belongs here: the states, what a move brings with it, and what the staged path asks for. What does not: rows
(`resources/registry.py`) and whether a version is good enough (`gate.py`, `advance.py`).

    candidate ──► shadow ──► canary ──► champion ──► last_good
                  scores     decides a   decides      what a rollback
                  only       share       the rest     goes back to

An alias points to a version or to nothing; `champion` and `last_good` never lose their version once they had one. Three laws
hold for every move, whoever makes it:

- A champion's predecessor becomes `last_good`, unless the move leads back to `last_good` itself: what is being left is then
  what was found wanting.
- A move of the champion, forwards or backwards, ends a canary: its evidence was gathered beside another champion, and after an
  incident exactly one version should decide. A shadow decides nothing and stays.
- A version has one place on the path: entering a stage leaves the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from aios_core.errors import ModelError

CANDIDATE, SHADOW, CANARY, CHAMPION, LAST_GOOD = "candidate", "shadow", "canary", "champion", "last_good"
CHALLENGER = "challenger"  # a name for people's own comparisons: nothing reads it
ALIASES = (CHAMPION, CHALLENGER, SHADOW, CANARY, CANDIDATE, LAST_GOOD)
STAGES = (CANDIDATE, SHADOW, CANARY, CHAMPION)
DECIDING = (CANARY, CHAMPION)  # loaded and checked before the alias moves
NEXT = {SHADOW: CANARY, CANARY: CHAMPION}
KEPT = (CHAMPION, LAST_GOOD)  # never point to nothing again

Path = Literal["direct", "staged"]
Standing = Mapping[str, int | None]


class ForbiddenMove(ModelError):
    """As things stand, the alias can't be moved there."""

    code = "model.move"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One row of the history. `why` is None for the move that was asked for: its reason is the caller's."""

    alias: str
    version: int | None
    previous: int | None
    why: str | None = None


def moves(standing: Standing, *, alias: str, version: int | None) -> tuple[Move, ...]:
    """The move and what it brings with it, in order; none where the alias points there already.

    Raises ForbiddenMove for an unknown alias, for emptying one that is kept, and for a champion beside itself.
    """
    _require(standing, alias, version)
    previous = standing.get(alias)
    if previous == version:
        return ()
    asked = Move(alias=alias, version=version, previous=previous)
    if alias == CHAMPION and version is not None:
        return (asked, *_kept_as_last_good(standing, version), *_canary_ends(standing, version), *_leaves(
            standing, version, (SHADOW, CANDIDATE), CHAMPION))  # fmt: skip
    if alias in (SHADOW, CANARY) and version is not None:
        others = tuple(stage for stage in (CANDIDATE, SHADOW, CANARY) if stage != alias)
        return (asked, *_leaves(standing, version, others, alias))
    return (asked,)


def out_of_order(standing: Standing, *, alias: str, version: int, path: Path) -> str | None:
    """Why the declared path does not lead there yet; None where it does. A way back to `last_good` is always open."""
    champion = standing.get(CHAMPION)
    if path == "direct" or champion is None or version == standing.get(LAST_GOOD):
        return None
    before = {CANARY: SHADOW, CHAMPION: CANARY}.get(alias)
    if before is None or standing.get(before) == version:
        return None
    return f"the declared path is staged, and version {version} is not the {before}: promote it with `--alias {before}` first"


def _require(standing: Standing, alias: str, version: int | None) -> None:
    if alias not in ALIASES:
        raise ForbiddenMove(f"alias {alias!r} is not known; use one of {', '.join(ALIASES)}")
    if version is None and alias in KEPT:
        raise ForbiddenMove(
            f"alias {alias} can't point to nothing: roll back, promote another version, or hold the queues to review"
        )
    if version is not None and alias in (SHADOW, CANARY) and version == standing.get(CHAMPION):
        raise ForbiddenMove(f"version {version} is the champion: it can't be its own {alias}")


def _kept_as_last_good(standing: Standing, version: int) -> tuple[Move, ...]:
    previous, last_good = standing.get(CHAMPION), standing.get(LAST_GOOD)
    if previous is None or last_good in (version, previous):
        return ()
    why = f"champion before version {version}"
    return (Move(alias=LAST_GOOD, version=previous, previous=last_good, why=why),)


def _canary_ends(standing: Standing, champion: int) -> tuple[Move, ...]:
    canary = standing.get(CANARY)
    if canary is None:
        return ()
    why = "it is the champion now" if canary == champion else f"version {champion} became champion beside it"
    return (Move(alias=CANARY, version=None, previous=canary, why=why),)


def _leaves(standing: Standing, version: int, stages: tuple[str, ...], entered: str) -> tuple[Move, ...]:
    why = f"it is the {entered} now"
    return tuple(Move(alias=s, version=None, previous=version, why=why) for s in stages if standing.get(s) == version)

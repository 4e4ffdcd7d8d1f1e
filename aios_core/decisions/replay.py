"""A record becomes the same decision again, or says where it no longer does.

What belongs here: replay from the recorded inputs alone. What does not: finding the record, its model version and its policy
revision (`resources/decisions.py`).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from aios_core.decisions.answers import Policy
from aios_core.decisions.decide import decide
from aios_core.decisions.model import DecisionError
from aios_core.decisions.record import decode_row, parse, recorded_rules
from aios_core.decisions.scores import recorded_score

Scorer = Callable[[pa.Table], pa.Table]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One place where a replayed record differs; `path` is dotted."""

    path: str
    recorded: Any
    replayed: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A decision made again. `identical` compares bytes; `differences` says where they part."""

    identical: bool
    record: bytes
    differences: tuple[Difference, ...]


def replay(record: bytes, *, score: Scorer | None, policy: Policy) -> Replay:
    """Make a recorded decision again from its own inputs.

    `score` scores the recorded feature row with the recorded model version; None takes the score as recorded. `policy` is
    the recorded revision. Thresholds, costs, modes and the day are those of the record. Raises DecisionError where the
    record can't be read.
    """
    content = parse(record)
    try:
        rules = recorded_rules(content)
        day = date.fromisoformat(content["day"])
        recorded = recorded_score(content)
        table = decode_row(content["ticket"]["columns"], content["ticket"]["values"])
        key = (content["source"], content["ticket_id"], content["ticket_version"])
    except (KeyError, TypeError, ValueError) as error:
        raise DecisionError(f"decision {content.get('decision_id')}: the record is incomplete: {error!r}") from error
    scores = recorded if score is None or recorded is None else score(table)
    corrects = {key: content["corrects"]} if "corrects" in content else None
    again = decide(table, scores, rules=rules, policy=policy, day_of=day, corrects=corrects)[0].record
    return Replay(identical=again == record, record=again, differences=tuple(_differences(content, parse(again))))


def _differences(recorded: Any, replayed: Any, path: str = "") -> Iterable[Difference]:
    if isinstance(recorded, dict) and isinstance(replayed, dict):
        for key in sorted(recorded.keys() | replayed.keys()):
            inner = f"{path}.{key}" if path else str(key)
            yield from _differences(recorded.get(key), replayed.get(key), inner)
    elif isinstance(recorded, list) and isinstance(replayed, list) and len(recorded) == len(replayed):
        for index, (a, b) in enumerate(zip(recorded, replayed, strict=True)):
            yield from _differences(a, b, f"{path}[{index}]")
    elif recorded != replayed or type(recorded) is not type(replayed):
        yield Difference(path=path, recorded=recorded, replayed=replayed)

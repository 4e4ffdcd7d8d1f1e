"""Where a version errs more than elsewhere: error by queue, tier, channel, language and length of the text.

What belongs here: cutting the held-back rows into segments, and an interval for each. What does not: the rows, and deciding anything on a
segment (`aios_core/lifecycle/gate.py` has a guard of its own).

Many segments are looked at, so some would look bad by chance: `worse` and `better` are said only where the interval keeps clear of
the overall error at a level divided by the number of segments (Bonferroni). The interval that is shown is a plain one of 95%.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pyarrow as pa

from aios_core.features.build import PREFIX
from aios_core.monitoring.intervals import wilson
from aios_core.monitoring.language import guess_language

Verdict = Literal["worse", "better", "usual", "few"]
FEW = 20
MOST_VALUES = 100
UNKNOWN = "not known"
LENGTHS = ((100, "under 100 characters"), (300, "100 to 299"), (1_000, "300 to 999"), (3_000, "1,000 to 2,999"))
LONGEST = "3,000 and more"
GUESSED = "language (guessed)"
LENGTH = "text length"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Held-back rows that share a value. `low` and `high` are Wilson's 95% interval of the error."""

    dimension: str
    name: str
    rows: int
    wrong: int
    low: float
    high: float
    verdict: Verdict

    @property
    def error(self) -> float:
        return self.wrong / self.rows

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"error": round(self.error, 6)}


def segments(values: Mapping[str, Sequence[str]], wrong: Sequence[bool]) -> tuple[Segment, ...]:
    """Every segment of every dimension, the dimensions in their order, the largest error first.

    `values` has a value a row for each dimension, aligned with `wrong`.
    """
    grouped = {
        (name, value): (rows, bad)
        for name, column in values.items()
        for value, (rows, bad) in _counted(column, wrong).items()
    }
    overall = sum(wrong) / len(wrong) if wrong else 0.0
    strict = 1 - 0.025 / max(len(grouped), 1)
    found = [
        _segment(name, value, rows, bad, overall=overall, strict=strict)
        for (name, value), (rows, bad) in grouped.items()
    ]
    order = {name: place for place, name in enumerate(values)}
    return tuple(sorted(found, key=lambda s: (order[s.dimension], -s.error, -s.rows, s.name)))


def dimensions(features: pa.Table, labels: Sequence[str], *, tier: str | None) -> dict[str, list[str]]:
    """What the rows are cut by: the queue that turned out right, tier, channel, language and text length, as far as they are known.

    `tier` names the customer's attribute. Where the helpdesk says no language, it is guessed from the text.
    """
    found: dict[str, list[str]] = {"queue": list(labels)}
    named = {"tier": f"{PREFIX}{tier}", "channel": "channel", "language": "language"}
    for dimension, column in named.items():
        if column in features.column_names and features.column(column).null_count < features.num_rows:
            found[dimension] = [UNKNOWN if v is None else str(v) for v in features.column(column).to_pylist()]
    if "text" in features.column_names:
        texts = [text or "" for text in features.column("text").to_pylist()]
        if any(texts):
            if "language" not in found:
                found[GUESSED] = [guess_language(text) for text in texts]
            found[LENGTH] = [length_of(text) for text in texts]
    return {name: _largest(column) for name, column in found.items()}


def length_of(text: str) -> str:
    """The bucket of a text's length in characters."""
    return next((name for below, name in LENGTHS if len(text) < below), LONGEST)


def read_segments(content: Sequence[Mapping[str, Any]]) -> tuple[Segment, ...]:
    """What `as_json` wrote."""
    return tuple(Segment(**{name: value for name, value in row.items() if name != "error"}) for row in content)


def _segment(name: str, value: str, rows: int, wrong: int, *, overall: float, strict: float) -> Segment:
    low, high = wilson(wrong, rows, confidence=0.975)
    clear_low, clear_high = wilson(wrong, rows, confidence=strict)
    verdict: Verdict = "usual"
    if rows < FEW:
        verdict = "few"
    elif clear_low > overall:
        verdict = "worse"
    elif clear_high < overall:
        verdict = "better"
    return Segment(
        dimension=name, name=value, rows=rows, wrong=wrong, low=round(low, 6), high=round(high, 6), verdict=verdict
    )


def _counted(column: Sequence[str], wrong: Sequence[bool]) -> dict[str, tuple[int, int]]:
    counts: dict[str, tuple[int, int]] = {}
    for value, bad in zip(column, wrong, strict=True):
        rows, errors = counts.get(value, (0, 0))
        counts[value] = (rows + 1, errors + bad)
    return counts


def _largest(column: list[str]) -> list[str]:
    """Values beyond the most frequent hundred together as `others`: a fact with a value a customer is no segment."""
    counts: dict[str, int] = {}
    for value in column:
        counts[value] = counts.get(value, 0) + 1
    kept = set(sorted(counts, key=lambda value: (-counts[value], value))[:MOST_VALUES])
    return [value if value in kept else "others" for value in column]

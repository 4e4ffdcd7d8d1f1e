"""The score table's rows as a decision reads them, and back from its record.

What belongs here: reading a score, judging whether it is one, writing it down. What does not: making scores
(`aios_core/scoring/`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from aios_core.decisions.model import DecisionError, Rules
from aios_core.decisions.record import decode_number, encode_number
from aios_core.scoring.schema import rounded

Key = tuple[str, str, str]

KEY = ("source", "ticket_id", "ticket_version")
READ = (*KEY, "probabilities", "queue", "unseen_share", "text_length", "terms", "novelty")
SUM_TOLERANCE = 1e-3  # 77 probabilities rounded to six decimals sum to 1 within 4e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One row of the score table, as it came. `novelty` None: the model version knows none."""

    probabilities: tuple[float, ...]
    queue: str | None
    unseen_share: float | None
    text_length: int | None
    terms: tuple[tuple[str, float], ...]
    novelty: float | None = None


def key_of(row: Mapping[str, Any]) -> Key:
    """What identifies a row of features and of scores."""
    return row["source"], row["ticket_id"], row["ticket_version"]


def read_scores(table: pa.Table, rules: Rules) -> dict[Key, Score]:
    """Scores by (source, ticket id, ticket version). Raises DecisionError where they are another version's."""
    missing = [c for c in (*KEY, "probabilities", "queue") if c not in table.column_names]
    if missing:
        raise DecisionError(f"the score table lacks {', '.join(missing)}")
    _require_version(table, rules)
    present = [c for c in READ if c in table.column_names]
    kept = table.select(present).combine_chunks()
    if kept.num_rows:
        place, column = present.index("probabilities"), kept.column("probabilities").combine_chunks()
        kept = kept.set_column(place, "probabilities", rounded(column))
    return {key_of(row): _score_of(row) for row in kept.to_pylist()}


def _require_version(table: pa.Table, rules: Rules) -> None:
    """Scores of one version decided under another would be recorded, and replayed, as what they are not."""
    for name, wanted in (("model_name", rules.model_name), ("model_version", rules.model_version)):
        found = set(table.column(name).unique().to_pylist()) if name in table.column_names else {wanted}
        if found - {wanted}:
            raise DecisionError(
                f"the score table has {name} {', '.join(sorted(map(str, found)))}, but the rules are for {wanted}; score again"
            )


def _score_of(row: Mapping[str, Any]) -> Score:
    length = row.get("text_length")
    return Score(
        probabilities=tuple(math.nan if p is None else float(p) for p in row["probabilities"] or ()),
        queue=row["queue"],
        unseen_share=row.get("unseen_share"),
        text_length=None if length is None else int(length),
        terms=tuple((t["term"], round(float(t["weight"]), 6)) for t in row.get("terms") or ()),
        novelty=row.get("novelty"),
    )


def unusable(score: Score, rules: Rules) -> str | None:
    """Why a score is no calibrated distribution over the model's classes; None where it is one."""
    p = score.probabilities
    if len(p) != len(rules.classes):
        return f"{len(p)} probabilities for {len(rules.classes)} classes"
    if not all(math.isfinite(v) for v in p):
        return "a probability is not a number"
    if any(v < 0 or v > 1 for v in p) or abs(sum(p) - 1) > SUM_TOLERANCE:
        return "the probabilities are no distribution"
    if score.queue not in rules.classes:
        return f"the model has no class {score.queue}"
    # rounded probabilities may tie, so the class is taken from the score and only checked here
    if p[rules.classes.index(score.queue)] < max(p):
        return f"{score.queue} is not the likeliest class"
    return None


def score_part(score: Score | None) -> dict[str, Any]:
    """What a record keeps of a score."""
    if score is None:
        nothing = dict.fromkeys(("predicted", "unseen_share", "text_length"))
        return {"scored": False, "probabilities": [], "terms": [], **nothing}
    # versions without novelty wrote no such key, and their decisions must replay byte for byte
    novelty = {} if score.novelty is None else {"novelty": encode_number(score.novelty)}
    return {
        "scored": True,
        "predicted": score.queue,
        "probabilities": [encode_number(p) for p in score.probabilities],
        "terms": [(term, encode_number(weight)) for term, weight in score.terms],
        "unseen_share": encode_number(score.unseen_share),
        "text_length": score.text_length,
        **novelty,
    }


def recorded_score(content: Mapping[str, Any]) -> pa.Table | None:
    """The one-row score table that a record came from; None where it had no score."""
    if not content["scored"]:
        return None
    row = {
        **{name: content[name] for name in KEY},
        "probabilities": [decode_number(p) for p in content["probabilities"]],
        "queue": content["predicted"],
        "unseen_share": decode_number(content["unseen_share"]),
        "text_length": content["text_length"],
        "terms": [{"term": term, "weight": decode_number(weight)} for term, weight in content["terms"]],
        "novelty": decode_number(content.get("novelty")),
    }
    return pa.Table.from_pylist([row])

"""What is monitored: one row a scored ticket, one column a signal.

What belongs here: which signals there are, what they stand for, and how they come out of the feature and score tables.
What does not: comparing them (`drift.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from aios_core.monitoring.errors import MonitorError

if TYPE_CHECKING:
    import pandas as pd

Role = Literal["feature", "score", "prediction"]

KEY = ("source", "ticket_id", "ticket_version")
FROM_SCORES = ("text_length", "unseen_share", "confidence", "queue")
FROM_FEATURES = ("language", "channel")
CRM_PREFIX = "crm_"


def role_of(column: str) -> Role:
    """Whether a column describes the input, the model's certainty, or its answer."""
    if column == "queue":
        return "prediction"
    return "score" if column == "confidence" else "feature"


def monitor_columns(features: pa.Table, scores: pa.Table) -> pd.DataFrame:
    """text_length, unseen_share, confidence, queue, language, channel and every crm_*: one row a scored ticket.

    Rows are matched by (source, ticket_id, ticket_version). Features without a score are left out: a ticket that was
    quarantined while scoring says nothing about the model. A score without its features raises, since then the two
    tables are not of the same partition.
    """
    _need(features, (*KEY, *FROM_FEATURES), "feature")
    _need(scores, (*KEY, *FROM_SCORES), "score")
    inputs = [*FROM_FEATURES, *(c for c in features.column_names if c.startswith(CRM_PREFIX))]
    left = _plain(scores.select([*KEY, *FROM_SCORES]))
    right = _plain(features.select([*KEY, *inputs]))
    if _same_order(features, scores):
        frame = left.join(right[inputs])
    else:
        frame = _matched(left, right)
    return frame[[*FROM_SCORES, *inputs]]


def _need(table: pa.Table, columns: tuple[str, ...], what: str) -> None:
    missing = [c for c in columns if c not in table.column_names]
    if missing:
        raise MonitorError(
            f"the {what} table lacks {', '.join(missing)} (it has {', '.join(table.column_names)}); "
            f"materialize the {what}s of this partition again"
        )


def _plain(table: pa.Table) -> pd.DataFrame:
    """Arrow dictionaries decoded and nulls as pandas' own, so that every later step sees plain columns."""
    fields = [
        pa.field(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type, f.nullable)
        for f in table.schema
    ]
    frame: pd.DataFrame = table.cast(pa.schema(fields)).to_pandas()
    return frame


def _same_order(features: pa.Table, scores: pa.Table) -> bool:
    """The usual case, in which the join is free."""
    if features.num_rows != scores.num_rows:
        return False
    return all(features[k].to_pylist() == scores[k].to_pylist() for k in KEY)


def _matched(scores: pd.DataFrame, features: pd.DataFrame) -> pd.DataFrame:
    key = list(KEY)
    # a repeated row in either table would otherwise count twice
    joined = scores.drop_duplicates(key).merge(features.drop_duplicates(key), on=key, how="left", indicator=True)
    orphans = joined[joined["_merge"] == "left_only"]
    if len(orphans):
        first = "/".join(str(v) for v in orphans.iloc[0][key])
        raise MonitorError(
            f"{len(orphans)} of {len(joined)} scores have no features, first {first}; "
            "materialize features and scores of this partition again"
        )
    return joined

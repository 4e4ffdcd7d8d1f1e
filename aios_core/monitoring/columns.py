"""What is monitored: one row a scored ticket, one column a signal.

What belongs here: which signals there are, what they stand for, and how they come out of the feature and score tables.
What does not: counting them (`sketch.py`) and comparing them (`drift.py`).

Three columns are no signals of their own: a ticket's text, of which words are counted, its class probabilities, which are summed,
and its id, by which outcomes are found.
"""

from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from aios_core.monitoring.errors import MonitorError
from aios_core.monitoring.language import guess_language

Role = Literal["feature", "score", "prediction", "label"]

KEY = ("source", "ticket_id", "ticket_version")
FROM_SCORES = ("text_length", "unseen_share", "confidence", "queue")
FROM_FEATURES = ("language", "channel")
CRM_PREFIX = "crm_"
SOURCE, NOVELTY, GUESSED = "source", "novelty", "text_language"
TEXT, PROBABILITIES, TICKET = "text", "probabilities", "ticket_id"
BESIDE = (TEXT, PROBABILITIES, TICKET)
LABEL = "label"  # what turned out; only settled tickets have one


def role_of(column: str) -> Role:
    """Whether a column describes the input, the model's certainty, its answer, or what turned out."""
    if column == LABEL:
        return "label"
    if column == "queue":
        return "prediction"
    return "score" if column == "confidence" else "feature"


def monitor_columns(features: pa.Table, scores: pa.Table) -> pa.Table:
    """The signals of `monitor_rows` alone."""
    rows = monitor_rows(features, scores)
    return rows.drop_columns([name for name in BESIDE if name in rows.column_names])


def monitor_rows(features: pa.Table, scores: pa.Table) -> pa.Table:
    """text_length, unseen_share, confidence, queue, language, channel, source and every crm_*: one row a scored ticket.

    With them novelty, where the version knows it, text and text_language (a guess), where the features hold the text,
    probabilities and ticket_id. Rows are matched by (source, ticket_id, ticket_version). Features without a score are left out: a ticket that was
    quarantined while scoring says nothing about the model. A score without its features raises, since then the two
    tables are not of the same partition.
    """
    _need(features, (*KEY, *FROM_FEATURES), "feature")
    _need(scores, (*KEY, *FROM_SCORES), "score")
    inputs = [*FROM_FEATURES, *(c for c in features.column_names if c.startswith(CRM_PREFIX))]
    if not _same_order(features, scores):
        features, scores = _matched(features, scores)
    columns = {name: scores.column(name) for name in FROM_SCORES} | {name: features.column(name) for name in inputs}
    columns[SOURCE], columns[TICKET] = features.column(SOURCE), features.column(TICKET)
    if NOVELTY in scores.column_names and scores.column(NOVELTY).null_count < scores.num_rows:
        columns[NOVELTY] = scores.column(NOVELTY)
    if TEXT in features.column_names:
        texts = _plain(features.column(TEXT))
        columns[GUESSED] = pa.chunked_array([pa.array([guess_language(t) for t in texts.to_pylist()], pa.string())])
        columns[TEXT] = texts
    if PROBABILITIES in scores.column_names:
        columns[PROBABILITIES] = scores.column(PROBABILITIES)
    return pa.table({name: _plain(column) for name, column in columns.items()})


def key_columns(table: pa.Table) -> list[tuple[str, str]]:
    """(source, ticket id) of each row: what an outcome is known by."""
    return list(zip(*(_plain(table.column(name)).to_pylist() for name in (SOURCE, TICKET)), strict=True))


def _need(table: pa.Table, columns: tuple[str, ...], what: str) -> None:
    missing = [c for c in columns if c not in table.column_names]
    if missing:
        raise MonitorError(
            f"the {what} table lacks {', '.join(missing)} (it has {', '.join(table.column_names)}); "
            f"materialize the {what}s of this partition again"
        )


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _same_order(features: pa.Table, scores: pa.Table) -> bool:
    """The usual case, in which the join is free."""
    if features.num_rows != scores.num_rows:
        return False
    return all(_plain(features.column(k)).equals(_plain(scores.column(k))) for k in KEY)


def _matched(features: pa.Table, scores: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Both tables with a row a score, in the same order."""
    left, right = _places(scores), _places(features)  # a repeated row in either table would otherwise count twice
    orphans = [key for key in left if key not in right]
    if orphans:
        raise MonitorError(
            f"{len(orphans)} of {len(left)} scores have no features, first {'/'.join(orphans[0])}; "
            "materialize features and scores of this partition again"
        )
    return features.take(pa.array([right[key] for key in left], pa.int64())), scores.take(
        pa.array(list(left.values()), pa.int64())
    )


def _places(table: pa.Table) -> dict[tuple[str, ...], int]:
    """The first row of each key."""
    found: dict[tuple[str, ...], int] = {}
    keys = (pc.cast(_plain(table.column(k)), pa.string()).to_pylist() for k in KEY)
    for place, key in enumerate(zip(*keys, strict=True)):
        found.setdefault(key, place)
    return found

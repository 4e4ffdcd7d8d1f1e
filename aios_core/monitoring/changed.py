"""What changed: the columns, queues, sources, words and kinds of customers behind a drift.

What belongs here: reading the causes out of counts that are there already. What does not: whether a window drifted (`drift.py`,
`concept.py`); where it did not, there is nothing to explain.

Three questions are answered apart. *Which share moved*: levels of drifted columns and segments. *In whose tickets*: where a signal
drifted (unseen words, confidence, novelty), the tickets that it gained are divided among the segments that gained any; a segment is named where its part is far above its share of all tickets. *Against what was promised*: the groups and the
pairs of queues in which outcomes contradict the probabilities.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from aios_core.monitoring.columns import CRM_PREFIX
from aios_core.monitoring.concept import Concept
from aios_core.monitoring.levels import Counts, name_of
from aios_core.monitoring.sketch import Cuts, Sketch
from aios_core.monitoring.words import rising

if TYPE_CHECKING:
    from aios_core.monitoring.drift import ColumnDrift

DriftKind = Literal["feature", "prediction", "label", "concept"]

SHOWN_COLUMNS = 5
SHOWN_A_SEGMENT = 3
LEAST_MOVE = 0.02  # of the tickets
LEAST_PART = 0.15  # of what a signal gained
ABOVE_SHARE = 1.5  # times the segment's share of all tickets
CERTAIN = 4.0  # standard errors: some hundred levels are looked at
MIN_ROWS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One thing behind a drift. `what` is `column`, `segment`, `word` or `outcome`; shares are None where there are none."""

    kind: DriftKind
    what: str
    name: str
    reference: float | None
    current: float | None
    told: str


def what_changed(
    cuts: Cuts,
    reference: Sketch,
    current: Sketch,
    columns: Mapping[str, ColumnDrift],
    concept: Concept | None,
) -> tuple[Cause, ...]:
    """The causes of a drift, by kind of evidence; nothing where nothing drifted."""
    drifted = sorted((name for name, column in columns.items() if column.drifted), key=lambda n: -columns[n].psi)
    contradicted = concept is not None and bool(concept.drifted)
    if not drifted and not contradicted:
        return ()
    return (
        *_columns(drifted, columns),
        *_shares(cuts, reference, current, drifted),
        *_parts(cuts, reference, current, drifted),
        *_words(reference, current),
        *(_outcomes(concept) if concept is not None else ()),
    )


def queues_of(causes: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Predicted queues to which the tickets with other inputs went, of causes as a monitored day keeps them."""
    start = f"{_shown('queue')}: "
    inputs = (c["name"] for c in causes if (c["kind"], c["what"]) == ("feature", "segment"))
    return tuple(sorted({name.removeprefix(start) for name in inputs if name.startswith(start)}))


def _columns(drifted: Sequence[str], columns: Mapping[str, ColumnDrift]) -> Iterator[Cause]:
    for name in drifted[:SHOWN_COLUMNS]:
        column = columns[name]
        moved = column.moved[0] if column.moved else None
        yield Cause(
            kind=kind_of(column.role),
            what="column",
            name=_shown(name) + (f": {moved.level}" if moved else ""),
            reference=moved.reference if moved else None,
            current=moved.current if moved else None,
            told=f"PSI {column.psi:.2f} beyond chance",
        )


def kind_of(role: str) -> DriftKind:
    """A model's certainty is part of what it predicts."""
    if role == "label":
        return "label"
    return "feature" if role == "feature" else "prediction"


def _shares(cuts: Cuts, reference: Sketch, current: Sketch, drifted: Sequence[str]) -> Iterator[Cause]:
    """Queues, sources and kinds of customers whose share of the tickets moved: the first move of a column is told already."""
    for name in drifted:
        if name not in cuts.segments or name not in reference.counts or name not in current.counts:
            continue
        before, after = reference.counts[name], current.counts[name]
        p, q, certain = _moves(before, after)
        order = np.argsort(-np.abs(q - p), kind="stable")
        told = [int(i) for i in order if certain[i] and abs(q[i] - p[i]) >= LEAST_MOVE]
        for place in told[1:SHOWN_A_SEGMENT]:
            yield Cause(
                kind="prediction" if name == "queue" else "feature",
                what="segment",
                name=f"{_shown(name)}: {name_of(cuts.columns[name], place)}",
                reference=float(p[place]),
                current=float(q[place]),
                told="more tickets than before" if q[place] > p[place] else "fewer tickets than before",
            )


def _moves(before: Counts, after: Counts) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares of both sides, and where they differ beyond chance."""
    m, n = max(int(before.sum()), 1), max(int(after.sum()), 1)
    p, q = before / m, after / n
    both = (before + after) / (m + n)
    error = np.sqrt(both * (1 - both) * (1 / m + 1 / n))
    return p, q, np.abs(q - p) > CERTAIN * np.maximum(error, 1e-12)


def _parts(cuts: Cuts, reference: Sketch, current: Sketch, drifted: Sequence[str]) -> Iterator[Cause]:
    """Whose tickets a drifted signal's gain came from, where they are some more than others."""
    for segment, signal in cuts.pairs:
        pair = (segment, signal)
        if signal not in drifted or signal == "queue" or pair not in reference.cross or pair not in current.cross:
            continue
        before, after = reference.cross[pair], current.cross[pair]
        m, n = max(int(before.sum()), 1), max(int(after.sum()), 1)
        gained = after.sum(axis=0) / n > before.sum(axis=0) / m
        gains = (after / n - before / m)[:, gained].sum(axis=1)
        share, total = after.sum(axis=1) / n, float(np.maximum(gains, 0).sum())
        certain = _moves(*(np.append(side[:, gained].sum(axis=1), side[:, ~gained].sum()) for side in (before, after)))[
            2
        ]
        found = [
            int(place)
            for place in np.argsort(-gains, kind="stable")
            if gains[place] >= LEAST_PART * total
            and gains[place] / total >= ABOVE_SHARE * share[place]
            and after[place].sum() >= MIN_ROWS
            and certain[place]
        ]
        levels = [i for i in np.argsort(-(after.sum(axis=0) / n - before.sum(axis=0) / m), kind="stable") if gained[i]]
        for place in found[:SHOWN_A_SEGMENT]:
            own = float(before[place][gained].sum() / max(before[place].sum(), 1))
            now = float(after[place][gained].sum() / max(after[place].sum(), 1))
            yield Cause(
                kind="prediction" if signal == "confidence" else "feature",
                what="segment",
                name=f"{_shown(segment)}: {name_of(cuts.columns[segment], place)}",
                reference=own,
                current=now,
                told=f"{gains[place] / total:.0%} of the tickets that {_shown(signal)} gained"
                f" ({name_of(cuts.columns[signal], int(levels[0]))}), from {share[place]:.0%} of all",
            )


def _words(reference: Sketch, current: Sketch) -> Iterator[Cause]:
    if reference.words is None or current.words is None:
        return
    for found in rising(reference.words, reference.rows, current.words, current.rows):
        yield Cause(
            kind="feature",
            what="word",
            name=found.word,
            reference=found.reference,
            current=found.current,
            told="in more tickets than before",
        )


def _outcomes(concept: Concept) -> Iterator[Cause]:
    for gap in concept.gaps:
        yield Cause(
            kind="concept",
            what="outcome",
            name=f"{_shown(gap.column)}: {gap.value}" if gap.column else "all settled tickets",
            reference=gap.promised / gap.rows,
            current=gap.right / gap.rows,
            told=f"promised to be right, and were, of {gap.rows}",
        )
    for moved in concept.moved:
        yield Cause(
            kind="concept",
            what="outcome",
            name=f"{moved.predicted} → {moved.label}",
            reference=moved.expected / moved.rows,
            current=moved.seen / moved.rows,
            told=f"{moved.seen} of {moved.rows} tickets predicted as the one turned out to be the other, {moved.expected:.1f} were expected",
        )


def _shown(column: str) -> str:
    """A column in words: `crm_plan` is the customer's plan."""
    if column == "queue":
        return "predicted queue"
    return f"customer {column.removeprefix(CRM_PREFIX)}" if column.startswith(CRM_PREFIX) else column.replace("_", " ")

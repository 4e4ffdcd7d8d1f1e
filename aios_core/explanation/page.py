"""A version's explanation in words: the Markdown in Dagster's metadata and the rows of the command line's tables.

What belongs here: wording. What does not: numbers of its own, and HTML (`gateway/templates/`).
"""

from collections.abc import Sequence
from typing import Any

from aios_core.explanation.confusion import Cell
from aios_core.explanation.importance import Importance
from aios_core.explanation.segments import Segment
from aios_core.explanation.version import VersionExplained

HEADINGS = {
    "exact": "What it goes by",
    "occlusion": "What it goes by, found by leaving words out",
    "permutation": "What it goes by, found by shuffling facts",
}
SHOWN_TERMS, SHOWN_MISTAKES, SHOWN_QUEUES = 8, 10, 100


def summary(found: VersionExplained) -> str:
    """In two or three sentences."""
    if not found.rows:
        return "No held-back ticket is kept with this version, so nothing is known of its mistakes."
    worse = [s for s in found.segments if s.verdict == "worse"]
    told = f"{found.wrong:,} of {found.rows:,} held-back tickets ({found.error:.1%}) went to the wrong queue. "
    if worse:
        told += (
            "Beyond chance worse than elsewhere: "
            + ", ".join(f"{s.dimension} {s.name} ({s.error:.1%})" for s in worse[:5])
            + ". "
        )
    else:
        told += "No segment is worse than the whole beyond chance. "
    if mistakes := found.confusion.mistakes(1):
        told += f"The most frequent mistake: {mistakes[0].label} taken for {mistakes[0].predicted}, {mistakes[0].rows:,} of {mistakes[0].of:,}."
    return told.strip()


def segment_rows(found: Sequence[Segment]) -> list[dict[str, Any]]:
    """One row a segment, for a table."""
    return [
        {"by": s.dimension, "segment": s.name, "rows": s.rows, "wrong": s.wrong, "error": f"{s.error:.1%}",
         "95% interval": f"{s.low:.1%} to {s.high:.1%}", "against the whole": s.verdict}
        for s in found
    ]  # fmt: skip


def mistake_rows(found: Sequence[Cell]) -> list[dict[str, Any]]:
    """One row a cell, for a table."""
    return [
        {"right": c.label, "predicted": c.predicted, "tickets": c.rows, "of that queue": f"{c.share:.1%}"}
        for c in found
    ]


def term_rows(found: Importance, *, terms: int = SHOWN_TERMS) -> list[dict[str, Any]]:
    """One row a queue, for a table."""
    return [
        {"queue": queue, "goes by": ", ".join(w.term for w in weighed[:terms])}
        for queue, weighed in found.queues.items()
    ]


def explanation_markdown(found: VersionExplained) -> str:
    """The whole as Markdown; small enough for an event log."""
    lines = [summary(found), ""]
    for each in found.importances:
        lines += [f"### {HEADINGS[each.method]}", "", each.told, "", *_table(term_rows(each)[:SHOWN_QUEUES]), ""]
    marked = [s for s in found.segments if s.verdict in ("worse", "better")] or list(found.segments[:SHOWN_MISTAKES])
    lines += ["### Error by segment", "", *_table(segment_rows(marked[:SHOWN_QUEUES])), ""]
    lines += ["### What is taken for what", "", *_table(mistake_rows(found.confusion.mistakes(SHOWN_MISTAKES)))]
    return "\n".join([*lines, *(f"\n{note}" for note in found.notes)])


def _table(rows: Sequence[dict[str, Any]]) -> list[str]:
    if not rows:
        return ["_none_"]
    cells = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return [
        "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in cells
    ]

"""What may be said of a version as a whole: what it goes by, where it errs, and what it takes for what.

What belongs here: making it of a version's own files and rows, and reading it back. What does not: each part's own rules (modules beside
this one), and showing it (`page.py`, `gateway/templates/`).

It is made once, at training, and lies in the version as `explanation.json`. Errors and the confusion are of the frozen evaluation set:
held-back rows as a fit scored them that never saw them.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from aios_core.errors import ModelError
from aios_core.explanation.confusion import Confusion, confusion, read_confusion
from aios_core.explanation.importance import Importance, importances, read_importances
from aios_core.explanation.segments import Segment, dimensions, read_segments, segments
from aios_core.lifecycle.evaluation import EVALUATION_FILE, keys_of, read_evaluation, rows_of
from aios_core.scoring.cascade import ENCODER, part_files
from aios_core.scoring.engine import OpenSession
from aios_core.scoring.model import MANIFEST_FILE, ScoringModel

EXPLANATION_FILE = "explanation.json"
FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionExplained:
    """`rows` held-back tickets, `wrong` of them given to another queue. `notes` say what is not known, and why."""

    rows: int
    wrong: int
    confusion: Confusion
    segments: tuple[Segment, ...] = ()
    importances: tuple[Importance, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def error(self) -> float:
        return self.wrong / self.rows if self.rows else 0.0

    def as_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "rows": self.rows,
            "wrong": self.wrong,
            "error": round(self.error, 6),
            "confusion": self.confusion.as_json(),
            "segments": [segment.as_json() for segment in self.segments],
            "importances": [importance.as_json() for importance in self.importances],
            "notes": list(self.notes),
        }


def explain_version(
    model: ScoringModel,
    evaluation: pa.Table,
    features: pa.Table | None,
    *,
    tier: str | None,
    encoder: ScoringModel | None = None,
) -> VersionExplained:
    """Of a version's frozen evaluation set, and the features of its rows (more rows may be among them).

    `encoder` is the second part of a cascade. Without features there are the counts alone, and a note says so.
    """
    found = count(evaluation, model.classes)
    if features is None:
        return found
    rows = rows_of(features, keys_of(evaluation))
    labels, wrong = evaluation.column("label").to_pylist(), _wrong(evaluation)
    return VersionExplained(
        rows=found.rows,
        wrong=found.wrong,
        confusion=found.confusion,
        segments=segments(dimensions(rows, labels, tier=tier), wrong),
        importances=importances(model, rows, labels, encoder=encoder),
    )


def count(evaluation: pa.Table, classes: tuple[str, ...]) -> VersionExplained:
    """What the evaluation set says by itself: the confusion, and the error by queue."""
    labels, predicted, wrong = (
        evaluation.column("label").to_pylist(),
        evaluation.column("queue").to_pylist(),
        _wrong(evaluation),
    )
    return VersionExplained(
        rows=len(wrong),
        wrong=sum(wrong),
        confusion=confusion(labels, predicted, classes),
        segments=segments({"queue": labels}, wrong),
        notes=(
            "The training set of this version is gone, so nothing is known of its words and of segments beyond queues.",
        ),
    )


def with_explanation(
    files: Mapping[str, bytes], features: pa.Table, open_session: OpenSession, *, tier: str | None
) -> dict[str, bytes]:
    """The version with its explanation, made of its own graph and evaluation set; `features` are those it was trained on."""
    model, encoder = ScoringModel.from_files(files, open_session), encoder_of(files, open_session)
    evaluation = read_evaluation(files[EVALUATION_FILE])
    found = explain_version(model, evaluation, features, tier=tier, encoder=encoder)
    content = written(found)
    manifest = json.loads(files[MANIFEST_FILE])
    manifest["checksums"] = manifest["checksums"] | {EXPLANATION_FILE: hashlib.sha256(content).hexdigest()}
    told = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return {**files, EXPLANATION_FILE: content, MANIFEST_FILE: told.encode()}


def encoder_of(files: Mapping[str, bytes], open_session: OpenSession) -> ScoringModel | None:
    """The encoder inside a cascade's files; None for other kinds."""
    own = part_files(files, ENCODER)
    return ScoringModel.from_files(own, open_session) if own else None


def written(found: VersionExplained) -> bytes:
    """The content of `explanation.json`; equal explanations give equal bytes."""
    return json.dumps(found.as_json(), indent=None, sort_keys=True, ensure_ascii=False, allow_nan=False).encode()


def read_explanation(content: bytes) -> VersionExplained:
    """What `written` made. Raises ModelError where it is no explanation of this format."""
    try:
        told = json.loads(content)
        if told["format"] != FORMAT:
            raise ModelError(
                f"{EXPLANATION_FILE} has format {told['format']}, this code reads {FORMAT}; update the code"
            )
        return VersionExplained(
            rows=told["rows"],
            wrong=told["wrong"],
            confusion=read_confusion(told["confusion"]),
            segments=read_segments(told["segments"]),
            importances=read_importances(told["importances"]),
            notes=tuple(told["notes"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{EXPLANATION_FILE} can't be read ({type(error).__name__}: {error}); register the version again"
        ) from error


def _wrong(evaluation: pa.Table) -> list[bool]:
    return [
        a != b
        for a, b in zip(evaluation.column("label").to_pylist(), evaluation.column("queue").to_pylist(), strict=True)
    ]

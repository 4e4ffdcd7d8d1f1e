"""A loaded model version: feature batches in, score batches out, whatever its kind.

What belongs here: the interface, the choice of engine by the manifest's `kind`, and the checks of a version's files. What
does not: sessions (handed in; `resources/runtime.py` makes them), files' whereabouts (`resources/registry.py`), and the
kinds themselves (a module each beside this one).
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from aios_core.errors import ModelError
from aios_core.features.build import PREFIX
from aios_core.scoring import schema, tabular
from aios_core.scoring.buckets import Padding
from aios_core.scoring.cascade import Cascade
from aios_core.scoring.encoder.engine import Encoder
from aios_core.scoring.engine import Engine, EngineFromFiles, EngineScores, OpenSession
from aios_core.scoring.foreign import Foreign
from aios_core.scoring.linear_text import LinearText
from aios_core.scoring.session import Session

MANIFEST_FILE = "manifest.json"
MODEL_FILE = "model.onnx"
FORMAT = 1
_INSIDE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*){0,8}")


ENGINES: Mapping[str, EngineFromFiles] = {
    "linear_text": LinearText.from_files,
    "tabular": tabular.from_files,
    "onnx": Foreign.from_files,
    "encoder": Encoder.from_files,
    "cascade": Cascade.from_files,
}

EXPLAINED_KINDS = ("linear_text", "tabular", "cascade")  # of which the terms behind a score are known


class ScoringModel:
    """One model version, ready to score. Safe to share between threads."""

    def __init__(
        self, *, name: str, version: int, manifest: Mapping[str, Any], engine: Engine, sessions: Sequence[Session] = ()
    ) -> None:
        self.name = name
        self.version = version
        self.manifest = manifest
        self.classes: tuple[str, ...] = tuple(manifest["classes"])
        self.sessions = tuple(sessions)  # what the engine runs on; their maker knows where each node went
        self._engine = engine
        facts = manifest.get("features", {}).get("customer", ())
        self._numbers = {PREFIX + fact["name"] for fact in facts if fact["kind"] == "numeric"}

    @staticmethod
    def from_files(
        files: Mapping[str, bytes],
        open_session: OpenSession,
        *,
        name: str = "",
        version: int = 0,
    ) -> "ScoringModel":
        """Build a model from a version's files (relative path -> content). Raises ModelError that names the file.

        `open_session` makes a session of one of the version's graphs, from its bytes.
        """
        manifest = read_manifest(files)
        kind = manifest["kind"]
        if kind not in ENGINES:
            raise ModelError(
                f"{MANIFEST_FILE}: this code can't score models of kind {kind!r} (it knows {', '.join(ENGINES)}); "
                "update the code or promote another version"
            )
        sessions: list[Session] = []

        def opened(onnx: bytes) -> Session:
            sessions.append(open_session(onnx))
            return sessions[-1]

        try:
            engine = ENGINES[kind](manifest, files, opened)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(
                f"{MANIFEST_FILE} and the files do not make a model of kind {kind} ({type(error).__name__}: {error}); "
                "restore the version from a copy, or train and register it again"
            ) from error
        return ScoringModel(name=name, version=version, manifest=manifest, engine=engine, sessions=sessions)

    @property
    def reads(self) -> tuple[str, ...]:
        """Feature columns that scoring looks at; a text's length is told even where the text is no input."""
        return tuple(dict.fromkeys((*schema.KEYS, "text", *self.manifest["inputs"])))

    @property
    def padding(self) -> tuple[int, int]:
        """(real entries, cells) of the padded inputs so far; (0, 0) for a kind that pads nothing."""
        found: Padding | None = getattr(self._engine, "padding", None)
        return (found.entries, found.cells) if found is not None else (0, 0)

    def score_batch(self, features: pa.RecordBatch | pa.Table, *, explain: int = 0) -> pa.RecordBatch:
        """Scores aligned with `features`, as `schema.SCORE_SCHEMA`; asked to `explain`, with so many terms a row at most.

        A row's score does not depend on the rows around it, to the last bit.
        """
        batch = _one_batch(features)
        self._require_columns(batch)
        scored = self._engine.score(batch)
        scores = schema.score_batch(
            batch,
            name=self.name,
            version=self.version,
            classes=self.classes,
            probabilities=scored.probabilities,
            unseen_share=scored.unseen_share,
            text_length=scored.text_length,
            novelty=scored.novelty,
            stage=scored.stage,
        )
        return schema.explained(scores, self.terms(batch, scores, count=explain)) if explain else scores

    def terms(
        self, features: pa.RecordBatch | pa.Table, scores: pa.RecordBatch | pa.Table, *, count: int
    ) -> pa.ListArray | None:
        """The terms that speak for each row's queue, `count` at most; `scores` are aligned with `features`, and this version's.

        None where this kind of model knows none.
        """
        batch, scored = _one_batch(features), _one_batch(scores)
        if not batch.num_rows:
            return None
        number = {name: place for place, name in enumerate(self.classes)}
        best = np.fromiter((number[queue] for queue in scored.column("queue").to_pylist()), np.int64, batch.num_rows)
        return self._engine.explain(batch, best, stage=scored.column("stage"), count=count)

    def infer(self, inputs: pa.RecordBatch) -> EngineScores:
        """The numbers alone, for callers that know their rows: `inputs` needs the manifest's input columns and no others.

        The same numbers as `score_batch` gives, before rounding, without 200 µs a call for the score table.
        """
        return self._engine.score(inputs)

    def _require_columns(self, batch: pa.RecordBatch) -> None:
        needed = (*schema.KEYS, *self.manifest["inputs"])
        missing = [name for name in needed if name not in batch.schema.names]
        if missing:
            raise ModelError(
                f"model {self.name} version {self.version} needs the feature column {', '.join(missing)}, which is not there "
                f"(there are {', '.join(batch.schema.names)}); declare it under `features`, or promote a version trained without it"
            )
        for name in self.manifest["inputs"]:
            kind = batch.schema.field(name).type
            if not (_numeric if name in self._numbers else _texts)(kind):
                wanted = "numbers" if name in self._numbers else "texts"
                raise ModelError(
                    f"model {self.name} version {self.version} takes {wanted} in the feature column {name}, which is {kind}; "
                    "build the features again, or change the fact's `kind` and train again"
                )


def read_manifest(files: Mapping[str, bytes]) -> dict[str, Any]:
    """The manifest of a version, after checking that it is whole and that its checksums hold."""
    if MANIFEST_FILE not in files:
        raise ModelError(
            f"the version has no {MANIFEST_FILE} (it has {', '.join(sorted(files)) or 'no files'}); register it again"
        )
    for path in files:
        require_inside(path)
    try:
        manifest: dict[str, Any] = json.loads(files[MANIFEST_FILE])
        format_, checksums = manifest["format"], dict(manifest["checksums"])
        _whole(manifest)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(
            f"{MANIFEST_FILE} can't be read ({type(error).__name__}: {error}); register the version again"
        ) from error
    if format_ != FORMAT:
        raise ModelError(
            f"{MANIFEST_FILE} has format {format_}, this code reads {FORMAT}; update the code or train again"
        )
    unlisted = sorted(files.keys() - checksums.keys() - {MANIFEST_FILE})
    if unlisted:
        raise ModelError(f"{MANIFEST_FILE} has no checksum for {', '.join(unlisted)}; register the version again")
    for path, expected in sorted(checksums.items()):
        require_inside(path)
        if path not in files:
            raise ModelError(f"{path} is missing from the version; restore it or register the version again")
        if hashlib.sha256(files[path]).hexdigest() != expected:
            raise ModelError(
                f"{path} is not the file that was exported (its checksum differs); restore it or register again"
            )
    return manifest


def require_inside(path: str) -> None:
    """Raises ModelError for a path that would lead out of a version's folder."""
    if not _INSIDE.fullmatch(path):
        raise ModelError(
            f"{path[:200]!r} is no path inside a version: letters, digits, `.`, `_`, `-` and `/`, no part starting with a dot; "
            "export the version again"
        )


def _whole(manifest: Mapping[str, Any]) -> None:
    """Raises what json and look-ups raise where a part of the manifest is missing or of another type."""
    classes, inputs, kind = manifest["classes"], manifest["inputs"], manifest["kind"]
    names = [name for name in (*classes, *inputs, kind) if not isinstance(name, str)]
    if not isinstance(classes, list) or not isinstance(inputs, list) or names:
        raise TypeError("`classes` and `inputs` must be lists of names, `kind` a name")
    if len(classes) < 2 or len(set(classes)) != len(classes):
        raise ValueError(f"`classes` must be two different names or more, not {classes[:20]}")


def _numeric(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind))


def _texts(kind: pa.DataType) -> bool:
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(plain) or pa.types.is_large_string(plain) or pa.types.is_null(plain))


def _one_batch(features: pa.RecordBatch | pa.Table) -> pa.RecordBatch:
    if isinstance(features, pa.RecordBatch):
        return features
    batches = features.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=features.schema)

"""A loaded model version: feature batches in, score batches out, whatever its kind.

What belongs here: the interface, the choice of engine by the manifest's `kind`, and the checks of a version's files. What
does not: sessions (handed in; `resources/runtime.py` makes them), files' whereabouts (`resources/registry.py`), and the
kinds themselves (a module each beside this one).
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from aios_core.errors import ModelError
from aios_core.scoring import schema
from aios_core.scoring.engine import Engine, EngineFromFiles, OpenSession
from aios_core.scoring.linear_text import LinearText

MANIFEST_FILE = "manifest.json"
MODEL_FILE = "model.onnx"
FORMAT = 1


ENGINES: Mapping[str, EngineFromFiles] = {
    "linear_text": LinearText.from_files,
}


class ScoringModel:
    """One model version, ready to score. Safe to share between threads."""

    def __init__(
        self, *, name: str, version: int, manifest: Mapping[str, Any], engine: Engine, providers: tuple[str, ...] = ()
    ) -> None:
        self.name = name
        self.version = version
        self.manifest = manifest
        self.classes: tuple[str, ...] = tuple(manifest["classes"])
        self.providers = providers
        self._engine = engine

    @staticmethod
    def from_files(
        files: Mapping[str, bytes],
        open_session: OpenSession,
        *,
        name: str = "",
        version: int = 0,
        providers: tuple[str, ...] = (),
    ) -> "ScoringModel":
        """Build a model from a version's files (relative path -> content). Raises ModelError that names the file.

        `open_session` makes a session of one of the version's graphs, from its bytes.
        `providers` is what the session runs on, as its maker read it back; it is kept for the run's metadata.
        """
        manifest = read_manifest(files)
        kind = manifest["kind"]
        if kind not in ENGINES:
            raise ModelError(
                f"{MANIFEST_FILE}: this code can't score models of kind {kind!r} (it knows {', '.join(ENGINES)}); "
                "update the code or promote another version"
            )
        engine = ENGINES[kind](manifest, files, open_session)
        return ScoringModel(name=name, version=version, manifest=manifest, engine=engine, providers=providers)

    def score_batch(self, features: pa.RecordBatch | pa.Table, *, explain: int = 0) -> pa.RecordBatch:
        """Scores aligned with `features`, as `schema.SCORE_SCHEMA`; `explain` terms a row at most.

        A row's score does not depend on the rows around it, to the last bit.
        """
        batch = _one_batch(features)
        self._require_columns(batch)
        scored = self._engine.score(batch, explain=explain)
        return schema.score_batch(
            batch,
            name=self.name,
            version=self.version,
            classes=self.classes,
            probabilities=scored.probabilities,
            unseen_share=scored.unseen_share,
            text_length=scored.text_length,
            terms=scored.terms,
            novelty=scored.novelty,
            stage=scored.stage,
        )

    def _require_columns(self, batch: pa.RecordBatch) -> None:
        needed = (*schema.KEYS, *self.manifest["inputs"])
        missing = [name for name in needed if name not in batch.schema.names]
        if missing:
            raise ModelError(
                f"model {self.name} version {self.version} needs the feature column {', '.join(missing)}, which is not there "
                f"(there are {', '.join(batch.schema.names)}); declare it under `features`, or promote a version trained without it"
            )


def read_manifest(files: Mapping[str, bytes]) -> dict[str, Any]:
    """The manifest of a version, after checking that it is whole and that its checksums hold."""
    if MANIFEST_FILE not in files:
        raise ModelError(
            f"the version has no {MANIFEST_FILE} (it has {', '.join(sorted(files)) or 'no files'}); register it again"
        )
    try:
        manifest: dict[str, Any] = json.loads(files[MANIFEST_FILE])
        format_, checksums = manifest["format"], dict(manifest["checksums"])
        _ = manifest["kind"], manifest["classes"], manifest["inputs"]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{MANIFEST_FILE} can't be read ({type(error).__name__}: {error}); register the version again"
        ) from error
    if format_ != FORMAT:
        raise ModelError(
            f"{MANIFEST_FILE} has format {format_}, this code reads {FORMAT}; update the code or train again"
        )
    for path, expected in sorted(checksums.items()):
        if path not in files:
            raise ModelError(f"{path} is missing from the version; restore it or register the version again")
        if hashlib.sha256(files[path]).hexdigest() != expected:
            raise ModelError(
                f"{path} is not the file that was exported (its checksum differs); restore it or register again"
            )
    return manifest


def _one_batch(features: pa.RecordBatch | pa.Table) -> pa.RecordBatch:
    if isinstance(features, pa.RecordBatch):
        return features
    batches = features.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=features.schema)

"""Fitting an encoder: labelled rows to embeddings, a head, and what may be said of both.

What belongs here: the order of the steps and what a fit results in. What does not: each step's own rules (modules beside this one)
and the files of a version (`train.py`).

The encoder itself is not trained: every text is embedded once, by the graph that will serve, and heads are fitted a fold on those.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from aios_core.automation import EncoderSettings, Training
from aios_core.errors import ModelError
from aios_core.explanation.neighbours import example_files
from aios_core.scoring.encoder.runs import CPU_TOKENS, CUDA_TOKENS
from aios_core.scoring.encoder.text import EMBEDDING, HEAD_FILE, MODEL_FILE, TextEncoder
from aios_core.scoring.encoder.tokens import TOKENIZER_FILE, Tokens
from aios_core.scoring.engine import OpenSession
from aios_core.training.assess import Assessed, FoldScores, assess
from aios_core.training.calibration import fit_temperature, softmax
from aios_core.training.encoder import head as heads
from aios_core.training.encoder.assemble import Head, Vectors, encoder_graph, head_graph
from aios_core.training.encoder.folder import read_sentence_folder
from aios_core.training.encoder.head import Classifier, Signs
from aios_core.training.encoder.precision import to_half, to_int8
from aios_core.training.folds import Fold, group_rows, plan_folds
from aios_core.training.rows import Labelled

Precision = Literal["fp32", "int8", "fp16"]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Progress = Callable[[str], None]

TEXTS_A_STEP = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """An encoder before any head: its graph in the precision that serves, beside the one in float32."""

    tokenizer: bytes
    precision: Precision
    max_tokens: int
    run_tokens: int
    built: bool
    exact: Vectors
    vectors: Vectors

    def files(self, head: Head | None = None) -> dict[str, bytes]:
        """What `TextEncoder.from_files` takes; without a head it embeds, and nothing else."""
        return {
            MODEL_FILE: encoder_graph(self.vectors, head),
            HEAD_FILE: head_graph(self.vectors.hidden, head),
            TOKENIZER_FILE: self.tokenizer,
        }

    def open(self, open_session: OpenSession) -> TextEncoder:
        """Ready to embed."""
        return TextEncoder.from_files(
            self.files(), open_session, max_tokens=self.max_tokens, run_tokens=self.run_tokens
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedEncoder:
    """A fitted encoder with everything that export, parity and the card need; `examples` are files to find similar tickets by."""

    settings: EncoderSettings
    prepared: Prepared
    classifier: Classifier
    head: Head
    assessed: Assessed
    examples: Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scored:
    """What a fold's own fit says of rows that it has not seen."""

    rows: Ints
    margins: Floats
    centers: Floats


def prepare(
    folder: Mapping[str, bytes], settings: EncoderSettings, *, accelerator: str, open_session: OpenSession
) -> Prepared:
    """A sentence-transformers folder's files, made ready. `auto` is int8 on the CPU, half precision on CUDA. Raises ModelError."""
    precision: Precision = (
        ("fp16" if accelerator == "cuda" else "int8") if settings.precision == "auto" else settings.precision
    )
    if precision == "int8" and accelerator == "cuda":
        raise ModelError("model.precision is int8, which has no CUDA kernels here; declare `auto`, `fp16` or `fp32`")
    found = read_sentence_folder(folder, max_tokens=settings.max_tokens)
    tokens = Tokens(found.tokenizer, max_tokens=settings.max_tokens)
    exact = Vectors(model=found.graph, name=found.vectors, hidden=found.hidden)
    vectors = exact
    if precision == "int8":
        vectors = to_int8(exact, tokens, open_session)
    elif precision == "fp16":
        vectors = to_half(exact)
    return Prepared(
        tokenizer=found.tokenizer,
        precision=precision,
        max_tokens=settings.max_tokens,
        run_tokens=CUDA_TOKENS if accelerator == "cuda" else CPU_TOKENS,
        built=found.built,
        exact=exact,
        vectors=vectors,
    )


def fit_encoder(
    data: Labelled,
    prepared: Prepared,
    settings: EncoderSettings,
    *,
    training: Training,
    open_session: OpenSession,
    progress: Progress,
) -> FittedEncoder:
    """Embed every text once, fit a head a fold and one on all rows, calibrate, assess."""
    embeddings, unseen = _embedded(data.texts, prepared.open(open_session), progress)
    plan = plan_folds(data.labels, group_rows(data.features), evaluation_share=training.evaluation_share)
    progress(f"fitting {len(plan.folds) + 1} heads on {embeddings.shape[1]} dimensions")
    everything = np.arange(data.labels.size)
    classifier, centers = _fit(data, embeddings, everything, settings)
    scored = [_score(data, embeddings, fold, settings) for fold in plan.folds]
    rows = np.concatenate([part.rows for part in scored])
    temperature = fit_temperature(np.concatenate([part.margins for part in scored]), data.labels[rows])
    found = [heads.signs(embeddings[s.rows], softmax(s.margins * temperature), s.centers) for s in scored]
    units = heads.weights(_joined(found))
    newest, *parts = (
        FoldScores(
            rows=part.rows,
            margins=part.margins,
            unseen_share=unseen[part.rows],
            novelty=units[0] * own.distance + units[1] * own.doubt,
        )
        for part, own in zip(scored, found, strict=True)
    )
    slow = "the head's fit stopped before it converged; a smaller `regularization` may help"
    return FittedEncoder(
        settings=settings,
        prepared=prepared,
        classifier=classifier,
        head=heads.head(classifier, centers, temperature=temperature, units=units),
        examples=example_files(data.features, [data.classes[label] for label in data.labels], embeddings),
        assessed=assess(
            data,
            newest=newest,
            parts=parts,
            notes=() if classifier.converged else (slow,),
            temperature=temperature,
            novelty_method=heads.METHOD,
        ),
    )


def _fit(
    data: Labelled, embeddings: npt.NDArray[np.float32], rows: Ints, settings: EncoderSettings
) -> tuple[Classifier, Floats]:
    own = embeddings[rows]
    classifier = heads.fit_classifier(
        own, data.labels[rows], classes=len(data.classes), regularization=settings.regularization
    )
    return classifier, heads.fit_centers(own)


def _score(data: Labelled, embeddings: npt.NDArray[np.float32], fold: Fold, settings: EncoderSettings) -> _Scored:
    classifier, centers = _fit(data, embeddings, fold.train, settings)
    return _Scored(rows=fold.score, margins=classifier.margins(embeddings[fold.score]), centers=centers)


def _joined(found: list[Signs]) -> Signs:
    return Signs(
        distance=np.concatenate([part.distance for part in found]), doubt=np.concatenate([part.doubt for part in found])
    )


def _embedded(texts: list[str], encoder: TextEncoder, progress: Progress) -> tuple[npt.NDArray[np.float32], Floats]:
    """Embeddings and shares of unknown tokens of every text, equal texts once."""
    distinct = list(dict.fromkeys(texts))
    places = {text: place for place, text in enumerate(distinct)}
    parts, shares = [], []
    for start in range(0, len(distinct), TEXTS_A_STEP):
        progress(f"embedding texts, {start:,} of {len(distinct):,} done")
        windows = encoder.tokens.windows(distinct[start : start + TEXTS_A_STEP])
        parts.append(encoder.run(windows, (EMBEDDING,))[EMBEDDING])
        shares.append(windows.unknown / np.maximum(windows.tokens, 1))
    order = np.array([places[text] for text in texts])
    return np.concatenate(parts)[order], np.concatenate(shares)[order]

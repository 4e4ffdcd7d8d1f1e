"""Training the kind `encoder`: a task to a candidate version.

What belongs here: the version's own files, and how it compares with the library that fitted it. What does not: the fit (`fit.py`).
"""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aios_core.automation import Automation, EncoderModel
from aios_core.scoring.encoder.text import IDS, MASK
from aios_core.scoring.encoder.tokens import Tokens
from aios_core.scoring.engine import OpenSession
from aios_core.scoring.model import ScoringModel
from aios_core.training.calibration import softmax
from aios_core.training.encoder.assemble import Vectors, interface
from aios_core.training.encoder.fit import FittedEncoder, fit_encoder, prepare
from aios_core.training.encoder.nodes import serialized
from aios_core.training.files import version_files
from aios_core.training.parity import Parity
from aios_core.training.rows import usable_rows
from aios_core.training.trainers import Task, Trained

COMPARED = 2_000  # rows, evenly spaced: the float32 graph takes several times as long as what serves
SAME_LABELS = 0.995  # of a graph in smaller numbers, against float32
OTHER_HARDWARE = 0.02  # by which golden probabilities may differ; older CPUs multiply 8-bit numbers with fewer digits
LIMIT = (
    "It reads meaning by what its encoder learnt from other people's text; words and products that are new since then are "
    "scored by what they resemble, and what speaks for an answer is found by leaving words out, which is approximate."
)

Floats = npt.NDArray[np.float64]


def train_encoder(task: Task) -> Trained:
    """Embed, fit, assess, export, compare. Raises ModelError where the folder or the rows will not do."""
    automation, model = task.automation, task.automation.model
    assert isinstance(model, EncoderModel)
    data = usable_rows(task.features, task.labels, training=model.training, queues=automation.queue_names)
    folder = task.read_folder(model.folder)
    prepared = prepare(folder, model, accelerator=model.accelerator, open_session=task.open_session)
    fitted = fit_encoder(
        data, prepared, model, training=model.training, open_session=task.open_session, progress=task.progress
    )
    files = encoder_files(fitted, folder, automation=automation, snapshot_id=task.snapshot_id)
    task.progress("comparing with scikit-learn and the float32 graph")
    return Trained(files=files, agreement=encoder_parity(fitted, files, task.features, task.open_session))


def encoder_files(
    fitted: FittedEncoder, folder: Mapping[str, bytes], *, automation: Automation, snapshot_id: str
) -> dict[str, bytes]:
    """Relative path -> content of every file of the version; licences of the weights go with them."""
    prepared, assessed, settings = fitted.prepared, fitted.assessed, fitted.settings
    summary = f"{settings.folder}, {prepared.vectors.hidden} dimensions, {prepared.precision}"
    return version_files(
        assessed,
        automation=automation,
        snapshot_id=snapshot_id,
        own={**prepared.files(fitted.head), **fitted.examples, **_licences(folder)},
        said={
            "inputs": ["text"],
            "encoder": {
                "folder": settings.folder,
                "precision": prepared.precision,
                "built_from_weights": prepared.built,
                "max_tokens": prepared.max_tokens,
                "run_tokens": prepared.run_tokens,
                "dimensions": prepared.vectors.hidden,
            },
            "onnx": interface(len(assessed.classes)),
            **({} if prepared.precision == "fp32" else {"golden_tolerance": OTHER_HARDWARE}),
        },
        reads={"summary": summary, "text": list(automation.features.text), "customer": [], "limit": LIMIT},
    )


def encoder_parity(
    fitted: FittedEncoder, files: Mapping[str, bytes], features: pa.Table, open_session: OpenSession
) -> Parity:
    """The version against token vectors that are averaged, normalised and classified by numpy and scikit-learn.

    Probabilities are compared with those of the same graph's vectors, labels with those of the float32 graph's.
    """
    prepared = fitted.prepared
    rows = np.unique(np.linspace(0, features.num_rows - 1, min(COMPARED, features.num_rows)).astype(np.int64))
    chosen = features.take(pa.array(rows))
    texts = [text or "" for text in chosen.column("text").to_pylist()]
    model = ScoringModel.from_files(files, open_session)
    scored = model.score_batch(chosen)
    found = np.array(scored.column("probabilities").flatten()).reshape(rows.size, -1)
    expected = _truth(fitted, prepared.vectors, texts, open_session)
    exact = expected if prepared.precision == "fp32" else _truth(fitted, prepared.exact, texts, open_session)
    labels = np.array(model.classes)[exact.argmax(axis=1)]
    return Parity(
        rows=rows.size,
        label_mismatches=int((labels != np.array(scored.column("queue").to_pylist())).sum()),
        max_probability_error=float(np.abs(found - expected).max(initial=0.0)),
        min_agreement=1.0 if prepared.precision == "fp32" else SAME_LABELS,
    )


def _truth(fitted: FittedEncoder, vectors: Vectors, texts: Sequence[str], open_session: OpenSession) -> Floats:
    """Rows x classes, a text at a time."""
    session = open_session(_with_vectors(vectors))
    tokens = Tokens(fitted.prepared.tokenizer, max_tokens=fitted.prepared.max_tokens)
    means = np.empty((len(texts), vectors.hidden))
    for row, text in enumerate(texts):
        windows = tokens.windows([text])
        parts = np.split(windows.ids, windows.starts[1:-1])
        answers = [session.run({IDS: part[None], MASK: np.ones_like(part)[None]}, [vectors.name]) for part in parts]
        means[row] = np.concatenate([answer[vectors.name][0] for answer in answers]).astype(np.float64).mean(axis=0)
    embeddings = means / np.linalg.norm(means, axis=1, keepdims=True)
    margins = np.asarray(fitted.classifier.fitted.decision_function(embeddings))
    if margins.ndim == 1:
        margins = np.column_stack([-margins, margins]) / 2
    return softmax(margins * fitted.assessed.temperature)


def _with_vectors(vectors: Vectors) -> bytes:
    """The graph with its token vectors as the output."""
    import onnx
    from onnx import TensorProto, helper

    model = onnx.ModelProto()
    model.CopyFrom(vectors.model)
    del model.graph.output[:]
    found = helper.make_tensor_value_info(vectors.name, TensorProto.FLOAT, ["batch", "length", vectors.hidden])
    model.graph.output.append(found)
    return serialized(model)


def _licences(folder: Mapping[str, bytes]) -> dict[str, bytes]:
    """LICENSE and NOTICE of the folder, under names of the version's own."""
    found = {path: PurePosixPath(path).stem.upper() for path in folder if "/" not in path}
    return {f"weights/{name}": folder[path] for path, name in found.items() if name in ("LICENSE", "LICENCE", "NOTICE")}

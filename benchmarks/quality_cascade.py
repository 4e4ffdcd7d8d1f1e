"""The cascade on banking77: everything chosen from the training file, measured on the test file.

What belongs here: the cascade's part of `aios bench quality`. What does not: the other figures (`quality.py`) and speed (`encoder.py`).
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from aios_core.automation import Automation
from aios_core.scoring.cascade import ENCODER
from aios_core.scoring.model import ScoringModel
from aios_core.scoring.novelty import LIMIT
from aios_core.training.calibration import reliability
from aios_core.training.evaluation import evaluate
from aios_core.training.trainers import Task, train
from benchmarks.encoder import weights
from benchmarks.quality_data import as_features, banking77, data_folder
from resources.model_folders import read_folder
from resources.runtime import open_session

TARGET = 0.98


def measure(*, data: Path | None = None) -> dict[str, Any]:
    """Raises NoData without banking77, and ConfigurationError without an encoder's weights.

    `coverage_at_98` is the share of rows above the threshold that the training file gave for 98% (by its lower bound) and not
    novel; `accuracy_at_98` what they turned out at.
    """
    model = version(data_folder(data), weights())
    return judged(model, data_folder(data))


def version(folder: Path, encoder: str) -> ScoringModel:
    """A cascade, trained as everywhere on the training file."""
    learnt = banking77(folder, "train")
    task = Task(
        features=as_features(learnt.texts),
        labels=learnt.labels,
        automation=_automation(encoder),
        snapshot_id="bench",
        open_session=open_session,
        read_folder=lambda named: read_folder(named, beside=Path()),
        progress=lambda message: print(message, file=sys.stderr, flush=True),
    )
    return ScoringModel.from_files(train(task).files, open_session, name="bench", version=1)


def judged(model: ScoringModel, folder: Path) -> dict[str, Any]:
    """The figures of a version on the test file."""
    test = banking77(folder, "test")
    scored = model.score_batch(as_features(test.texts))
    probabilities = np.array(scored.column("probabilities").flatten()).reshape(-1, len(model.classes))
    labels = np.array([model.classes.index(label) for label in test.labels])
    correct, confidence = probabilities.argmax(axis=1) == labels, probabilities.max(axis=1)
    curve = model.manifest["operating_curve"]
    reached = [t for t, a in zip(curve["threshold"], curve["accuracy_lower"], strict=True) if a >= TARGET]
    automated = (confidence >= min(reached, default=np.inf)) & (scored.column("novelty").to_numpy() <= LIMIT)
    metrics = evaluate(probabilities, labels)
    return {
        "accuracy": metrics["accuracy"],
        "macro_f1": metrics["macro_f1"],
        "ece": metrics["ece"],
        "encoder_share": round(scored.column("stage").to_pylist().count(ENCODER) / scored.num_rows, 6),
        "coverage_at_98": round(float(automated.mean()), 6),
        "accuracy_at_98": round(float(correct[automated].mean()), 6) if automated.any() else None,
        "reliability": reliability(confidence, correct),
    }


def _automation(encoder: str) -> Automation:
    return Automation.model_validate(
        {
            "name": "bench",
            "start_date": "2024-01-01",
            "sources": {"f": {"connector": "file", "provides": "tickets", "path": "x.csv"}},
            "features": {"text": ["body"]},
            "model": {"kind": "cascade", "encoder": {"folder": encoder}, "training": {"min_rows": 20}},
        }
    )

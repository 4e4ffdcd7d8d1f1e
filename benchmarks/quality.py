"""How good the decisions are on real data: banking77's test file, and texts from elsewhere that must reach a person.

What belongs here: the figures and their order. What does not: reading data (`quality_data.py`), the cascade
(`quality_cascade.py`), pictures (`quality_plot.py`).

Everything is chosen from banking77's training file alone: classes, calibration, thresholds, the limit of novelty. The test file and
the foreign texts are only looked at. Novelty is measured with the 77 intents and with the same intents merged into 8
queues, where a class says little: neighbours by name, and thrown together at random (the harder case).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aios_core.automation import Automation
from aios_core.decisions.decide import decide
from aios_core.decisions.model import Decision, Rules, rules_for
from aios_core.decisions.proposal import Facts
from aios_core.errors import AiosError
from aios_core.scoring.model import ScoringModel
from aios_core.scoring.novelty import LIMIT
from aios_core.training.calibration import reliability
from aios_core.training.evaluation import evaluate
from benchmarks.encoder import weights
from benchmarks.quality_cascade import judged, version
from benchmarks.quality_data import Labelled, as_features, banking77, data_folder, foreign_texts

COARSE = 8
LEFT_OUT = 10
DRAWS = 5
TARGET = 0.98
FEW_FOREIGN = 700  # that an encoder reads: Hadoop's issues are long
# the thresholds of `examples/banking77`
DECISIONS = {"automate": {"accuracy": 0.97}, "draft": {"accuracy": 0.93}, "audit_share": 0.0}

Floats = npt.NDArray[np.float64]


def measure(
    *, data: Path | None = None, draws: int = DRAWS, cascade: bool = True, plot: Path | None = None
) -> dict[str, Any]:
    """All figures; `draws` is how often 10 intents are left out of training. Raises NoData where the data is not there.

    `banking77` are those of the cascade, and of the linear model where `cascade` is false or an encoder's weights are missing.
    """
    folder = data_folder(data)
    train, test = banking77(folder, "train"), banking77(folder, "test")
    foreign = foreign_texts(folder)
    fine = _version(train)
    whole, why = _cascade(folder) if cascade else (None, "it was not asked for")
    if whole is None:
        banking = _linear(fine, test) | {"why_no_cascade": why}
    else:
        banking = {"kind": "cascade", **judged(whole, folder)}
    found: dict[str, Any] = {
        "banking77": {name: value for name, value in banking.items() if name != "reliability"},
        "novelty": _novelty(fine, train, test, foreign, draws=draws),
        "reliability": banking["reliability"],
    }
    if whole is not None:
        found["novelty"]["far_cascade"] = {
            name: _verdicts(whole, texts[:FEW_FOREIGN]) for name, texts in foreign.items()
        }
    if plot is not None:
        from benchmarks.quality_plot import quality_plot

        plot.write_bytes(quality_plot(found))
    return found


def automation() -> Automation:
    """An automation over plain texts with the thresholds of the example."""
    return Automation.model_validate(
        {
            "name": "bench",
            "start_date": "2024-01-01",
            "sources": {"f": {"connector": "file", "provides": "tickets", "path": "x.csv"}},
            "features": {"text": ["body"]},
            "model": {"training": {"min_rows": 20}},
            "decisions": DECISIONS,
        }
    )


def _version(train: Labelled) -> ScoringModel:
    """A linear version, fitted, exported and loaded as everywhere."""
    from aios_core.training.export import export
    from aios_core.training.fit import fit
    from resources.runtime import open_session

    declared = automation()
    fitted = fit(
        as_features(train.texts),
        train.labels,
        model=declared.model,  # type: ignore[arg-type]  # the default kind
        features_spec=declared.features,
        queues=(),
    )
    files = export(fitted, automation=declared, snapshot_id="bench")
    return ScoringModel.from_files(files, open_session, name=declared.model_name, version=1)


def _cascade(folder: Path) -> tuple[ScoringModel | None, str]:
    """A trained cascade, or why there is none."""
    try:
        return version(folder, weights()), ""
    except AiosError as error:
        return None, str(error)


def _linear(fine: ScoringModel, test: Labelled) -> dict[str, Any]:
    probabilities, novelty, labels = _scored(fine, test)
    curve = fine.manifest["operating_curve"]
    reached = [t for t, a in zip(curve["threshold"], curve["accuracy_lower"], strict=True) if a >= TARGET]
    automated = (probabilities.max(axis=1) >= min(reached, default=np.inf)) & (novelty <= LIMIT)
    correct = probabilities.argmax(axis=1) == labels
    metrics = evaluate(probabilities, labels)
    return {
        "kind": "linear_text",
        "accuracy": metrics["accuracy"],
        "macro_f1": metrics["macro_f1"],
        "ece": metrics["ece"],
        "encoder_share": 0.0,
        "coverage_at_98": round(float(automated.mean()), 6),
        "accuracy_at_98": _share(correct[automated]),
        "reliability": reliability(probabilities.max(axis=1), correct),
    }


def _novelty(
    fine: ScoringModel, train: Labelled, test: Labelled, foreign: Mapping[str, Sequence[str]], *, draws: int
) -> dict[str, Any]:
    """What reaches a person: texts from elsewhere (as often as possible) and known ones (as seldom as possible)."""
    layouts = {"fine": (fine, test)}
    for name, merged in merged_queues(sorted(set(train.labels))).items():
        layouts[name] = (_version(_renamed(train, merged)), _renamed(test, merged))
    far = {
        f"{texts}_{layout}": _verdicts(model, foreign[texts])
        for layout, (model, _) in layouts.items()
        for texts in foreign
    }
    known = {layout: _needless(model, known) for layout, (model, known) in layouts.items()}
    near = [_near(train, test, seed=seed) for seed in range(draws)]
    return {
        "far_to_review": min(part["to_review"] for part in far.values()),
        "far_to_review_with_drafts": min(part["to_review_with_drafts"] for part in far.values()),
        "far_to_review_by_confidence_alone": min(part["by_confidence_alone"] for part in far.values()),
        "near_auroc": _mean(near, "novelty"),
        "near_auroc_max_probability": _mean(near, "max_probability"),
        "far": far,
        "near": near,
        "known": known,
    }


def merged_queues(intents: Sequence[str]) -> dict[str, dict[str, str]]:
    """Two ways to merge intents into 8 queues: neighbours by name, and at random."""
    places = np.random.default_rng(3).permutation(len(intents))
    return {
        "coarse": {intent: f"queue_{i * COARSE // len(intents)}" for i, intent in enumerate(intents)},
        "coarse_random": {intent: f"queue_{place % COARSE}" for intent, place in zip(intents, places, strict=True)},
    }


def _verdicts(model: ScoringModel, texts: Sequence[str]) -> dict[str, Any]:
    """Shares of foreign texts by what happens to them.

    `to_review`: with nothing drafted, so that what is not automated is reviewed. `to_review_with_drafts`: with the example's draft
    threshold, under which some are only suggested to an agent. `by_confidence_alone`: the first, without novelty.
    """
    features = as_features(texts)
    scores = model.score_batch(features)
    plain = scores.set_column(scores.schema.get_field_index("novelty"), "novelty", _nulls(scores.column("novelty")))
    decided = [_decide(model, features, table) for table in (scores, plain)]
    verdicts, rules_ = zip(*((d.verdict, d.rule) for d in decided[0]), strict=True)
    count = len(verdicts)
    return {
        "rows": count,
        "to_review": round(1 - verdicts.count("automate") / count, 6),
        "to_review_with_drafts": round(verdicts.count("review") / count, 6),
        "by_confidence_alone": round(1 - [d.verdict for d in decided[1]].count("automate") / count, 6),
        "novel": round(rules_.count("novel") / count, 6),
    }


def _needless(model: ScoringModel, known: Labelled) -> dict[str, Any]:
    """What novelty costs on known tickets: how many are called novel, and how much less is automated, at which accuracy."""
    probabilities, novelty, labels = _scored(model, known)
    automate = _rules(model).thresholds.automate
    sure = probabilities.max(axis=1).round(6) >= (np.inf if automate is None else automate)
    correct, within = probabilities.argmax(axis=1) == labels, novelty <= LIMIT
    return {
        "novel": round(float((~within).mean()), 6),
        "automated_by_confidence_alone": round(float(sure.mean()), 6),
        "accuracy_by_confidence_alone": _share(correct[sure]),
        "automated": round(float((sure & within).mean()), 6),
        "accuracy": _share(correct[sure & within]),
    }


def _near(train: Labelled, test: Labelled, *, seed: int) -> dict[str, Any]:
    """10 intents are left out of training: how well are their test questions told from the others'?"""
    from sklearn.metrics import roc_auc_score

    intents = sorted(set(train.labels))
    left_out = set(np.random.default_rng(100 + seed).choice(intents, LEFT_OUT, replace=False).tolist())
    kept = [i for i, label in enumerate(train.labels) if label not in left_out]
    model = _version(Labelled([train.texts[i] for i in kept], [train.labels[i] for i in kept]))
    probabilities, novelty, _ = _scored(model, test)
    new = np.array([label in left_out for label in test.labels])
    return {
        "left_out": sorted(left_out),
        "novelty": round(float(roc_auc_score(new, novelty)), 6),
        "max_probability": round(float(roc_auc_score(new, -probabilities.max(axis=1))), 6),
    }


def _scored(model: ScoringModel, rows: Labelled) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    """Probabilities, novelty and class numbers of the labels (-1: none of the model's)."""
    scores = model.score_batch(as_features(rows.texts))
    numbers = {name: i for i, name in enumerate(model.classes)}
    probabilities = np.array(scores.column("probabilities").flatten()).reshape(len(rows.texts), len(numbers))
    labels = np.array([numbers.get(label, -1) for label in rows.labels], np.int64)
    return probabilities, scores.column("novelty").to_numpy(zero_copy_only=False), labels


def _decide(model: ScoringModel, features: pa.Table, scores: pa.RecordBatch) -> list[Decision]:
    def agree(facts: Sequence[Facts]) -> list[Mapping[str, Any]]:
        return [{"verdict": f["proposed"], "rule": "as_proposed"} for f in facts]

    return decide(features, pa.Table.from_batches([scores]), rules=_rules(model), policy=agree)


def _rules(model: ScoringModel) -> Rules:
    return rules_for(
        automation(),
        policy_revision="bench",
        model_name=model.name,
        model_version=model.version,
        manifest=model.manifest,
    )


def _renamed(rows: Labelled, names: Mapping[str, str]) -> Labelled:
    return Labelled(rows.texts, [names[label] for label in rows.labels])


def _nulls(column: pa.Array) -> pa.Array:
    return pa.nulls(len(column), column.type)


def _mean(parts: Sequence[Mapping[str, Any]], name: str) -> float:
    return round(float(np.mean([part[name] for part in parts])), 6)


def _share(values: npt.NDArray[np.bool_]) -> float | None:
    return round(float(values.mean()), 6) if values.size else None

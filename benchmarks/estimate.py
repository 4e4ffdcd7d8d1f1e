"""Accuracy estimated without labels beside the truth: banking77 under other class shares, the sandbox under each of its drifts.

`aios bench estimate --json`, or `python -m benchmarks.estimate`, which prints JSON. Each version is trained, exported and loaded as
everywhere; its corrections are learnt from its own held-back rows alone; test labels are only looked at to know the truth.

- `banking77`: the official files. Windows of 2,000 texts are drawn from the test file with class shares from a flat Dirichlet.
- `banking77_crossed`: the same windows over both files, every text scored by one of four versions that never saw it. A class has
  then 170 texts to be drawn from instead of 40, so that a window's truth is less the luck of a few texts drawn often.
- `new_product`, `class_shift`, `label_rule`, `no_drift`: windows of the sandbox after the drift, over several seeds of the world.
  `audit_catches` is the share of windows in which the audit slice contradicts the promise and corrects it; under `label_rule`, which
  no input shows, it should, elsewhere not. Errors are those of the promise alone, and with the audit slice where that has the word.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aios_core.lifecycle.evaluation import read_evaluation
from aios_core.monitoring.estimate import estimate, promise
from aios_core.monitoring.shift import Correction, corrected, learn
from aios_core.scoring.model import ScoringModel
from benchmarks.quality import automation
from benchmarks.quality_data import Labelled, NoData, as_features, banking77, data_folder

WINDOW = 2_000
POINTS = 0.02
FOLDS = 4
HISTORY, AFTER = 8_000, 4_000
AUDIT_SHARE = 0.1  # of a window: 200 tickets, which at the usual hundredth are those of 20,000
BATCH = 4_096
DRIFTS = ("no_drift", "new_product", "class_shift", "label_rule")
UNTIL = 1_735_689_600  # the sandbox's clock starts with 2025

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Version:
    """A loaded version and what its held-back rows say of it."""

    model: ScoringModel
    calibration_error: float
    correction: Correction | None


@dataclass(frozen=True, slots=True)
class Judged:
    """Texts that a version never saw: its probabilities, and the right classes (-1: one it has not)."""

    version: Version
    probabilities: Floats
    labels: Ints

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        hits: npt.NDArray[np.bool_] = self.probabilities.argmax(axis=1) == self.labels
        return hits

    def take(self, rows: Ints) -> "Judged":
        return Judged(self.version, self.probabilities[rows], self.labels[rows])


def measure(*, data: Path | None = None, windows: int = 100, seeds: int = 3, banking: bool = True) -> dict[str, Any]:
    """Errors of the estimate in each set. Without the real data, or with `banking` false, only the sandbox is measured."""
    found: dict[str, Any] = {}
    if banking:
        try:
            found |= _banking(data_folder(data), windows)
        except NoData as error:
            found["why_no_banking77"] = str(error)
    return found | _sandbox(seeds, windows)


def trained(labelled: Labelled) -> Version:
    """A version over these texts."""
    from aios_core.training.export import export
    from aios_core.training.fit import fit
    from resources.runtime import open_session

    declared = automation()
    fitted = fit(
        as_features(labelled.texts),
        labelled.labels,
        model=declared.model,  # type: ignore[arg-type]  # the default kind
        features_spec=declared.features,
        queues=(),
    )
    files = export(fitted, automation=declared, snapshot_id="bench")
    model = ScoringModel.from_files(files, open_session, name=declared.model_name, version=1)
    held_back = read_evaluation(files["evaluation.parquet"])
    probabilities = held_back.column("probabilities").combine_chunks().flatten().to_numpy()
    correction = learn(
        probabilities, _numbers(model, held_back.column("label").to_pylist()), classes=len(model.classes)
    )
    return Version(model, float(model.manifest["metrics"]["ece"]), correction)


def judged(version: Version, labelled: Labelled) -> Judged:
    """These texts under a version."""
    parts = [
        version.model.score_batch(batch).column("probabilities").flatten().to_numpy()
        for batch in as_features(labelled.texts).to_batches(BATCH)
    ]
    probabilities = np.concatenate(parts).reshape(len(labelled.labels), -1)
    return Judged(version, probabilities, _numbers(version.model, labelled.labels))


def errors_of(windows: Iterable[Sequence[Judged]], *, audited: bool = False, seed: int = 0) -> dict[str, float]:
    """Distances of the estimate from the truth over windows, each of one or more versions' rows."""
    rng, promised, told, plain, caught = np.random.default_rng(seed), list[float](), list[float](), list[float](), 0
    for window in windows:
        rows = [len(part.labels) for part in window]
        truth = float(np.concatenate([part.right for part in window]).mean())
        found = [_estimated(part, rng if audited else None) for part in window]
        promised.append(abs(float(np.average([f[0] for f in found], weights=rows)) - truth))
        told.append(abs(float(np.average([f[1] for f in found], weights=rows)) - truth))
        plain.append(
            abs(float(np.average([part.probabilities.max(axis=1).mean() for part in window], weights=rows)) - truth)
        )
        caught += any(f[2] for f in found)
    return {
        "windows": len(promised),
        **_spread(promised),
        **(
            {"audit_catches": round(caught / len(told), 4), "mean_error_with_audit": round(float(np.mean(told)), 5)}
            if audited
            else {}
        ),
        "mean_error_uncorrected": round(float(np.mean(plain)), 5),
    }


def other_shares(parts: Sequence[Judged], windows: int, *, seed: int = 1, rows: int = WINDOW) -> Iterable[list[Judged]]:
    """Windows over all rows of all parts, whose class shares come from a flat Dirichlet."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([part.labels for part in parts])
    starts = np.cumsum([0, *(len(part.labels) for part in parts)])
    sizes = np.bincount(labels)
    for _ in range(windows):
        chance = (rng.dirichlet(np.ones(sizes.size)) / np.maximum(sizes, 1))[labels]
        chosen = np.sort(rng.choice(labels.size, rows, p=chance / chance.sum()))
        cut = np.searchsorted(chosen, starts)
        yield [part.take(chosen[a:b] - start) for part, start, a, b in zip(parts, starts, cut, cut[1:], strict=False)]


def _estimated(part: Judged, rng: np.random.Generator | None) -> tuple[float, float, bool]:
    """(what is promised, what the estimate says, whether the audit slice has the word)."""
    of, chosen = part.version, part.probabilities.argmax(axis=1)
    rows = corrected(part.probabilities, of.correction)
    audit: list[tuple[float, bool]] = []
    if rng is not None:
        slice_ = rng.random(len(chosen)) < AUDIT_SHARE
        audit = list(zip(part.probabilities.max(axis=1)[slice_], part.right[slice_], strict=True))
    found = estimate(
        promise(rows, classes=rows.shape[1], predicted=chosen),
        calibration_error=of.calibration_error,
        overstated=0.0 if of.correction is None else of.correction.overstated,
        audit=audit,
    )
    return float(found.promised or 0), float(found.accuracy or 0), found.source == "audit"


def _banking(folder: Path, windows: int) -> dict[str, Any]:
    train, test = banking77(folder, "train"), banking77(folder, "test")
    official = judged(trained(train), test)
    whole = Labelled(train.texts + test.texts, train.labels + test.labels)
    order, crossed = np.random.default_rng(3).permutation(len(whole.texts)), []
    for fold in range(FOLDS):
        unseen = order[fold::FOLDS]
        version = trained(
            _rows(whole, np.setdiff1d(order, unseen)[np.random.default_rng(fold).permutation(len(order) - len(unseen))])
        )
        crossed.append(judged(version, _rows(whole, unseen)))
    return {
        "banking77": errors_of(other_shares([official], windows)),
        "banking77_crossed": errors_of(other_shares(crossed, windows)),
    }


def _sandbox(seeds: int, windows: int) -> dict[str, Any]:
    """Windows of 2,000 tickets drawn from those after each drift, in `seeds` worlds that begin alike."""
    found: dict[str, list[list[Judged]]] = {kind: [] for kind in DRIFTS}
    each = max(1, windows // seeds)
    for seed in range(7, 7 + seeds):
        before, _ = _world(seed, "no_drift")
        version = trained(before)
        for kind in DRIFTS:
            after = judged(version, _world(seed, kind)[1])
            rng = np.random.default_rng(seed)
            found[kind] += [[after.take(rng.choice(len(after.labels), WINDOW, replace=False))] for _ in range(each)]
    return {kind: errors_of(parts, audited=True) for kind, parts in found.items()}


def _world(seed: int, kind: str) -> tuple[Labelled, Labelled]:
    """The tickets before and after a drift, with the queue where each belongs."""
    from sandbox.generate import generate
    from sandbox.world.spec import DAY, Drift, WorldSpec

    new_days = 2.0
    drift = () if kind == "no_drift" else (Drift(kind, -new_days * DAY),)  # type: ignore[arg-type]  # of DRIFTS
    spec = WorldSpec(seed=seed, history=HISTORY, tickets=AFTER, new_days=new_days, drift=drift)
    texts, labels = list[str](), list[str]()
    for chunk in generate(spec, until=UNTIL):
        columns = chunk.columns
        texts += [f"{subject}\n{body}" for subject, body in zip(columns["subject"], columns["body"], strict=True)]
        labels += columns["true_queue"]
    return Labelled(texts[:HISTORY], labels[:HISTORY]), Labelled(texts[HISTORY:], labels[HISTORY:])


def _rows(labelled: Labelled, rows: Ints) -> Labelled:
    return Labelled([labelled.texts[i] for i in rows], [labelled.labels[i] for i in rows])


def _numbers(model: ScoringModel, labels: Sequence[str]) -> Ints:
    place = {name: number for number, name in enumerate(model.classes)}
    return np.array([place.get(label, -1) for label in labels], np.int64)


def _spread(errors: Sequence[float]) -> dict[str, float]:
    values = np.array(errors)
    return {
        "mean_error": round(float(values.mean()), 5),
        "p95_error": round(float(np.quantile(values, 0.95)), 5),
        "max_error": round(float(values.max()), 5),
        "within_2_points_share": round(float((values <= POINTS).mean()), 4),
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))

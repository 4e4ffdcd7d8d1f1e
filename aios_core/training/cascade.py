"""Training the kind `cascade`: both models on the same folds, then who answers when.

What belongs here: the rule between two fitted models, and a version of all three. What does not: either fit (`fit.py`, `encoder/`), and
how the rule is applied (`aios_core/scoring/cascade.py`).

Everything comes from out-of-fold scores: the threshold is the lowest at which the fast model reached the declared accuracy, the
weights minimise the log loss of the rows below it. So the cascade's own curve and calibration are those of the whole, row by row.
On banking77's test file (threshold and weights from training data): 0.932 with the encoder alone, 0.937 where it replaces the unsure
fast model, 0.939 by the mean of both, 0.942 by weighted log probabilities.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aios_core.automation import Automation, CascadeModel, EncoderModel, LinearTextModel
from aios_core.scoring.cascade import ENCODER, FAST, FLOOR, Rule, part_files
from aios_core.scoring.engine import OpenSession
from aios_core.scoring.model import read_manifest
from aios_core.training.assess import Assessed, FoldScores, assess
from aios_core.training.calibration import fit_temperature, log_loss, softmax
from aios_core.training.encoder.fit import FittedEncoder, fit_encoder, prepare
from aios_core.training.encoder.train import OTHER_HARDWARE, encoder_files, encoder_parity
from aios_core.training.evaluation import curve_of
from aios_core.training.export import export
from aios_core.training.files import version_files
from aios_core.training.fit import Fitted, fit
from aios_core.training.folds import Plan, group_rows, plan_folds
from aios_core.training.parity import Parity, parity
from aios_core.training.rows import Labelled, usable_rows
from aios_core.training.trainers import Task, Trained

METHOD = "of_who_answered"
ENOUGH = 100  # rows below the threshold, to fit two weights on
NEVER = 2.0  # a threshold that no confidence reaches

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedCascade:
    """Both models, the rule, and what may be said of the whole."""

    fast: Fitted
    encoder: FittedEncoder
    rule: Rule
    assessed: Assessed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Both:
    """Out-of-fold scores of both models on the same rows, the newest first."""

    rows: Ints
    sizes: tuple[int, ...]
    labels: Ints
    fast: Floats
    encoder: Floats
    unseen_share: Floats
    novelty: tuple[Floats, Floats] | None


def train_cascade(task: Task) -> Trained:
    """Fit both, choose the rule, assess, export, compare. Raises ModelError where the folder or the rows will not do."""
    automation, model = task.automation, task.automation.model
    assert isinstance(model, CascadeModel)
    folder = task.read_folder(model.encoder.folder)
    fitted = fit_cascade(task, model, folder)
    files = cascade_files(fitted, folder, automation=automation, snapshot_id=task.snapshot_id)
    task.progress("comparing with scikit-learn and the float32 graph")
    return Trained(files=files, agreement=cascade_parity(fitted, files, task.features, task.open_session))


def fit_cascade(task: Task, model: CascadeModel, folder: Mapping[str, bytes]) -> FittedCascade:
    """Both models on the task's rows, and the rule."""
    queues = task.automation.queue_names
    data = usable_rows(task.features, task.labels, training=model.training, queues=queues)
    fast = fit(
        task.features,
        task.labels,
        model=_fast_model(model),
        features_spec=task.automation.features,
        queues=queues,
        progress=task.progress,
    )
    prepared = prepare(folder, model.encoder, accelerator=model.accelerator, open_session=task.open_session)
    encoder = fit_encoder(
        data,
        prepared,
        model.encoder,
        training=model.training,
        open_session=task.open_session,
        progress=task.progress,
    )
    both = _both(data, model, fast.assessed, encoder.assessed)
    rule = fit_rule(both.fast, both.encoder, both.labels, accuracy=model.fast_accuracy)
    assessed = _assess(data, both, rule, model, notes=_notes(rule, model, encoder.assessed, data))
    return FittedCascade(fast=fast, encoder=encoder, rule=rule, assessed=assessed)


def fit_rule(fast: Floats, encoder: Floats, labels: Ints, *, accuracy: float) -> Rule:
    """The threshold from the fast model's own curve, the weights from the rows below it (all rows, where those are few)."""
    from scipy.optimize import minimize

    curve = curve_of(fast, labels)
    reached = [t for t, a in zip(curve["threshold"], curve["accuracy"], strict=True) if a >= accuracy]
    rule = Rule(threshold=min(reached, default=NEVER), fast_weight=0.5, encoder_weight=0.5)
    asked = ~rule.sure(fast)
    if asked.sum() < ENOUGH:
        asked[:] = True
    logs = [np.log(np.maximum(each[asked], FLOOR)) for each in (fast, encoder)]
    loss: Callable[[Floats], float] = lambda w: log_loss(softmax(w[0] * logs[0] + w[1] * logs[1]), labels[asked])  # noqa: E731
    found = minimize(loss, [0.5, 0.5], method="L-BFGS-B", bounds=[(0.0, 5.0), (0.01, 5.0)]).x
    return replace(rule, fast_weight=float(found[0]), encoder_weight=float(found[1]))


def cascade_files(
    fitted: FittedCascade, folder: Mapping[str, bytes], *, automation: Automation, snapshot_id: str
) -> dict[str, bytes]:
    """Both versions, each in its folder, and the cascade's own files."""
    model = automation.model
    assert isinstance(model, CascadeModel)
    fast = export(fitted.fast, automation=automation, snapshot_id=snapshot_id)
    inner = automation.model_copy(update={"model": _encoder_model(model)})
    encoder = encoder_files(fitted.encoder, folder, automation=inner, snapshot_id=snapshot_id)
    rule, prepared = fitted.rule, fitted.encoder.prepared
    return version_files(
        fitted.assessed,
        automation=automation,
        snapshot_id=snapshot_id,
        own={
            **{f"{FAST}/{path}": content for path, content in fast.items()},
            **{f"{ENCODER}/{path}": content for path, content in encoder.items()},
        },
        said={
            "inputs": read_manifest(fast)["inputs"],
            "cascade": rule.to_json(),
            "parts": {FAST: "linear_text", ENCODER: "encoder"},
            "customer": fitted.fast.encoding.to_json(),
            **({} if prepared.precision == "fp32" else {"golden_tolerance": OTHER_HARDWARE}),
        },
        reads={
            "summary": f"n-grams where they are sure from {rule.threshold:.3f} on, else also "
            f"{model.encoder.folder} ({prepared.precision})",
            "text": list(automation.features.text),
            "customer": [f"{fact.name} ({fact.kind})" for fact in fitted.fast.encoding.facts],
        },
    )


def cascade_parity(
    fitted: FittedCascade, files: Mapping[str, bytes], features: pa.Table, open_session: OpenSession
) -> Parity:
    """Each part against the library that it was fitted with; the rule between them is the same code in training and scoring."""
    fast = parity(fitted.fast, part_files(files, FAST), features, open_session)
    if not fast.agrees:
        return fast
    encoder = encoder_parity(fitted.encoder, part_files(files, ENCODER), features, open_session)
    return replace(
        encoder,
        max_probability_error=max(fast.max_probability_error, encoder.max_probability_error),
        max_novelty_error=max(fast.max_novelty_error, encoder.max_novelty_error),
    )


def _assess(data: Labelled, both: _Both, rule: Rule, model: CascadeModel, *, notes: tuple[str, ...]) -> Assessed:
    """The whole by the final rule; its metrics on the newest rows by the rule that the older rows alone would have given."""
    found = _judged(data, both, rule, notes=notes)
    older = np.arange(both.rows.size) >= both.sizes[0]
    logs = np.log(np.maximum(both.fast, FLOOR))
    # the fast model's calibration has seen the newest rows; they are judged without
    fast = softmax(logs * fit_temperature(logs[older], both.labels[older]))
    past = fit_rule(fast[older], both.encoder[older], both.labels[older], accuracy=model.fast_accuracy)
    honest = _judged(data, replace(both, fast=fast), past, notes=())
    share = round(float((~past.sure(fast[~older])).mean()), 6)
    overall = round(float((~rule.sure(both.fast)).mean()), 6)
    return replace(
        found,
        metrics={**honest.metrics, "encoder_share": share},
        out_of_fold={**found.out_of_fold, "encoder_share": overall},
        by_class=honest.by_class,
        evaluation=honest.evaluation,
    )


def _judged(data: Labelled, both: _Both, rule: Rule, *, notes: tuple[str, ...]) -> Assessed:
    sure = rule.sure(both.fast)
    probabilities = np.where(sure[:, None], both.fast, rule.joined(both.fast, both.encoder))
    margins = np.log(np.maximum(probabilities, FLOOR))
    novelty = None if both.novelty is None else np.where(sure, *both.novelty)
    ends = np.cumsum(both.sizes)
    newest, *parts = (
        FoldScores(
            rows=both.rows[start:end],
            margins=margins[start:end],
            unseen_share=both.unseen_share[start:end],
            novelty=None if novelty is None else novelty[start:end],
        )
        for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True)
    )
    return assess(data, newest=newest, parts=parts, notes=notes, temperature=1.0, novelty_method=METHOD)


def _both(data: Labelled, model: CascadeModel, fast: Assessed, encoder: Assessed) -> _Both:
    """Both were fitted on the same rows by the same plan, so their scores lie in the same order."""
    plan: Plan = plan_folds(data.labels, group_rows(data.features), evaluation_share=model.training.evaluation_share)
    rows = np.concatenate([fold.score for fold in plan.folds])
    ids = data.features.column("ticket_id").take(pa.array(rows))
    assert ids.equals(fast.scores.column("ticket_id")), "the fast model was fitted on other rows"
    assert ids.equals(encoder.scores.column("ticket_id")), "the encoder was fitted on other rows"
    columns = [each.scores.column("novelty") for each in (fast, encoder)]
    known = not any(column.null_count for column in columns)
    return _Both(
        rows=rows,
        sizes=tuple(fold.score.size for fold in plan.folds),
        labels=data.labels[rows],
        fast=_probabilities(fast),
        encoder=_probabilities(encoder),
        unseen_share=fast.scores.column("unseen_share").to_numpy(),
        novelty=(columns[0].to_numpy(), columns[1].to_numpy()) if known else None,
    )


def _probabilities(assessed: Assessed) -> Floats:
    flat: Floats = assessed.scores.column("probabilities").combine_chunks().flatten().to_numpy()
    return flat.reshape(-1, len(assessed.classes))


def _notes(rule: Rule, model: CascadeModel, encoder: Assessed, data: Labelled) -> tuple[str, ...]:
    found = [note for note in encoder.notes if note not in data.notes]
    if rule.threshold == NEVER:
        found.append(
            f"the fast model reaches {model.fast_accuracy:.1%} at no threshold (`fast_accuracy`), so the encoder is asked about every row"
        )
    return tuple(found)


def _fast_model(model: CascadeModel) -> LinearTextModel:
    return LinearTextModel(**model.fast.model_dump(), **_common(model))


def _encoder_model(model: CascadeModel) -> EncoderModel:
    return EncoderModel(kind="encoder", **model.encoder.model_dump(), **_common(model))


def _common(model: CascadeModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "accelerator": model.accelerator,
        "batch_size": model.batch_size,
        "training": model.training,
    }

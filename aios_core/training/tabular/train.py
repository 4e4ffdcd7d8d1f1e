"""Training the kind `tabular`: labelled rows with customer facts to a candidate.

What belongs here: the order of the steps, folds that keep a customer on one side, and the version's own files. What does not:
the two estimators (modules beside this one).
"""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aios_core.automation import TabularModel
from aios_core.errors import ModelError
from aios_core.features.build import PREFIX
from aios_core.features.encoding import CustomerEncoding
from aios_core.scoring.rarity import METHOD, Rarity, fit_rarity
from aios_core.training.assess import Assessed, FoldScores, assess
from aios_core.training.files import version_files
from aios_core.training.folds import Fold, plan_folds
from aios_core.training.parity import Truth, compare
from aios_core.training.rows import Labelled, usable_rows
from aios_core.training.tabular.boosting import Boosting
from aios_core.training.tabular.logistic import Logistic
from aios_core.training.trainers import Task, Trained

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LIMIT = "It reads customer facts alone: what a ticket says does not reach it."


class Fit(Protocol):
    """What both estimators are."""

    encoding: CustomerEncoding

    def margins(self, features: pa.Table) -> Floats: ...
    def own_files(self, temperature: float) -> dict[str, bytes]: ...
    def interface(self) -> dict[str, object]: ...
    def summary(self) -> str: ...
    def truth(self, temperature: float) -> Truth: ...


def train_tabular(task: Task) -> Trained:
    """Fit, assess, export, compare. Raises ModelError where no fact is declared or none is known of any customer."""
    automation, model = task.automation, task.automation.model
    assert isinstance(model, TabularModel)
    if not automation.features.customer:
        raise ModelError(
            "a tabular model reads customer facts, and none is declared; list them under `features.customer`, or choose "
            "another `model.kind`"
        )
    data = usable_rows(task.features, task.labels, training=model.training, queues=automation.queue_names)
    notes = _require_facts(data.features)
    plan = plan_folds(data.labels, customer_groups(data.features), evaluation_share=model.training.evaluation_share)
    task.progress(f"fitting {model.estimator} {len(plan.folds) + 1} times over {data.labels.size:,} rows")
    newest, *parts = (_score_fold(task, model, data, fold) for fold in plan.folds)
    kept = _fit(task, model, data, np.arange(data.labels.size))
    if isinstance(kept, Logistic) and not kept.converged:
        notes.append("the classifier stopped before it converged; a smaller `regularization` may help")
    assessed = assess(data, newest=newest, parts=parts, notes=notes, novelty_method=METHOD)
    files = _files(task, model, kept, assessed, fit_rarity(data.features, kept.encoding.facts))
    return Trained(
        files=files, agreement=compare(kept.truth(assessed.temperature), files, task.features, task.open_session)
    )


def customer_groups(features: pa.Table) -> Ints:
    """Rows that must not be on both sides of a fold share a number: one ticket's versions, one customer's tickets.

    A customer's facts are nearly the same from ticket to ticket, and so is what was decided: seen on one side they give the
    other away. Texts are not read, so equal ones do not matter.
    """
    seen: dict[tuple[str, str], int] = {}
    groups = np.empty(features.num_rows, np.int64)
    columns = (features.column(name).to_pylist() for name in ("source", "ticket_id", "customer_id"))
    for row, (source, ticket, customer) in enumerate(zip(*columns, strict=True)):
        keys = [("ticket", f"{source}\x1f{ticket}"), *([("customer", customer)] if customer else [])]
        group = min((seen[key] for key in keys if key in seen), default=row)
        groups[row] = group
        for key in keys:
            seen.setdefault(key, group)
    return groups


def _require_facts(features: pa.Table) -> list[str]:
    """Notes on facts that nobody has; raises ModelError where that is all of them."""
    columns = [name for name in features.column_names if name.startswith(PREFIX)]
    empty = [name for name in columns if features.column(name).null_count == features.num_rows]
    if len(empty) == len(columns):
        raise ModelError(
            f"none of the {features.num_rows:,} labelled rows has a customer fact ({', '.join(columns)}): check the mapping of "
            "`customer_id`, and that customers were known when their tickets came (`known_at` of the customers' source)"
        )
    return [f"facts that no labelled row has: {', '.join(empty)}"] if empty else []


def _fit(task: Task, model: TabularModel, data: Labelled, rows: Ints) -> Fit:
    features, labels = data.features.take(pa.array(rows)), data.labels[rows]
    settings: dict[str, Any] = {"classes": len(data.classes), "model": model, "spec": task.automation.features}
    estimator = Boosting if model.estimator == "gradient_boosting" else Logistic
    return estimator.fit(features, labels, **settings)


def _score_fold(task: Task, model: TabularModel, data: Labelled, fold: Fold) -> FoldScores:
    fitted, unseen = _fit(task, model, data, fold.train), data.features.take(pa.array(fold.score))
    rarity = fit_rarity(data.features.take(pa.array(fold.train)), fitted.encoding.facts)
    return FoldScores(
        rows=fold.score,
        margins=fitted.margins(unseen),
        unseen_share=np.zeros(fold.score.size),
        novelty=rarity.raw(unseen),
    )


def _files(task: Task, model: TabularModel, kept: Fit, assessed: Assessed, rarity: Rarity) -> dict[str, bytes]:
    facts = [f"{fact.name} ({fact.kind})" for fact in kept.encoding.facts]
    return version_files(
        assessed,
        automation=task.automation,
        snapshot_id=task.snapshot_id,
        own=kept.own_files(assessed.temperature),
        said={
            "estimator": model.estimator,
            "inputs": [PREFIX + fact.name for fact in kept.encoding.facts],
            "customer": kept.encoding.to_json(),
            "onnx": kept.interface(),
            "novelty": {**(assessed.novelty.to_json() if assessed.novelty else {}), **rarity.to_json()},
        },
        reads={"summary": kept.summary(), "text": [], "customer": facts, "limit": LIMIT},
    )

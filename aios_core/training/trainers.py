"""Labelled features to a candidate version, by the declared kind of model.

What belongs here: the one way in for every kind. What does not: any kind's own fitting and export (modules beside this one).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from aios_core.automation import Automation, LinearTextModel
from aios_core.scoring.engine import OpenSession
from aios_core.training.parity import Parity


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a candidate is made from, and with.

    `labels` are aligned with `features`. `read_folder` gives the files of a folder that the declaration names (`package:NAME`,
    or relative to the automation's folder) by relative path. `progress` is told what goes on.
    """

    features: pa.Table
    labels: Sequence[str | None]
    automation: Automation
    snapshot_id: str
    open_session: OpenSession
    read_folder: Callable[[str], Mapping[str, bytes]]
    progress: Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A candidate: the files of a version, and how it compares with the library that it was fitted with, on the same rows."""

    files: Mapping[str, bytes]
    agreement: Parity


def train(task: Task) -> Trained:
    """Fit, assess, export and compare. Raises ModelError where there is too little to learn from."""
    from aios_core.explanation.version import with_explanation
    from aios_core.training.files import with_golden

    trained = TRAINERS[task.automation.model.kind](task)
    files = with_golden(trained.files, task.features, task.open_session)
    task.progress("explaining: what it goes by, and where it errs")
    tier = task.automation.lifecycle.tier
    return replace(trained, files=with_explanation(files, task.features, task.open_session, tier=tier))


def _linear_text(task: Task) -> Trained:
    from aios_core.training.export import export
    from aios_core.training.fit import fit
    from aios_core.training.parity import parity

    automation = task.automation
    assert isinstance(automation.model, LinearTextModel)
    fitted = fit(
        task.features,
        task.labels,
        model=automation.model,
        features_spec=automation.features,
        queues=automation.queue_names,
        progress=task.progress,
    )
    files = export(fitted, automation=automation, snapshot_id=task.snapshot_id)
    return Trained(files=files, agreement=parity(fitted, files, task.features, task.open_session))


def _tabular(task: Task) -> Trained:
    from aios_core.training.tabular.train import train_tabular

    return train_tabular(task)


def _foreign(task: Task) -> Trained:
    from aios_core.training.foreign.train import train_foreign

    return train_foreign(task)


def _encoder(task: Task) -> Trained:
    from aios_core.training.encoder.train import train_encoder

    return train_encoder(task)


def _cascade(task: Task) -> Trained:
    from aios_core.training.cascade import train_cascade

    return train_cascade(task)


TRAINERS: Mapping[str, Callable[[Task], Trained]] = {
    "linear_text": _linear_text,
    "tabular": _tabular,
    "onnx": _foreign,
    "encoder": _encoder,
    "cascade": _cascade,
}

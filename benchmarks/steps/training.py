"""A model to score with: fitted on the history's outcomes. It is a preparation; its quality is measured elsewhere."""

from typing import Any

from aios_core.features.build import build_features
from benchmarks.measuring import timed
from benchmarks.workspace import UNTIL, Workspace
from resources.canonical import CanonicalStore

FOLDER = "model"


def run(workspace: Workspace) -> dict[str, Any]:
    from aios_core.training.export import export
    from aios_core.training.fit import fit

    automation, lake = workspace.declared().automation, workspace.lake()
    with workspace.database() as database:
        store = CanonicalStore(database)
        labelled = store.tickets_labelled(
            automation=automation.name, known_before=UNTIL, window_days=365, limit=workspace.trained
        )
        features = build_features(
            labelled,
            contacts=store.contacts(automation=automation.name),
            customers=store.customers(automation=automation.name),
            features=automation.features,
        )
    with timed() as watch:
        fitted = fit(
            features,
            labelled.column("label").to_pylist(),
            model=automation.model,
            features_spec=automation.features,
            queues=automation.queue_names,
        )
        files = export(fitted, automation=automation, snapshot_id="benchmark")
    for path, content in files.items():
        lake.put(f"{FOLDER}/{path}", content)
    return {
        **watch.figures(fitted.assessed.rows),
        "terms": len(fitted.vocabulary.words) + len(fitted.vocabulary.chars),
        "macro_f1": round(fitted.assessed.metrics["macro_f1"], 4),
    }

"""Scoring as the asset does it: features with CRM facts from the lake, in batches, scores with their terms back into it."""

import json
from typing import Any

from aios_core.scoring.model import MANIFEST_FILE, ScoringModel
from benchmarks.measuring import timed
from benchmarks.steps.training import FOLDER
from benchmarks.workspace import MODEL_VERSION, Workspace
from resources.day_scores import DayScores, Progress, Scorer
from resources.lake import Lake
from resources.placement import summary
from resources.runtime import open_session
from resources.workers import open_workers


def run(workspace: Workspace) -> dict[str, Any]:
    automation, lake = workspace.declared().automation, workspace.lake()
    files = model_files(lake)
    model = ScoringModel.from_files(files, open_session, name=automation.model_name, version=MODEL_VERSION)
    progress = Progress()
    with timed() as watch, open_workers(model, rows=workspace.rows, files=lambda: files) as pool:
        scoring = DayScores(
            lake=lake,
            automation=automation.name,
            model=automation.model_name,
            scorers=[Scorer(version=MODEL_VERSION, pool=pool)],
            batch_size=automation.model.batch_size,
        )
        rows = sum(scoring.write(day, progress) for day in workspace.days())
    return {
        **watch.figures(rows),
        "batch_size": automation.model.batch_size,
        "placement": summary(model),
    }


def model_files(lake: Lake) -> dict[str, bytes]:
    """The files of the version that `training` left in the lake."""
    manifest = lake.get(f"{FOLDER}/{MANIFEST_FILE}")
    listed = json.loads(manifest)["checksums"]
    return {MANIFEST_FILE: manifest} | {path: lake.get(f"{FOLDER}/{path}") for path in listed}

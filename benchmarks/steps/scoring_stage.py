"""Scoring as the asset does it: features with CRM facts from the lake, in batches, scores with their terms back into it."""

import json
from datetime import timedelta
from typing import Any

from aios_core.scoring.model import MANIFEST_FILE, ScoringModel
from aios_core.scoring.schema import SCORE_SCHEMA
from aios_core.scoring.stream import score_stream
from benchmarks.measuring import timed
from benchmarks.steps.training import FOLDER
from benchmarks.workspace import MODEL_VERSION, Workspace
from resources.lake import Lake
from resources.placement import summary
from resources.runtime import open_session


def run(workspace: Workspace) -> dict[str, Any]:
    automation, lake = workspace.declared().automation, workspace.lake()
    files = model_files(lake)
    model = ScoringModel.from_files(files, open_session, name=automation.model_name, version=MODEL_VERSION)
    rows = 0
    with timed() as watch:
        for day in workspace.days():
            batches = lake.scan(automation=automation.name, dataset="features", start=day, end=day + timedelta(days=1))
            scored = score_stream(batches, model=model, batch_size=automation.model.batch_size)
            rows += lake.write_partition(
                scored, automation=automation.name, dataset="scores", day=day, schema=SCORE_SCHEMA
            ).rows
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

"""The files that versions of every kind have: the card, the plot, the monitor's reference, and the manifest's common part.

What belongs here: what follows from `Assessed` alone. What does not: graphs and fitted state (each kind's own export), and
storing (`resources/registry.py`).

Equal fits give equal bytes, so there is no time stamp in any file: the registry knows when it took a version in.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from aios_core.automation import Automation
from aios_core.lifecycle.evaluation import EVALUATION_FILE, evaluation_bytes
from aios_core.monitoring.reference import REFERENCE_SKETCH_FILE
from aios_core.scoring.engine import OpenSession
from aios_core.scoring.golden import GOLDEN_FILE, PROBABILITIES
from aios_core.scoring.model import FORMAT, MANIFEST_FILE, ScoringModel
from aios_core.training.assess import Assessed
from aios_core.training.card import card, card_markdown
from aios_core.training.golden import golden_rows
from aios_core.training.plots import calibration_plot
from aios_core.training.reference import reference_parquet, reference_sketch

CARD_FILE, CARD_TEXT, PLOT_FILE, REFERENCE_FILE = "card.json", "card.md", "calibration.png", "reference.parquet"


def version_files(
    assessed: Assessed,
    *,
    automation: Automation,
    snapshot_id: str,
    own: Mapping[str, bytes],
    said: Mapping[str, Any],
    reads: Mapping[str, Any],
) -> dict[str, bytes]:
    """Relative path -> content of every file of a version; `manifest.json` has the checksums of the others.

    `own` are the kind's graphs and fitted state, `said` its part of the manifest (`inputs`, the feature columns, among them),
    `reads` what the card says that the model reads (its `summary` in words).
    """
    content = card(assessed, automation=automation, snapshot_id=snapshot_id, reads=reads)
    files = {
        **own,
        CARD_FILE: as_json(content),
        CARD_TEXT: card_markdown(content).encode(),
        PLOT_FILE: calibration_plot(assessed.reliability, assessed.operating_curve),
        REFERENCE_FILE: reference_parquet(assessed),
        REFERENCE_SKETCH_FILE: reference_sketch(assessed),
        EVALUATION_FILE: evaluation_bytes(assessed.evaluation),
    }
    files[MANIFEST_FILE] = as_json(
        {
            "format": FORMAT,
            "kind": automation.model.kind,
            "automation": automation.name,
            "accelerator": automation.model.accelerator,
            "classes": list(assessed.classes),
            "features": automation.features.model_dump(mode="json"),
            "temperature": assessed.temperature,
            "operating_curve": assessed.operating_curve,
            "metrics": assessed.metrics,
            "out_of_fold": assessed.out_of_fold,
            "training": {
                "snapshot_id": snapshot_id,
                "declaration": automation.version,
                "rows": assessed.rows,
                "rows_by_class": assessed.rows_by_class,
                "first_ticket": assessed.period[0].isoformat(),
                "last_ticket": assessed.period[1].isoformat(),
                "notes": list(assessed.notes),
            },
            **({"novelty": assessed.novelty.to_json()} if assessed.novelty else {}),
            **said,
            "checksums": {path: hashlib.sha256(content).hexdigest() for path, content in sorted(files.items())},
        }
    )
    return files


def with_golden(files: Mapping[str, bytes], features: pa.Table, open_session: OpenSession) -> dict[str, bytes]:
    """The version with golden rows like `features`, and the probabilities that its own graph gives for them."""
    import pyarrow.parquet as pq

    rows = golden_rows(features)
    scored = ScoringModel.from_files(files, open_session).score_batch(rows)
    buffer = io.BytesIO()
    pq.write_table(rows.append_column(PROBABILITIES, scored.column("probabilities")), buffer, compression="zstd")
    manifest = json.loads(files[MANIFEST_FILE])
    content = buffer.getvalue()
    manifest["checksums"] = manifest["checksums"] | {GOLDEN_FILE: hashlib.sha256(content).hexdigest()}
    return {**files, GOLDEN_FILE: content, MANIFEST_FILE: as_json(manifest)}


def as_json(content: Mapping[str, Any]) -> bytes:
    """JSON with sorted keys; NaN and infinity are errors."""
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False, default=_number).encode()


def _number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} can't be written as JSON")

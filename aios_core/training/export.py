"""A fit as the files of a version: ONNX, JSON, plain arrays, a card and a plot; nothing pickled.

What belongs here: the manifest and the list of files. What does not: storing them (`resources/registry.py`).

Equal fits give equal bytes, so there is no time stamp in any file: the registry knows when it took a version in.
"""

import hashlib
import json
from typing import Any

import numpy as np

from aios_core.automation import Automation
from aios_core.features.build import PREFIX
from aios_core.scoring.buckets import SMALLEST
from aios_core.scoring.model import FORMAT, MANIFEST_FILE, MODEL_FILE
from aios_core.training.card import card, card_markdown
from aios_core.training.fit import Fitted
from aios_core.training.graph import bag_graph, graph_interface
from aios_core.training.plots import calibration_plot
from aios_core.training.reference import reference_parquet

CARD_FILE, CARD_TEXT, PLOT_FILE, REFERENCE_FILE = "card.json", "card.md", "calibration.png", "reference.parquet"


def export(fitted: Fitted, *, automation: Automation, snapshot_id: str) -> dict[str, bytes]:
    """Relative path -> content of every file of the version; `manifest.json` has the checksums of the others."""
    content = card(fitted, automation=automation, snapshot_id=snapshot_id)
    linear = fitted.linear
    files = {
        MODEL_FILE: bag_graph(linear.coefficients, linear.intercepts, temperature=fitted.temperature),
        **fitted.vocabulary.to_files(),
        CARD_FILE: _json(content),
        CARD_TEXT: card_markdown(content).encode(),
        PLOT_FILE: calibration_plot(fitted.reliability, fitted.operating_curve),
        REFERENCE_FILE: reference_parquet(fitted),
    }
    files[MANIFEST_FILE] = _json(manifest(fitted, automation=automation, snapshot_id=snapshot_id, files=files))
    return files


def manifest(fitted: Fitted, *, automation: Automation, snapshot_id: str, files: dict[str, bytes]) -> dict[str, Any]:
    """What a reader needs to know of the version: see `aios_core/scoring/model.py` for the one that loads it."""
    vocabulary = fitted.vocabulary
    return {
        "format": FORMAT,
        "kind": fitted.model.kind,
        "automation": automation.name,
        "accelerator": fitted.model.accelerator,
        "classes": list(fitted.classes),
        "inputs": ["text", *(PREFIX + fact.name for fact in fitted.encoding.facts)],
        "features": fitted.features.model_dump(mode="json"),
        "customer": fitted.encoding.to_json(),
        "tokenizer": {
            "word_ngrams": list(vocabulary.word_ngrams),
            "char_ngrams": list(vocabulary.char_ngrams) if vocabulary.char_ngrams else None,
            "words": len(vocabulary.words),
            "chars": len(vocabulary.chars),
            "smallest_bucket": SMALLEST,
        },
        "onnx": graph_interface(len(fitted.classes)),
        "temperature": fitted.temperature,
        "operating_curve": fitted.operating_curve,
        "metrics": fitted.metrics,
        "out_of_fold": fitted.out_of_fold,
        "training": {
            "snapshot_id": snapshot_id,
            "declaration": automation.version,
            "rows": fitted.rows,
            "rows_by_class": fitted.rows_by_class,
            "first_ticket": fitted.period[0].isoformat(),
            "last_ticket": fitted.period[1].isoformat(),
            "notes": list(fitted.notes),
        },
        "checksums": {path: hashlib.sha256(content).hexdigest() for path, content in sorted(files.items())},
    }


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False, default=_number).encode()


def _number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} can't be written as JSON")

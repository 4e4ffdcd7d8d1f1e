"""A `linear_text` fit as the files of a version: ONNX, JSON, plain arrays, a card and a plot; nothing pickled.

What belongs here: this kind's graph, fitted state and part of the manifest. What does not: what every kind has (`files.py`)
and storing (`resources/registry.py`).
"""

import numpy as np
import numpy.typing as npt

from aios_core.automation import Automation
from aios_core.features.build import PREFIX
from aios_core.scoring.buckets import SMALLEST
from aios_core.scoring.model import MODEL_FILE
from aios_core.training.files import version_files
from aios_core.training.fit import Fitted
from aios_core.training.graph import bag_graph, graph_interface


def export(fitted: Fitted, *, automation: Automation, snapshot_id: str) -> dict[str, bytes]:
    """Relative path -> content of every file of the version."""
    linear, vocabulary, assessed = fitted.linear, fitted.vocabulary, fitted.assessed
    facts = [f"{fact.name} ({fact.kind})" for fact in fitted.encoding.facts]
    column = wording_column(fitted)
    graph = bag_graph(linear.coefficients, linear.intercepts, temperature=assessed.temperature, wording=column)
    measured = assessed.novelty.to_json() if assessed.novelty else {}
    return version_files(
        assessed,
        automation=automation.model_copy(update={"model": fitted.model, "features": fitted.features}),
        snapshot_id=snapshot_id,
        own={MODEL_FILE: graph, **vocabulary.to_files(), **fitted.novelty.to_files()},
        said={
            "inputs": ["text", *(PREFIX + fact.name for fact in fitted.encoding.facts)],
            "customer": fitted.encoding.to_json(),
            "tokenizer": {
                "word_ngrams": list(vocabulary.word_ngrams),
                "char_ngrams": list(vocabulary.char_ngrams) if vocabulary.char_ngrams else None,
                "words": len(vocabulary.words),
                "chars": len(vocabulary.chars),
                "smallest_bucket": SMALLEST,
            },
            "onnx": graph_interface(len(assessed.classes), wording=column.shape[1]),
            "novelty": {**measured, **fitted.novelty.to_json()},
        },
        reads={
            "summary": f"{len(vocabulary.words):,} word and {len(vocabulary.chars):,} character n-grams, {len(facts)} customer facts",
            "text": list(fitted.features.text),
            "words": len(vocabulary.words),
            "character_ngrams": len(vocabulary.chars),
            "customer": facts,
        },
    )


def wording_column(fitted: Fitted) -> npt.NDArray[np.float64]:
    """Ids x 1: what each id's weight is multiplied with for a row's surprise; customer facts are no words."""
    return np.concatenate([fitted.words.column(fitted.vocabulary), np.zeros(fitted.encoding.size)])[:, None]

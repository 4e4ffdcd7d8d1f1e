"""The model behind BentoML, with its adaptive batching.

What belongs here: the service and its settings, which come from the environment because BentoML reads them at import. What does
not: scoring (`text_model.py`).
"""

import gc
import os
from typing import Any

import bentoml
from text_model import TextModel

SETTINGS = {name: int(os.environ[f"PEER_{name.upper()}"]) for name in ("workers", "max_batch_size", "max_latency_ms")}


@bentoml.service(
    workers=SETTINGS["workers"],
    traffic={"timeout": 30},
    logging={"access": {"enabled": False}},
    metrics={"enabled": False},
)
class Text:
    """`texts` in, a label and probabilities for each out."""

    def __init__(self) -> None:
        self._model = TextModel.load(os.environ["PEER_MODEL"])
        gc.collect()
        gc.freeze()  # as in mlserver_model.py

    @bentoml.api(batchable=True, max_batch_size=SETTINGS["max_batch_size"], max_latency_ms=SETTINGS["max_latency_ms"])
    async def infer(self, texts: list[str]) -> list[dict[str, Any]]:
        found = self._model.probabilities(texts)
        classes = self._model.classes
        return [{"label": classes[row.argmax()], "probabilities": row.tolist()} for row in found]

"""What a version of the registry had learnt, and what it says of rows: how labels are asked about.

What belongs here: both questions. What does not: what follows from the answers (`doubts.py`, `changed_rules.py`).
"""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from resources.comparisons import snapshot_path
from resources.lake import Lake, LakeMissing
from resources.registry import Registry

CHUNK = 512
KEY = ("source", "ticket_id")

Key = tuple[str, str]


class Hearing:
    """The versions of one model."""

    def __init__(self, name: str, *, lake: Lake, registry: Registry, accelerator: str = "cpu") -> None:
        self._name, self._lake, self._registry, self._accelerator = name, lake, registry, accelerator

    def learnt(self, version: int) -> dict[Key, str] | None:
        """(source, ticket id) -> the label that a version learnt; None where its snapshot is gone."""
        from aios_core.training.snapshot import snapshot_from_bytes

        row = self._registry.get(self._name, version)
        try:
            table = snapshot_from_bytes(self._lake.get(snapshot_path(row.automation, row.snapshot_id)))
        except LakeMissing:
            return None
        source, ticket, label = (table.column(name).to_pylist() for name in (*KEY, "label"))
        return dict(zip(zip(source, ticket, strict=True), label, strict=True))

    def scores(self, version: int, features: pa.Table, *names: str) -> list[Sequence[Any]]:
        """These columns of what a version says of each row."""
        model = self._registry.load(name=self._name, version=version, accelerator=self._accelerator)
        found: list[list[Any]] = [[] for _ in names]
        for batch in features.combine_chunks().to_batches(max_chunksize=CHUNK):
            scored = model.score_batch(batch)
            for values, name in zip(found, names, strict=True):
                values.extend(scored.column(name).to_pylist())
        return list(found)

    def calibration_error(self, version: int) -> float:
        """As measured on held-back rows."""
        return float(self._registry.get(self._name, version).metrics.get("ece", 0.0))

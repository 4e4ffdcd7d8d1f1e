"""The bad version: trained on the champion's own snapshot with queues mixed up, as after a week of wrong labels.

What belongs here: spoiling labels, and the way through training, registry and gate. What does not: when it is planted
(`rollback.py`).

It passes parity, golden rows and the registry's proof, for it is a whole, working version: only wrong. The gate may well let it
pass, too: the rows that it is judged on carry the same wrong labels, as they would after such a week. Where the gate refuses it, it is
promoted by force, with who and why, as a person could do.
"""

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime

from aios_core.lifecycle.states import CHAMPION
from aios_core.scoring.model import read_manifest
from aios_core.training.parity import Parity
from aios_core.training.snapshot import snapshot_bytes, snapshot_from_bytes
from aios_core.training.trainers import Task, train
from resources.comparisons import snapshot_path
from resources.database import Database
from resources.declarations import Declared
from resources.gatekeeper import Gatekeeper
from resources.lake import Lake
from resources.ledger import Ledger
from resources.model_folders import read_folder
from resources.registry import Registry
from resources.runtime import open_session

ACTOR, REASON = "drill", "planted: its training labels were mixed up"


def mixed_up(labels: Sequence[str], *, seed: int) -> list[str]:
    """Half of the queues (at least two) change places in a circle: every ticket of theirs is labelled as another one's."""
    queues = sorted(set(labels))
    if len(queues) < 2:
        raise ValueError(f"{len(queues)} queue in the snapshot: there is nothing to mix up")
    chosen = random.Random(seed).sample(queues, max(2, len(queues) // 2))
    moved = dict(zip(chosen, [*chosen[1:], chosen[0]], strict=True))
    return [moved.get(label, label) for label in labels]


class Planter:
    """Makes bad versions and promotes them, on the platform's own registry."""

    def __init__(self, declared: Declared, *, database: Database, lake: Lake) -> None:
        self._declared, self._lake = declared, lake
        self._registry = Registry(database, lake=lake, ledger=Ledger(database))
        self._gatekeeper = Gatekeeper(declared, database=database, lake=lake, registry=self._registry)
        self._name = declared.automation.model_name
        self._agreements: dict[int, Parity] = {}

    @property
    def registry(self) -> Registry:
        return self._registry

    def make(self, *, beside: int, seed: int) -> int:
        """Register a bad version trained on the rows of version `beside`; returns its number."""
        import pyarrow as pa

        automation = self._declared.automation
        path = snapshot_path(automation.name, self._registry.get(self._name, beside).snapshot_id)
        good = snapshot_from_bytes(self._lake.get(path))
        features = good.drop_columns(["label"])
        labels = mixed_up(good.column("label").to_pylist(), seed=seed)
        content, snapshot_id = snapshot_bytes(features.append_column("label", pa.array(labels)))
        self._lake.put(snapshot_path(automation.name, snapshot_id), content)
        trained = train(
            Task(
                features=features,
                labels=labels,
                automation=automation,
                snapshot_id=snapshot_id,
                open_session=lambda onnx: open_session(onnx, accelerator="cpu"),
                read_folder=lambda named: read_folder(named, beside=self._declared.folder),
                progress=lambda said: None,
            )
        )
        manifest = read_manifest(trained.files)
        version = self._registry.register(
            name=self._name,
            automation=automation.name,
            kind=manifest["kind"],
            files=trained.files,
            snapshot_id=snapshot_id,
            classes=manifest["classes"],
            metrics=manifest["metrics"],
            card=json.loads(trained.files["card.json"]),
        )
        self._agreements[version] = trained.agreement
        return version

    def promote(self, version: int) -> tuple[str, ...]:
        """Make it champion; returns what the gate had against it, and was forced past."""
        moved = self._gatekeeper.move(
            version,
            alias=CHAMPION,
            actor=ACTOR,
            reason=REASON,
            now=datetime.now(UTC),
            force=True,
            agreement=self._agreements.get(version),
        )
        return moved.against

    def set_right(self, version: int) -> None:
        """Make this version champion where it is not: a drill that ended wrong must not be the next one's beginning."""
        if self._registry.current(name=self._name) != version:
            why = "the drill before this one did not end on it"
            self._registry.move(
                name=self._name, alias=CHAMPION, version=version, actor=ACTOR, reason=why, evidence={},
                now=datetime.now(UTC),
            )  # fmt: skip

"""Labels in doubt: which rows of a coming training set a rollback has contradicted.

What belongs here: the rollbacks whose doubt may still matter, what their last good versions had learnt, and what these say of the rest.
What does not: the rule (`aios_core/lifecycle/doubt.py`) and leaving rows out (`aios_assets/training.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from aios_core.automation import Automation
from aios_core.lifecycle.doubt import Doubt, Label, disproved, doubted
from aios_core.monitoring.evidence import Disagreement
from resources.database import Database
from resources.heard import Hearing
from resources.lake import Lake
from resources.monitoring import Incident, MonitorStore
from resources.registry import Registry

LOOKED_AT = 1_000  # incidents, the newest
GONE = "the last good version's training snapshot is gone, so nobody knows what it had learnt; its labels stay in"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubted:
    """What one incident puts in doubt of these rows, by place; `told` says on what grounds, `why_not` why nothing is left out."""

    incident_id: int
    places: tuple[int, ...]
    why_not: str = ""
    told: str = ""


class Doubts:
    """The doubts about labels of one automation."""

    def __init__(
        self, automation: Automation, *, database: Database, lake: Lake, registry: Registry, accelerator: str = "cpu"
    ) -> None:
        self._automation, self._monitor = automation, MonitorStore(database)
        self._hearing = Hearing(automation.model_name, lake=lake, registry=registry, accelerator=accelerator)

    def of(self, labelled: pa.Table, features: pa.Table, *, now: datetime) -> list[Doubted]:
        """What each rollback of the training window says of these rows.

        `labelled` are rows of `CanonicalStore.tickets_labelled`, `features` the same rows as a version reads them.
        """
        return [
            self._asked(incident, doubt, version, labelled, features)
            for incident, doubt, version in self._rollbacks(since=now - timedelta(days=self._window_days))
        ]

    @property
    def _window_days(self) -> int:
        """A label may be learnt for so long after a rollback that doubts it."""
        return self._automation.model.training.window_days + self._automation.monitoring.window_days

    def _rollbacks(self, *, since: datetime) -> Iterator[tuple[Incident, Doubt, int]]:
        """Each with its doubt and the version that proved right; those that prove nothing about labels are left out."""
        lasts = timedelta(days=self._automation.monitoring.window_days)
        for incident in self._monitor.incidents(automation=self._automation.name, limit=LOOKED_AT):
            if incident.remedy != "rollback" or incident.opened_at < since:
                continue
            good = (incident.evidence.get("last_good") or {}).get("version")
            pairs = disproved(Disagreement(**d) for d in incident.evidence.get("disagreements", ()))
            if pairs and good is not None:
                yield incident, Doubt(pairs=pairs, until=incident.opened_at + lasts), int(good)

    def _asked(self, incident: Incident, doubt: Doubt, version: int, labelled: pa.Table, features: pa.Table) -> Doubted:
        learnt = self._hearing.learnt(version)
        if learnt is None:
            return Doubted(incident_id=incident.incident_id, places=(), why_not=GONE)
        keys = zip(*(labelled.column(name).to_pylist() for name in ("source", "ticket_id", "label")), strict=True)
        places = [place for place, (source, ticket, label) in enumerate(keys) if learnt.get((source, ticket)) != label]
        rows = labelled.take(pa.array(places, pa.int64()))
        named = {label for label, _ in doubt.pairs}
        asked = [n for n, label in enumerate(rows.column("label").to_pylist()) if label in named]
        (queues,) = self._hearing.scores(
            version, features.take(pa.array([places[n] for n in asked], pa.int64())), "queue"
        )
        said = dict(zip(asked, queues, strict=True))
        labels = [_label(row, said.get(n)) for n, row in enumerate(_columns(rows))]
        found = [place for place, is_in_doubt in zip(places, doubted(labels, doubt), strict=True) if is_in_doubt]
        return Doubted(incident_id=incident.incident_id, places=tuple(found))


def _columns(rows: pa.Table) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rows.select(["label", "label_known_at", "label_origin"]).to_pylist()
    return found


def _label(row: dict[str, Any], said: str | None) -> Label:
    return Label(
        queue=row["label"], known_at=row["label_known_at"], reviewed=row["label_origin"] == "review", said=said
    )

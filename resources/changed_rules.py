"""Labels of before a changed rule: which rows of a coming training set a pause has outdated.

What belongs here: the pauses that may still matter, how the version that failed answers what was settled since, and which older rows are
of the kinds that changed. What does not: the rule (`aios_core/lifecycle/changed_rule.py`) and leaving rows out (`aios_assets/training.py`).

Like a doubt nothing of it is stored: incidents, registry, snapshots and outcomes tell it all.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from aios_core.automation import Automation
from aios_core.decisions.model import EVERY_QUEUE
from aios_core.lifecycle.changed_rule import QUEUE, Answer, ChangedKind, Kind, Known, changed_kinds, outdated
from resources.database import Database
from resources.doubts import GONE, LOOKED_AT, Doubted
from resources.heard import Hearing
from resources.lake import Lake
from resources.monitoring import Incident, MonitorStore
from resources.registry import Registry

MOST_VALUES = 20  # a column with more tells customers apart rather than kinds of them
MOST_ANSWERS = 10_000  # of a window: so many tell a changed rule well enough
NOT_KINDS = ("ticket_id", "ticket_version", "correlation_id", "text", "customer_id")
TOO_FEW = "only {left} labels would be left, {needed} are needed; older ones stay in for now"


class ChangedRules:
    """What the pauses of one automation say of labels."""

    def __init__(
        self, automation: Automation, *, database: Database, lake: Lake, registry: Registry, accelerator: str = "cpu"
    ) -> None:
        self._automation, self._monitor = automation, MonitorStore(database)
        self._hearing = Hearing(automation.model_name, lake=lake, registry=registry, accelerator=accelerator)

    def of(self, labelled: pa.Table, features: pa.Table, *, now: datetime) -> list[Doubted]:
        """What each pause of the training window has outdated of these rows, oldest first; for the rows see `Doubts.of`.

        A kind that an earlier pause has named keeps its day: what failed later had learnt the new rule badly, and the rule is the same.
        """
        found: list[Doubted] = []
        named: set[Kind] = set()
        pauses = list(self._pauses(since=now - timedelta(days=self._automation.model.training.window_days)))
        kinds = _kinds(features) if pauses else []
        for incident in pauses:
            answers = self._answers(incident, labelled, features, kinds)
            if answers is None:
                found.append(Doubted(incident_id=incident.incident_id, places=(), why_not=GONE))
                continue
            forgiven = self._hearing.calibration_error(_failed(incident))
            changed = changed_kinds(answers, limits=self._automation.monitoring, forgiven=forgiven)
            new = [kind for kind in changed if kind.kind not in named]
            named |= {kind.kind for kind in new}
            if new:
                found.append(self._outdated(incident, new, labelled, features, kinds))
        return found

    def _pauses(self, *, since: datetime) -> Iterator[Incident]:
        """Oldest first: pauses that outcomes led to. One that an estimate led to says nothing of labels, nor does a person's."""
        monitoring = self._automation.monitoring
        for incident in reversed(self._monitor.incidents(automation=self._automation.name, limit=LOOKED_AT)):
            if incident.remedy != "narrow" or incident.queue != EVERY_QUEUE or incident.opened_at < since:
                continue
            settled = (incident.evidence.get("champion") or {}).get("rows", 0)
            if settled >= monitoring.min_outcomes:
                yield incident

    def _answers(
        self, incident: Incident, labelled: pa.Table, features: pa.Table, kinds: Sequence[frozenset[Kind]]
    ) -> list[Answer] | None:
        """The failed version on the settled tickets around the pause that it had not learnt; None where nobody knows what it had."""
        window = timedelta(days=self._automation.monitoring.window_days)
        version = _failed(incident)
        learnt = self._hearing.learnt(version)
        if learnt is None:
            return None
        created = features.column("created_at").to_pylist()
        keys = zip(*(labelled.column(name).to_pylist() for name in ("source", "ticket_id")), strict=True)
        places = [
            place
            for place, (key, at) in enumerate(zip(keys, created, strict=True))
            if key not in learnt and -window <= at - incident.opened_at < window
        ]
        places = places[:: -(-len(places) // MOST_ANSWERS) or 1]
        labels = labelled.column("label").to_pylist()
        queues, sure = self._hearing.scores(version, features.take(pa.array(places, pa.int64())), "queue", "confidence")
        return [
            Answer(
                day=created[place].date(),
                right=queue == labels[place],
                promised=confidence,
                kinds=kinds[place] | {(QUEUE, queue)},
            )
            for place, queue, confidence in zip(places, queues, sure, strict=True)
        ]

    def _outdated(
        self,
        incident: Incident,
        changed: Sequence[ChangedKind],
        labelled: pa.Table,
        features: pa.Table,
        kinds: Sequence[frozenset[Kind]],
    ) -> Doubted:
        names = ("label", "label_known_at", "label_origin")
        created = features.column("created_at").to_pylist()
        rows = zip(created, kinds, *(labelled.column(name).to_pylist() for name in names), strict=True)
        labels = [
            Known(day=at.date(), settled=known_at.date(), reviewed=origin == "review", kinds=own | {(QUEUE, label)})
            for at, own, label, known_at, origin in rows
        ]
        places = tuple(place for place, is_old in enumerate(outdated(labels, changed)) if is_old)
        told = "; ".join(kind.told for kind in changed)
        needed, left = self._automation.model.training.min_rows, labelled.num_rows - len(places)
        if left < needed:
            why_not = TOO_FEW.format(left=left, needed=needed)
            return Doubted(incident_id=incident.incident_id, places=(), why_not=why_not, told=told)
        return Doubted(incident_id=incident.incident_id, places=places, told=told)


def _failed(incident: Incident) -> int:
    """The version that decided when everything was paused."""
    return int(incident.evidence["champion"]["version"])


def _kinds(features: pa.Table) -> list[frozenset[Kind]]:
    """The values of each row's categories, of which there are few."""
    found: list[set[Kind]] = [set() for _ in range(features.num_rows)]
    for name in features.column_names:
        column = features.column(name)
        if name in NOT_KINDS or not pa.types.is_string(column.type) or pc.count_distinct(column).as_py() > MOST_VALUES:
            continue
        for row, value in zip(found, column.to_pylist(), strict=True):
            if value is not None:
                row.add((name, value))
    return [frozenset(row) for row in found]

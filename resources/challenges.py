"""Champion and challenger heard on the same recent tickets.

What belongs here: drawing the tickets from the lake, and what each version says of them: as scored already where it was, anew where
not. What does not: who wins (`aios_core/lifecycle/challenge.py`).
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aios_core.lifecycle.challenge import Challenge, contender, sample
from aios_core.lifecycle.comparison import Comparison, compare
from aios_core.lifecycle.evaluation import KEY, Key, keys_of, rows_of
from aios_core.monitoring.estimate import Estimate, estimate, promise
from aios_core.monitoring.shift import corrected
from resources.comparisons import CHUNK, Comparer
from resources.corrections import KnownVersions
from resources.database import Database
from resources.decisions import DecisionStore
from resources.declarations import Declared
from resources.lake import Lake
from resources.registry import Registry
from resources.settled import SettledStore
from resources.stages import SHADOW_SCORES

ROWS = 2_000  # an agreement is then known to two points, in seconds
COLUMNS = [*KEY, "model_version", "probabilities", "queue"]
SAMPLED = "a random sample of recent tickets that neither version had learnt"


class Challenger:
    """The challenges of one automation's model."""

    def __init__(
        self, declared: Declared, *, database: Database, lake: Lake, registry: Registry, comparer: Comparer
    ) -> None:
        self._automation = declared.automation
        self._database, self._lake, self._registry, self._comparer = database, lake, registry, comparer
        self._known = KnownVersions(registry, name=declared.automation.model_name)

    def challenge(self, *, now: datetime, rows: int = ROWS) -> Challenge | None:
        """Both on a sample of the declared window's tickets that ends with the newest decided day; None without two versions or tickets."""
        standing = self._registry.standing(name=self._automation.model_name)
        found, champion = contender(standing), standing.get("champion")
        newest = DecisionStore(self._database).newest_day(self._automation.name)
        if found is None or champion is None or newest is None:
            return None
        alias, other = found
        days = [newest - timedelta(days=n) for n in range(self._automation.monitoring.window_days)][::-1]
        features = self._sampled(days, rows, seed=f"{newest}")
        if not features.num_rows:
            return None
        ours, theirs = self._said(champion, days, features), self._said(other, days, features)
        queues = ours.column("queue").to_pylist(), theirs.column("queue").to_pylist()
        return Challenge(
            champion=champion,
            challenger=other,
            alias=alias,
            rows=features.num_rows,
            agreed=sum(a == b for a, b in zip(*queues, strict=True)),
            estimated=(self._estimated(champion, ours), self._estimated(other, theirs)),
            compared=self._compared((champion, ours), (other, theirs), features, days, now),
        )

    def _sampled(self, days: Sequence[date], rows: int, *, seed: str) -> pa.Table:
        """The features of the sample. Only keys are read of the days first, and each day's features once."""
        keys_by_day = {day: self._keys(day) for day in days}
        chosen = set(sample([key for keys in keys_by_day.values() for key in keys], rows=rows, seed=seed))
        parts = []
        for day, keys in keys_by_day.items():
            own = [key for key in keys if key in chosen]
            if own:
                parts.append(rows_of(self._read("features", day), own))
        return pa.concat_tables(parts, promote_options="permissive") if parts else pa.table({})

    def _keys(self, day: date) -> list[Key]:
        if not self._lake.has_partition(automation=self._automation.name, dataset="features", day=day):
            return []
        table = self._lake.read_partition(
            automation=self._automation.name, dataset="features", day=day, columns=list(KEY)
        )
        return list(dict.fromkeys(keys_of(table)))

    def _read(self, dataset: str, day: date) -> pa.Table:
        return self._lake.read_partition(automation=self._automation.name, dataset=dataset, day=day)

    def _said(self, version: int, days: Sequence[date], features: pa.Table) -> pa.Table:
        """What a version says of these tickets, in their order; only those that no day has its scores of are scored now."""
        wanted = keys_of(features)
        parts = [
            t for day in days for dataset in ("scores", SHADOW_SCORES) if (t := self._scored(dataset, day, version))
        ]
        there = pa.concat_tables(parts, promote_options="permissive") if parts else None
        known = set() if there is None else set(keys_of(there))
        missing = [key for key in wanted if key not in known]
        if missing:
            fresh = self._score(version, rows_of(features, missing))
            there = fresh if there is None else pa.concat_tables([there, fresh], promote_options="permissive")
        assert there is not None  # no key was wanted, or all that were are scored by now
        return rows_of(there, wanted)

    def _scored(self, dataset: str, day: date, version: int) -> pa.Table | None:
        if not self._lake.has_partition(automation=self._automation.name, dataset=dataset, day=day):
            return None
        table = self._lake.read_partition(automation=self._automation.name, dataset=dataset, day=day, columns=COLUMNS)
        own = table.filter(pc.equal(table.column("model_version"), version))
        return own if own.num_rows else None

    def _score(self, version: int, features: pa.Table) -> pa.Table:
        model = self._comparer.load(version)
        batches = [model.score_batch(features.slice(start, CHUNK)) for start in range(0, features.num_rows, CHUNK)]
        return pa.Table.from_batches(batches).select(COLUMNS)

    def _estimated(self, version: int, scores: pa.Table) -> Estimate:
        of = self._known.get(version)
        probabilities = scores.column("probabilities").combine_chunks().flatten().to_numpy()
        rows = probabilities.reshape(-1, len(of.classes))
        told = promise(corrected(rows, of.correction), classes=len(of.classes), predicted=np.argmax(rows, axis=1))
        return estimate(told, calibration_error=of.calibration_error, overstated=of.overstated)

    def _compared(
        self,
        ours: tuple[int, pa.Table],
        theirs: tuple[int, pa.Table],
        features: pa.Table,
        days: Sequence[date],
        now: datetime,
    ) -> Comparison | None:
        """Who was right on the sampled tickets that are settled by now, less what either version was trained on."""
        turned_out = SettledStore(self._database).rows(
            automation=self._automation.name, first=days[0], last=days[-1], until=now + timedelta(days=1)
        )
        labels = dict(
            zip(zip(turned_out["source"], turned_out["ticket_id"], strict=True), turned_out["label"], strict=True)
        )
        learnt = self._comparer.learnt(ours[0]) | self._comparer.learnt(theirs[0])
        keys = [key for key in keys_of(features) if key[:2] in labels and key[:2] not in learnt]
        if not keys:
            return None
        own = rows_of(features, keys)
        answers = [
            (version, self._comparer.answers(version, own, rows_of(said, keys))) for version, said in (ours, theirs)
        ]
        return compare(
            [labels[key[:2]] for key in keys],
            old=answers[0],
            new=answers[1],
            automation=self._automation,
            tiers=self._comparer.tiers(own),
            rows_from=SAMPLED,
        )

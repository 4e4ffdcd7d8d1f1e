"""What is known of a version in shadow or canary: its tickets, what turned out, and how the champion does on the same ones.

What belongs here: the rows of `shadow_days`, and gathering `Progress` from them, the lake, decisions and outcomes. What does not:
what follows from it (`aios_core/lifecycle/advance.py`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from aios_core.lifecycle.advance import Progress
from aios_core.lifecycle.comparison import Comparison, compare
from aios_core.lifecycle.evaluation import keys_of, rows_of
from aios_core.lifecycle.gate import Guard
from aios_core.lifecycle.states import CHAMPION, NEXT, SHADOW
from aios_core.monitoring.evidence import Tally
from resources.aliases import AliasMove
from resources.database import Database, rows
from resources.declarations import Declared
from resources.gatekeeper import Gatekeeper
from resources.lake import Lake

SHADOW_SCORES = "shadow_scores"
MOST_SETTLED = 5_000
BESIDE = "settled tickets that both scored beside each other"
Ticket = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowDay:
    """One day's tickets under the shadow beside the champion's scores of them."""

    day: date
    model_version: int
    champion: int
    rows: int
    agreed: int
    reverdicted: int
    scored_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Tickets with an outcome: what each of the two versions says of them, aligned with `labels`."""

    labels: list[str]
    version: list[str | None]
    champion: list[str | None]

    @property
    def version_only(self) -> int:
        return sum(a == label != b for label, a, b in zip(self.labels, self.version, self.champion, strict=True))

    @property
    def champion_only(self) -> int:
        return sum(b == label != a for label, a, b in zip(self.labels, self.version, self.champion, strict=True))


class ShadowStore:
    """The measured days of every shadow."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, found: ShadowDay, *, automation: str, name: str) -> None:
        """Keep a day; measured again, the later one holds."""
        with self._database.connection() as conn:
            conn.execute(
                "insert into shadow_days (automation, day, model_name, model_version, champion, rows, agreed, reverdicted,"
                " scored_at) values (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
                " on conflict (automation, day, model_name, model_version, champion) do update set rows = excluded.rows,"
                " agreed = excluded.agreed, reverdicted = excluded.reverdicted, scored_at = excluded.scored_at",
                (automation, found.day, name, found.model_version, found.champion, found.rows, found.agreed,
                 found.reverdicted, found.scored_at),
            )  # fmt: skip

    def days(self, *, automation: str, name: str, version: int, champion: int) -> list[ShadowDay]:
        """Days on which these two scored beside each other, oldest first."""
        with self._database.connection() as conn:
            found = rows(
                conn,
                "select day, model_version, champion, rows, agreed, reverdicted, scored_at from shadow_days"
                " where automation = %s and model_name = %s and model_version = %s and champion = %s order by day",
                (automation, name, version, champion),
            )
        return [ShadowDay(**row) for row in found]

    def unscored_days(
        self, *, automation: str, name: str, version: int, champion: int, since: datetime
    ) -> list[tuple[date, int]]:
        """(day, decisions) of the days on which the champion decided something since then that the shadow has not scored."""
        with self._database.connection() as conn:
            return conn.execute(_UNSCORED, {"automation": automation, "name": name, "version": version,
                                            "champion": champion, "since": since}).fetchall()  # fmt: skip

    def canary_decisions(
        self, *, automation: str, name: str, version: int, since: datetime
    ) -> list[tuple[str, str, str, date, str, str | None]]:
        """(source, ticket, its version, day, verdict, queue) of what a version decided from then on, oldest first."""
        with self._database.connection() as conn:
            return conn.execute(
                "select source, ticket_id, ticket_version, day, verdict, queue from decisions where automation = %s"
                " and model_name = %s and model_version = %s and decided_at >= %s order by decided_at, decision_id",
                (automation, name, version, since),
            ).fetchall()

    def canary_tickets(self, *, automation: str, name: str, version: int, since: datetime) -> tuple[int, int]:
        """(decided by this version from then on, how many of them have an outcome by now): what a sensor can ask often."""
        with self._database.connection() as conn:
            row = conn.execute(
                "select count(*), count(o.known) from decisions d left join lateral (select 1 as known from outcomes o"
                " where o.automation = d.automation and o.source = d.source and o.ticket_id = d.ticket_id limit 1) o on true"
                " where d.automation = %s and d.model_name = %s and d.model_version = %s and d.decided_at >= %s",
                (automation, name, version, since),
            ).fetchone()
        return (int(row[0]), int(row[1])) if row else (0, 0)


class Stages:
    """The stages of one automation's model."""

    def __init__(self, declared: Declared, *, database: Database, lake: Lake, gatekeeper: Gatekeeper) -> None:
        self._automation = declared.automation
        self._database, self._lake, self._keeper = database, lake, gatekeeper
        self._store = ShadowStore(database)

    def progress(self, stage: str, *, standing: dict[str, int | None], history: Sequence[AliasMove]) -> Progress | None:
        """What is known of the version in `stage`, its gate asked again; None where there is none."""
        version, champion = standing.get(stage), standing.get(CHAMPION)
        if version is None or champion is None:
            return None
        since = began(history, stage=stage, version=version, champion=champion)
        tickets, settled, known = (self._shadow if stage == SHADOW else self._canary)(version, champion, since)
        following = standing.get(NEXT[stage])
        return Progress(
            stage=stage,
            version=version,
            champion=champion,
            since=since,
            tickets=tickets,
            settled=len(settled.labels),
            version_only=settled.version_only,
            champion_only=settled.champion_only,
            guards=self._guards(version, stage, history),
            next_taken_by=following if stage == SHADOW else None,
            **known,
        )

    def shadow_comparison(self, version: int, champion: int) -> Comparison | None:
        """The champion against the shadow on the tickets that both scored and that are settled by now; None without any."""
        days = self._shadow_days(version, champion)
        known = set[Ticket]().union(*(_tickets(self._scores(SHADOW_SCORES, d.day, version)) for d in days))
        labels, parts = self._labels(known, (version, champion)), list[tuple[pa.Table, pa.Table, pa.Table]]()
        for found in days:
            tables = (
                self._partition("features", found.day),
                self._scores("scores", found.day, champion),
                self._scores(SHADOW_SCORES, found.day, version),
            )
            shared = set.intersection(*(set(keys_of(table)) for table in tables))
            keys = [key for key in keys_of(tables[0]) if key in shared and key[:2] in labels]
            if keys:
                features, theirs, ours = (rows_of(table, keys) for table in tables)
                parts.append((features, theirs, ours))
        if not parts:
            return None
        features, theirs, ours = (pa.concat_tables(tables) for tables in zip(*parts, strict=True))
        comparer = self._keeper.comparer
        return compare(
            [labels[ticket] for ticket in _tickets(features)],
            old=(champion, comparer.answers(champion, features, theirs)),
            new=(version, comparer.answers(version, features, ours)),
            automation=self._automation,
            tiers=comparer.tiers(features),
            rows_from=BESIDE,
        )

    def _guards(self, version: int, stage: str, history: Sequence[AliasMove]) -> tuple[Guard, ...]:
        """The gate of now, less what a person has forced this version past: that was their decision."""
        forced = forced_past(history, stage=stage, version=version)
        return tuple(g for g in self._keeper.gate(version).guards if g.name not in forced)

    def _shadow(self, version: int, champion: int, _: datetime) -> tuple[int, Settled, dict[str, Any]]:
        days = self._shadow_days(version, champion)
        ours, theirs = dict[Ticket, str](), dict[Ticket, str]()
        for found in days:
            ours |= _queues(self._scores(SHADOW_SCORES, found.day, version))
            theirs |= _queues(self._scores("scores", found.day, champion))
        labels = self._labels(ours.keys() & theirs.keys(), (version, champion))
        settled = Settled(
            labels=list(labels.values()), version=[ours[t] for t in labels], champion=[theirs[t] for t in labels]
        )
        return sum(d.rows for d in days), settled, {"reverdicted": sum(d.reverdicted for d in days)}

    def _canary(self, version: int, champion: int, since: datetime) -> tuple[int, Settled, dict[str, Any]]:
        decided = self._store.canary_decisions(
            automation=self._automation.name, name=self._automation.model_name, version=version, since=since
        )
        newest = {(source, ticket): (day, of, verdict, queue) for source, ticket, of, day, verdict, queue in decided}
        labels = self._labels(newest.keys(), (version, champion))
        features = self._features({(*t, newest[t][1]): newest[t][0] for t in labels})
        known = [] if features is None else list(_tickets(features))
        theirs = [] if features is None else self._keeper.comparer.predict(champion, features)
        automated = [newest[t][3] == labels[t] for t in labels if newest[t][2] == "automate"]
        settled = Settled(labels=[labels[t] for t in known], version=[newest[t][3] for t in known], champion=theirs)
        return len(newest), settled, {"automated": Tally(rows=len(automated), correct=sum(automated))}

    def _shadow_days(self, version: int, champion: int) -> list[ShadowDay]:
        """The days that both scored and that the lake has still."""
        days = self._store.days(
            automation=self._automation.name, name=self._automation.model_name, version=version, champion=champion
        )
        datasets = ("features", "scores", SHADOW_SCORES)
        return [
            found
            for found in days
            if all(
                self._lake.has_partition(automation=self._automation.name, dataset=d, day=found.day) for d in datasets
            )
        ]

    def _partition(self, dataset: str, day: date) -> pa.Table:
        return self._lake.read_partition(automation=self._automation.name, dataset=dataset, day=day)

    def _scores(self, dataset: str, day: date, version: int) -> pa.Table:
        table = self._partition(dataset, day)
        return table.filter(pc.equal(table.column("model_version"), version))

    def _labels(self, wanted: Collection[Ticket], versions: tuple[int, int]) -> dict[Ticket, str]:
        """What turned out of these tickets, as known by now, less what either version was trained on; the newest so many."""
        learnt = self._keeper.comparer.learnt(versions[0]) | self._keeper.comparer.learnt(versions[1])
        asked = [ticket for ticket in wanted if ticket not in learnt]
        names = {"sources": [source for source, _ in asked], "tickets": [ticket for _, ticket in asked]}
        with self._database.connection() as conn:
            found = conn.execute(
                _OUTCOMES, names | {"automation": self._automation.name, "most": MOST_SETTLED}
            ).fetchall()
        return {(source, ticket): queue for source, ticket, queue in found}

    def _features(self, days: dict[tuple[str, str, str], date]) -> pa.Table | None:
        """The features that these ticket versions were decided on, as far as they are in the lake."""
        parts = []
        for day in sorted(set(days.values())):
            if not self._lake.has_partition(automation=self._automation.name, dataset="features", day=day):
                continue
            table = self._lake.read_partition(automation=self._automation.name, dataset="features", day=day)
            keys = zip(*(table.column(c).to_pylist() for c in ("source", "ticket_id", "ticket_version")), strict=True)
            parts.append(table.filter(pa.array([days.get(key) == day for key in keys], pa.bool_())))
        joined = pa.concat_tables(parts) if parts else None
        return joined if joined is not None and joined.num_rows else None


def began(history: Sequence[AliasMove], *, stage: str, version: int, champion: int) -> datetime:
    """When the two first stood beside each other in this stage: the later of both last moves. `history` is newest first."""
    own = next(m.moved_at for m in history if m.alias == stage and m.version == version)
    other = next(m.moved_at for m in history if m.alias == CHAMPION and m.version == champion)
    return max(own, other)


def forced_past(history: Sequence[AliasMove], *, stage: str, version: int) -> frozenset[str]:
    """Guards that a person has forced this version past on its way into the stage."""
    move = next((m for m in history if m.alias == stage and m.version == version), None)
    return frozenset(move.evidence.get("forced", ())) if move else frozenset()


def _queues(scores: pa.Table) -> dict[Ticket, str]:
    return dict(zip(_tickets(scores), scores.column("queue").to_pylist(), strict=True))


def _tickets(table: pa.Table) -> list[Ticket]:
    return list(zip(table.column("source").to_pylist(), table.column("ticket_id").to_pylist(), strict=True))


# which outcome of a ticket counts: as in `canonical_reads.SETTLED`
_OUTCOMES = """
select source, ticket_id, queue from (
    select distinct on (source, ticket_id) source, ticket_id, queue, known_at from outcomes
    join unnest(%(sources)s::text[], %(tickets)s::text[]) as asked (source, ticket_id) using (source, ticket_id)
    where automation = %(automation)s
    order by source, ticket_id, (origin = 'review') desc, known_at desc, event_time desc
) settled order by known_at desc, source, ticket_id limit %(most)s
"""

_UNSCORED = """
select d.day, count(*) from decisions d
where d.automation = %(automation)s and d.model_name = %(name)s and d.model_version = %(champion)s
  and d.decided_at >= %(since)s
group by d.day
having max(d.decided_at) > coalesce((select s.scored_at from shadow_days s where s.automation = %(automation)s
    and s.day = d.day and s.model_name = %(name)s and s.model_version = %(version)s and s.champion = %(champion)s), '-infinity')
order by d.day
"""

"""The outbox: writes to external systems, entered in the transaction of what they follow from, sent exactly once in effect.

What belongs here: entering, delivering and reviving rows. What does not: which writes there are
(`aios_core/decisions/actions.py`), what follows from an attempt (`aios_core/decisions/delivery.py`), vendors
(`resources/connectors/`).

Rows stay locked while they are sent: nobody else takes them, and a process that dies leaves them pending at once, without a
lease to wait for. What was sent but not marked is sent again with the same idempotency key, which the connector promises has
no second effect.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from psycopg import Connection
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from aios_core.automation import Automation
from aios_core.decisions.actions import OutboxAction
from aios_core.decisions.conflicts import Seen
from aios_core.decisions.delivery import Settlement, settle
from aios_core.decisions.model import UNKNOWN_QUEUE
from aios_core.errors import PermanentError, RetryableError
from aios_core.synthetic import is_synthetic
from resources.connectors.base import Connector, WriteResult
from resources.database import Database
from resources.database import rows as read_rows
from resources.ledger import append

NEWER_DECISION = "a newer decision on this ticket"
REPLAY = "replay"  # the kind of ledger entry that says who revived what


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What became of the actions that were due. Conflicts went to people."""

    sent: int = 0
    retried: int = 0
    dead: int = 0
    conflicts: int = 0

    def plus(self, other: "Delivered") -> "Delivered":
        """Both together."""
        return Delivered(
            sent=self.sent + other.sent,
            retried=self.retried + other.retried,
            dead=self.dead + other.dead,
            conflicts=self.conflicts + other.conflicts,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Revived:
    """What became of dead letters that somebody wants sent. The outdated stay back: a newer decision on their ticket stands."""

    again: int = 0
    outdated: int = 0


class DeliveryStopped(RetryableError):
    """The target could not be reached at all; what was due stays pending and comes back after a pause."""

    code = "outbox.stopped"


def take_turns(conn: Connection[Any], automation: str) -> None:
    """Until the transaction ends, nobody else records decisions of this automation or opens cases on them.

    So counts are exact, rows are locked in one order, and neither misses what the other has not committed yet. That nothing
    is there twice rests on the unique keys.
    """
    conn.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"aios.decisions.{automation}",))


def enqueue(conn: Connection[Any], automation: Automation, actions: Sequence[OutboxAction], *, now: datetime) -> int:
    """Enter actions in the caller's transaction; those whose key is known are left out. Returns how many were new.

    A declaration with `dry_run` enters them as such: they are there to be looked at and never leave.
    """
    if not actions:
        return 0
    with conn.cursor() as cursor:
        columns = ", ".join(_ENTERED)
        cursor.execute("drop table if exists pg_temp.new_actions")
        cursor.execute(f"create temp table new_actions on commit drop as select {columns} from outbox with no data")
        with cursor.copy(f"copy new_actions ({columns}) from stdin") as copy:
            copy.set_types(_TYPES)
            state = "dry_run" if automation.actions.dry_run else "pending"
            for a in actions:
                copy.write_row((automation.name, a.decision_id, a.case_id, a.target, a.kind, a.external_id,
                                Jsonb(a.payload, dumps=orjson.dumps), a.idempotency_key, state, now, now))  # fmt: skip
        cursor.execute(
            f"insert into outbox ({columns}) select {columns} from new_actions order by idempotency_key"
            " on conflict (idempotency_key) do nothing"
        )
        return cursor.rowcount


class Outbox:
    """Actions waiting for, and after, delivery."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def deliver(
        self,
        *,
        automation: Automation,
        target: str,
        connector: Connector,
        now: datetime,
        batch_size: int | None = None,
        max_attempts: int | None = None,
        console: str | None = None,
    ) -> Delivered:
        """Send everything that is due, a batch a transaction; the sizes default to the declaration's. `console` is our own address, for
        links to decisions.

        An action that fails is settled by itself and stops no other. Where the connector itself fails, the batch gets a
        pause and DeliveryStopped is raised (worth a retry), or its PermanentError goes on (wrong credentials are nobody's
        failed action): either way nothing is lost, and earlier batches stay sent.
        """
        size = batch_size or automation.actions.batch_size
        attempts = max_attempts or automation.actions.max_attempts
        total = Delivered()
        self._drop_outdated(automation, target)
        while True:
            batch, stopped = self._deliver_batch(
                automation, target, connector, size, attempts, now, console if automation.actions.link else None
            )
            if stopped is not None:
                raise DeliveryStopped(f"{automation.name}: {target}: {stopped}; what is due stays pending") from stopped
            if batch is None:
                return total
            total = total.plus(batch)

    def counts(self, automation: str) -> dict[str, int]:
        """How many actions there are by state."""
        with self._database.connection() as conn:
            rows = conn.execute(
                "select state, count(*) from outbox where automation = %s group by state order by state", (automation,)
            ).fetchall()
        return dict(rows)

    def dead(self, automation: str, *, limit: int = 100) -> list[DictRow]:
        """Dead letters, newest first, with the error that ended each."""
        with self._database.connection() as conn:
            return read_rows(
                conn,
                "select action_id, target, kind, external_id, payload, attempts, last_error, decision_id, case_id"
                " from outbox where automation = %s and state = 'dead' order by action_id desc limit %s",
                (automation, limit),
            )

    def dead_ids(self, automation: str) -> list[int]:
        """Every dead letter's id."""
        with self._database.connection() as conn:
            found = conn.execute(
                "select action_id from outbox where automation = %s and state = 'dead' order by action_id",
                (automation,),
            ).fetchall()
        return [action_id for (action_id,) in found]

    def revive(self, automation: str, action_ids: Sequence[int], *, actor: str, now: datetime) -> Revived:
        """Dead letters become pending again, with all their attempts; the ledger keeps by whom.

        Those of an older decision than the one that stands are withdrawn: sent now, they would go over the newer one.
        """
        with self._database.connection() as conn:
            take_turns(conn, automation)
            asked = {"automation": automation, "ids": list(action_ids), "now": now, "newer": NEWER_DECISION}
            revived = [(i, state) for i, state in conn.execute(_REVIVE, asked).fetchall()]
            if revived:
                items = [orjson.dumps({"action_id": i, "state": state, "actor": actor}) for i, state in sorted(revived)]
                append(conn, automation=automation, kind=REPLAY, subject=actor, items=items, now=now)
        again = sum(state == "pending" for _, state in revived)
        return Revived(again=again, outdated=len(revived) - again)

    def _drop_outdated(self, automation: Automation, target: str) -> None:
        """What was being sent, in vain, while a newer decision was recorded: recording does not wait for a vendor."""
        with self._database.connection() as conn:
            # just after a large scoring the planner knows the table as it was before: 17,000 new rows then cost 0.5 s a batch
            # and 73 s at worst, in a nested loop over all of them; these statistics take 0.1 s
            conn.execute("analyze outbox")
            conn.execute(_OUTDATED, (NEWER_DECISION, automation.name, target))

    def _deliver_batch(
        self,
        automation: Automation,
        target: str,
        connector: Connector,
        size: int,
        max_attempts: int,
        now: datetime,
        console: str | None,
    ) -> tuple[Delivered | None, RetryableError | None]:
        source = automation.sources.get(target)
        most, within = (None if source is None else source.actions_a_ticket) or (None, 0.0)
        asked = {"automation": automation.name, "target": target, "now": now, "size": size}
        with self._database.connection() as conn:
            due = read_rows(conn, _DUE, asked | {"most": most, "within": within})
            if not due:
                return None, None
            seen = _seen(conn, automation.name, due)
            stopped = None
            refused = _uncitable(conn, automation.name, due, now)
            sent = [row for row in due if row["external_id"] not in refused]
            try:
                results = refused | (
                    _by_ticket(connector.write([_action(row, seen, console) for row in sent]), sent) if sent else {}
                )
            except RetryableError as error:
                stopped = error
                results = refused | {r["external_id"]: _result(r, "retry", str(error)) for r in sent}
            settled = [(row, _settle(row, results, max_attempts, now)) for row in due]
            self._mark(conn, automation, settled, now)
        return _counted([s for _, s in settled]), stopped

    def _mark(
        self,
        conn: Connection[Any],
        automation: Automation,
        settled: Sequence[tuple[DictRow, Settlement]],
        now: datetime,
    ) -> None:
        with conn.cursor() as cursor:
            cursor.executemany(
                "update outbox set state = %s, attempts = %s, next_attempt_at = %s, last_error = %s, sent_at = %s"
                " where action_id = %s",
                [
                    (
                        s.state,
                        s.attempts,
                        s.next_attempt_at,
                        s.error,
                        now if s.state == "sent" else None,
                        r["action_id"],
                    )
                    for r, s in settled
                ],
            )
        _to_review(
            conn, automation, [row["decision_id"] for row, s in settled if s.to_review and row["case_id"] is None], now
        )
        final = [_item(row, s) for row, s in settled if s.state != "pending"]
        if final:
            subject = f"{settled[0][0]['target']}:{settled[0][0]['action_id']}"
            append(conn, automation=automation.name, kind="actions", subject=subject, items=final, now=now)


_ENTERED = ("automation", "decision_id", "case_id", "target", "kind", "external_id", "payload", "idempotency_key",
            "state", "next_attempt_at", "created_at")  # fmt: skip
_TYPES = ["text", "text", "text", "text", "text", "text", "jsonb", "text", "text", "timestamptz", "timestamptz"]

# one action a ticket at a time, the oldest first: a ticket's actions arrive in the order they were decided
_DUE = """
select o.* from outbox o
where o.automation = %(automation)s and o.target = %(target)s and o.state = 'pending' and o.next_attempt_at <= %(now)s
  and not exists (select 1 from outbox e where e.automation = o.automation and e.target = o.target
                  and e.external_id = o.external_id and e.state = 'pending' and e.action_id < o.action_id)
  -- as often as the vendor lets one ticket be changed
  and (%(most)s::int is null
       or (select count(*) from outbox s where s.automation = o.automation and s.target = o.target and s.external_id = o.external_id
           and s.sent_at > %(now)s - make_interval(secs => %(within)s)) < %(most)s)
order by o.action_id limit %(size)s for update of o skip locked
"""

# a newer decision `n` on the ticket of the decision `d`
NEWER = """
exists (select 1 from decisions n where n.automation = d.automation and n.source = d.source and n.ticket_id = d.ticket_id
        and n.decided_at > d.decided_at
        and coalesce(n.known_at, n.decided_at) >= coalesce(d.known_at, d.decided_at))
"""

# the ticket as it was decided on, and what sent actions have made of it since
_SEEN = """
select o.action_id, t.content_hash, t.queue, t.priority,
  array(select distinct s.payload ->> 'queue' from outbox s where s.automation = o.automation and s.target = o.target
        and s.external_id = o.external_id and s.sent_at is not null and s.kind = 'assign' and s.payload ->> 'queue' is not null) as ours,
  array(select distinct s.payload ->> 'priority' from outbox s where s.automation = o.automation and s.target = o.target
        and s.external_id = o.external_id and s.sent_at is not null and s.payload ->> 'priority' is not null) as our_priorities
from outbox o join decisions d on d.decision_id = o.decision_id
join tickets t on t.automation = d.automation and t.source = d.source and t.ticket_id = d.ticket_id and t.version = d.ticket_version
where o.action_id = any(%s)
"""

_UNCITABLE = """
select c.action_id, min(c.source || '/' || c.article_id) as article
from unnest(%(ids)s::bigint[], %(source)s::text[], %(article_id)s::text[], %(version)s::text[]) c (action_id, source, article_id, version)
left join lateral (select version, published, valid_from, valid_until from knowledge_articles a where a.automation = %(automation)s
  and a.source = c.source and a.article_id = c.article_id order by change_id desc limit 1) n on true
where n.version is distinct from c.version or not n.published or n.valid_from > %(now)s or n.valid_until <= %(now)s
group by c.action_id
"""

_OUTDATED = f"""
update outbox o set state = 'superseded', last_error = %s from decisions d
where o.automation = %s and o.target = %s and o.state = 'pending' and o.attempts > 0 and o.case_id is null
  and d.decision_id = o.decision_id and {NEWER}
"""

_REVIVE = f"""
with wanted as (
  select o.action_id, o.case_id is null and o.decision_id is not null
    and exists (select 1 from decisions d where d.decision_id = o.decision_id and {NEWER}) as outdated
  from outbox o where o.automation = %(automation)s and o.action_id = any(%(ids)s) and o.state = 'dead' for update of o
)
update outbox o set state = case when w.outdated then 'superseded' else 'pending' end,
  last_error = case when w.outdated then %(newer)s else o.last_error end, attempts = 0, next_attempt_at = %(now)s
from wanted w where w.action_id = o.action_id returning o.action_id, o.state
"""

# where a newer decision stands, the ticket is in good hands already
_CASES = f"""
insert into review_cases (case_id, automation, decision_id, source, ticket_id, correlation_id, queue, created_at)
select d.decision_id, d.automation, d.decision_id, d.source, d.ticket_id, d.correlation_id, coalesce(d.queue, %s), %s
from decisions d where d.decision_id = any(%s) and not {NEWER} order by d.decision_id
on conflict (case_id) do nothing
"""


def _uncitable(conn: Connection[Any], automation: str, due: Sequence[DictRow], now: datetime) -> dict[str, WriteResult]:
    """Replies that cite what may not be cited at this moment: they are not sent, and a person looks."""
    citing = [row for row in due if row["kind"] in ("draft", "reply") and row["payload"].get("citations")]
    if not citing:
        return {}
    cited = [(row["action_id"], one) for row in citing for one in row["payload"]["citations"]]
    names = ("source", "article_id", "version")
    wanted = {"automation": automation, "now": now, "ids": [i for i, _ in cited]}
    found = read_rows(conn, _UNCITABLE, wanted | {name: [one[name] for _, one in cited] for name in names})
    gone = {row["action_id"]: row["article"] for row in found}
    return {
        row["external_id"]: _result(
            row, "conflict", f"the article {gone[row['action_id']]}, which the reply cites, was changed or withdrawn"
        )
        for row in citing
        if row["action_id"] in gone
    }


def _to_review(conn: Connection[Any], automation: Automation, decisions: Sequence[str | None], now: datetime) -> None:
    wanted = [d for d in decisions if d is not None]
    if wanted and not is_synthetic(automation.name):
        take_turns(conn, automation.name)
        conn.execute(_CASES, (UNKNOWN_QUEUE, now, wanted))


def _seen(conn: Connection[Any], automation: str, due: Sequence[DictRow]) -> dict[int, Seen]:
    """By action, the ticket as it was decided on; nothing where it is not known any more. A marked ticket is nobody's to change."""
    if is_synthetic(automation):
        return {}
    found = read_rows(conn, _SEEN, ([row["action_id"] for row in due],))
    return {
        row["action_id"]: Seen(
            content_hash=row["content_hash"],
            queue=row["queue"],
            priority=row["priority"],
            ours=frozenset(row["ours"]),
            our_priorities=frozenset(row["our_priorities"]),
        )
        for row in found
    }


def _action(row: DictRow, seen: Mapping[int, Seen], console: str | None) -> OutboxAction:
    payload = row["payload"]
    if console is not None and row["decision_id"] is not None:
        payload = payload | {"link": f"{console}/decisions/{row['decision_id']}"}
    return OutboxAction(
        target=row["target"],
        kind=row["kind"],
        external_id=row["external_id"],
        payload=payload,
        idempotency_key=row["idempotency_key"],
        decision_id=row["decision_id"],
        case_id=row["case_id"],
        seen=seen.get(row["action_id"]),
    )


def _by_ticket(results: Sequence[WriteResult], due: Sequence[DictRow]) -> dict[str, WriteResult]:
    """Each ticket comes once in a batch, so its id tells which action a result is of."""
    known = {row["external_id"] for row in due}
    strange = sorted({r.external_id for r in results} - known)
    if strange:
        raise PermanentError(
            f"the connector answered for {strange[:3]}, which it was not asked to write; nothing was marked"
        )
    return {r.external_id: r for r in results}


def _settle(row: DictRow, results: dict[str, WriteResult], max_attempts: int, now: datetime) -> Settlement:
    result = results.get(row["external_id"]) or _result(row, "retry", "the connector did not say what became of it")
    return settle(
        result.status,
        result.message or result.status,
        attempts=row["attempts"],
        max_attempts=max_attempts,
        idempotency_key=row["idempotency_key"],
        now=now,
    )


def _result(row: DictRow, status: Any, message: str) -> WriteResult:
    return WriteResult(external_id=row["external_id"], status=status, message=message)


def _counted(settled: Sequence[Settlement]) -> Delivered:
    return Delivered(
        sent=sum(s.state == "sent" for s in settled),
        retried=sum(s.state == "pending" for s in settled),
        dead=sum(s.state == "dead" for s in settled),
        conflicts=sum(s.state == "superseded" for s in settled),
    )


def _item(row: DictRow, settled: Settlement) -> bytes:
    """What the ledger stands for: one action that came to its end."""
    said = {
        name: row[name] for name in ("action_id", "decision_id", "kind", "external_id", "idempotency_key", "payload")
    }
    return orjson.dumps(said | {"state": settled.state, "error": settled.error}, option=orjson.OPT_SORT_KEYS)

"""Aliases of model versions: append-only rows, the newest of which holds.

What belongs here: reading and appending those rows inside the caller's transaction, with the ledger's entry and the notice to
whoever listens. What does not: which moves there are (`aios_core/lifecycle/states.py`), and versions and their files
(`registry.py`).

Every row is announced on the channel `aios_alias` as `{"name", "alias", "version"}` (version null: the alias points to nothing
now). The notice is sent by the transaction that writes the row, so nobody hears of a move that did not happen.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from psycopg import Connection
from psycopg.types.json import Json

from aios_core.lifecycle.states import Move
from resources.database import rows

CHANNEL = "aios_alias"


class AppendsToLedger(Protocol):
    """What alias moves need of the ledger."""

    def append(
        self, connection: Connection, /, *, automation: str, kind: str, subject: str, items: Sequence[bytes]
    ) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasMove:
    """One move of an alias, as it stays for ever. `version` is None where it was withdrawn."""

    move_id: int
    alias: str
    version: int | None
    previous_version: int | None
    actor: str
    reason: str
    evidence: Mapping[str, Any]
    moved_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Who moves, why, on what evidence, and when."""

    actor: str
    reason: str
    evidence: Mapping[str, Any]
    now: datetime


def lock(connection: Connection, name: str) -> None:
    """One mover a model, until the transaction ends."""
    connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"aios.registry.alias.{name}",))


def current(connection: Connection, name: str, alias: str) -> int | None:
    """The version an alias points to."""
    row = connection.execute(
        "select version from alias_moves where name = %s and alias = %s order by move_id desc limit 1", (name, alias)
    ).fetchone()
    return row[0] if row else None


def standing(connection: Connection, name: str, *, at: datetime | None = None) -> dict[str, int | None]:
    """Where every alias that was ever moved points now, or pointed at a time."""
    found = connection.execute(
        "select distinct on (alias) alias, version from alias_moves where name = %(name)s"
        " and (%(at)s::timestamptz is null or moved_at <= %(at)s) order by alias, move_id desc",
        {"name": name, "at": at},
    ).fetchall()
    return dict(found)


def history(connection: Connection, name: str) -> list[AliasMove]:
    """Every move of every alias, newest first."""
    found = rows(
        connection,
        "select move_id, alias, version, previous_version, actor, reason, evidence, moved_at from alias_moves"
        " where name = %s order by move_id desc",
        (name,),
    )
    return [AliasMove(**row) for row in found]


def append(
    connection: Connection,
    name: str,
    moves: Sequence[Move],
    why: Why,
    *,
    automation: str,
    ledger: AppendsToLedger | None,
) -> None:
    """Append rows, each with its ledger entry and its notice. A move's own reason goes before the caller's."""
    for move in moves:
        reason = move.why or why.reason
        connection.execute(
            "insert into alias_moves (name, alias, version, previous_version, actor, reason, evidence, moved_at)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s)",
            (name, move.alias, move.version, move.previous, why.actor, reason, Json(dict(why.evidence)), why.now),
        )
        notice = {"name": name, "alias": move.alias, "version": move.version}
        connection.execute("select pg_notify(%s, %s)", (CHANNEL, json.dumps(notice)))
        if ledger is not None:
            kept = {**notice, "previous_version": move.previous, "actor": why.actor, "reason": reason,
                    "evidence": dict(why.evidence), "moved_at": why.now.isoformat()}  # fmt: skip
            item = json.dumps(kept, sort_keys=True, separators=(",", ":")).encode()
            ledger.append(connection, automation=automation, kind="alias", subject=f"{name}@{move.alias}", items=[item])

"""What every model's aliases point to, and being told when one moves.

What belongs here: one read of all of it, and the wait for the next move. What does not: moving an alias (`aliases.py`) and what
is done about a move (`gateway/inference/hall.py`).

Whoever moves an alias says so on a channel, in the transaction of the move. A notice is only a reason to look: what holds is read
from the table, and once in a while without any notice, since one can be lost with its connection.
"""

import select
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import psycopg

from resources.aliases import CHANNEL
from resources.database import SCHEMA, DatabaseUnavailable

CONNECT_SECONDS = 5
RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAliases:
    """One model as it stands: its versions in ascending order, and alias -> version for those that point to one."""

    name: str
    automation: str
    versions: tuple[int, ...]
    aliases: Mapping[str, int]


# In one statement: each wait for the database makes the event loop's thread wait for the interpreter afterwards, which on a
# busy machine takes tens of milliseconds.
_CURRENT = """
select v.name, v.automation, v.versions, coalesce(a.aliases, '{}')
from (select name, max(automation) as automation, array_agg(version order by version) as versions
      from model_versions group by name) v
left join (select name, json_object_agg(alias, version) as aliases
           from (select distinct on (name, alias) name, alias, version from alias_moves
                 order by name, alias, move_id desc) newest
           where version is not null  -- else it was withdrawn
           group by name) a on a.name = v.name
"""


def current_aliases(connection: psycopg.Connection) -> dict[str, ModelAliases]:
    """Every model by its name."""
    return {
        name: ModelAliases(name=name, automation=automation, versions=tuple(numbers), aliases=aliases)
        for name, automation, numbers, aliases in connection.execute(_CURRENT).fetchall()
    }


class AliasWatch:
    """A connection that listens, and reads. For one thread, but for `wake`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection | None = None
        self._awake, self._wake = socket.socketpair()
        self._awake.setblocking(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._drop()
        self._awake.close()
        self._wake.close()

    def wake(self) -> None:
        """End a wait, from another thread."""
        self._wake.send(b"!")

    def wait(self, seconds: float) -> bool:
        """Until an alias moves, at most so long: True where one did, or may have while there was no connection."""
        try:
            if self._connection is None:
                self._connection = self._listening()
                return True
            return self._heard(self._connection, seconds)
        except psycopg.Error:
            self._drop()
            self._rest(min(seconds, RETRY_SECONDS))  # a database that is gone is asked again soon, but not at once
            return False

    def current(self) -> dict[str, ModelAliases]:
        """What holds now. Raises DatabaseUnavailable."""
        try:
            if self._connection is None:
                self._connection = self._listening()
            return current_aliases(self._connection)
        except psycopg.Error as error:
            self._drop()
            raise DatabaseUnavailable(f"the aliases can't be read: {str(error).strip()}") from error

    def _listening(self) -> psycopg.Connection:
        connection = psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            application_name="aios-aliases",
            options=f"-c search_path={SCHEMA}",
            # a server that vanished without a word is noticed in half a minute instead of two hours
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
        )
        connection.execute(f"listen {CHANNEL}")
        return connection

    def _heard(self, connection: psycopg.Connection, seconds: float) -> bool:
        ready, _, _ = select.select([connection.fileno(), self._awake.fileno()], [], [], seconds)
        if self._awake.fileno() in ready:
            self._awake.recv(1024)
        return connection.fileno() in ready and bool(list(connection.notifies(timeout=0)))

    def _rest(self, seconds: float) -> None:
        if select.select([self._awake], [], [], seconds)[0]:
            self._awake.recv(1024)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

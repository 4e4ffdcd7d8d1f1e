"""Which version is champion, looked at all the time: what answers are held against.

What belongs here: looking, and noting each reign. What does not: what an answer has to do with it (`judging.py`).
"""

import threading
import time
from contextlib import suppress
from typing import Self

import psycopg

from benchmarks.drill.judging import Reign
from benchmarks.drill.platform import Platform


class Watch:
    """Looks at the champion ten times a second, so that each reign's ends are known to a tenth of a second."""

    def __init__(self, platform: Platform, *, model: str, champion: int) -> None:
        self._platform, self._model = platform, model
        self._reigns = [Reign(version=champion, begun=0.0)]
        self._looked = time.time()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def reigns(self) -> list[Reign]:
        """So far, oldest first."""
        return list(self._reigns)

    def since(self, version: int, moment: float) -> float | None:
        """When this version was first seen as champion after a moment; None while it is not."""
        if len(self._reigns) < 2 or self._reigns[-1].version != version:
            return None
        seen = self._reigns[-2].ended
        return seen if seen is not None and seen >= moment else None

    def _work(self) -> None:
        while not self._stop.is_set():
            with suppress(psycopg.Error), self._platform.connection() as connection:
                while not self._stop.wait(0.1):
                    self._look(connection)
            self._stop.wait(0.2)

    def _look(self, connection: psycopg.Connection) -> None:
        asked = time.time()
        row = connection.execute(
            "select version from alias_moves where name = %s and alias = 'champion' order by move_id desc limit 1",
            (self._model,),
        ).fetchone()
        now, newest = time.time(), self._reigns[-1]
        if row is not None and row[0] != newest.version:
            ended = Reign(version=newest.version, begun=newest.begun, ended=now)
            self._reigns = [*self._reigns[:-1], ended, Reign(version=row[0], begun=self._looked)]
        self._looked = asked

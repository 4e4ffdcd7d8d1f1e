"""The writing process: every helpdesk's outbox in a thread of its own, sent as it falls due, for ever.

What belongs here: sending, and going on after whatever happened. What does not: what is sent (`living.py`).

    python -m benchmarks.soak.writing DECLARATION [--last]

With `--last` everything is due at once, whatever pause it had, and the process ends when nothing waits any more.
"""

import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aios_core.automation import Automation
from benchmarks.soak.reading import AGAIN_SECONDS, LAST_SECONDS, patiently, run_together
from benchmarks.soak.vendors import WRITERS
from resources.connectors.factory import connected
from resources.database import Database, rows
from resources.declarations import load_declaration
from resources.deployments import expand
from resources.outbox import Outbox

PAUSE = 0.7
AHEAD = timedelta(hours=2)  # longer than any pause of an action
WAITING = "select 1 from outbox where automation = %s and target = %s and state = 'pending' limit 1"


def send(automation: Automation, database: Database, folder: Path, target: str, *, now: datetime) -> int:
    """Everything that is due; returns how many arrived."""
    with connected(automation.sources[target], automation=automation, folder=folder, database=database) as connector:
        return Outbox(database).deliver(automation=automation, target=target, connector=connector, now=now).sent


def main(file: Path, *, last: bool) -> int:
    """Every helpdesk at once; 1 where one met what does not pass."""
    declared, failed = load_declaration(file), list[str]()
    automation = declared.automation
    with Database(expand("${AIOS_DATABASE_URL}"), max_size=16) as database:

        def waits(target: str) -> int:
            with database.connection() as connection:
                return len(rows(connection, WAITING, (automation.name, target)))

        def work(target: str) -> None:
            until, step = time.monotonic() + LAST_SECONDS, timedelta()
            try:
                while not last or patiently(lambda: waits(target)) != 0:
                    if last and time.monotonic() > until:
                        raise TimeoutError(f"actions still wait after {LAST_SECONDS:g} s of calm")
                    # further ahead each time: an action that has to be tried again has a new pause by now
                    step += AHEAD if last else timedelta()
                    now = datetime.now(UTC) + step
                    patiently(lambda: send(automation, database, declared.folder, target, now=now))  # noqa: B023
                    time.sleep(AGAIN_SECONDS if last else PAUSE)
            except Exception as error:
                failed.append(f"{target}: {type(error).__name__}: {error}")
                raise

        run_together(WRITERS, work, failed=failed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), last="--last" in sys.argv))

"""Our side of the measurement, in processes of its own as in a deployment: one lands, one makes canonical what has landed.

What belongs here: those two processes and what they say at their end, a line of JSON. What does not: starting them (`measure.py`).

    python -m benchmarks.ingest.ours land|canonical SETTINGS.json

Both print `ready` first and wait for a line on stdin: what they import is not measured. The second goes on until so many records have become
canonical as are expected.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from aios_core.automation import Automation
from benchmarks.measuring import current_rss_mb, peak_rss_mb
from resources.canonical import CanonicalStore
from resources.connectors.factory import open_connector, shared
from resources.database import Database
from resources.landing import LandingStore, pull

SOURCE = "helpdesk"
LOOK_SECONDS = 0.5


def main(role: str, settings: dict[str, Any]) -> dict[str, Any]:
    """What this process did: rows, processor seconds and memory."""
    automation = Automation.model_validate(settings["automation"])
    with Database(settings["database"]) as database:
        with database.connection() as connection:
            connection.execute("select 1")
        if role == "canonical":
            import great_expectations  # noqa: F401 - its import takes seconds, and happens once a process
        before = current_rss_mb()
        print("ready", flush=True)
        sys.stdin.readline()
        began, computed = time.time(), time.process_time()
        if role == "land":
            rows, rejected = _land(database, automation, Path(settings["folder"]))
        else:
            rows, rejected = _canonical(database, automation, settings["rows"], Path(settings["landed"]))
        if role == "land":
            Path(settings["landed"]).touch()
        return {
            "rows": rows,
            "rejected": rejected,
            "began": began,
            "ended": time.time(),
            "cpu_seconds": round(time.process_time() - computed, 2),
            "rss_before_mb": before,
            "peak_rss_mb": peak_rss_mb(),
        }


def _land(database: Database, automation: Automation, folder: Path) -> tuple[int, int]:
    connector = open_connector(
        automation.sources[SOURCE], folder=folder, expand=lambda text: text, traffic=shared(database)
    )
    try:
        pulled = pull(connector, LandingStore(database), automation=automation.name, source=SOURCE)
    finally:
        connector.close()
    return pulled.landed, pulled.rejected


def _canonical(database: Database, automation: Automation, rows: int, landed: Path) -> tuple[int, int]:
    store, read, refused = CanonicalStore(database), 0, 0
    while read < rows:
        over = landed.exists()  # looked at before reading: what lands after that is read in the next turn
        step = store.catch_up(automation=automation, sources=(SOURCE,))
        read, refused = read + step.read, refused + step.quarantined
        if over and not step.read:
            break
        if not over:
            time.sleep(LOOK_SECONDS)  # a step costs something, however little it finds
    return read, refused


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], json.loads(Path(sys.argv[2]).read_text()))), flush=True)

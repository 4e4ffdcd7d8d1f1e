"""dlt as a peer: the settings that are tried, and one load by its own Python.

What belongs here: one `Setting` a trial. What does not: what dlt runs (`benchmarks/peers/dlt_pages.py`).

`DEFAULT` is dlt as it comes. The others have no child tables, CSV files that Postgres reads by COPY, parallel normalizing, no
compression of what is only passed on, and larger buffers.
"""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict

from benchmarks.workspace import PROJECT

ENVIRONMENT = PROJECT / ".venv-peers-dlt"
SCRIPT = PROJECT / "benchmarks" / "peers" / "dlt_pages.py"
QUIET = {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}
BUFFERED = {
    "DATA_WRITER__BUFFER_MAX_ITEMS": "50000",
    "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true",
    "EXTRACT__DATA_WRITER__DISABLE_COMPRESSION": "true",
}
LOAD_SECONDS = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One way to run dlt. `file_rows`: rows a file, so that several can be normalized at once; `nesting` 0: no child tables."""

    name: str
    environment: Mapping[str, str]
    format: str | None = None
    nesting: int | None = None


def _best(workers: int, file_rows: int) -> Setting:
    parallel = {"NORMALIZE__WORKERS": str(workers), "EXTRACT__DATA_WRITER__FILE_MAX_ITEMS": str(file_rows)}
    return Setting(
        name=f"csv, {workers} normalizing, {file_rows} rows a file",
        environment=BUFFERED | parallel,
        format="csv",
        nesting=0,
    )


DEFAULT = Setting(name="as it comes", environment={})
TRIED = (_best(1, 1_000_000), _best(2, 25_000), _best(2, 10_000))


def settings(turn: int) -> Sequence[Setting]:
    """Every setting in every turn, in another order each time."""
    several = (DEFAULT, *TRIED)
    shift = turn % len(several)
    return (*several[shift:], *several[:shift])


def installed(environment: Path = ENVIRONMENT) -> str | None:
    """dlt's version in the peers' environment; None where it is not there."""
    code = "import importlib.metadata as m; print(m.version('dlt'))"
    try:
        done = subprocess.run(
            [environment / "bin" / "python", "-c", code], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def load(
    setting: Setting,
    *,
    url: str,
    path: str,
    database: str,
    folder: Path,
    rows: int,
    environment: Path = ENVIRONMENT,
) -> float:
    """Rows a second of one load. Raises RuntimeError where it failed, AssertionError where rows are missing."""
    own = folder / "dlt"
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir()
    asked = {
        "environment": QUIET | dict(setting.environment),
        "url": url,
        "path": path,
        "database": _told(database),
        "folder": str(own),
        "name": "bench",
        "format": setting.format,
        "nesting": setting.nesting,
        "parallel": setting.format is not None,
    }
    file = folder / "dlt.json"
    file.write_text(json.dumps(asked), encoding="utf-8")
    done = subprocess.run(
        [environment / "bin" / "python", SCRIPT, file],
        input="go\n",
        capture_output=True,
        text=True,
        cwd=own,
        timeout=LOAD_SECONDS,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"dlt, {setting.name}: {done.stderr[-2_000:]}")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    if found["rows"] != rows:
        raise AssertionError(f"dlt, {setting.name}: {found['rows']} of {rows} rows")
    return round(rows / found["seconds"], 1)


def _told(database: str) -> str:
    """The same database as dlt wants it said: a host and a password it must have, and the socket, which has the last word."""
    known = conninfo_to_dict(database)
    socket = quote(str(known["host"]), safe="")
    return f"postgresql://{known['user']}:unused@localhost:{known.get('port', 5432)}/{known['dbname']}?host={socket}"

"""How fast records come in, beside dlt, and how much of a vendor's quota is used while none of it is exceeded.

What belongs here: the order of the parts, their figures, and starting processes. What does not: what those do (`ours.py`, `quota.py`,
`benchmarks/peers/dlt_pages.py`), and the data (`files.py`, `pages.py`).

- Files: tickets from Parquet through landing into canonical tickets. A process lands, another makes canonical; the time is from the start of both to the end of
  the last. `peak_rss_mb` is the most that either process had, `growth_mb` how much more that was than with a tenth of the rows.
- HTTP: the same, from the sandbox's export pages which a bare server answers from memory, by the declaration that reads any JSON API.
- dlt: its REST source from the same server into the same Postgres, as it comes, and at the best of some settings. It lands and unpacks; nothing of
  it is mapped or checked. Turns alternate, and each side's best counts. `http_landing_rows_per_s` is landing alone, which is what dlt does; the ratios are of
  landing and canonical together.
- Quota: two processes with one credential read from a server that counts requests in a sliding and in a fixed window.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.ingest import dlt, files, pages, quota
from benchmarks.machine import Elsewhere
from benchmarks.measuring import per_second
from benchmarks.serve.servers import Command, free_port, running
from benchmarks.workspace import PROJECT

SEED = 7
READY_SECONDS = 90.0
Say = Callable[[str], None]


def measure(
    *,
    rows: int = 1_000_000,
    http_rows: int = 200_000,
    turns: int = 3,
    peers: bool = True,
    quota_seconds: float = 60.0,
    say: Say = lambda _: None,
) -> dict[str, Any]:
    """All of it. dlt's figures are absent where it is not installed, or with `peers` false."""
    elsewhere = Elsewhere()
    with _bench() as bench:
        say(f"files: {rows:,} tickets")
        found = _files(bench, rows)
        say(f"http: {http_rows:,} tickets, {turns} turns")
        found |= _http(bench, http_rows, turns, peers=peers, say=say)
        say(f"quota: {quota_seconds:g} s")
        found |= quota.measure(bench.database("quota"), bench.folder, seconds=quota_seconds)
    return found | {"cores_busy_elsewhere": elsewhere.cores()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A folder and a Postgres, with as many migrated databases as are asked for."""

    folder: Path
    url: Callable[[str], str]

    def database(self, name: str, *, migrated: bool = True) -> str:
        """The URL of a new, empty database."""
        import psycopg

        from resources.database import Database

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'drop database if exists "{name}"')
            connection.execute(f'create database "{name}"')
        if migrated:
            with Database(self.url(name)) as database:
                database.migrate()
        return self.url(name)


@contextmanager
def _bench() -> Iterator[Bench]:
    from resources.embedded_postgres import EmbeddedPostgres

    folder = Path(tempfile.mkdtemp(prefix="aios-ingest-"))
    folder.chmod(0o755)  # as root the database runs under another account, which must pass here
    server = EmbeddedPostgres(home=folder, tied=True)
    try:
        server.start()
        yield Bench(folder=folder, url=server.url)
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _files(bench: Bench, rows: int) -> dict[str, Any]:
    small = _landed(bench, max(rows // 10, 1))
    whole = _landed(bench, rows)
    return {
        "files_rows": rows,
        "files_rows_per_s": whole["rows_per_s"],
        "files_seconds": whole["seconds"],
        "files_cpu_seconds": whole["cpu_seconds"],
        "peak_rss_mb": whole["peak_rss_mb"],
        "growth_mb": round(whole["peak_rss_mb"] - small["peak_rss_mb"], 1),
    }


def _landed(bench: Bench, rows: int) -> dict[str, Any]:
    file = bench.folder / f"tickets-{rows}.parquet"
    files.write(file, rows=rows, seed=SEED)
    try:
        return run_ours(bench, files.from_file("bench", file), rows=rows)
    finally:
        file.unlink()


def _http(bench: Bench, rows: int, turns: int, *, peers: bool, say: Say) -> dict[str, Any]:
    kept = bench.folder / "pages"
    rows = pages.make(kept, rows=rows, seed=SEED)
    installed = dlt.installed() if peers else None
    ours: list[float] = []
    landing: list[float] = []
    theirs: dict[str, list[float]] = {}
    port = free_port()
    server = Command(
        name="pages",
        arguments=[sys.executable, "-m", "benchmarks.ingest.pages", str(kept), str(port)],
        port=port,
        ready="/count",
        log=bench.folder / "pages.log",
        environment={},
    )
    with running(server):
        url = f"http://127.0.0.1:{port}"
        for turn in range(turns):
            automation = files.from_pages("bench", url)
            ours.append(run_ours(bench, automation, rows=rows)["rows_per_s"])
            landing.append(run_ours(bench, automation, rows=rows, roles=("land",))["rows_per_s"])
            say(f"turn {turn + 1}: ours {ours[-1]:,.0f} rows/s, landing alone {landing[-1]:,.0f}")
            for setting in dlt.settings(turn) if installed else ():
                database = bench.database("peer", migrated=False)
                loaded = dlt.load(setting, url=url, path=pages.PATH, database=database, folder=bench.folder, rows=rows)
                theirs.setdefault(setting.name, []).append(loaded)
                say(f"turn {turn + 1}: dlt, {setting.name}: {loaded:,.0f} rows/s")
    found: dict[str, Any] = {
        "http_rows": rows,
        "http_rows_per_s": max(ours),
        "http_landing_rows_per_s": max(landing),
    }
    if theirs:
        best = max(max(each) for each in theirs.values())
        usual = max(theirs[dlt.DEFAULT.name])
        found |= {
            "dlt_rows_per_s": best,
            "ratio_to_dlt": round(max(ours) / best, 2),
            "dlt_default_rows_per_s": usual,
            "ratio_to_dlt_default": round(max(ours) / usual, 2),
            "dlt_version": installed,
        }
    return found


def run_ours(
    bench: Bench, automation: dict[str, Any], *, rows: int, roles: Sequence[str] = ("land", "canonical")
) -> dict[str, Any]:
    """Both processes, or one, over a new database. Raises AssertionError where a row was lost, doubled or refused."""
    database, landed = bench.database("ours"), bench.folder / "landed"
    landed.unlink(missing_ok=True)
    settings = bench.folder / "ours.json"
    known = {"automation": automation, "database": database, "folder": str(bench.folder)}
    settings.write_text(json.dumps(known | {"rows": rows, "landed": str(landed)}), encoding="utf-8")
    command = [sys.executable, "-m", "benchmarks.ingest.ours"]
    told = together([[*command, role, str(settings)] for role in roles], log=bench.folder / "ours.log")
    return figures(told, rows=rows)


def figures(told: Sequence[dict[str, Any]], *, rows: int) -> dict[str, Any]:
    """Of what both processes said of themselves. Raises AssertionError where a row is missing."""
    seconds = max(one["ended"] for one in told) - min(one["began"] for one in told)
    if any(one["rows"] != rows or one["rejected"] for one in told):
        raise AssertionError(f"of {rows} tickets: {told}: some were lost, doubled or refused")
    return {
        "rows_per_s": per_second(rows, seconds),
        "seconds": round(seconds, 2),
        "cpu_seconds": [one["cpu_seconds"] for one in told],
        "peak_rss_mb": max(one["peak_rss_mb"] for one in told),
    }


def together(commands: Sequence[Sequence[str]], *, log: Path) -> list[dict[str, Any]]:
    """Processes that say `ready`, are started at once, and end with a line of JSON."""
    with log.open("ab") as said, ExitStack() as stack:
        started = []
        for command in commands:
            process = subprocess.Popen(
                list(command), cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True
            )
            stack.callback(_ended, process)
            started.append(process)
        for process in started:
            assert process.stdout is not None
            if process.stdout.readline().strip() != "ready":
                raise RuntimeError(f"{' '.join(process.args)} did not begin: {_tail(log)}")  # type: ignore[arg-type]
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        found = []
        for process in started:
            assert process.stdout is not None
            lines = process.stdout.read().strip().splitlines()
            if process.wait() or not lines:
                raise RuntimeError(f"{' '.join(process.args)} failed: {_tail(log)}")  # type: ignore[arg-type]
            found.append(json.loads(lines[-1]))
        return found


def _ended(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-2_000:]

"""The command: chooses, runs the steps one after the other, says how it goes, writes the results.

What belongs here: order, progress, files, the exit code. What does not: measuring (`steps/`), starting processes
(`processes.py`), the shape of the results (`report.py`).
"""

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.machine import Elsewhere, machine, revision
from benchmarks.plan import DATABASE, STAGES, STEPS, Stage, Step, chosen, needs_database, required
from benchmarks.plot import speed_plot
from benchmarks.processes import run_step
from benchmarks.report import FORMAT, failures, line, stage_figures
from benchmarks.workspace import PROJECT, Workspace

if TYPE_CHECKING:
    from rich.console import Console

OUT = PROJECT / "benchmarks" / "results" / "latest.json"
ROWS = 100_000
LEAST_ROWS = 200  # fewer are no training set for ten queues
QUIET_CORES = 0.25
FAILED, INTERRUPTED = 1, 130

Results = dict[str, dict[str, Any]]


def main(
    arguments: Sequence[str] | None = None, *, stages: Sequence[Stage] = STAGES, steps: Sequence[Step] = STEPS
) -> int:
    """Measure; 0 where every stage was measured, 1 where one failed (the others are in the results all the same)."""
    from rich.console import Console

    options, wanted = _options(arguments, stages)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    before, elsewhere = time.perf_counter(), Elsewhere()
    facts = {"machine": machine(), "revision": revision(), "date": datetime.now(UTC).isoformat(timespec="seconds")}
    try:
        with _folder() as folder:
            workspace = Workspace(folder=folder, rows=options.rows, seed=options.seed)
            results = _run(required(wanted, steps), wanted, workspace, console)
    except KeyboardInterrupt:
        console.print("interrupted: nothing is written")
        return INTERRUPTED
    facts["machine"]["cores_busy_elsewhere"] = elsewhere.cores()
    settings = {"rows": options.rows, "seed": options.seed, "stages": [stage.name for stage in wanted]}
    found = _collected(wanted, results, facts | {"settings": settings}, time.perf_counter() - before)
    print(json.dumps(found, indent=1))  # first: a full disk must not cost the measurement
    _write(options.out, found, console)
    return FAILED if found["failed"] else 0


def _options(arguments: Sequence[str] | None, stages: Sequence[Stage]) -> tuple[argparse.Namespace, list[Stage]]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the stages, and write JSON.")
    names = ", ".join(stage.name for stage in stages)
    parser.add_argument("--only", default="", metavar="STAGE[,STAGE]", help=f"some of: {names} (default: all)")
    parser.add_argument("--rows", type=int, default=ROWS, help=f"tickets that land; the rest scales (default {ROWS:,})")
    parser.add_argument("--seed", type=int, default=7, help="of the sandbox's world (default 7)")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FILE.json", help="a plot goes beside it, as FILE.png")
    options = parser.parse_args(arguments)
    if options.rows < LEAST_ROWS:
        parser.error(f"--rows {options.rows}: give {LEAST_ROWS} or more")
    if options.out.suffix != ".json":
        parser.error(f"--out {options.out}: name it FILE.json; the plot beside it becomes FILE.png")
    try:
        wanted = chosen([name for name in options.only.replace(" ", "").split(",") if name], stages)
        options.out.parent.mkdir(parents=True, exist_ok=True)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    return options, wanted


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="aios-bench-"))
    folder.chmod(0o755)  # as root the database runs under another account, which must pass here
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(steps: Sequence[Step], stages: Sequence[Stage], workspace: Workspace, console: "Console") -> Results:
    asked = {name for stage in stages for name in stage.steps}
    with _database(workspace.folder) as start:
        results: Results = {}
        if needs_database(steps):
            results[DATABASE] = _started(start)
            workspace = replace(workspace, database_url=results[DATABASE].get("url"))
        workspace.save()
        for step in steps:
            with console.status(f"{step.name} …"):
                results[step.name] = _result(step, results, workspace)
            log = results[step.name].pop("log", [])
            console.print(line(step.name, results[step.name], preparation=step.name not in asked), markup=False)
            for text in log:
                console.print(f"    {text}", markup=False, style="dim")
    return results


def _result(step: Step, results: Results, workspace: Workspace) -> dict[str, Any]:
    for need in step.needs:
        if "error" in results[need]:
            return {"error": f"needs {need}, which failed: {results[need]['error']}"}
    return run_step(step.name, step.module, workspace.folder, timeout_seconds=300 + workspace.rows / 100)


@contextmanager
def _database(home: Path) -> Iterator[Callable[[], str]]:
    """How to start a throwaway Postgres with the platform's own settings; it is stopped at the end."""
    from resources.database import Database
    from resources.embedded_postgres import EmbeddedPostgres

    server = EmbeddedPostgres(home=home, tied=True)

    def start() -> str:
        url = server.start()
        with Database(url) as database:
            database.migrate()
        return url

    try:
        yield start
    finally:
        server.stop()


def _started(start: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"url": start()}
    except Exception as error:  # stages without a database can still be measured
        return {"error": f"{type(error).__name__}: {error}"}


def _collected(stages: Sequence[Stage], results: Results, facts: dict[str, Any], seconds: float) -> dict[str, Any]:
    asked = {name for stage in stages for name in stage.steps} | {DATABASE}
    return {
        "format": FORMAT,
        **facts,
        "stages": {stage.name: stage_figures(stage, results) for stage in stages},
        "preparations": {name: result for name, result in results.items() if name not in asked},
        "failed": failures(stages, results),
        "seconds": round(seconds, 1),
    }


def _write(out: Path, found: dict[str, Any], console: "Console") -> None:
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    picture = out.with_suffix(".png")
    where = found["machine"]
    caption = f"{where['cores']} cores, {where['processor']}, {where['python']}, {found['date'][:10]}"
    picture.write_bytes(speed_plot(found["stages"], caption=caption))
    if (where["cores_busy_elsewhere"] or 0) > QUIET_CORES:
        console.print(
            f"others kept {where['cores_busy_elsewhere']} of {where['cores']} cores busy: measure again when it is quiet"
        )
    console.print(f"written: {out} and {picture.name}, after {found['seconds']:g} s", markup=False)

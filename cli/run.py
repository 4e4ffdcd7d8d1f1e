"""`aios run NAME`: an automation's whole loop once, without web servers.

What belongs here: bringing together what the main job needs. What does not: the job (`aios_assets/main_job.py`).
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import context, output
from resources import local_platform as parts
from resources.database import Database, embedded_url
from resources.declarations import Declared
from resources.deployments import Deployment, deployment
from resources.startup import STAGE_PREFIX
from resources.supervisor import Supervisor, only_one


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(run)


def run(
    name: Annotated[str, typer.Argument(help="The automation.")],
    tickets: Annotated[int | None, typer.Option(min=1, help="New tickets in the sandbox's world.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the sandbox's world.")] = None,
    json: output.AsJson = False,
) -> None:
    """Ingest, train, score, decide, act, review batches, outcomes and monitoring: all of it once, then exit.

    Sources that are the sandbox get one for the time of the run, unless `aios up` runs one already.

      aios run customer_escalations --tickets 20000 --seed 7 --json
    """
    declared = context.automation(name)
    with _platform(declared, parts.World(tickets=tickets, seed=seed)) as (target, database):
        summary = _main_job(declared, target, database)
    if json:
        output.as_json(summary)
    else:
        output.pairs(summary, title=f"{name}: one whole loop")


def _main_job(declared: Declared, target: Deployment, database: Database) -> dict[str, Any]:
    # heavy, and only to be imported once the environment is complete
    import dagster as dg

    from aios_assets import main_job
    from aios_assets.definitions import build_defs
    from resources.lake import Lake
    from resources.ledger import Ledger
    from resources.registry import Registry

    registry = Registry(database, lake=Lake(target.lake_url), ledger=Ledger(database))
    on_sandbox = parts.needs_sandbox(declared, target)
    with dg.DagsterInstance.get() as instance:
        return main_job.run(
            declared,
            definitions=build_defs(),
            instance=instance,
            database=database,
            registry=registry,
            let_time_pass=_catching_up(target.sandbox_url) if on_sandbox else None,
            report=lambda stage: output.note(f"{STAGE_PREFIX}{stage}"),
        )


def _catching_up(url: str) -> Callable[[], None]:
    def let_time_pass() -> None:
        parts.let_the_world_catch_up(url)

    return let_time_pass


@contextmanager
def _platform(declared: Declared, world: parts.World) -> Iterator[tuple[Deployment, Database]]:
    """A migrated database, the environment of every process, and a sandbox where one is needed and none runs."""
    target = deployment()
    with ExitStack() as stack:
        stack.enter_context(
            only_one(target.home / "run.lock", what="a run goes on", about={"automation": declared.automation.name})
        )
        url = target.database_url or embedded_url(target.home)
        database = stack.enter_context(Database(url))
        database.migrate()
        variables = parts.variables(target, url)
        os.environ.update(variables)
        for name in ("AIOS_DAGSTER_DIR", "AIOS_COMPUTE_LOGS"):
            Path(variables[name]).mkdir(parents=True, exist_ok=True)
        if parts.needs_sandbox(declared, target):
            _sandbox(stack, target, world)
        yield target, database


def _sandbox(stack: ExitStack, target: Deployment, world: parts.World) -> None:
    if parts.answers(f"{target.sandbox_url}/sandbox/health") is None:
        if world.tickets is not None or world.seed is not None:
            print(
                f"a sandbox runs already at {target.sandbox_url}: --tickets and --seed are those of its own start",
                file=sys.stderr,
            )
        return
    supervisor = Supervisor()
    stack.callback(supervisor.stop)
    port = parts.ports_of(target).sandbox
    supervisor.start(parts.sandbox(target, host="127.0.0.1", port=port, world=world, now=datetime.now(UTC)))

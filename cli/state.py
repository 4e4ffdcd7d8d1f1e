"""`aios migrate`, `aios env`, `aios reset`: the state that a platform keeps.

What belongs here: the commands. What does not: migrations (`resources/database.py`) and processes (`resources/supervisor.py`).
"""

import shlex
import shutil
from pathlib import Path
from typing import Annotated

import typer

from aios_core.errors import ConfigurationError
from cli import output
from resources.database import Database, embedded_url
from resources.deployments import PROJECT, deployment
from resources.embedded_postgres import EmbeddedPostgres
from resources.local_platform import LOCK, variables
from resources.supervisor import holder_of, is_held


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(migrate)
    app.command()(env)
    app.command()(reset)


def migrate(json: output.AsJson = False) -> None:
    """Bring the database's schema to this version of the code."""
    target = deployment()
    with Database(target.database_url or embedded_url(target.home)) as database:
        applied = database.migrate()
    if json:
        output.as_json({"applied": applied})
    else:
        output.say("\n".join(f"applied {name}" for name in applied) or "the schema is current")


def env() -> None:
    """Print exports that let plain `dagster` and `dg` commands see the running platform.

    eval "$(aios env)" && dg list defs
    """
    target = deployment()
    server = EmbeddedPostgres(home=target.home)
    url = target.database_url or server.url()
    for name, value in variables(target, url).items():
        typer.echo(f"export {name}={shlex.quote(value)}")
    if target.database_url is None and not server.running():
        output.note("# the embedded Postgres does not run now: `aios up` starts it")


def reset(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete the state folder: database, lake, model versions, logs, the sandbox's world. Asks first."""
    target = deployment()
    home = target.home
    _refuse_while_used(home)
    if not home.exists():
        output.say(f"{home}: nothing there")
        return
    if home in (PROJECT, *PROJECT.parents):
        raise ConfigurationError(f"AIOS_HOME is {home}, which holds this project; give the state a folder of its own")
    if not (home / "postgres").is_dir() and not (home / "lake").is_dir() and any(home.iterdir()):
        raise ConfigurationError(f"{home} does not look like a state folder (no postgres, no lake); delete it yourself")
    if not yes:
        typer.confirm(f"Delete {home} with all its tickets, decisions and models?", abort=True)
    socket_dir = EmbeddedPostgres(home=home).socket_dir
    shutil.rmtree(home)
    shutil.rmtree(socket_dir, ignore_errors=True)
    output.say(f"deleted {home}")
    if target.database_url is not None:
        output.note("AIOS_DATABASE_URL is set: that database was left alone")


def _refuse_while_used(home: Path) -> None:
    for name in (LOCK, "run.lock"):
        if is_held(home / name):
            holder = holder_of(home / name) or {}
            raise ConfigurationError(
                f"the platform runs (process {holder.get('process', '?')}); stop it first, then reset"
            )
    if EmbeddedPostgres(home=home).running():
        raise ConfigurationError("the embedded Postgres is in use; end the other `aios` commands first, then reset")

"""`aios quarantine …`: input that could not be used, and its replay after a fix.

What belongs here: the commands. What does not: the rows and the way back (`resources/quarantine.py`).
"""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from aios_core.errors import ConfigurationError
from cli import context, output

app = typer.Typer(no_args_is_help=True)

Row = Annotated[int, typer.Argument(min=1, help="The row's id.")]


@app.command("list")
def show_list(
    automation: Annotated[str | None, typer.Option(help="Default: all of them.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Replayed and dropped rows too.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 100,
    json: output.AsJson = False,
) -> None:
    """List what waits, newest first."""
    from resources.quarantine import QuarantineStore

    with context.database() as database:
        found = QuarantineStore(database).list(automation, open_only=not every, limit=limit)
    rows = [{k: v for k, v in asdict(r).items() if k != "payload"} for r in found]
    columns = ("quarantine_id", "automation", "source", "object", "external_id", "code", "message", "created_at")
    if json:
        output.as_json(rows)
    else:
        output.table(rows, columns=columns, empty="nothing is in quarantine")


@app.command()
def show(row: Row, json: output.AsJson = False) -> None:
    """Show one row with its whole payload."""
    from resources.quarantine import QuarantineStore

    with context.database() as database:
        found = asdict(QuarantineStore(database).show(row))
    if json:
        output.as_json(found)
        return
    payload = found.pop("payload")
    output.pairs(found)
    output.say(payload)


@app.command()
def replay(
    row: Annotated[int | None, typer.Argument(min=1, help="One row's id; or --all.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every open row of the automation.")] = False,
    automation: Annotated[str | None, typer.Option(help="With --all; default: the only automation there is.")] = None,
    payload: Annotated[
        str | None, typer.Option(help="A file with the corrected record as JSON; `-` is standard input.")
    ] = None,
    json: output.AsJson = False,
) -> None:
    """Put a row through mapping and checks again, as it is or corrected; exit code 1 where one still fails.

    aios quarantine replay 17 --payload fixed.json
    aios quarantine replay --all --automation customer_escalations
    """
    from resources.quarantine import QuarantineStore

    if every == (row is not None):
        raise typer.BadParameter("name one row, or --all", param_hint="ROW")
    corrected = None if payload is None else _text(payload)
    with context.database() as database:
        store = QuarantineStore(database)
        name = automation if row is None else store.show(row).automation
        declared = context.automation(name)
        found = store.replay(row, automation=declared.automation, payload=corrected)
    failures = [asdict(f) for f in found.failures]
    if json:
        output.as_json({"replayed": found.replayed, "failures": failures})
    else:
        output.say(f"replayed {found.replayed}")
        if failures:
            output.table(failures, columns=("quarantine_id", "code", "message"), empty="")
    if failures:
        raise typer.Exit(1)


@app.command()
def drop(row: Row) -> None:
    """Close a row for good; its payload is kept."""
    from resources.quarantine import QuarantineStore

    with context.database() as database:
        QuarantineStore(database).drop(row)
    output.say(f"dropped {row}")


def _text(payload: str) -> str:
    if payload == "-":
        return sys.stdin.read()
    try:
        return Path(payload).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{payload}: can't be read as UTF-8 text: {error}; is the path right?") from error

"""`aios ledger …`: whether anything was changed behind the platform's back.

What belongs here: the command. What does not: the chain itself (`resources/ledger.py`).
"""

from dataclasses import asdict

import typer

from cli import context, output

app = typer.Typer(no_args_is_help=True)


@app.callback()
def group() -> None:
    """Keep `verify` a command of its own: Typer would make a single one the group."""


@app.command()
def verify(json: output.AsJson = False) -> None:
    """Recompute every entry and its chain; exit code 1, naming the first broken entry, where something was changed."""
    from resources.ledger import Ledger

    with context.database() as database:
        found = Ledger(database).verify()
    if json:
        output.as_json(asdict(found))
    elif found.ok:
        output.say(f"the ledger holds: {found.entries} entries, {found.decisions} decisions")
    else:
        output.say(f"entry {found.broken}: {found.problem}")
    if not found.ok:
        raise typer.Exit(1)

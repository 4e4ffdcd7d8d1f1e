"""`aios review …`: the batches that wait for people.

What belongs here: the command. What does not: deciding cases, which the console is for (`gateway/`).
"""

from dataclasses import asdict
from typing import Annotated

import typer

from cli import context, output

app = typer.Typer(no_args_is_help=True)


@app.callback()
def group() -> None:
    """Keep `list` a command of its own: Typer would make a single one the group."""


@app.command("list")
def show_list(
    automation: Annotated[str | None, typer.Option(help="Default: all of them.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Finished batches too.")] = False,
    json: output.AsJson = False,
) -> None:
    """List review batches, the one due first in front."""
    from resources.reviews import ReviewStore

    states = ("open", "done", "collected") if every else ("open",)
    with context.database() as database:
        rows = [asdict(b) for b in ReviewStore(database).batches(automation=automation, states=states)]
    columns = ("automation", "batch", "state", "waiting", "claimed", "decided", "due_at")
    if json:
        output.as_json(rows)
    else:
        output.table(rows, columns=columns, empty="no batch waits")

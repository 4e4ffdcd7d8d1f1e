"""`aios bench …`: measurements that anyone can repeat, one a command.

What belongs here: the commands. What does not: measuring (`benchmarks/`).
"""

from typing import Any

import typer

from cli import output

app = typer.Typer(no_args_is_help=True)


def show(found: dict[str, Any], *, json: bool, title: str) -> None:
    """One measurement, for people or for programs."""
    if json:
        output.as_json(found)
    else:
        output.pairs(found, title=title)

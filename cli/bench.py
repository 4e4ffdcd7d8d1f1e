"""`aios bench …`: measurements that anyone can repeat, one a command.

What belongs here: the commands. What does not: measuring (`benchmarks/`).
"""

from typing import Annotated, Any

import typer

from cli import output

app = typer.Typer(no_args_is_help=True)


def show(found: dict[str, Any], *, json: bool, title: str) -> None:
    """One measurement, for people or for programs."""
    if json:
        output.as_json(found)
    else:
        output.pairs(found, title=title)


@app.command()
def drift(
    rows: Annotated[int, typer.Option(min=1_000, help="Rows of the window.")] = 1_000_000,
    columns: Annotated[int, typer.Option(min=1, help="Columns; two thirds are numbers.")] = 15,
    evidently: Annotated[
        bool, typer.Option("--evidently/--no-evidently", help="Also Evidently's own preset on all rows (slow).")
    ] = True,
    json: output.AsJson = False,
) -> None:
    """Drift of a large window by sketches, against Evidently's own DataDriftPreset on the same rows."""
    from benchmarks.drift import measure

    show(measure(rows=rows, columns=columns, evidently=evidently), json=json, title="drift")

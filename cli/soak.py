"""`aios soak …`: everything at once on a bad day, for as long as one likes, and a comparison with the truth.

What belongs here: the commands. What does not: the soak (`benchmarks/soak/`).
"""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from cli import output

app = typer.Typer(no_args_is_help=True)


@app.callback()
def soak() -> None:
    """Platforms of their own, broken on purpose for minutes or hours."""


@app.command()
def ingest(
    minutes: Annotated[
        float, typer.Option(min=0.5, help="In all: what it takes to start and to heal is within.")
    ] = 5.0,
    seed: Annotated[int, typer.Option(help="Of the world, the faults, the actions and the kills.")] = 7,
    tickets: Annotated[int, typer.Option(min=20, help="In the sandbox at the start; more arrive.")] = 240,
    json: output.AsJson = False,
) -> None:
    """All vendors at once, rude and broken, while reader, writer, gateway and Postgres are killed; then compare with the truth.

    A sandbox with its vendors' real quotas, a Postgres, and a reading, a writing and a serving process are started in a temporary folder.
    Tickets arrive, change and go; answers are throttled, cut short, late, doubled or lost; tokens run out; records get a new field;
    systems call the gateway; actions are written back. At the end faults and kills stop, everything is read for the last time, and
    each ticket, customer, delivery and action is compared with what the sandbox knows.

    The exit code is 1 where anything was lost, duplicated, out of order, done twice, or asked more often than a vendor allows.

      aios soak ingest --minutes 5 --json
    """
    from benchmarks.soak.measure import ZEROES, measure

    found = measure(minutes=minutes, seed=seed, tickets=tickets, say=output.note)
    if json:
        output.as_json(found)
    else:
        output.pairs({name: value for name, value in found.items() if name != "details"}, title="soak")
        for said in found["details"]:
            output.note(said)
    if any(found[name] for name in ZEROES):
        raise typer.Exit(1)


@app.command()
def parsers(
    minutes: Annotated[float, typer.Option(min=0.05, help="In all.")] = 2.0,
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 7,
    keep: Annotated[
        Path | None,
        typer.Option(help="Folder for inputs that broke something; default: a temporary one, named at the end."),
    ] = None,
    json: output.AsJson = False,
) -> None:
    """Every parser of pages, deliveries and files under broken input: mutations of real answers, by atheris too where it is installed.

    Nothing may crash: each item is a record or is refused with a stable code. The exit code is 1 where a parser broke that.

      aios soak parsers --minutes 10 --json
    """
    from benchmarks.soak.fuzzing import measure

    folder = keep or Path(tempfile.mkdtemp(prefix="aios-parsers-"))
    found = measure(minutes=minutes, seed=seed, folder=folder, say=output.note) | {"kept_in": str(folder)}
    if json:
        output.as_json(found)
    else:
        output.pairs({name: value for name, value in found.items() if name != "details"}, title="parsers")
        for said in found["details"]:
            output.note(said)
    if found["broken"]:
        raise typer.Exit(1)

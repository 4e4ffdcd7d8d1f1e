"""`aios review …`: the batches that wait for people.

What belongs here: the command. What does not: deciding cases, which the console is for (`gateway/`).
"""

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from cli import context, output
from resources.deployments import deployment

app = typer.Typer(no_args_is_help=True)


class Origin(StrEnum):
    """What a batch is made of on demand."""

    audit = "audit"
    disagreement = "disagreement"


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


@app.command()
def batch(
    origin: Annotated[
        Origin, typer.Option("--from", help="`audit`: automated decisions; `disagreement`: models or people differ.")
    ],
    automation: Annotated[str | None, typer.Option(help="Default: the only automation there is.")] = None,
    size: Annotated[int, typer.Option(min=1, max=1_000, help="How many cases at most.")] = 50,
    json: output.AsJson = False,
) -> None:
    """Make a batch of cases for people now, and say what it is called.

    `audit` draws automated decisions of the last seven days by lot. `disagreement` takes tickets to which the version in shadow gives
    another queue than the decision made; verdicts that contradict each other on one text go to a batch for a lead. Asking again on the
    same day gives the same batch. People find it in the console at once; it becomes a partition of `review_outcomes` with the next run
    that makes batches (`review.schedule`), or when it is finished, whichever comes first.

    aios review batch --from audit --automation customer_escalations --size 50
    """
    from resources.lake import Lake
    from resources.review_on_demand import batch_on_demand, differing_tickets
    from resources.reviews import ReviewStore

    of, declared, now = deployment(), context.automation(automation), context.now()
    name = declared.automation.name
    with context.database(of) as database:
        differing = (
            differing_tickets(database, Lake(of.lake_url), automation=name, now=now)
            if origin is Origin.disagreement
            else ()
        )
        made = batch_on_demand(
            database, automation=declared.automation, origin=origin.value, size=size, now=now, differing=differing
        )
        store = ReviewStore(database)
        rows = [asdict(store.batch(automation=name, batch=b)) for b in made]
    if json:
        output.as_json(rows)
    else:
        columns = ("automation", "batch", "state", "waiting", "decided", "due_at", "reason")
        output.table(rows, columns=columns, empty="nothing to look at: no such decisions in the last seven days")
        if rows:
            schedule = declared.automation.review.schedule
            output.note(
                f"in the console now; a partition of review_outcomes with the next run ({schedule}), or when finished"
            )

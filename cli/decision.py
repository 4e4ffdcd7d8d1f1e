"""`aios decision …`: what was decided, why, and whether it still comes out the same.

What belongs here: the commands. What does not: reading and replaying (`resources/decisions.py`).
"""

from dataclasses import asdict
from typing import Annotated

import typer

from cli import context, output
from resources.deployments import deployment

app = typer.Typer(no_args_is_help=True)

Id = Annotated[
    str, typer.Argument(help="A decision's id, as the console and the helpdesk's field `aios_decision` show it.")
]


@app.command()
def explain(decision_id: Id, json: output.AsJson = False) -> None:
    """Show why: the reason, the probabilities, the words, the thresholds, the policy's answer, and what followed."""
    from resources.decisions import DecisionStore

    with context.database() as database:
        told = DecisionStore(database).explain(decision_id)
    if json:
        output.as_json(told)
        return
    output.say(f"{told['verdict']} {told['queue'] or ''}".rstrip())
    output.say(told["reason"])
    likely = [p for p in told.pop("probabilities") if p["probability"] is not None][:5]
    output.table(likely, columns=("queue", "probability"), empty="")
    output.table(told.pop("terms"), columns=("term", "weight"), empty="")
    output.pairs(told)


@app.command()
def replay(
    decision_id: Id,
    rescore: Annotated[
        bool, typer.Option("--rescore/--recorded-score", help="Score anew with the model version.")
    ] = True,
    json: output.AsJson = False,
) -> None:
    """Make a decision again from its recorded inputs and compare byte for byte; exit code 1 where it differs."""
    from resources.decisions import DecisionStore
    from resources.lake import Lake
    from resources.registry import Registry

    of = deployment()
    with context.database(of) as database:
        store = DecisionStore(database)
        models = Registry(database, lake=Lake(of.lake_url))
        scored = rescore and store.get(decision_id).model_version > 0
        found = store.replay(decision_id, registry=models if scored else None, accelerator=of.accelerator)
    differences = [asdict(d) for d in found.differences]
    if json:
        output.as_json({"decision_id": decision_id, "identical": found.identical, "differences": differences})
    elif found.identical:
        output.say(f"identical, {len(found.record)} bytes")
    else:
        output.table(differences, columns=tuple(differences[0]) if differences else (), empty="the bytes differ")
    if not found.identical:
        raise typer.Exit(1)


@app.command()
def search(
    ticket: Annotated[str, typer.Argument(help="A ticket's id in the helpdesk.")],
    automation: Annotated[str | None, typer.Option(help="Default: the only automation there is.")] = None,
    json: output.AsJson = False,
) -> None:
    """Find all decisions on a ticket, newest first."""
    from resources.decisions import DecisionStore

    name = automation or context.automation(None).automation.name
    columns = ("decision_id", "verdict", "queue", "confidence", "model_version", "rule", "decided_at")
    with context.database() as database:
        found = DecisionStore(database).for_ticket(name, ticket)
    rows = [{c: getattr(d, c) for c in columns} for d in found]
    if json:
        output.as_json(rows)
    else:
        output.table(rows, columns=columns, empty=f"no decision on ticket {ticket} in {name}")


# the name that messages of the stores use
app.command("list", hidden=True)(search)

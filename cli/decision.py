"""`aios decision …`: what was decided, why, and whether it still comes out the same.

What belongs here: the commands. What does not: reading and replaying (`resources/decisions.py`).
"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cli import context, output
from resources.deployments import deployment

if TYPE_CHECKING:
    from resources.explanations import DecisionExplained

app = typer.Typer(no_args_is_help=True)

Id = Annotated[
    str, typer.Argument(help="A decision's id, as the console and the helpdesk's field `aios_decision` show it.")
]


@app.command()
def explain(decision_id: Id, json: output.AsJson = False) -> None:
    """Show why: the words that counted, similar labelled tickets, every rule that was asked, and what followed.

    Words are exact where the model can be read. Where it can't (an encoder) each is left out in turn, which is an
    approximation and takes up to some seconds for a long text. Texts of similar tickets are masked and cut.

    aios decision explain 3f0c9a… --json
    """
    from resources.decisions import DecisionStore
    from resources.explanations import Explanations
    from resources.lake import Lake

    of = deployment()
    with context.database(of) as database:
        told = DecisionStore(database).explain(decision_id)
        found = Explanations(database, lake=Lake(of.lake_url), accelerator=of.accelerator).decision(decision_id)
    if json:
        output.as_json(told | found.as_json())
        return
    output.say(f"{told['verdict']} {told['queue'] or ''}".rstrip())
    output.say(told["reason"])
    _say_why(found)
    told.pop("terms")
    likely = [p for p in told.pop("probabilities") if p["probability"] is not None][:5]
    output.table(likely, columns=("queue", "probability"), empty="")
    output.pairs(told)


def _say_why(found: "DecisionExplained") -> None:
    output.table([asdict(term) for term in found.contributions.terms], columns=("term", "weight"), empty="")
    output.say(found.contributions.told)
    near = [asdict(each.neighbour) | {"text": each.text} for each in found.neighbours]
    output.table(near, columns=("ticket_id", "label", "similarity", "text"), empty="")
    output.say(
        f"Similar tickets by {found.measure}." if near else found.missing or "No labelled ticket is like this one."
    )
    asked = [
        {"rule": s.rule, "told": s.told, "asks": s.asks, "settled": "settled it" if s.settled else ""}
        for s in found.steps
    ]
    output.table(asked, columns=("rule", "told", "asks", "settled"), empty="")


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

"""`aios outbox …`: writes to the helpdesk that wait, failed, or were kept back.

What belongs here: the commands. What does not: rows and sending (`resources/outbox.py`), and the comparison (`resources/dry_run.py`).
"""

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any

import typer

from cli import context, output

app = typer.Typer(no_args_is_help=True)

Automation = Annotated[str | None, typer.Option(help="Default: the only one there is.")]


@app.command()
def status(automation: Automation = None, json: output.AsJson = False) -> None:
    """How many writes there are by state: pending, sent, dead, superseded (the ticket changed or was decided again), dry_run.

    aios outbox status --automation customer_escalations
    """
    from resources.outbox import Outbox

    name = context.automation(automation).automation.name
    with context.database() as database:
        counts = Outbox(database).counts(name)
    if json:
        output.as_json(counts)
    else:
        output.pairs(counts or {"actions": 0}, title=name)


@app.command()
def dead(
    automation: Automation = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 100,
    json: output.AsJson = False,
) -> None:
    """Writes that failed for good, each with the error that ended it.

    aios outbox dead --json
    """
    from resources.outbox import Outbox

    name = context.automation(automation).automation.name
    with context.database() as database:
        found = Outbox(database).dead(name, limit=limit)
    if json:
        output.as_json([dict(row) for row in found])
        return
    columns = ("action_id", "target", "kind", "external_id", "attempts", "last_error", "decision_id")
    output.table(found, columns=columns, empty="no write has failed for good")


@app.command()
def replay(
    actions: Annotated[list[int] | None, typer.Argument(metavar="ACTION...", help="Ids, as `dead` shows them.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All dead writes of the automation.")] = False,
    automation: Automation = None,
    json: output.AsJson = False,
) -> None:
    """Send dead writes again, with all their attempts, once their cause is mended. What took effect before has no second effect.

    aios outbox replay 17 18
    aios outbox replay --all --automation customer_escalations
    """
    from resources.outbox import Outbox

    if every == bool(actions):
        raise typer.BadParameter("name actions, or --all", param_hint="ACTION")
    name = context.automation(automation).automation.name
    with context.database() as database:
        outbox = Outbox(database)
        known = outbox.dead_ids(name)
        wanted = known if every else [one for one in actions or () if one in known]
        revived = outbox.revive(name, wanted, actor=context.actor(), now=context.now())
    strange = sorted(set(actions or ()) - set(known))
    if json:
        output.as_json({"revived": revived.again, "outdated": revived.outdated, "not_dead": strange})
    else:
        output.say(f"{revived.again} will be sent by the next delivery")
        if revived.outdated:
            output.note(f"{revived.outdated} will not: a newer decision on the ticket stands")
        if strange:
            output.note(f"not dead, or not of {name}: {', '.join(map(str, strange))}")
    if strange:
        raise typer.Exit(1)


@app.command()
def compare(
    automation: Automation = None,
    days: Annotated[float | None, typer.Option(min=0, help="Of the last so many days; default: all.")] = None,
    json: output.AsJson = False,
) -> None:
    """What a dry run would have done, beside what people did with the same tickets, and how to leave it.

    aios outbox compare --automation customer_escalations --days 7
    """
    from resources.dry_run import DryRuns

    declared = context.automation(automation)
    since = None if days is None else context.now() - timedelta(days=days)
    with context.database() as database:
        found = DryRuns(database).compare(declared.automation.name, since=since)
    told: dict[str, Any] = {
        "automation": declared.automation.name,
        "dry_run": declared.automation.actions.dry_run,
        "would": found.would,
        "same": found.same,
        "other": found.other,
        "open": found.would - found.same - found.other,
        "agreement": found.agreement,
        "hours_sooner": found.hours_sooner,
    }
    leaving = (
        f"{declared.file}: set `actions.dry_run: false`, and decisions from then on are sent; what was kept back stays back"
        if declared.automation.actions.dry_run
        else "writes are sent; what was kept back before stays back"
    )
    queues = [asdict(queue) | {"open": queue.open} for queue in found.queues]
    if json:
        output.as_json(
            told
            | {"kept": found.kept, "queues": queues, "differences": [asdict(d) for d in found.differences]}
            | {"leaving": leaving}
        )
        return
    output.pairs(told | {"kept back": found.kept})
    output.table(queues, columns=("queue", "would", "same", "other", "open"), empty="nothing was kept back")
    if found.differences:
        output.say("\nwhere people did something else:")
        columns = ("ticket_id", "would", "people", "confidence", "decision_id")
        output.table([asdict(d) for d in found.differences], columns=columns, empty="")
    output.note(leaving)

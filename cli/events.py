"""`aios events …`: what is told to other systems, how far each receiver is, and what it refused.

What belongs here: the commands. What does not: rows and sending (`resources/events.py`).
"""

from dataclasses import asdict
from typing import Annotated

import typer

from cli import context, output

app = typer.Typer(no_args_is_help=True)

Automation = Annotated[str | None, typer.Option(help="Default: the only one there is.")]


@app.command()
def status(automation: Automation = None, json: output.AsJson = False) -> None:
    """How far each declared receiver is: sent, waiting, to come again (pending), given up (dead), and what went wrong last.

    aios events status
    """
    from resources.events import EventStore

    declared = context.automation(automation).automation
    with context.database() as database:
        found = [asdict(sink) for sink in EventStore(database).status(declared.name, declared.events)]
    if json:
        output.as_json(found)
        return
    columns = ("sink", "sent", "waiting", "pending", "dead", "moved_at", "last_error", "failed_at")
    output.table(found, columns=columns, empty="no receiver is declared; `events:` in the automation's YAML names them")


@app.command(name="list")
def newest(
    automation: Automation = None,
    types: Annotated[list[str] | None, typer.Option("--type", help="Only these, such as decision.recorded.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 20,
    json: output.AsJson = False,
) -> None:
    """Events that were written, newest first.

    aios events list --type incident.opened --json
    """
    from resources.events import EventStore

    name = context.automation(automation).automation.name
    with context.database() as database:
        found = EventStore(database).newest(name, types=types or (), limit=limit)
    if json:
        output.as_json(found)
    else:
        output.table(found, columns=("event_id", "at", "type", "subject", "fact"), empty="no event was written")


@app.command()
def dead(
    automation: Automation = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 100,
    json: output.AsJson = False,
) -> None:
    """Events that a receiver refused, or did not take as often as declared.

    aios events dead --json
    """
    from resources.events import EventStore

    name = context.automation(automation).automation.name
    with context.database() as database:
        found = EventStore(database).dead(name, limit=limit)
    if json:
        output.as_json(found)
        return
    columns = ("event_id", "sink", "type", "subject", "attempts", "last_error")
    output.table(found, columns=columns, empty="no event was given up")


@app.command()
def replay(
    events: Annotated[list[int] | None, typer.Argument(metavar="EVENT...", help="Ids, as `dead` shows them.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All dead events of the automation.")] = False,
    sink: Annotated[str | None, typer.Option(help="Only for this receiver, such as webhook:warehouse.")] = None,
    automation: Automation = None,
    json: output.AsJson = False,
) -> None:
    """Send dead events again, under the same ids, once their cause is mended.

    aios events replay 17 18
    aios events replay --all --sink webhook:warehouse
    """
    from resources.events import EventStore

    if bool(events) == every:
        raise typer.BadParameter("name events, or say --all")
    name = context.automation(automation).automation.name
    with context.database() as database:
        count = EventStore(database).replay(name, ids=events or None, sink=sink, now=context.now())
    if json:
        output.as_json({"again": count})
    else:
        output.pairs({"come again": count}, title=name)


@app.command()
def send(
    automation: Automation = None,
    seconds: Annotated[float, typer.Option(min=1, help="At most so long.")] = 20.0,
    json: output.AsJson = False,
) -> None:
    """Send what is due now. The sensor does it every few seconds; this is for a platform without a daemon, and for trying a receiver.

    aios events send
    """
    from resources.deployments import deployment
    from resources.event_sinks.opening import send_all

    declared = context.automation(automation).automation
    with context.database() as database:
        told = send_all(declared, database, console=deployment().gateway_url, now=context.now(), seconds=seconds)
    found = [{"sink": name, **asdict(sent)} for name, sent in told.items()]
    if json:
        output.as_json(found)
    else:
        output.table(
            found, columns=("sink", "taken", "retried", "dead", "busy", "error"), empty="no receiver is declared"
        )


@app.command()
def schema(
    type_: Annotated[str | None, typer.Argument(metavar="TYPE", help="Such as decision.recorded; none: all.")] = None,
) -> None:
    """The JSON schema of an event's data.

    aios events schema decision.recorded
    """
    from aios_core.declaration.events import EVENT_TYPES
    from aios_core.events.types import schema_of
    from resources.deployments import deployment

    console = deployment().gateway_url
    found = {told: schema_of(told, console=console) for told in ([type_] if type_ else EVENT_TYPES)}
    output.as_json(found[type_] if type_ else found)

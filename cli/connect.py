"""`aios connect …`: whether declared sources can be read, and what their records become.

What belongs here: the commands. What does not: reading (`resources/connectors/looking.py`).
"""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from cli import context, output

app = typer.Typer(no_args_is_help=True)

Source = Annotated[str, typer.Argument(help="The source's name in the declaration.")]
Automation = Annotated[str | None, typer.Option(help="Default: the only one there is.")]


@app.command()
def check(source: Source, automation: Automation = None, json: output.AsJson = False) -> None:
    """Sign in at a source and read one page: who we are there, its clock beside ours, how much of its quota is used.

    aios connect check helpdesk --automation customer_escalations
    """
    from resources.connectors import looking

    with context.database() as database:
        found = looking.check(context.automation(automation), source, database)
    if json:
        output.as_json(asdict(found) | {"skewed": found.skewed})
        return
    output.say(found.who)
    if found.skewed:
        output.note(f"its clock is {found.clock_offset:+.0f} s off ours; one of the two is wrong")
    shown: dict[str, Any] = {f"quota {name}": said for name, said in found.quota.items()}
    if found.clock_offset is not None:
        shown["clock"] = f"{found.clock_offset:+.1f} s"
    output.pairs(shown | {"first record": _masked(found.first) if found.first else "none"})


@app.command()
def preview(
    source: Source,
    automation: Automation = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Records of each object.")] = 5,
    json: output.AsJson = False,
) -> None:
    """The first records of a source as the pipeline would understand them. Nothing is kept.

    aios connect preview helpdesk --limit 3 --json
    """
    from resources.connectors import looking

    with context.database() as database:
        found = looking.preview(context.automation(automation), source, database, limit=limit)
    if json:
        output.as_json([asdict(one) for one in found])
        return
    for one in found:
        output.pairs(
            {"version": one.version, **({"refused": one.refused} if one.refused else _masked(one.entity or {}))},
            title=f"{one.object} {one.external_id}",
        )
    if not found:
        output.say("the source has no records")


@app.command()
def thread(
    source: Source,
    ticket: Annotated[str, typer.Argument(help="The ticket's id at the helpdesk.")],
    automation: Automation = None,
    json: output.AsJson = False,
) -> None:
    """What was written on a ticket after its own text: customers, agents, and what is internal. Nothing is kept.

    aios connect thread helpdesk 100124 --json
    """
    from resources.connectors.failures import SourceUnavailable
    from resources.threads import conversation

    with context.database() as database:
        found = conversation(database, context.automation(automation).automation, source=source, ticket_id=ticket)
    if found.problem:
        raise SourceUnavailable(found.problem)
    if json:
        output.as_json([asdict(message) for message in found.messages])
        return
    seen_by = {True: "public", False: "internal", None: "not said"}
    for message in found.masked().messages:
        attached = ", ".join(one.name for one in message.attachments)
        told = {"seen": seen_by[message.public], "text": message.text} | ({"attached": attached} if attached else {})
        output.pairs(told, title=f"{message.at or 'at some time'}, {message.author or 'somebody'}")
    if not found.messages:
        output.say("nothing was written after the ticket's own text")


@app.command()
def accept(source: Source, automation: Automation = None, json: output.AsJson = False) -> None:
    """Take what a source's records look like from now on for its contract: after a change that was looked at.

    aios connect accept helpdesk --automation customer_escalations
    """
    from resources.contracts import ContractStore

    declared = context.automation(automation)
    with context.database() as database:
        forgotten = ContractStore(database).forget(automation=declared.automation.name, source=source)
    if json:
        output.as_json({"source": source, "forgotten": forgotten})
    else:
        output.say(f"the next read of {source} says what its contract is; forgotten: {forgotten} kinds of records")


def _masked(fields: dict[str, Any]) -> dict[str, Any]:
    """What a terminal's history may keep: texts without addresses and numbers of persons."""
    from aios_core.privacy.masking import mask

    return {name: mask(value) if isinstance(value, str) else value for name, value in fields.items()}

"""`aios incident …`: what degraded, what was done about it and when, and its end.

What belongs here: the commands. What does not: the rows (`resources/incidents.py`) and the timeline
(`aios_core/monitoring/timeline.py`).
"""

from dataclasses import asdict
from typing import Annotated

import typer

from cli import context, output

app = typer.Typer(no_args_is_help=True)

Number = Annotated[int, typer.Argument(min=1, help="The incident's number.")]


@app.command("list")
def show_list(
    automation: Annotated[str | None, typer.Option(help="Default: all of them.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 50,
    json: output.AsJson = False,
) -> None:
    """List incidents, newest first: the remedy, the queue it holds, and why."""
    from resources.incidents import IncidentStore

    with context.database() as database:
        found = IncidentStore(database).list(automation, open_only=not every, limit=limit)
    rows = [{k: v for k, v in asdict(i).items() if k != "evidence"} for i in found]
    if json:
        output.as_json(rows)
    else:
        columns = ("incident_id", "automation", "remedy", "queue", "opened_at", "closed_at", "reason")
        output.table(
            rows, columns=columns, empty="no incident" if every else "no incident is open; --all shows closed ones"
        )


@app.command()
def show(incident: Number, json: output.AsJson = False) -> None:
    """Show one incident: its timeline from the first drifted partition to its end, and what was made good.

    With --json also the evidence that the judge went by, and the decisions that were corrected or sent to review.
    """
    from aios_core.monitoring.timeline import seconds_to_move, timeline
    from resources.incidents import IncidentStore

    with context.database() as database:
        store = IncidentStore(database)
        story, corrections = store.story(incident), store.corrections(incident)
    entries, seconds = timeline(story), seconds_to_move(story)
    if json:
        told = {**asdict(story), "timeline": [asdict(e) for e in entries], "flagged_to_moved_seconds": seconds}
        output.as_json(told | {"corrections": corrections})
        return
    where = f" ({story.queue})" if story.queue else ""
    output.say(f"{story.automation}: {story.remedy}{where}, {'closed' if story.closed_at else 'open'}")
    rows = [
        {"at": e.at, "what": e.kind, "how": e.text, "see": ", ".join(f"{k.kind} {k.target}" for k in e.links)}
        for e in entries
    ]
    output.table(rows, columns=("at", "what", "how", "see"), empty="")
    if seconds is not None:
        output.say(f"from flagged to moved: {seconds:.0f} s")
    columns = ("ticket_id", "before", "after", "fate", "decision_id", "corrected_by")
    if corrections:
        output.table(corrections, columns=columns, empty="")


@app.command()
def close(
    incident: Number,
    why: Annotated[str, typer.Option(help="Why it is over; it is kept for good.")],
    json: output.AsJson = False,
) -> None:
    """Close an incident; a queue or an automation that it holds to review is automated again.

    A stop is lifted in no other way. What the judge knew by now counts for no new hold: it begins anew with what turns out later.

    aios incident close 7 --why "the new product's tickets have a queue of their own now"
    """
    from resources.incidents import IncidentStore

    with context.database() as database:
        closed = IncidentStore(database).close(incident, actor=context.actor(), why=why, now=context.now())
    if json:
        output.as_json({"incident_id": incident, "closed": closed})
    else:
        output.say(f"closed incident {incident}" if closed else f"incident {incident} was closed before")

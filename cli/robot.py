"""`aios robot …`: tasks that work systems without an API: what is declared, a trial, and what they did.

What belongs here: the commands. What does not: running (`resources/robots/`).
"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cli import context, output

app = typer.Typer(no_args_is_help=True)

Automation = Annotated[str | None, typer.Option(help="Default: the only one there is.")]


@app.command(name="list")
def declared(automation: Automation = None, json: output.AsJson = False) -> None:
    """Robots that an automation declares, and the one that its actions are written by.

    aios robot list
    """
    of = context.automation(automation).automation
    found = [
        {"robot": name, "task": robot.task, "account": robot.account, "writes_actions": name == of.actions.robot}
        for name, robot in of.robots.items()
    ]
    if json:
        output.as_json(found)
        return
    columns = ("robot", "task", "account", "writes_actions")
    output.table(found, columns=columns, empty="no robot is declared; `robots:` in the automation's YAML names them")


@app.command(name="try")
def attempt(
    name: Annotated[str, typer.Argument(metavar="ROBOT")],
    ticket: Annotated[str, typer.Option(help="The ticket that it works on: it is really written to.")],
    queue: Annotated[str | None, typer.Option(help="Where to put it; default: it stays where it is.")] = None,
    note: Annotated[str, typer.Option(help="What it writes.")] = "A trial of AIOS. Please ignore this note.",
    out: Annotated[Path, typer.Option(help="Folder for its log and pictures.")] = Path("robot-evidence"),
    automation: Automation = None,
    json: output.AsJson = False,
) -> None:
    """Run one robot on one ticket, really, and look at what it did. Nothing is recorded; its note is marked as a trial.

    aios robot try legacy_desk --ticket 100021 --note "just a trial"
    """
    from aios_core.decisions.actions import OutboxAction
    from resources.robots.running import run
    from resources.robots.writer import alone, job_of

    of = context.automation(automation)
    if name not in of.automation.robots:
        raise typer.BadParameter(f"no robot is called {name}; `aios robot list` shows them", param_hint="ROBOT")
    robot = of.automation.robots[name]
    action = OutboxAction(
        target=of.automation.actions.source or "",
        kind="assign" if queue else "note",
        external_id=ticket,
        payload={"queue": queue, "comment": note},
        idempotency_key=f"trial:{context.now():%Y%m%dT%H%M%S}",
    )
    job = job_of(robot, action, folder=of.folder)
    with context.database() as database, alone(database, robot.account, seconds=robot.time_limit_seconds) as free:
        if not free:
            output.note(f"account {robot.account} is in use by another robot; try again later")
            raise typer.Exit(1)
        ended = run(job)
    out.mkdir(parents=True, exist_ok=True)
    for file, content in ended.evidence.items():
        (out / file).write_bytes(content)
    told = {"status": ended.status, "message": ended.message, "outputs": dict(ended.outputs), "evidence": str(out)}
    if json:
        output.as_json(told)
    else:
        output.pairs(told, title=name)
    if ended.status != "sent":
        raise typer.Exit(1)


@app.command()
def runs(
    automation: Automation = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 20,
    json: output.AsJson = False,
) -> None:
    """What robots did, newest first, with where their evidence lies.

    aios robot runs --json
    """
    from resources.deployments import deployment
    from resources.lake import Lake
    from resources.robots.store import RobotRuns

    name = context.automation(automation).automation.name
    with context.database() as database:
        found = [asdict(one) for one in RobotRuns(database, Lake(deployment().lake_url)).newest(name, limit=limit)]
    if json:
        output.as_json(found)
        return
    columns = ("run_id", "robot", "external_id", "status", "message", "started_at", "ended_at")
    output.table(found, columns=columns, empty="no robot has run")

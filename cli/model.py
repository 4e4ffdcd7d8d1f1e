"""`aios model …`: versions, aliases, their history, promotion and rollback.

What belongs here: the commands. What does not: the registry (`resources/registry.py`).
"""

import getpass
from dataclasses import asdict
from typing import Annotated

import typer

from cli import context, output

app = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The model; by default it is called like its automation.")]
Version = Annotated[int, typer.Argument(min=1, help="Its version.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept for good.")]


@app.command("list")
def show_list(json: output.AsJson = False) -> None:
    """List every automation's model with its aliases."""
    rows = []
    with context.registry() as registry:
        for declared in context.automations():
            name = declared.automation.model_name
            aliases = {
                a: registry.current(name=name, alias=a) for a in ("champion", "last_good", "challenger", "shadow")
            }
            rows.append({"model": name, "versions": len(registry.versions(name)), **aliases})
    if json:
        output.as_json(rows)
    else:
        output.table(
            rows, columns=("model", "versions", "champion", "last_good", "challenger", "shadow"), empty="no automation"
        )


@app.command()
def show(
    name: Name,
    version: Annotated[int | None, typer.Argument(help="Default: the champion.")] = None,
    json: output.AsJson = False,
) -> None:
    """Show one version: its metrics, training snapshot, files and card."""
    with context.registry() as registry:
        found = registry.get(name, version or registry.current(name=name) or 0)
    told = asdict(found)
    if json:
        output.as_json(told)
    else:
        told.pop("card")
        told["classes"] = len(found.classes)
        output.pairs(told, title=f"{name} version {found.version}")


@app.command()
def history(name: Name, json: output.AsJson = False) -> None:
    """Show every move of every alias, newest first."""
    with context.registry() as registry:
        rows = [asdict(m) for m in registry.history(name)]
    columns = ("moved_at", "alias", "version", "previous_version", "actor", "reason")
    if json:
        output.as_json(rows)
    else:
        output.table(rows, columns=columns, empty=f"no alias of {name} was ever moved")


@app.command()
def promote(
    name: Name,
    version: Version,
    reason: Reason,
    alias: Annotated[str, typer.Option(help="champion, challenger or shadow.")] = "champion",
    json: output.AsJson = False,
) -> None:
    """Point an alias at a version. The next scoring uses it.

    aios model promote customer_escalations 3 --reason "better on fraud, see ticket 88"
    """
    with context.registry() as registry:
        registry.move(
            name=name, alias=alias, version=version, actor=_actor(), reason=reason, evidence={}, now=context.now()
        )
    _say({"model": name, "alias": alias, "version": version}, json)


@app.command()
def rollback(name: Name, reason: Reason, json: output.AsJson = False) -> None:
    """Point the champion back at the last good version."""
    with context.registry() as registry:
        version = registry.rollback(name=name, actor=_actor(), reason=reason, evidence={}, now=context.now())
    _say({"model": name, "alias": "champion", "version": version}, json)


def _say(told: dict[str, object], json: bool) -> None:
    if json:
        output.as_json(told)
    else:
        output.say(f"{told['model']}: {told['alias']} is version {told['version']}")


def _actor() -> str:
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user without a name
        return "cli"

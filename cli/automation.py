"""`aios automation …`: write, check, compare and list declarations.

What belongs here: the commands. What does not: loading (`resources/declarations.py`) and the schema (`aios_core/automation.py`).
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from aios_core.automation import Automation, diff
from aios_core.errors import DeclarationError
from cli import context, output
from resources.declarations import DECLARATION_FILE, Declared, load_declaration, scaffold
from resources.deployments import OWN_AUTOMATIONS

app = typer.Typer(no_args_is_help=True)

File = Annotated[Path, typer.Argument(help=f"A {DECLARATION_FILE}, or its folder.")]


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits and _.")],
    folder: Annotated[
        Path,
        typer.Option(help="Where the automation's folder is made; outside the project, add it to AIOS_AUTOMATIONS."),
    ] = OWN_AUTOMATIONS,
) -> None:
    """Write a new automation that loads and runs on the sandbox.

    aios automation new my_tickets --folder ../our-automations
    """
    file = scaffold(name, folder=folder, today=context.now().date())
    output.say(f"wrote {file} and its policy")
    output.say(f"next: edit it, `aios automation check {file}`, then `aios run {name}`")


@app.command()
def check(file: File, json: output.AsJson = False) -> None:
    """Say what is wrong with a declaration and its policy, with file and line; exit code 1 when something is."""
    from resources.policy import RegoPolicy

    declared = load_declaration(_file(file))
    RegoPolicy(declared.policy_text, name=str(declared.folder / declared.automation.decisions.policy)).check(
        queues=declared.automation.queue_names
    )
    shown = {"automation": declared.automation.name, "version": declared.automation.version, "ok": True}
    if json:
        output.as_json(shown)
    else:
        output.say(f"{declared.file}: fine; {declared.automation.name} version {declared.automation.version}")


@app.command("diff")
def show_diff(
    file: File,
    against: Annotated[Path | None, typer.Option(help="Another declaration; default: what last decided.")] = None,
    json: output.AsJson = False,
) -> None:
    """Show what would change if this declaration were loaded; nothing is loaded.

    aios automation diff defs.yaml
    aios automation diff defs.yaml --against ../old/defs.yaml
    """
    declared = load_declaration(_file(file))
    old = load_declaration(_file(against)).automation if against else _recorded(declared)
    changes = diff(old, declared.automation)
    rows: list[dict[str, Any]] = [{"what": path, "before": before, "after": after} for path, before, after in changes]
    if json:
        output.as_json({"from": old.version, "to": declared.automation.version, "changes": rows})
        return
    output.table(rows, columns=("what", "before", "after"), empty="no difference")


@app.command("list")
def show_list(json: output.AsJson = False) -> None:
    """List every automation of this deployment."""
    rows = [
        {
            "name": d.automation.name,
            "version": d.automation.version,
            "sources": ", ".join(f"{n} ({s.connector})" for n, s in d.automation.sources.items()),
            "queues": len(d.automation.queues) or "from data",
            "file": str(d.file),
        }
        for d in context.automations()
    ]
    if json:
        output.as_json(rows)
    else:
        output.table(
            rows,
            columns=("name", "version", "sources", "queues", "file"),
            empty="no automation; `aios automation new NAME`",
        )


def _recorded(declared: Declared) -> Automation:
    from resources.declared_history import newest_declaration

    with context.database() as database:
        found = newest_declaration(database, declared.automation.name)
    if found is None:
        raise DeclarationError(
            f"no decision of {declared.automation.name} is recorded yet; name another file with --against"
        )
    return found


def _file(path: Path) -> Path:
    return path / DECLARATION_FILE if path.is_dir() else path

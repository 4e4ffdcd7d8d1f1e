"""`aios model …`: versions, what they may become, comparison, promotion and rollback.

What belongs here: the commands. What does not: the registry (`resources/registry.py`), the gate (`resources/gatekeeper.py`) and
their words (`aios_core/lifecycle/page.py`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from aios_core.errors import DeclarationError
from aios_core.lifecycle.states import CANARY, CHAMPION, LAST_GOOD, SHADOW
from cli import context, output
from resources.declarations import Declared
from resources.deployments import deployment

if TYPE_CHECKING:
    from resources.gatekeeper import Gatekeeper
    from resources.registry import Registry

app = typer.Typer(no_args_is_help=True)

SHOWN = (CHAMPION, LAST_GOOD, CANARY, SHADOW, "candidate")

SHOWN_MISTAKES = 25

Name = Annotated[str, typer.Argument(help="The model; by default it is called like its automation.")]
Version = Annotated[int, typer.Argument(min=1, help="Its version.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept for good.")]


@app.command("list")
def show_list(json: output.AsJson = False) -> None:
    """List every automation's model: how many versions it has, and which one each alias points to."""
    rows = []
    with context.registry() as registry:
        for declared in context.automations():
            name = declared.automation.model_name
            standing = registry.standing(name=name)
            aliases = {alias: standing.get(alias) for alias in SHOWN}
            rows.append({"model": name, "versions": len(registry.versions(name)), **aliases})
    if json:
        output.as_json(rows)
    else:
        output.table(rows, columns=("model", "versions", *SHOWN), empty="no automation")


@app.command()
def show(
    name: Name,
    version: Annotated[int | None, typer.Argument(help="Default: the champion.")] = None,
    json: output.AsJson = False,
) -> None:
    """Show one version: the aliases that point to it, its metrics, training snapshot, files and card."""
    with context.registry() as registry:
        found = registry.get(name, version or registry.current(name=name) or 0)
        aliases = sorted(a for a, v in registry.standing(name=name).items() if v == found.version)
    told = asdict(found) | {"aliases": aliases}
    if json:
        output.as_json(told)
    else:
        told.pop("card")
        told["classes"] = len(found.classes)
        output.pairs(told, title=f"{name} version {found.version}")


@app.command()
def gate(name: Name, version: Version, json: output.AsJson = False) -> None:
    """Ask the promotion gate of a version, without moving anything; exit code 1 where it holds the version back.

    Every guard says what it measured and its limit: parity with the fitted model, quality on the frozen evaluation set, fairness of
    error across queues and customer tiers, the time to score one ticket on this machine, and open incidents.
    """
    from aios_core.lifecycle.page import gate_rows

    with _gatekeeper(name) as (keeper, _):
        found = keeper.gate(version)
    if json:
        output.as_json(found.as_json())
    else:
        output.table(gate_rows(found), columns=("guard", "state", "value", "limit", "why"), empty="no guard")
    if not found.passed:
        raise typer.Exit(1)


@app.command()
def explain(
    name: Name,
    version: Annotated[int | None, typer.Argument(min=1, help="Default: the champion.")] = None,
    json: output.AsJson = False,
) -> None:
    """Show what a version goes by queue by queue, where it errs more than elsewhere, and what it takes for what.

    Errors are of the held-back tickets, scored by a fit that never saw them. Training writes all of it into the version; of an older
    version it is made now, as far as its files tell. The console shows the same at /models/NAME/versions/VERSION, with the tickets.

    aios model explain customer_escalations 3 --json
    """
    from aios_core.explanation.page import mistake_rows, segment_rows, summary, term_rows
    from resources.explanations import Explanations
    from resources.lake import Lake
    from resources.registry import Registry, UnknownModel

    of = deployment()
    with context.database(of) as database:
        lake = Lake(of.lake_url)
        registry = Registry(database, lake=lake)
        number = version or registry.current(name=name) or 0
        found = Explanations(database, lake=lake, registry=registry, accelerator=of.accelerator).version(name, number)
    if found is None:
        raise UnknownModel(
            f"model {name} version {number} was made before held-back tickets were kept, so nothing is known of its mistakes; "
            "train again, and explain the new version"
        )
    if json:
        output.as_json({"model": name, "version": number} | found.as_json())
        return
    output.say(summary(found))
    for each in found.importances:
        output.say(each.told)
        output.table(term_rows(each), columns=("queue", "goes by"), empty="")
    columns = ("by", "segment", "rows", "wrong", "error", "95% interval", "against the whole")
    output.table(segment_rows(found.segments), columns=columns, empty="")
    output.table(
        mistake_rows(found.confusion.mistakes(SHOWN_MISTAKES)),
        columns=("right", "predicted", "tickets", "of that queue"),
        empty="no mistake",
    )
    for note in found.notes:
        output.note(note)


@app.command()
def compare(
    name: Name,
    old: Annotated[int, typer.Argument(min=1, help="The version to start from, as a rule the champion.")],
    new: Annotated[int, typer.Argument(min=1, help="The version to compare with it.")],
    json: output.AsJson = False,
) -> None:
    """Compare two versions on the same held-back tickets, none of which either has learnt.

    Says which is right where, whether that may be chance (McNemar's test), which tickets would get another queue or verdict under
    today's rules, and what a ticket would cost. The console shows the same at /models/NAME/compare/OLD/NEW.

    aios model compare customer_escalations 3 4
    """
    from aios_core.lifecycle.page import group_rows, summary, verdict_rows

    with _gatekeeper(name) as (keeper, _):
        found = keeper.comparer.compare(old, new)
    if json:
        output.as_json(found.as_json() | {"old_accuracy": found.old_accuracy, "new_accuracy": found.new_accuracy,
                                          "reverdicted": found.reverdicted})  # fmt: skip
        return
    output.say(summary(found))
    for groups in (found.by_queue, found.by_tier):
        rows = group_rows(groups)
        output.table(rows, columns=tuple(rows[0]) if rows else (), empty="")
    output.table(verdict_rows(found), columns=("old", "new", "tickets"), empty="")


@app.command()
def history(
    name: Name,
    at: Annotated[
        str | None,
        typer.Option(help="Show instead where each alias pointed at this time: 2026-11-20 or 2026-11-20T14:30."),
    ] = None,
    json: output.AsJson = False,
) -> None:
    """Show every move of every alias, newest first: who, why, and with --json the gate's evidence.

    aios model history customer_escalations --at 2026-11-20T14:30
    """
    with context.registry() as registry:
        if at is not None:
            standing = registry.as_of(name=name, at=_moment(at))
            rows = [{"alias": alias, "version": version} for alias, version in sorted(standing.items())]
            columns: tuple[str, ...] = ("alias", "version")
        else:
            rows = [asdict(m) for m in registry.history(name)]
            columns = ("moved_at", "alias", "version", "previous_version", "actor", "reason")
    if json:
        output.as_json(rows)
    else:
        empty = f"no alias of {name} was ever moved" if at is None else f"no alias of {name} was moved by {at}"
        output.table(rows, columns=columns, empty=empty)


@app.command()
def promote(
    name: Name,
    version: Version,
    reason: Reason,
    alias: Annotated[
        str, typer.Option(help="champion, canary or shadow; challenger is a name of your own.")
    ] = CHAMPION,
    force: Annotated[bool, typer.Option("--force", help="Past a closed gate; what it said is recorded.")] = False,
    json: output.AsJson = False,
) -> None:
    """Move a version to an alias, past the gate. The next scoring uses it; the gateway swaps within a second.

    shadow scores beside the champion and decides nothing, canary decides a declared share of tickets, champion the rest. The
    version is loaded and checked before the alias moves, so a damaged one never decides.

    aios model promote customer_escalations 3 --reason "better on fraud, see ticket 88"
    aios model promote customer_escalations 3 --alias canary --force --reason "small sample, watching it"
    """
    with _gatekeeper(name) as (keeper, registry):
        if alias not in (CHAMPION, CANARY, SHADOW):
            registry.move(
                name=name,
                alias=alias,
                version=version,
                actor=context.actor(),
                reason=reason,
                evidence={},
                now=context.now(),
            )
            _say({"model": name, "alias": alias, "version": version}, json)
            return
        moved = keeper.move(version, alias=alias, actor=context.actor(), reason=reason, now=context.now(), force=force)
    told: dict[str, object] = {"model": name, "alias": alias, "version": version}
    _say(told | {"forced_past": list(moved.against), "freed_queues": list(moved.freed)}, json)


@app.command()
def withdraw(
    name: Name,
    reason: Reason,
    alias: Annotated[str, typer.Option(help="canary or shadow.")] = CANARY,
    json: output.AsJson = False,
) -> None:
    """End a canary or a shadow: the alias points to nothing, and the champion decides every ticket again."""
    with context.registry() as registry:
        version = registry.current(name=name, alias=alias)
        if version is not None:
            registry.withdraw(
                name=name,
                alias=alias,
                version=version,
                actor=context.actor(),
                reason=reason,
                evidence={},
                now=context.now(),
            )
    if json:
        output.as_json({"model": name, "alias": alias, "withdrawn": version})
    else:
        output.say(
            f"{name}: there is no {alias}" if version is None else f"{name}: version {version} is {alias} no more"
        )


@app.command()
def rollback(name: Name, reason: Reason, json: output.AsJson = False) -> None:
    """Point the champion back at the last good version, at once: no gate is asked. A canary ends with it.

    It opens an incident, as a rollback by the judge does: a sensor then has the decisions of the version that was left made good.

    aios model rollback customer_escalations --reason "sends refunds to fraud"
    """
    from resources.incidents import roll_back
    from resources.lake import Lake
    from resources.ledger import Ledger
    from resources.registry import Registry

    of = deployment()
    with context.database(of) as database:
        registry = Registry(database, lake=Lake(of.lake_url), ledger=Ledger(database))
        champion = registry.current(name=name)
        version = roll_back(
            database,
            registry,
            automation=name if champion is None else registry.get(name, champion).automation,
            name=name,
            reason=reason,
            evidence={},
            actor=context.actor(),
            now=context.now(),
            accelerator=of.accelerator,
        )
    _say({"model": name, "alias": CHAMPION, "version": version}, json)


@contextmanager
def _gatekeeper(name: str) -> "Iterator[tuple[Gatekeeper, Registry]]":
    """The gate of the automation whose model this is."""
    from resources.gatekeeper import Gatekeeper
    from resources.lake import Lake
    from resources.ledger import Ledger
    from resources.registry import Registry

    of, declared = deployment(), _declared(name)
    with context.database(of) as database:
        lake = Lake(of.lake_url)
        registry = Registry(database, lake=lake, ledger=Ledger(database))
        yield (
            Gatekeeper(declared, database=database, lake=lake, registry=registry, accelerator=of.accelerator),
            registry,
        )


def _declared(model: str) -> Declared:
    found = {d.automation.model_name: d for d in context.automations()}
    if model not in found:
        known = ", ".join(sorted(found)) or "none"
        raise DeclarationError(
            f"no automation has a model `{model}`; there are: {known} (AIOS_AUTOMATIONS adds folders)"
        )
    return found[model]


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"`{text}` is no time; write 2026-11-20 or 2026-11-20T14:30+01:00", param_hint="--at"
        ) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _say(told: dict[str, object], json: bool) -> None:
    if json:
        output.as_json(told)
        return
    output.say(f"{told['model']}: {told['alias']} is version {told['version']}")
    for line in told.get("forced_past") or ():  # type: ignore[attr-defined]
        output.note(f"forced past: {line}")
    if told.get("freed_queues"):
        output.note(f"automated again: {', '.join(map(str, told['freed_queues']))}")  # type: ignore[call-overload]

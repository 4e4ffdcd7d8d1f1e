"""`aios thresholds …`: cut-offs chosen on past data, tried on history, and accepted by a person.

What belongs here: the commands. What does not: choosing (`aios_core/thresholds/`), gathering and writing (`resources/threshold*.py`).
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import context, output
from resources.deployments import deployment

if TYPE_CHECKING:
    from aios_core.decisions.thresholds import Thresholds

app = typer.Typer(no_args_is_help=True)

Automation = Annotated[str | None, typer.Option(help="Default: the only automation there is.")]
Days = Annotated[int, typer.Option(min=1, help="How many days of decisions to look at.")]


@app.command()
def propose(
    automation: Automation = None,
    capacity: Annotated[float | None, typer.Option(min=0, help="Reviews a day that people can do.")] = None,
    max_error: Annotated[
        float, typer.Option(help="Share of automated tickets that may be wrong; this is guaranteed.")
    ] = 0.02,
    confidence: Annotated[float, typer.Option(help="How sure the guarantee has to be.")] = 0.9,
    days: Days = 30,
    html: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write the proposal with its curve as one HTML file.")
    ] = None,
    json: output.AsJson = False,
) -> None:
    """Choose the cut-offs for automate and draft, queue by queue: the cheapest that the guarantee and the reviewers' day allow.

    Costs are those that the automation declares. Every cut-off is tried on the champion's held-back tickets and on what it decided lately;
    how many errors it makes is tested on tickets that were labelled whatever their score. A queue with too few of them shares its cut-offs
    with others. The proposal is kept and shown at /automations/NAME/thresholds; nothing moves by itself.

    aios thresholds propose --automation customer_escalations --capacity 40 --max-error 0.02
    """
    from aios_core.thresholds import page
    from aios_core.thresholds.plot import curve_html
    from aios_core.thresholds.proposal import Settings
    from resources.lake import Lake
    from resources.registry import Registry
    from resources.thresholds import Proposer, ThresholdStore

    of, declared, now = deployment(), context.automation(automation), context.now()
    settings = Settings(capacity=capacity, max_error=max_error, confidence=confidence, days=days)
    with context.database(of) as database:
        lake = Lake(of.lake_url)
        proposer = Proposer(declared, database=database, lake=lake, registry=Registry(database, lake=lake))
        found = proposer.propose(settings, now=now)
        ThresholdStore(database).keep(found, actor=context.actor(), now=now)
    if html is not None:
        html.write_text(curve_html(found), encoding="utf-8")
        output.note(f"written: {html}")
    if json:
        output.as_json(found.as_json())
        return
    output.say(page.summary(found))
    output.table(page.plan_rows(found), columns=page.COLUMNS, empty="no queue")
    output.say(page.guarantee(found))
    for note in found.notes:
        output.note(note)
    output.say(
        f"proposal {found.proposal_id}: `aios thresholds replay --proposal {found.proposal_id}` tries it on history, "
        f"`aios thresholds accept {found.proposal_id} --by NAME` writes it"
        if found.changes
        else f"proposal {found.proposal_id}: nothing to change"
    )


@app.command()
def replay(
    automation: Automation = None,
    proposal: Annotated[str | None, typer.Option(help="A proposal's id; or --automate and --draft.")] = None,
    automate: Annotated[float | None, typer.Option(min=0, max=1, help="One cut-off for all queues.")] = None,
    draft: Annotated[float | None, typer.Option(min=0, max=1, help="One cut-off for all queues.")] = None,
    days: Days = 30,
    json: output.AsJson = False,
) -> None:
    """Decide recorded history again under other cut-offs and show what would have been different. Nothing is written.

    Each ticket is decided from its own recorded features, score, costs and policy. Errors are known ones: of tickets that a person or
    agent looked at. The audit slice goes to people as it did.

    aios thresholds replay --proposal 3f0c9a… --days 30
    aios thresholds replay --automate 0.95 --draft 0.7
    """
    from aios_core.thresholds import page
    from resources.threshold_replay import replay_history

    now = context.now()
    with context.database() as database:
        name, limits = _limits(database, automation, proposal, automate, draft)
        found = replay_history(database, context.automation(name).automation, limits, days=days, now=now)
    if json:
        output.as_json(found.as_json())
        return
    output.say(page.replay_summary(found))
    output.table(page.replay_rows(found), columns=page.REPLAY_COLUMNS, empty="no decision")
    changed = [{"then": a, "now": b, "tickets": n} for (a, b), n in sorted(found.verdicts.items()) if a != b]
    output.table(changed, columns=("then", "now", "tickets"), empty="every verdict stays as it was")
    for decision in found.newly_wrong:
        output.note(f"would newly be automated, and wrongly: decision {decision}")


@app.command()
def accept(
    proposal: Annotated[str, typer.Argument(help="A proposal's id, as `propose` and `list` show it.")],
    by: Annotated[str, typer.Option(help="Who answers for it; kept in the ledger.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change in the file, and stop.")] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Although another version has become champion since.")
    ] = False,
    json: output.AsJson = False,
) -> None:
    """Write a proposal's cut-offs into the automation's file, and who accepted them into the ledger.

    Only the cut-offs change; comments and layout stay. The file is read again before it is replaced, to prove that. What was decided stays
    decided; tickets that come after the definitions are loaded again are decided under the new cut-offs.

    aios thresholds accept 3f0c9a… --by "Ana, head of care" --dry-run
    """
    from resources.lake import Lake
    from resources.registry import Registry
    from resources.threshold_accept import accept as write
    from resources.thresholds import ThresholdStore

    if not by.strip():
        raise typer.BadParameter("say who answers for it", param_hint="--by")
    of = deployment()
    with context.database(of) as database:
        basis = ThresholdStore(database).get(proposal).proposal.basis
        champion = Registry(database, lake=Lake(of.lake_url)).current(name=basis.model_name)
        done = write(database, context.automation(basis.automation), proposal, by=by.strip(), now=context.now(), champion=champion,
                     dry_run=dry_run, anyway=anyway)  # fmt: skip
    if json:
        told = {"proposal": proposal, "file": done.file, "declaration": done.version, "patch": done.patch}
        output.as_json(told | {"written": done.written and not dry_run})
        return
    output.say(done.patch.rstrip("\n") or f"{done.file} says so already")
    if done.written and not dry_run:
        output.say(f"accepted by {by.strip()}: {done.file} is declaration {done.version} now")
        output.note("load definitions again (or restart) so that new tickets are decided under it")


@app.command("list")
def show_list(automation: Automation = None, json: output.AsJson = False) -> None:
    """List the proposals of an automation, newest first, and who accepted which."""
    from resources.thresholds import ThresholdStore

    name = automation or context.automation(None).automation.name
    with context.database() as database:
        found = ThresholdStore(database).of(name)
    rows = [
        {"proposal": s.proposal.proposal_id, "made_at": s.made_at, "made_by": s.made_by, "version": s.proposal.basis.model_version,
         "capacity": s.proposal.settings.capacity, "max_error": s.proposal.settings.max_error,
         "cost_now": round(s.proposal.now.cost, 2), "cost": round(s.proposal.proposed.cost, 2),
         "accepted_by": s.accepted_by, "accepted_at": s.accepted_at}
        for s in found
    ]  # fmt: skip
    if json:
        output.as_json(rows)
    else:
        output.table(
            rows,
            columns=tuple(rows[0]) if rows else (),
            empty=f"no proposal for {name}; `aios thresholds propose` makes one",
        )


def _limits(
    database: object, automation: str | None, proposal: str | None, automate: float | None, draft: float | None
) -> "tuple[str | None, Thresholds]":
    """Whose history, under which cut-offs."""
    from aios_core.decisions.thresholds import Thresholds
    from resources.thresholds import ThresholdStore

    if proposal is not None and automate is None and draft is None:
        found = ThresholdStore(database).get(proposal).proposal  # type: ignore[arg-type]
        return found.basis.automation, found.thresholds
    if proposal is None and automate is not None and draft is not None and automate > draft:
        return automation, Thresholds(automate=automate, draft=draft)
    raise typer.BadParameter("name a proposal, or --automate and a lower --draft", param_hint="--proposal")

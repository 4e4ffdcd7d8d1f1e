"""`aios alert …`: what fires, who looks after it, what is silenced, and whether a channel works.

What belongs here: the commands. What does not: what fires (`aios_core/alerting/`) and the rows (`resources/alerts.py`).
"""

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer

from cli import context, output

app = typer.Typer(no_args_is_help=True)

Number = Annotated[int, typer.Argument(min=1, help="The alert's number.")]
Which = Annotated[str | None, typer.Option("--automation", help="Default: all of them.")]
Only = Annotated[str | None, typer.Option("--automation", help="Default: the only automation there is.")]


@app.command("list")
def show_list(
    automation: Which = None,
    every: Annotated[bool, typer.Option("--all", help="Those that are over too.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 100,
    json: output.AsJson = False,
) -> None:
    """List what fires, newest first."""
    from resources.alerts import AlertStore

    states = ("firing", "resolved") if every else ("firing",)
    with context.database() as database:
        rows = [asdict(a) for a in AlertStore(database).alerts(automation, states=states, limit=limit)]
    if json:
        output.as_json(rows)
    else:
        columns = (
            "alert_id",
            "automation",
            "severity",
            "rule",
            "subject",
            "state",
            "since",
            "value",
            "acknowledged_by",
            "note",
        )
        output.table(
            rows,
            columns=columns,
            empty="there was no alert yet" if every else "nothing fires; --all shows what is over",
        )


@app.command()
def show(alert: Number, json: output.AsJson = False) -> None:
    """Show one alert: what it costs, what to do, and all that happened to it."""
    from resources.alerts import AlertStore

    with context.database() as database:
        store = AlertStore(database)
        found, events = asdict(store.get(alert)), [asdict(e) for e in store.timeline(alert)]
    if json:
        output.as_json(found | {"timeline": events})
        return
    output.pairs(found)
    output.table(events, columns=("at", "kind", "actor", "detail"), empty="")


@app.command()
def ack(
    alert: Number,
    note: Annotated[str, typer.Option(help="What you are doing about it.")] = "",
    json: output.AsJson = False,
) -> None:
    """Acknowledge an alert: you look after it, and nobody is reminded of it."""
    from resources.alerts import AlertStore

    with context.database() as database:
        new = AlertStore(database).acknowledge(alert, actor=context.actor(), note=note, now=context.now())
    if json:
        output.as_json({"alert_id": alert, "acknowledged": new})
    else:
        output.say(f"acknowledged alert {alert}" if new else f"alert {alert} was acknowledged before")


@app.command()
def silence(
    rule: Annotated[str, typer.Argument(help="A rule's name; `*` is every rule.")],
    reason: Annotated[str, typer.Option(help="Why; whoever reads it later was not there.")],
    hours: Annotated[float, typer.Option(min=0.01, help="For so long.")] = 4.0,
    subject: Annotated[str, typer.Option(help="Only over this queue, source or job; `*` is all.")] = "*",
    automation: Only = None,
    json: output.AsJson = False,
) -> None:
    """Hide what a rule says for a while. It is still recorded, and what stands at the end is told then.

    aios alert silence backlog_old --subject billing --hours 8 --reason "two people on holiday"
    """
    from aios_core.alerting.rules import rules_of
    from resources.alerts import AlertRefused, AlertStore

    declared = context.automation(automation).automation
    known = [r.name for r in rules_of(declared)]
    if rule != "*" and rule not in known:
        raise AlertRefused(f"{declared.name}: no rule is called `{rule}`; there are: {', '.join(known)}")
    now = context.now()
    until = now + timedelta(hours=hours)
    with context.database() as database:
        made = AlertStore(database).silence(
            automation=declared.name,
            rule=rule,
            subject=subject,
            reason=reason,
            actor=context.actor(),
            until=until,
            now=now,
        )
    if json:
        output.as_json({"silence_id": made, "until": until})
    else:
        output.say(f"silence {made}: {rule} of {declared.name} until {until:%Y-%m-%d %H:%M} UTC")


@app.command()
def silences(automation: Which = None, json: output.AsJson = False) -> None:
    """List the silences that stand."""
    from resources.alerts import AlertStore

    with context.database() as database:
        rows = [asdict(s) for s in AlertStore(database).silences(automation, now=context.now())]
    if json:
        output.as_json(rows)
    else:
        columns = ("silence_id", "automation", "rule", "subject", "until", "reason", "actor")
        output.table(rows, columns=columns, empty="nothing is silenced")


@app.command()
def unsilence(
    number: Annotated[int, typer.Argument(min=1, help="The silence's number.")], json: output.AsJson = False
) -> None:
    """End a silence now."""
    from resources.alerts import AlertStore

    with context.database() as database:
        ended = AlertStore(database).end_silence(number, actor=context.actor(), now=context.now())
    if json:
        output.as_json({"silence_id": number, "ended": ended})
    else:
        output.say(f"ended silence {number}" if ended else f"silence {number} was over before")


@app.command()
def rules(automation: Only = None, json: output.AsJson = False) -> None:
    """List the rules in force: built-in ones, and what the declaration changes and adds."""
    from aios_core.alerting.rules import channels_of, rules_of
    from resources.alert_look import condition

    declared = context.automation(automation).automation
    found = [
        r.model_dump(mode="json") | {"condition": condition(r), "goes_to": channels_of(r, declared.alerts)}
        for r in rules_of(declared)
    ]
    if json:
        output.as_json(found)
    else:
        output.table(
            found, columns=("name", "condition", "severity", "owner", "costs", "do", "goes_to"), empty="no rule"
        )


@app.command()
def signals(json: output.AsJson = False) -> None:
    """List what rules may watch."""
    from aios_core.alerting.signals import CATALOGUE

    if json:
        output.as_json(CATALOGUE)
    else:
        output.table([{"signal": k, "what": v} for k, v in CATALOGUE.items()], columns=("signal", "what"), empty="")


@app.command()
def messages(
    automation: Which = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 50,
    json: output.AsJson = False,
) -> None:
    """List the messages about alerts: sent, waiting to be tried again, given up, or without an address."""
    from resources.alert_deliveries import DeliveryStore

    with context.database() as database:
        rows = [asdict(d) for d in DeliveryStore(database).newest(automation, limit=limit)]
    if json:
        output.as_json(rows)
    else:
        columns = ("delivery_id", "channel", "state", "attempts", "created_at", "title", "last_error")
        output.table(rows, columns=columns, empty="no message was made yet")


@app.command("test")
def try_channel(
    channel: Annotated[str, typer.Argument(help="A channel's name under `alerts.channels`.")],
    automation: Only = None,
    json: output.AsJson = False,
) -> None:
    """Send a test message to a channel, now and once; exit code 1 where it did not go out."""
    from resources.alerts import AlertRefused
    from resources.channels import send

    declared = context.automation(automation).automation
    if channel not in declared.alerts.channels:
        known = ", ".join(declared.alerts.channels) or "none"
        raise AlertRefused(
            f"{declared.name}: no channel is called `{channel}` under `alerts.channels`; there are: {known}"
        )
    outcome = send(
        declared.alerts.channels[channel],
        title=f"[test] {declared.name}: this channel works",
        body="A test message, sent by hand. Nothing is wrong.",
        severity="info",
        over=False,
    )
    if json:
        output.as_json(asdict(outcome))
    elif outcome.status == "sent":
        output.say(f"sent to {channel}")
    else:
        output.say(f"not sent to {channel}: {outcome.error}")
    if outcome.status != "sent":
        raise typer.Exit(1)

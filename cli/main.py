"""The `aios` command: one module a group of commands, joined here.

What belongs here: joining, and turning errors into one line and an exit code (0 done, 1 failed, 2 called wrongly). What does
not: any command, and any logic.
"""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from aios_core.errors import AiosError
from cli import (
    agent,
    alert,
    automation,
    bench,
    connect,
    decision,
    draft,
    drill,
    events,
    incident,
    knowledge,
    ledger,
    model,
    outbox,
    output,
    quarantine,
    review,
    robot,
    run,
    simulate,
    soak,
    state,
    thresholds,
    up,
    user,
)


class Commands(TyperGroup):
    """Commands whose expected errors are one line without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except AiosError as error:
            if ctx.params.get("debug"):
                raise
            output.fail(error)
            raise typer.Exit(1) from error
        except KeyboardInterrupt:
            output.note("stopped")
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""AIOS: business processes as declared automations, on Dagster.

    [bold]Begin[/bold]

      aios up                                 start everything, run the main job, show where to look
      aios run customer_escalations --json    the whole loop once, without web servers
      aios automation new my_tickets          write an automation of your own
      aios decision explain ID                why a ticket was decided as it was
    """,
)


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
) -> None:
    """Options of every command; read by `Commands`."""


up.add_to(app)
run.add_to(app)
simulate.add_to(app)
state.add_to(app)
app.add_typer(automation.app, name="automation", help="Declared business processes: new, check, diff, list.")
app.add_typer(
    connect.app, name="connect", help="Declared sources: whether they can be read, and what their records become."
)
app.add_typer(agent.app, name="agent", help="Agents: what they did on a case, whether it plays again, and a trial.")
app.add_typer(draft.app, name="draft", help="Replies made of articles, and what backs each sentence.")
app.add_typer(decision.app, name="decision", help="What was decided, why, and whether it still comes out the same.")
app.add_typer(quarantine.app, name="quarantine", help="Input that could not be used, and its replay after a fix.")
app.add_typer(
    outbox.app, name="outbox", help="Writes to the helpdesk: what waits, what failed, what a dry run keeps back."
)
app.add_typer(robot.app, name="robot", help="Tasks that work systems without an API: a trial, and what they did.")
app.add_typer(
    events.app, name="events", help="What is told to other systems: how far receivers are, what they refused."
)
app.add_typer(model.app, name="model", help="Model versions, their aliases, promotion and rollback.")
app.add_typer(
    thresholds.app, name="thresholds", help="Cut-offs for automate and draft: propose, replay on history, accept."
)
app.add_typer(incident.app, name="incident", help="What degraded, what was done about it and when, and its end.")
app.add_typer(review.app, name="review", help="Batches of cases that wait for people.")
app.add_typer(knowledge.app, name="knowledge", help="Articles that answer tickets: read, search, list, gaps.")
app.add_typer(ledger.app, name="ledger", help="The tamper-evident log.")
app.add_typer(bench.app, name="bench", help="Measurements that anyone can repeat.")
app.add_typer(drill.app, name="drill", help="A platform broken on purpose, and what it does about it.")
app.add_typer(soak.app, name="soak", help="Everything at once on a bad day, and then a comparison with the truth.")
app.add_typer(alert.app, name="alert", help="What fires, who looks after it, and what is silenced.")
app.add_typer(user.app, name="user", help="Accounts of the review console.")


if __name__ == "__main__":
    app(prog_name="aios")

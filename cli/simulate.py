"""`aios simulate`: the telecom's case, played for months in minutes.

What belongs here: the command. What does not: the play (`aios_assets/simulation/`).
"""

import logging
from pathlib import Path
from typing import Annotated

import typer

from cli import context, output


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(simulate)


def simulate(
    months: Annotated[
        float, typer.Option(min=0.1, max=12, help="Length of the play; from 1.5 on there are incidents.")
    ] = 6.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the world, its tickets and its people.")] = 7,
    seeds: Annotated[
        str, typer.Option(help="So many plays from --seed on (`3`), or these (`7,8,9`); figures get intervals.")
    ] = "1",
    at_once: Annotated[int, typer.Option(min=1, max=16, help="Plays side by side, each in a process of its own.")] = 1,
    tickets: Annotated[int, typer.Option(min=40, max=2_000, help="Tickets a day, on average.")] = 120,
    out: Annotated[Path, typer.Option(help="Where the report goes: one HTML page.")] = Path("simulate.html"),
    picture: Annotated[Path | None, typer.Option(help="Also the report's pictures, as one PNG file.")] = None,
    home: Annotated[
        Path | None, typer.Option(help="Keep database, lake and models of the plays here; default: thrown away.")
    ] = None,
    json: output.AsJson = False,
) -> None:
    """Play months of a telecom's triage, day by day, through the real assets; and once more with people alone.

    A sandbox world sends about 120 tickets a day. The platform ingests, learns, scores, decides and acts; simulated people look at drafts
    and decide review cases; monitors, judge, remedies and retraining work as they do on the running platform. Three things go
    wrong: a new product, a week of misfiled tickets that a version learns from, and a changed rule. Nobody tells the platform.

    Everything lives in a temporary folder with a Postgres of its own, and no real helpdesk is ever asked. Expect about ten minutes for
    six months on two free cores, and several times that on busy ones; progress is told day by day.

      aios simulate --months 6 --json
      aios simulate --seeds 7,8,9 --at-once 2 --out report.html
      aios simulate --seeds 7,8,9 --picture docs/images/simulate.png
    """
    from aios_assets.simulation.simulate import simulate as played
    from aios_assets.simulation.story import seeds_of, six_months

    logging.disable(logging.INFO)  # a thousand runs of Dagster tell 30 lines each
    stories = [six_months(months=months, seed=n, tickets=tickets) for n in seeds_of(seeds, first=seed)]
    found = played(stories, now=context.now(), home=home, at_once=at_once, report=output.note)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(found.html, encoding="utf-8")
    if picture is not None:
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(found.picture)
    told = {**found.told, "report": str(out)}
    if json:
        output.as_json(told)
    else:
        shown = {name: value for name, value in told.items() if name not in ("incidents", "each", "stage_seconds")}
        output.pairs(shown, title=f"{months:g} months, played")

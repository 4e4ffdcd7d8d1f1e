"""`aios drill …`: break a platform of its own on purpose, and measure what it does about it.

What belongs here: the commands. What does not: the drills (`benchmarks/drill/`).
"""

from enum import StrEnum
from typing import Annotated

import typer

from cli import output

app = typer.Typer(no_args_is_help=True)


class Killed(StrEnum):
    """What a drill may kill."""

    daemon = "daemon"
    worker = "worker"
    postgres = "postgres"
    random = "random"


@app.command()
def rollback(
    times: Annotated[int, typer.Option(min=1, help="Drills, one after the other, on one platform.")] = 3,
    kill: Annotated[
        Killed | None,
        typer.Option(help="What is killed (SIGKILL) in the middle of each drill; `worker` is the process of a run."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the world, the bad versions and the kills.")] = 7,
    json: output.AsJson = False,
) -> None:
    """Plant a bad model version under load, and see whether the running platform rolls it back by itself.

    A whole platform is started in a temporary folder, on free ports, with the sandbox. A version trained on mixed-up labels becomes
    champion while clients have tickets decided; the judge is run; from there on the daemon is alone. Told are the seconds from flagged to
    moved, the wrong decisions before and after the repair, and failed or mixed requests.

    It takes two to four minutes to begin and one to two for each drill. The exit code is 1 where a drill ended on the wrong version,
    a request failed, or a decision mixed versions.

      aios drill rollback --times 20 --kill random --json
    """
    from benchmarks.drill.rollback import measure

    found = measure(times=times, kill=None if kill is None else kill.value, seed=seed, say=output.note)
    if json:
        output.as_json(found)
    else:
        output.pairs({name: value for name, value in found.items() if name != "each"}, title="rollback drills")
    if found["ended_right"] < found["drills"] or found["failed_requests"] or found["mixed_version_decisions"]:
        raise typer.Exit(1)

"""`aios up`: start everything, run the main job, say where to look, and stay until Ctrl-C.

What belongs here: options, progress and the summary. What does not: how it is done (`resources/startup.py`).
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Self

import typer
from rich.markup import escape
from rich.panel import Panel
from rich.status import Status

from cli.output import err, out
from resources.deployments import deployment
from resources.local_platform import Ports, World, on, ports_of
from resources.startup import MainJobFailed, Platform

DEFAULT_AUTOMATION = "customer_escalations"


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(up)


def up(
    automation: Annotated[str, typer.Option(help="The automation whose main job is run first.")] = DEFAULT_AUTOMATION,
    run: Annotated[bool, typer.Option("--run/--no-run", help="Run the main job first.")] = True,
    tickets: Annotated[
        int | None, typer.Option(min=1, help="New tickets in the sandbox's world (first start).")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the sandbox's world (first start).")] = None,
    live: Annotated[float, typer.Option(min=0, help="Tickets a minute that go on arriving in the sandbox.")] = 2.0,
    host: Annotated[
        str, typer.Option(help="Address to bind to; anything else than loopback is open to others.")
    ] = "127.0.0.1",
    port_dagster: Annotated[int | None, typer.Option(help="Port of the Dagster UI (or AIOS_DAGSTER_URL).")] = None,
    port_console: Annotated[int | None, typer.Option(help="Port of the console (or AIOS_GATEWAY_URL).")] = None,
    port_sandbox: Annotated[int | None, typer.Option(help="Port of the sandbox (or AIOS_SANDBOX_URL).")] = None,
) -> None:
    """Start Postgres, sandbox, console and Dagster; run the main job; stay until Ctrl-C.

    State is kept in AIOS_HOME: a second `aios up` goes on from there, `aios reset` clears it.
    """
    known = ports_of(deployment())
    ports = Ports(
        dagster=port_dagster or known.dagster,
        console=port_console or known.console,
        sandbox=port_sandbox or known.sandbox,
    )
    world = World(tickets=tickets, seed=seed, live_per_minute=live)
    with _stoppable() as stop, _Progress() as progress:
        target = on(deployment(), host=host, ports=ports)
        with Platform(deployment=target, host=host, ports=ports, world=world, progress=progress) as platform:
            summary = _main_job(platform, automation, progress) if run else None
            platform.start_daemon()
            progress.end()
            stop.unwinds = False
            if stop.asked:  # Python swallows what a handler raises inside a finalizer or a callback from C
                raise KeyboardInterrupt
            _show(platform, summary)
            platform.watch(lambda: stop.asked, restarted=_say_restarted)
            err.print("stopping …")
    err.print("stopped; state is kept, `aios up` goes on from it")


class _Stop:
    """Whether somebody asked to stop. A signal during start-up must unwind it; once all runs it only sets the flag."""

    asked = False
    unwinds = True


@contextmanager
def _stoppable() -> Iterator[_Stop]:
    stop = _Stop()

    def heard(*_: object) -> None:
        first, stop.asked = not stop.asked, True
        if first and stop.unwinds:  # later ones find it stopping already, which has its own time limit
            raise KeyboardInterrupt

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # `nohup aios up` means what it says
        numbers.append(signal.SIGHUP)
    before = {n: signal.signal(n, heard) for n in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _main_job(platform: Platform, automation: str, progress: "_Progress") -> dict[str, Any] | None:
    try:
        return platform.run_main_job(automation)
    except MainJobFailed as error:
        progress.end(failed=True)
        err.print(f"[red]error:[/red] the main job failed, the rest is up: {escape(str(error))}")
        return None


def _say_restarted(name: str, code: int | None) -> None:
    how = "" if code is None else f" with exit code {code}"
    err.print(f"[yellow]{name} ended{how}; started again[/yellow]")


def _show(platform: Platform, summary: dict[str, Any] | None) -> None:
    target = platform.deployment
    lines = [f"Dagster UI    {target.dagster_url}", f"Console       {target.gateway_url}"]
    if platform.password is not None:
        lines.append(f"              user admin, password {platform.password}")
    else:
        lines.append(
            "              user admin, password as shown at the first start (`aios user password admin` sets another)"
        )
    if platform.with_sandbox:
        lines.append(f"Sandbox       {target.sandbox_url}/sandbox/state")
    lines.append(f"Logs          {target.home / 'logs'}")
    if summary is not None:
        lines = [*_told(summary), "", *lines]
    out.print(Panel(escape("\n".join(lines)), title="AIOS is up", subtitle="Ctrl-C stops it", expand=False))


def _told(summary: dict[str, Any]) -> list[str]:
    decisions, metrics = summary["decisions"], summary["metrics"]
    model = summary["model"]
    verdicts = ", ".join(f"{n} {v}" for v, n in decisions.items())
    told = [
        f"{summary['landed']} new records landed, {summary['scored']} tickets scored, {summary['actions_sent']} actions sent",
        f"decisions: {verdicts}",
        f"model {model['name']} version {model['version']}" + _measured(metrics),
        f"{summary['review_cases']} new cases for people in {summary['review_batches']} batches",
    ]
    return [*told, f"lost {summary['lost']}, duplicated {summary['duplicated']}"]


def _measured(metrics: dict[str, Any]) -> str:
    shown = [
        f"{name.replace('_', ' ')} {metrics[name]:.3f}"
        for name in ("accuracy", "accuracy_automated", "coverage_automated")
        if isinstance(metrics.get(name), int | float)
    ]
    return f": {', '.join(shown)}" if shown else ""


class _Progress:
    """Steps as lines with their seconds; on a terminal the current one has a spinner."""

    def __init__(self) -> None:
        self._status: Status | None = None
        self._name = ""
        self._since = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end(failed=True)

    def step(self, name: str) -> None:
        self.end(failed=True)
        self._name, self._since = name, time.monotonic()
        self._status = err.status(name)
        self._status.start()

    def waiting(self, detail: str) -> None:
        if self._status is not None:
            self._status.update(f"{self._name} [dim]{escape(detail)}[/dim]")

    def done(self, detail: str = "") -> None:
        shown = f" [dim]{escape(detail)}[/dim]" if detail else ""
        took = f"{time.monotonic() - self._since:5.1f} s"
        name, self._name = self._name, ""
        self.end()
        err.print(f"[green]✓[/green] {name:<28} {took}{shown}")

    def end(self, *, failed: bool = False) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None
        if failed and self._name:
            err.print(f"[red]✗[/red] {self._name}")
            self._name = ""

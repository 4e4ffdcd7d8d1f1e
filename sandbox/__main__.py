"""`python -m sandbox`: serve the pretend vendors, or write their world to a file.

What belongs here: the command line. What does not: anything it calls.
"""

import argparse
import logging
import os
import signal
import socket
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from sandbox.faults import FaultError, FaultPlan, parse_faults
from sandbox.journal import Journal, JournalError
from sandbox.settings import Credentials, Settings
from sandbox.world.spec import SpecError, WorldSpec, parse_drift

DEFAULT_PORT: Final = 8790
UNUSABLE: Final = 2
WORLD_OPTIONS: Final = {"seed": int, "tickets": int, "history": int, "new_days": float, "history_days": float}


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    top = argparse.ArgumentParser(
        prog="python -m sandbox", description="A pretend helpdesk and CRM with a seeded telecom world."
    )
    commands = top.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="speak the vendors' HTTP (the default command)")
    _world_options(serve)
    _serve_options(serve)
    generate = commands.add_parser("generate", help="write tickets to a file")
    _world_options(generate)
    generate.add_argument("--out", type=Path, required=True, help="FILE.jsonl, FILE.jsonl.gz or FILE.parquet")
    generate.add_argument("--quiet", action="store_true", help="no progress bar")
    return top


def _world_options(command: argparse.ArgumentParser) -> None:
    usual = WorldSpec()
    for name, kind in WORLD_OPTIONS.items():
        option = "--" + name.replace("_", "-")
        # None tells "not given" from "given": a kept state has these already
        command.add_argument(option, type=kind, default=None, help=f"(default {getattr(usual, name)})")
    command.add_argument("--until", help="the world's clock at the start, ISO 8601 (default: now, floored to the hour)")
    command.add_argument(
        "--drift",
        action="append",
        default=[],
        metavar="KIND@DAY",
        help="new_product, class_shift, label_rule or account_team, at a day counted from the world's first, or back from the start if negative",
    )


def _serve_options(serve: argparse.ArgumentParser) -> None:
    usual = Credentials()
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=DEFAULT_PORT, help=f"0 picks a free one (default {DEFAULT_PORT})")
    serve.add_argument("--live-per-minute", type=float, default=0.0, help="tickets that arrive as the clock runs")
    serve.add_argument("--frozen-clock", action="store_true", help="the clock moves only when /sandbox/clock moves it")
    serve.add_argument("--no-recent-guard", action="store_true", help="exports do not leave out the last minute")
    serve.add_argument("--quota", choices=("real", "generous"), default="generous")
    serve.add_argument("--faults", default="", help="such as 429=0.05,slow=0.1,slow_ms=300, or light, or heavy")
    serve.add_argument("--state", type=Path, help="keep clock and writes in this file, and go on from it")
    serve.add_argument("--token-seconds", type=float, default=7_200.0, help="how long a CRM session lasts")
    serve.add_argument("--job-seconds", type=float, default=0.05, help="how long an update-many job takes")
    for name in ("zendesk_email", "zendesk_token", "salesforce_client_id", "salesforce_client_secret"):
        serve.add_argument("--" + name.replace("_", "-"), default=getattr(usual, name))


def moment(text: str | None) -> int:
    """An ISO 8601 moment in seconds since the epoch; without one, this hour's beginning. No zone means UTC."""
    if text is None:
        return int(time.time()) // 3_600 * 3_600
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise SpecError(
            f"--until {text!r} is not an ISO 8601 date and time; write for example 2026-11-22T12:00:00Z"
        ) from None
    return int((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp())


def world_spec(options: argparse.Namespace, kept: dict[str, Any]) -> WorldSpec:
    """The world that the options ask for; a kept state's values hold where an option was not given."""
    given = {name: getattr(options, name) for name in WORLD_OPTIONS if getattr(options, name) is not None}
    plain = WorldSpec(**{name: kept[name] for name in WORLD_OPTIONS if name in kept} | given)
    drift = tuple(parse_drift(text, first_moment=plain.first_moment) for text in options.drift)
    asked: dict[str, Any] = {**given}
    if options.drift:
        asked["drift"] = [[item.kind, item.at] for item in drift]
    if options.until is not None:
        asked["until"] = moment(options.until)
    for name, value in asked.items() if kept else ():
        if kept[name] != value:
            raise SpecError(
                f"the state file was made with --{name.replace('_', '-')} {kept[name]}, not {value}; "
                "leave the option out, remove the file, or name another one with --state"
            )
    return replace(plain, drift=drift)


def serve_settings(options: argparse.Namespace) -> Settings:
    """The settings that the options ask for."""
    kept: dict[str, Any] = {}
    if options.state is not None and options.state.exists():
        journal = Journal(options.state)
        kept = journal.value("world") or {}
        journal.close()
    if not 0 <= options.live_per_minute <= 100_000:
        raise SpecError(f"--live-per-minute {options.live_per_minute} is not between 0 and 100000")
    credentials = {name: getattr(options, name) for name in Credentials.__dataclass_fields__ if hasattr(options, name)}
    return Settings(
        until=moment(options.until),
        world=world_spec(options, kept),
        credentials=Credentials(**credentials),
        live_per_minute=options.live_per_minute,
        clock_runs=not options.frozen_clock,
        recent_guard=not options.no_recent_guard,
        quota=options.quota,
        faults=parse_faults(options.faults) if options.faults else FaultPlan(),
        token_seconds=options.token_seconds,
        job_seconds=options.job_seconds,
        state=options.state,
    )


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; a port that can't be had is one clear line."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(256)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        raise SpecError(
            f"can't listen on {host}:{port}: {reason}; name another port with --port, or 0 for a free one"
        ) from error
    return listener


def serve(options: argparse.Namespace) -> int:
    """Serve until a signal says to stop."""
    settings = serve_settings(options)
    listener = listen(options.host, options.port)

    import uvicorn  # the port is claimed first: a busy one is told at once, not after the imports

    from sandbox.app import create_app
    from sandbox.faults import Aborted
    from sandbox.service import Sandbox

    sandbox = Sandbox(settings)
    logging.getLogger("uvicorn.error").addFilter(
        lambda record: not (record.exc_info and isinstance(record.exc_info[1], Aborted))
    )
    host = f"[{options.host}]" if ":" in options.host else options.host
    credentials = settings.credentials
    greeting = {
        "url": f"http://{host}:{listener.getsockname()[1]}",
        "zendesk": {"email": credentials.zendesk_email, "token": credentials.zendesk_token},
        "salesforce": {
            "client_id": credentials.salesforce_client_id,
            "client_secret": credentials.salesforce_client_secret,
        },
    }
    print(orjson.dumps(greeting).decode(), flush=True)
    config = uvicorn.Config(
        create_app(sandbox), log_level="warning", access_log=False, timeout_graceful_shutdown=3, timeout_keep_alive=60
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn shuts down in order and then raises the signal again: that, or one before it runs, ends in success
        signal.signal(number, lambda *_: sys.exit(0))
    uvicorn.Server(config).run(sockets=[listener])
    return 0


def generate(options: argparse.Namespace) -> int:
    """Write the world's tickets to a file."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from sandbox import generate as files

    if options.history is None:  # a file of labelled tickets has no window of untouched ones, unless asked for
        options.history, options.tickets = options.tickets or WorldSpec().tickets, 0
    spec = world_spec(options, {})
    columns = (TextColumn("tickets"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    started = time.monotonic()
    with Progress(*columns, disable=options.quiet) as bar:
        task = bar.add_task("tickets", total=spec.tickets + spec.history)
        chunks = files.generate(spec, until=moment(options.until))
        rows = files.write_file(chunks, options.out, progress=lambda count: bar.advance(task, count))
    seconds = round(time.monotonic() - started, 2)
    print(orjson.dumps({"file": str(options.out), "rows": rows, "seconds": seconds}).decode())
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run one command; its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] not in ("serve", "generate", "-h", "--help"):
        arguments = ["serve", *arguments]
    options = parser().parse_args(arguments)
    try:
        return generate(options) if options.command == "generate" else serve(options)
    except (SpecError, FaultError, JournalError, ValueError, OSError) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return UNUSABLE


if __name__ == "__main__":
    sys.exit(main())

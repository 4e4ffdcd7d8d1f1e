"""`python -m gateway`: the gateway as a process, or several on one port.

What belongs here: arguments, the port, and running the servers. What does not: what they serve (`gateway/app.py`) and how
several are kept (`gateway/processes.py`).
"""

import argparse
import contextlib
import errno
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import uvicorn

from aios_core.errors import AiosError
from gateway.app import create_app
from gateway.fast_http import protocol
from gateway.keys import new_key
from gateway.processes import MisusedWorkers, Workers, sockets, usable_cores
from gateway.settings import Settings, settings_from
from resources.database import Database, embedded_url

MOST_WORKERS = 8
KEPT_SECONDS = 75  # a person reads for longer than the usual 5 seconds, and proxies keep lines for a minute
ACCEPTED_A_TURN = 16
SWITCH_SECONDS = (
    0.001  # a version that is being loaded must not hold the interpreter for 5 ms at a time, Python's default
)


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop; 2 when it can't start."""
    parser = argparse.ArgumentParser(
        prog="python -m gateway", description="AIOS gateway: the review console, inference, decisions and their health."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to bind to (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8780, help="port to bind to (default: %(default)s)")
    parser.add_argument("--workers", type=int, help="processes (default: AIOS_GATEWAY_WORKERS, else one a usable core)")
    parser.add_argument("--new-key", metavar="NAME", help="make an API key, print it and its entry for AIOS_API_KEYS")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.new_key is not None:
            key, entry = new_key(chosen.new_key)
            print(f"key (give it to the caller; it is not kept here): {key}\nentry for AIOS_API_KEYS: {entry}")
            return 0
        count = workers(chosen.workers)
        try:
            listening = listen(chosen.host, chosen.port)
        except OSError as error:
            print(f"error: {_why_not(chosen.host, chosen.port, error)}", file=sys.stderr)
            return 2
        with listening, counts(count) as folder:
            settings = replace(with_database(settings_from()), counts=folder, workers=count)
            # nothing is opened before the fork; the schema is looked at once, so that a refusal is one line
            Database(settings.deployment.database_url or "").require_current_schema()
            port = listening.getsockname()[1]
            own = sockets(listening, count)
            print(f"gateway: http://{chosen.host}:{port}", flush=True)
            return serve(settings, listening) if count == 1 else Workers(own, partial(serve, settings)).run()
    except AiosError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def serve(settings: Settings, listening: socket.socket) -> int:
    """Serve on this socket until told to stop."""
    sys.setswitchinterval(SWITCH_SECONDS)
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=5,
        timeout_keep_alive=KEPT_SECONDS,
        http=protocol(app.state.inference),
    )
    # The server hands a signal on once it has closed: without a handler that would end the process before what was
    # opened here (an embedded Postgres, say) is closed too.
    signal.signal(signal.SIGTERM, _leave)
    # libuv accepts one connection a turn and socket: under load a hundred callers who came at once would wait for seconds
    doors = [listening, *(listening.dup() for _ in range(ACCEPTED_A_TURN - 1))]
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=doors)
    return 0


def workers(chosen: int | None) -> int:
    """How many processes: as told, else one for each core that this process may use."""
    said = os.environ.get("AIOS_GATEWAY_WORKERS") or ""
    if chosen is None and said:
        chosen = int(said) if said.isdigit() else 0
    if chosen is None:
        return min(usable_cores(), MOST_WORKERS)
    if not 1 <= chosen <= 64:
        raise MisusedWorkers(f"--workers or AIOS_GATEWAY_WORKERS must be from 1 to 64, not {chosen}")
    return chosen


def with_database(settings: Settings) -> Settings:
    """The settings with a URL: the embedded Postgres is this process's, and its workers' by URL."""
    of = settings.deployment
    url = of.database_url or embedded_url(of.home)
    return replace(settings, deployment=replace(of, database_url=url))


@contextlib.contextmanager
def counts(workers: int) -> Iterator[Path | None]:
    """Where several processes lay down their counts; one process needs no such place."""
    if workers == 1:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="aios-gateway-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def listen(host: str, port: int) -> socket.socket:
    """A bound socket: before anything else is opened, so that a busy port costs no time."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(512)
    except (OSError, OverflowError) as error:
        bound.close()
        raise error if isinstance(error, OSError) else OSError(errno.EINVAL, str(error)) from error
    return bound


def _leave(*_: object) -> None:
    raise SystemExit(0)


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use; stop what holds it or choose another with --port"
    return f"can't listen on {host} port {port}: {error.strerror or error}; choose others with --host and --port"


if __name__ == "__main__":
    sys.exit(main())

"""`python -m gateway`: the gateway as a process.

What belongs here: arguments, the port, and running the server. What does not: what it serves (`gateway/app.py`).
"""

import argparse
import contextlib
import errno
import signal
import socket
import sys

import uvicorn

from aios_core.errors import AiosError
from gateway.app import create_app
from gateway.settings import settings_from


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop; 2 when it can't start."""
    parser = argparse.ArgumentParser(
        prog="python -m gateway", description="AIOS gateway: the review console and its health."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to bind to (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8780, help="port to bind to (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    try:
        listening = listen(chosen.host, chosen.port)
    except OSError as error:
        print(f"error: {_why_not(chosen.host, chosen.port, error)}", file=sys.stderr)
        return 2
    with listening:
        try:
            app = create_app(settings_from())
        except AiosError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        print(f"gateway: http://{chosen.host}:{listening.getsockname()[1]}", flush=True)
        config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=5)
        # The server hands a signal on once it has closed: without a handler that would end the process before what was
        # opened here (an embedded Postgres, say) is closed too.
        signal.signal(signal.SIGTERM, _leave)
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])
    return 0


def _leave(*_: object) -> None:
    raise SystemExit(0)


def listen(host: str, port: int) -> socket.socket:
    """A bound socket: before anything else is opened, so that a busy port costs no time."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(128)
    except (OSError, OverflowError) as error:
        bound.close()
        raise error if isinstance(error, OSError) else OSError(errno.EINVAL, str(error)) from error
    return bound


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use; stop what holds it or choose another with --port"
    return f"can't listen on {host} port {port}: {error.strerror or error}; choose others with --host and --port"


if __name__ == "__main__":
    sys.exit(main())

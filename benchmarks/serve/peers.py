"""MLServer and BentoML: the settings that were tried, and how each is started.

What belongs here: one `Setting` a trial, and commands. What does not: what they run (`benchmarks/peers/`, in their own
environment), and measuring.

They are given what helps them: one call for label and probabilities, adaptive batching with several sizes and waits, workers of
their own, uvloop and httptools, a frozen heap (which halves MLServer's p99), neither access log nor metrics nor compression.
Ours has its log and metrics on.

MLServer reads HTTP in one process, whatever its workers. `mlserver_twice` is what it could reach if that were otherwise: two
servers on two ports with the clients divided between them, for which nobody pays. It has no one address, as a user's
deployment has, so it stands beside the comparison and is printed with it.
"""

import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.serve.answers import ask_bento, ask_inference_protocol
from benchmarks.serve.servers import Command, free_port, running
from benchmarks.workspace import PROJECT

FOLDER = PROJECT / "benchmarks" / "peers"
ENVIRONMENT = PROJECT / ".venv-peers"
QUIET = {"PYTHONWARNINGS": "ignore", "PYTHONPATH": str(FOLDER), "BENTOML_DO_NOT_TRACK": "True"}

Name = Literal["mlserver", "mlserver_twice", "bentoml"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One way to run a peer. `workers` are its own: MLServer's inference processes (0: in the server), BentoML's processes."""

    workers: int
    batch: int
    wait_ms: float
    servers: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A peer's protocol, and the settings to try, of which the fastest counts."""

    name: Name
    path: str
    ready: str
    reader: str
    ask: Callable[[str], bytes]
    settings: Sequence[Setting]
    one_address: bool = True


PEERS: Sequence[Peer] = (
    Peer(
        name="mlserver",
        path="/v2/models/text/infer",
        ready="/v2/models/text/ready",
        reader="inference_protocol",
        ask=ask_inference_protocol,
        settings=(
            Setting(workers=0, batch=0, wait_ms=0),
            Setting(workers=0, batch=32, wait_ms=2),
            Setting(workers=0, batch=64, wait_ms=2),
            Setting(workers=0, batch=128, wait_ms=10),
            Setting(workers=1, batch=32, wait_ms=5),
            Setting(workers=2, batch=32, wait_ms=5),
        ),
    ),
    Peer(
        name="mlserver_twice",
        path="/v2/models/text/infer",
        ready="/v2/models/text/ready",
        reader="inference_protocol",
        ask=ask_inference_protocol,
        one_address=False,
        settings=(
            Setting(workers=0, batch=64, wait_ms=2, servers=2),
            Setting(workers=0, batch=32, wait_ms=2, servers=2),
            Setting(workers=0, batch=32, wait_ms=0.5, servers=2),
        ),
    ),
    Peer(
        name="bentoml",
        path="/infer",
        ready="/readyz",
        reader="bento",
        ask=ask_bento,
        # its limit on latency is no wait: what would take longer is answered 503, so a short one only fails requests
        settings=(
            Setting(workers=1, batch=64, wait_ms=1_000),
            Setting(workers=2, batch=64, wait_ms=1_000),
            Setting(workers=2, batch=32, wait_ms=1_000),
            Setting(workers=3, batch=32, wait_ms=1_000),
        ),
    ),
)


def installed(environment: Path) -> dict[str, str]:
    """Versions of the peers and of their scikit-learn; empty where the environment is not there."""
    wanted = ("mlserver", "bentoml", "scikit-learn")
    code = f"import json, importlib.metadata as m; print(json.dumps({{n: m.version(n) for n in {wanted!r}}}))"
    try:
        done = subprocess.run(
            [environment / "bin" / "python", "-c", code], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    found: dict[str, str] = json.loads(done.stdout)
    return found


@contextmanager
def serving(
    peer: Peer, setting: Setting, *, model: Path, folder: Path, environment: Path
) -> Iterator[list[tuple[int, subprocess.Popen[bytes]]]]:
    """The peer, ready: (port, process) of each server. Raises ServerFailed."""
    with ExitStack() as stack:
        found = []
        for _ in range(setting.servers):
            port = free_port()
            own = folder / f"{peer.name}-{port}"
            own.mkdir(parents=True)
            command = _COMMANDS[peer.name](peer, setting, model, own, environment, port)
            found.append((port, stack.enter_context(running(command))))
        yield found


def _mlserver(peer: Peer, setting: Setting, model: Path, folder: Path, environment: Path, port: int) -> Command:
    server = {
        "debug": False,
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": free_port(),
        "metrics_endpoint": None,
        "parallel_workers": setting.workers,
        "gzip_enabled": False,
    }
    served = {
        "name": "text",
        "implementation": "mlserver_model.TextClassifier",
        "max_batch_size": setting.batch,
        "max_batch_time": setting.wait_ms / 1000,
        "parameters": {"uri": str(model)},
    }
    (folder / "settings.json").write_text(json.dumps(server), encoding="utf-8")
    (folder / "model-settings.json").write_text(json.dumps(served), encoding="utf-8")
    return Command(
        name="MLServer",
        arguments=[str(environment / "bin" / "mlserver"), "start", str(folder)],
        port=port,
        ready=peer.ready,
        log=folder / "log",
        environment=QUIET,
        folder=folder,
    )


def _bentoml(peer: Peer, setting: Setting, model: Path, folder: Path, environment: Path, port: int) -> Command:
    program = [str(environment / "bin" / "bentoml"), "serve", "bentoml_service:Text"]
    return Command(
        name="BentoML",
        arguments=[*program, "--host", "127.0.0.1", "--port", str(port)],
        port=port,
        ready=peer.ready,
        log=folder / "log",
        environment={
            **QUIET,
            "BENTOML_HOME": str(folder / "home"),
            "PEER_MODEL": str(model),
            "PEER_WORKERS": str(setting.workers),
            "PEER_MAX_BATCH_SIZE": str(setting.batch),
            "PEER_MAX_LATENCY_MS": str(round(setting.wait_ms)),
        },
        folder=FOLDER,
    )


_COMMANDS: dict[Name, Callable[[Peer, Setting, Path, Path, Path, int], Command]] = {
    "mlserver": _mlserver,
    "mlserver_twice": _mlserver,
    "bentoml": _bentoml,
}

"""`aios bench serve`: ours under load, beside the peers, while aliases move, and overloaded.

What belongs here: the order of the runs and what is said of them. What does not: each part (modules beside this one).

Speeds of one machine at two moments can't be compared, so ours and the peers stand ready side by side and are loaded in turn,
several times over; the best turn of each counts. While one is loaded the others wait.
"""

import math
import shutil
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from subprocess import Popen
from typing import Any

from benchmarks.machine import Elsewhere, machine
from benchmarks.serve import models, ours, peers, trivial
from benchmarks.serve.answers import ask_inference_protocol
from benchmarks.serve.contender import STEADY_SECONDS, Contender, Run
from benchmarks.serve.latency import percentiles_ms
from benchmarks.serve.load import Loading, Observed
from benchmarks.serve.servers import Command, ServerFailed, free_port, running

CLIENTS, SECONDS, MOVES, TURNS = 64, 8.0, 20, 3
SWEEP_SECONDS = 3.0
MOVE_EVERY_SECONDS = 0.5
MOVES_TAKE_AT_MOST_SECONDS = 120.0
GROWTH = (0.25, 0.5, 1.0, 1.5)  # of the clients, to find saturation
OVERLOAD = 3
COLD_SECONDS = 3.0  # BentoML learns its batch sizes from its first requests

Say = Callable[[str], None]


def measure(
    *,
    seconds: float = SECONDS,
    clients: int = CLIENTS,
    workers: int | None = None,
    with_peers: bool = True,
    with_plain: bool = True,
    moves: int = MOVES,
    turns: int = TURNS,
    rows: int | None = None,
    environment: Path = peers.ENVIRONMENT,
    say: Say = lambda text: print(text, file=sys.stderr, flush=True),
) -> dict[str, Any]:
    """Everything that `aios bench serve --json` prints. `seconds` a turn; `rows` bounds the rows that are learnt from."""
    elsewhere, where = Elsewhere(), machine()
    workers = workers or where["cores"]
    versions = _usable_peers(environment, say) if with_peers else {}
    found = models.texts(rows=rows)
    say(f"texts: {found.source}, {len(found.texts):,} to learn from, {len(found.asked):,} to ask about")
    with _folder() as folder:
        ceiling = _ceiling(folder, clients, min(seconds, 2.0))
        bench = _Bench(found, folder, workers, clients, seconds, turns, environment if versions else None, say)
        main = bench.kind("word_and_character_ngrams", moves=moves)
        plain = bench.kind("plain_logistic_regression", moves=0) if with_plain else None
    where["cores_busy_elsewhere"] = elsewhere.cores()
    return {
        **main,
        "plain_logistic_regression": plain,
        "clients": clients,
        "seconds": seconds,
        "turns": turns,
        "workers": workers,
        "texts": found.source,
        "load": "closed loop, keep-alive, one text a request, every answer checked",
        "generator_ceiling_rps": ceiling,
        "peer_versions": versions,
        "machine": where,
    }


class _Bench:
    """One kind of model after the other, with what is the same for all."""

    def __init__(
        self,
        found: models.Texts,
        folder: Path,
        workers: int,
        clients: int,
        seconds: float,
        turns: int,
        environment: Path | None,
        say: Say,
    ) -> None:
        self._texts = found
        self._folder = folder
        self._workers = workers
        self._clients = clients
        self._seconds = seconds
        self._turns = turns
        self._environment = environment
        self._say = say

    def kind(self, kind: models.Kind, *, moves: int) -> dict[str, Any]:
        """The figures of one kind of model; with `moves` also those of moves under load and of overload."""
        self._say(f"{kind}: training two versions")
        versions, peer_model = models.fitted(self._texts, kind)
        home = self._folder / kind
        home.mkdir()
        home.chmod(0o755)  # as root the database runs under another account, which must pass here
        told: dict[str, Any] = {}
        with ours.platform(home, versions) as platform, platform.gateway(workers=self._workers) as (port, process):
            own = self._ours(port, process, versions)
            told = self._beside_peers(own, peer_model, home)
            told["batch_size_histogram"] = ours.batch_sizes(port)
            if moves:
                told["moves"] = self._moving(own, platform, versions, moves)
                told["overload"] = self._overloaded(own)
        seen = [run.observed for run in own.runs]
        told["failed_requests"] = sum(one.failed for one in seen)
        told["mixed_version_requests"] = sum(one.mixed for one in seen)
        told["requests"] = sum(len(one.finished) for one in seen)
        if told["failed_requests"]:
            told["failures"] = dict(sum((one.failures for one in seen), start=Counter()))
        return told

    def _ours(self, port: int, process: Popen[bytes], versions: Sequence[models.Version]) -> Contender:
        return Contender(
            "ours",
            [port],
            [process],
            ours.PATH,
            "inference_protocol",
            [ask_inference_protocol(text) for text in self._texts.asked],
            {number: version.scores for number, version in enumerate(versions, start=1)},
            warmup=min(STEADY_SECONDS, self._seconds),
        )

    def _beside_peers(self, own: Contender, model: models.PeerModel, home: Path) -> dict[str, Any]:
        sweep: dict[str, Any] = {}
        best: dict[str, peers.Setting] = {}
        if self._environment is not None:
            models.dump(model.objects, home / "model.joblib")
            for peer in peers.PEERS:
                sweep[peer.name], best[peer.name] = self._swept(peer, model, home)
        with ExitStack() as stack:
            contenders = [own] + [
                stack.enter_context(self._peer(peer, best[peer.name], model, home))
                for peer in peers.PEERS
                if peer.name in best
            ]
            for turn in range(self._turns):
                for contender in contenders:
                    run = contender.loaded(clients=self._clients, seconds=self._seconds)
                    self._say(f"  turn {turn + 1}, {contender.name}: {run.said()}")
        told: dict[str, Any] = {"ours": own.best().figures()}
        told["rejected"] = sum(run.observed.rejected for run in own.runs)
        others = {
            one.name: one.best().figures_of_peer() | {"setting": asdict(best[one.name])} for one in contenders[1:]
        }
        told["peers"] = {peer.name: others[peer.name] for peer in peers.PEERS if peer.one_address and others}
        told["ratio_to_best_peer"] = _ratio(told["ours"], told["peers"])
        told["beyond_one_server"] = {
            peer.name: others[peer.name] for peer in peers.PEERS if not peer.one_address and others
        }
        told["ratio_beyond_one_server"] = _ratio(told["ours"], told["beyond_one_server"])
        if sweep:
            told["peers_tried"] = sweep
        return told

    def _swept(self, peer: peers.Peer, model: models.PeerModel, home: Path) -> tuple[list[dict[str, Any]], Any]:
        """Every setting once; the fastest of those without a failed request, or of all where there is none."""
        tried = []
        for setting in peer.settings:
            try:
                with self._peer(peer, setting, model, home) as contender:
                    run = contender.loaded(clients=self._clients, seconds=min(SWEEP_SECONDS, self._seconds))
            except (ServerFailed, ConnectionError) as error:
                self._say(f"  {peer.name} {setting}: {error}")
                continue
            self._say(f"  {peer.name} {asdict(setting)}: {run.said()}")
            tried.append((run.observed.failed == 0, run.observed.rps, setting, run))
        if not tried:
            raise ServerFailed(
                f"{peer.name}: no setting started; its logs were above; or leave the peers out: --no-peers"
            )
        best = max(tried, key=lambda one: one[:2])[2]
        return [asdict(setting) | run.figures_of_peer() for _, _, setting, run in tried], best

    @contextmanager
    def _peer(
        self, peer: peers.Peer, setting: peers.Setting, model: models.PeerModel, home: Path
    ) -> Iterator[Contender]:
        assert self._environment is not None
        with peers.serving(
            peer, setting, model=home / "model.joblib", folder=home, environment=self._environment
        ) as servers:
            yield Contender(
                peer.name,
                [port for port, _ in servers],
                [process for _, process in servers],
                peer.path,
                peer.reader,
                [peer.ask(text) for text in self._texts.asked],
                {0: model.scores},
                warmup=COLD_SECONDS,
            )

    def _moving(
        self, own: Contender, platform: ours.Platform, versions: Sequence[models.Version], moves: int
    ) -> dict[str, Any]:
        """Promotions and rollbacks under load, about only those texts whose answer tells its version."""
        texts = models.telling(versions)
        asking = Contender(
            own.name, own.ports, own.processes, own.path, own.reader,
            [own.bodies[i] for i in texts],
            {number: [scores[i] for i in texts] for number, scores in own.expected.items()},
        )  # fmt: skip
        loading = Loading(asking.plan(clients=self._clients, seconds=MOVES_TAKE_AT_MOST_SECONDS))
        mover = ours.Mover(platform.registry, moves, MOVE_EVERY_SECONDS, not_before=loading.begun)
        mover.run()
        loading.stop()
        observed = loading.result()
        own.runs.append(Run(observed, self._clients, None))
        if mover.error is not None:
            raise mover.error
        told = {
            "promotions_and_rollbacks": len(mover.moves),
            "seconds": round(observed.seconds, 1),
            "rps": round(observed.rps, 1),
            **percentiles_ms(observed.latencies),
            "requests_by_version": {str(v): observed.versions.count(v) for v in sorted(set(observed.versions))},
            "slowest_swap_s": slowest_swap(observed, mover.moves),
        }
        self._say(f"  moved {told['promotions_and_rollbacks']} times under load: {own.runs[-1].said()}, "
                  f"slowest swap {told['slowest_swap_s']} s")  # fmt: skip
        return told

    def _overloaded(self, own: Contender) -> dict[str, Any]:
        """Clients grow until no more requests a second come of it; then come three times as many, who try again at once."""
        steps = [
            own.loaded(clients=max(1, round(self._clients * share)), seconds=self._seconds / 2) for share in GROWTH
        ]
        taken = [run for run in steps if not run.observed.rejected] or steps[:1]
        clients = max(taken, key=lambda run: run.observed.rps).clients
        at, over = [], []
        for _ in range(self._turns):
            at.append(own.loaded(clients=clients, seconds=self._seconds / 2))
            over.append(own.loaded(clients=clients * OVERLOAD, seconds=self._seconds / 2, pause_seconds=0.0))
        polite = own.loaded(clients=clients * OVERLOAD, seconds=self._seconds / 2)
        calm, busy = (statistics.median(run.p99() for run in runs) for runs in (at, over))
        # of neighbours in time: what else the machine does changes more from minute to minute than from second to second
        ratio = statistics.median(b.p99() / c.p99() for c, b in zip(at, over, strict=True))
        for what, run in (("saturation", at[0]), ("three times that", over[0]), ("the same, patient", polite)):
            self._say(f"  {what}, {run.clients} clients: {run.said()}")
        return {
            "accepted_p99_ratio": round(ratio, 2),
            "rejected": sum(run.observed.rejected for run in over),
            "clients": clients * OVERLOAD,
            "clients_after_429": "try again at once, whatever Retry-After says",
            "accepted_rps": _median(over, lambda run: run.observed.rps),
            "offered_rps": _median(over, lambda run: run.observed.rps
                                   + run.observed.rejected / (run.observed.seconds + own.warmup)),
            "p99_ms": round(busy, 3),
            "saturation": {"clients": clients, "rps": _median(at, lambda run: run.observed.rps), "p99_ms": round(calm, 3)},
            "growing": [{"clients": run.clients, "rejected": run.observed.rejected, **run.figures()} for run in steps],
            "clients_that_wait_as_told": {"accepted_p99_ratio": round(polite.p99() / calm, 2),
                                          "rejected": polite.observed.rejected, "rps": round(polite.observed.rps, 1)},
        }  # fmt: skip


def slowest_swap(observed: Observed, moves: Sequence[tuple[float, int]]) -> float | None:
    """Seconds from a move's commit until the last answer of another version; None without moves."""
    slowest = None
    for number, (at, version) in enumerate(moves):
        until = moves[number + 1][0] if number + 1 < len(moves) else math.inf
        late = [
            finished - at
            for finished, said in zip(observed.finished, observed.versions, strict=True)
            if at < finished < until and said != version
        ]
        slowest = max(slowest or 0.0, max(late, default=0.0))
    return None if slowest is None else round(slowest, 3)


def _ratio(own: dict[str, Any], others: dict[str, dict[str, Any]]) -> float | None:
    fastest = max((one["rps"] for one in others.values()), default=None)
    return round(own["rps"] / fastest, 2) if fastest else None


def _usable_peers(environment: Path, say: Say) -> dict[str, str]:
    from importlib.metadata import version

    found = peers.installed(environment)
    if not found:
        say(f"no peers: {environment.name} is not there; `make bench-peers` makes it")
        return {}
    if found["scikit-learn"] != (own := version("scikit-learn")):
        say(f"no peers: their scikit-learn is {found['scikit-learn']}, ours {own}; pin the same in benchmarks/peers")
        return {}
    return found


def _ceiling(folder: Path, clients: int, seconds: float) -> float:
    """Requests a second of the generator against a server that does nothing: what it could see at most."""
    port = free_port()
    command = Command(
        name="the trivial server",
        arguments=[sys.executable, "-m", "benchmarks.serve.trivial", str(port)],
        port=port,
        ready=None,
        log=folder / "trivial.log",
        environment={},
    )
    with running(command) as process:
        contender = Contender(
            "trivial", [port], [process], ours.PATH, "inference_protocol",
            [ask_inference_protocol("nothing")], {trivial.VERSION: [trivial.SCORE]}, warmup=0.2,
        )  # fmt: skip
        return round(contender.loaded(clients=clients, seconds=seconds).observed.rps)


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="aios-bench-serve-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _median(runs: Sequence[Run], of: Callable[[Run], float]) -> float:
    return round(statistics.median(map(of, runs)), 1)

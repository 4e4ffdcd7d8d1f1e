"""A server that stands ready to be loaded, and what each of its runs came to.

What belongs here: one server's turns and their figures. What does not: the order of the turns (`measure.py`), starting servers
(`servers.py`) and the load itself (`load.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from subprocess import Popen
from typing import Any

from benchmarks.serve.answers import Score
from benchmarks.serve.latency import percentiles_ms
from benchmarks.serve.load import Loading, Observed, Plan
from benchmarks.serve.servers import ServerFailed, cpu_seconds

STEADY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Run:
    """What was seen, and the processor seconds that the server took for all of it, warm-up included."""

    observed: Observed
    clients: int
    cpu: float | None

    def figures(self) -> dict[str, Any]:
        observed = self.observed
        answered = len(observed.finished) + observed.rejected
        each = None if self.cpu is None or not answered else round(self.cpu / answered * 1e6)
        return {"rps": round(observed.rps, 1), **percentiles_ms(observed.latencies), "cpu_us_per_request": each}

    def figures_of_peer(self) -> dict[str, Any]:
        found = self.figures()
        return {"rps": found["rps"], "p99_ms": found["p99_ms"], "cpu_us_per_request": found["cpu_us_per_request"],
                "failed_requests": self.observed.failed}  # fmt: skip

    def p99(self) -> float:
        """In milliseconds. Raises ServerFailed where nothing was answered."""
        found = percentiles_ms(self.observed.latencies)["p99_ms"]
        if found is None:
            raise ServerFailed("no request was answered in a whole run; the server's log says why")
        return found

    def said(self) -> str:
        """A line for people."""
        found, observed = self.figures(), self.observed
        failed = f", FAILED {dict(observed.failures)}" if observed.failed else ""
        mixed = f", MIXED {observed.mixed}" if observed.mixed else ""
        rejected = f", {observed.rejected:,} rejected" if observed.rejected else ""
        cost = "" if found["cpu_us_per_request"] is None else f", {found['cpu_us_per_request']} µs each"
        return f"{found['rps']:,.0f} requests/s, p99 {found['p99_ms']} ms{cost}{rejected}{failed}{mixed}"


@dataclass(slots=True)
class Contender:
    """A server that stands ready, and every turn it had."""

    name: str
    ports: Sequence[int]
    processes: Sequence[Popen[bytes]]
    path: str
    reader: str
    bodies: Sequence[bytes]
    expected: Mapping[int, Sequence[Score]]
    warmup: float = STEADY_SECONDS
    runs: list[Run] = field(default_factory=list)

    def plan(self, *, clients: int, seconds: float, **more: Any) -> Plan:
        return Plan(
            addresses=[("127.0.0.1", port) for port in self.ports],
            path=self.path,
            bodies=self.bodies,
            expected=self.expected,
            reader=self.reader,
            clients=clients,
            seconds=seconds,
            warmup_seconds=self.warmup,
            **more,
        )

    def loaded(self, *, clients: int, seconds: float, **more: Any) -> Run:
        """One run, remembered."""
        before = self._cpu()
        observed = Loading(self.plan(clients=clients, seconds=seconds, **more)).result()
        run = Run(observed, clients, None if before is None else (self._cpu() or 0.0) - before)
        self.runs.append(run)
        return run

    def best(self) -> Run:
        return max(self.runs, key=lambda run: run.observed.rps)

    def _cpu(self) -> float | None:
        used = [cpu_seconds(process) for process in self.processes]
        return None if None in used else sum(seconds for seconds in used if seconds is not None)

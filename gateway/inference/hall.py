"""The versions that answer now: loaded, tried, and swapped as a whole.

What belongs here: which version each model is served by, loading, and the thread that follows the aliases. What does not:
requests (`service.py`) and what an alias means (`resources/registry.py`).

A version is loaded and tried before anything points to it; then one reference is exchanged. A request reads that reference
once, so it is answered by one version from beginning to end, and what is under way on the old one ends there. A version that
can't be loaded changes nothing: the one before goes on, and the log says why.
"""

import gc
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic, perf_counter, sleep
from typing import Any

import pyarrow as pa

from aios_core.errors import AiosError
from aios_core.lifecycle.states import CANARY, CHAMPION, LAST_GOOD, SHADOW
from aios_core.scoring.model import ScoringModel
from gateway.access_log import AccessLog
from gateway.inference.lane import Lane, Room
from gateway.inference.signature import Signature
from gateway.metrics import ANSWERED, BATCH_ROWS, LOAD_FAILURES, SIZES, SWAPS, Count, Requests
from gateway.refusals import Refused
from resources.alias_watch import AliasWatch, ModelAliases
from resources.database import Database
from resources.lake import Lake
from resources.registry import Registry, UnknownModel

# loaded as soon as something points there, so that a promotion or a rollback finds it ready
WARM = (CHAMPION, CANARY, LAST_GOOD, SHADOW)
KEPT_BESIDE = 2  # versions of a model that nothing points to and somebody asked for by number
LOADS_WAITING = 8
LOOK_SECONDS = 15.0  # without any notice
TRIAL = "My card was charged twice for the same invoice, please help me to get a refund"


class Loaded:
    """One version, ready to answer."""

    def __init__(self, model: ScoringModel, *, room: Room, requests: Requests) -> None:
        seconds, novelty = _tried(model)
        self.model = model
        self.name, self.version = model.name, model.version
        self.signature = Signature(model.manifest, novelty=novelty)
        self.threads = ThreadPoolExecutor(1, thread_name_prefix=f"{model.name}-{model.version}")
        self.lane = Lane(
            model.infer,
            self.signature,
            room=room,
            threads=self.threads,
            sizes=requests.histogram(BATCH_ROWS, SIZES, model=self.name, version=self.version),
            row_seconds=seconds,
        )
        self.head = [(b"x-aios-model", self.name.encode()), (b"x-aios-model-version", str(self.version).encode())]
        self._requests = requests
        self._answered: dict[int, Count] = {}

    def answered(self, status: int) -> None:
        """Count an answer of this version."""
        count = self._answered.get(status)
        if count is None:
            count = self._requests.count(ANSWERED, model=self.name, version=self.version, status=status)
            self._answered[status] = count
        count.n += 1


@dataclass(frozen=True, slots=True)
class Serving:
    """One model at one moment. `loaded` holds what is ready, the champion among it once there is one."""

    state: ModelAliases
    loaded: Mapping[int, Loaded]
    champion: Loaded | None


class Hall:
    """Every model of the registry, as it is served by this process."""

    def __init__(
        self,
        database: Database,
        *,
        lake: Lake,
        accelerator: str,
        requests: Requests,
        log: AccessLog,
        room: Room,
    ) -> None:
        self._database = database
        self._registry = Registry(database, lake=lake)
        self._accelerator = accelerator
        self._requests = requests
        self._log = log
        self._room = room
        self.serving: Mapping[str, Serving] = {}
        self.ready = False
        self._beside: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._changing = threading.Lock()
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="loader")
        self._loads_waiting = 0
        self._failed: dict[tuple[str, int], str] = {}
        self._watch: AliasWatch | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False

    def start(self) -> None:
        """Follow the aliases from now on, in a thread."""
        self._stopping = False
        self._watch = AliasWatch(self._database.url)
        self._thread = threading.Thread(target=self._follow, name="aliases", daemon=True)
        self._thread.start()

    def await_ready(self, seconds: float) -> bool:
        """Wait until what the aliases point to is loaded, so long at most; whether it is."""
        deadline = monotonic() + seconds
        while not self.ready and monotonic() < deadline:
            sleep(0.01)
        return self.ready

    def stop(self) -> None:
        """End the thread. What is loaded stays until the process ends."""
        self._stopping = True
        if self._watch is not None and self._thread is not None:
            self._watch.wake()
            self._thread.join(timeout=10)
            self._watch.__exit__(None, None, None)
            self._watch = self._thread = None
        self._loader.shutdown(wait=False, cancel_futures=True)

    def find(self, name: str, version: int | None) -> Loaded | None:
        """The version that answers: the champion where none is named. None: registered, and not loaded yet.

        Raises Refused where there is no such model or version, or no champion.
        """
        serving = self.serving.get(name)
        if serving is None:
            raise self._unknown(name)
        if version is not None:
            return serving.loaded.get(version)
        if serving.champion is not None:
            return serving.champion
        wanted = serving.state.aliases.get(CHAMPION)
        if wanted is None:
            raise Refused(
                503,
                "model.no_champion",
                f"model {name} has no champion yet; promote a version, or name one in the path",
            )
        why = self._failed.get((name, wanted), "it is being loaded")
        raise Refused(503, "model.not_ready", f"model {name} version {wanted} is not ready: {why}", retry_after=1)

    def load_beside(self, name: str, version: int, then: Callable[[Loaded | Refused], object]) -> None:
        """Load a version that nothing points to. `then` is called in another thread. Raises Refused where too many wait."""
        if self._loads_waiting >= LOADS_WAITING:
            raise Refused(429, "model.loading", "too many versions are being loaded; try again later", retry_after=2)
        self._loads_waiting += 1
        self._loader.submit(self._load_and_tell, name, version, then)

    def refresh(self) -> None:
        """Read what the aliases point to, load it, and swap. Raises AiosError where the database does not answer."""
        with self._changing:
            assert self._watch is not None  # between `start` and `stop`
            states = self._watch.current()
            for state in states.values():
                self._update(state)
            self.serving = {name: s for name, s in self.serving.items() if name in states}
            self.ready = True

    def _update(self, state: ModelAliases) -> None:
        before = self.serving.get(state.name)
        loaded = dict(before.loaded) if before else {}
        wanted = [state.aliases[alias] for alias in WARM if alias in state.aliases]
        champion = before.champion if before else None
        self._put(Serving(state, loaded, champion))
        for version in dict.fromkeys(wanted):  # the champion first: it answers before the others are loaded
            if version not in loaded and (found := self._load(state.name, version)) is not None:
                loaded = {**loaded, version: found}
            if version == state.aliases.get(CHAMPION) and version in loaded:
                champion = self._swapped(champion, loaded[version])
            self._put(Serving(state, loaded, champion))
        keep = {*wanted, *(v for name, v in self._beside if name == state.name)}
        keep |= {champion.version} if champion else set()
        self._put(Serving(state, {v: one for v, one in loaded.items() if v in keep}, champion))

    def _swapped(self, before: Loaded | None, after: Loaded) -> Loaded:
        if before is not after:
            self._requests.count(SWAPS, model=after.name).n += 1
            self._log.event(
                "model_swapped", model=after.name, version=after.version, before=before.version if before else None
            )
        return after

    def _put(self, serving: Serving) -> None:
        self.serving = {**self.serving, serving.state.name: serving}

    def _load(self, name: str, version: int) -> Loaded | None:
        started = perf_counter()
        try:
            # verified by checksums and golden rows there
            model = self._registry.load(name=name, version=version, accelerator=self._accelerator)
            found = Loaded(model, room=self._room, requests=self._requests)
        except Exception as error:  # whatever is wrong with a version must not stop the others, nor the thread
            if self._failed.get((name, version)) != str(error):
                self._log.event("model_load_failed", model=name, version=version, error=str(error))
            self._failed[name, version] = str(error)
            self._requests.count(LOAD_FAILURES, model=name, version=version).n += 1
            return None
        self._failed.pop((name, version), None)
        gc.freeze()  # a vocabulary is a million objects that the collector need not look through again and again
        seconds = round(perf_counter() - started, 3)
        self._log.event("model_loaded", model=name, version=version, seconds=seconds)
        return found

    def _load_and_tell(self, name: str, version: int, then: Callable[[Loaded | Refused], object]) -> None:
        try:
            then(self._loaded_beside(name, version))
        finally:
            self._loads_waiting -= 1

    def _loaded_beside(self, name: str, version: int) -> Loaded | Refused:
        with self._changing:
            serving = self.serving.get(name)
            if serving is None:
                return self._unknown(name)
            if version in serving.loaded:
                return serving.loaded[version]
            try:
                self._registry.get(name, version)
            except UnknownModel:
                known = ", ".join(map(str, serving.state.versions[-10:]))
                return Refused(404, "model.unknown_version", f"model {name} has no version {version}; it has {known}")
            except AiosError as error:
                return Refused(503, "model.not_ready", str(error), retry_after=1)
            found = self._load(name, version)
            if found is None:
                return Refused(503, "model.not_ready", f"model {name} version {version}: {self._failed[name, version]}")
            self._beside[name, version] = None
            self._beside.move_to_end((name, version))
            beside = [v for n, v in self._beside if n == name]
            for old in beside[:-KEPT_BESIDE]:
                del self._beside[name, old]
            keep = {*serving.state.aliases.values(), *beside[-KEPT_BESIDE:]}
            keep |= {serving.champion.version} if serving.champion else set()
            loaded = {v: one for v, one in serving.loaded.items() if v in keep} | {version: found}
            self._put(Serving(serving.state, loaded, serving.champion))
            return found

    def _unknown(self, name: str) -> Refused:
        if not self.ready:
            return Refused(503, "gateway.starting", "the models are being loaded; try again", retry_after=1)
        known = ", ".join(sorted(self.serving)) or "none yet"
        return Refused(404, "model.unknown", f"there is no model {name[:80]}; there are: {known}")

    def _follow(self) -> None:
        watch = self._watch
        assert watch is not None
        said = ""
        while not self._stopping:
            try:
                watch.wait(LOOK_SECONDS if self.ready else 0.5)
                if not self._stopping:
                    self.refresh()
                said = ""
            except Exception as error:  # the database is away, say: what is loaded goes on answering
                if str(error) != said:
                    self._log.event("aliases_not_read", error=str(error))
                said = str(error)


def _tried(model: ScoringModel) -> tuple[float, bool]:
    """Score a few rows before anybody waits for them: (seconds a row, whether the version knows novelty)."""
    signature = Signature(model.manifest)
    best = 60.0
    novelty = False
    for rows in (1, 8, 1, 8, 8):
        columns: list[Any] = [
            pa.array([TRIAL] * rows) if one.kind == "text" else pa.nulls(rows, field.type)
            for one, field in zip(signature.inputs.values(), signature.schema, strict=True)
        ]
        started = perf_counter()
        scored = model.infer(pa.RecordBatch.from_arrays(columns, schema=signature.schema))
        best = min(best, (perf_counter() - started) / rows)
        novelty = scored.novelty is not None
    return best, novelty

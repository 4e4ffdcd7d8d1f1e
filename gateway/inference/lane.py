"""The line in front of one model version: requests that came together are scored together, and no more are let in than can be served.

What belongs here: micro-batching, deadlines and admission. What does not: tensors, routing and HTTP.

**Batching costs nobody any waiting.** A request is scored at the end of the turn of the event loop in which it came. Alone, it is
scored alone; under load a turn brings many, and they share one call (measured for `linear_text` on banking77: 246 µs a row alone,
51 of 16, 29 of 64). Where a model is slow, a batch runs in a thread, and what comes meanwhile forms the next one. There is no timer to
tune: a request never waits for company, only for a batch that is running already.

**Admission.** A request that would wait longer than `longest_wait`, or stand behind more than `most_waiting` others, is turned
away at once, for what is let in must be answered while somebody still wants it. The cost of a request is measured as it
is paid here: the time from the first arrival of a turn to the end of its answers, shared among them.

**Deadlines.** A request whose time is up before its batch starts is answered 504 and never scored.

Everything but the scoring of a slow batch happens on the event loop, so nothing here is locked.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from time import perf_counter

import pyarrow as pa

from aios_core.scoring.engine import EngineScores
from gateway.inference.signature import MAX_ROWS, Signature
from gateway.inference.tensors import Asked, Numbers, batch_of, joined, numbers
from gateway.metrics import Histogram
from gateway.refusals import Refused

# A model that scores a row in this time is scored on the event loop: some 64 rows of it hold the loop up for a few milliseconds. A
# thread beside a busy event loop waits for the interpreter (measured with 32 callers in one process: 9,800 requests/s and p99 11 ms
# on the loop, 6,800 and 17 ms in a thread). The speed is that of the trial: on a busy machine every model looks slow.
QUICK_SECONDS = 0.001
QUICK_ROWS = 64
QUICK_CHARS = 60_000  # a text may be the one that takes long: its length is known before it is scored
SLOW_ROWS = 32  # in one call of a slower model: more would make the first of them wait for the last
FRESH = 0.2  # the newest measurement's share in the running mean
RETRY_AFTER = 1

Score = Callable[[pa.RecordBatch], EngineScores]


@dataclass(slots=True)
class Waiting:
    """One request in the line. `answer` is called once, with its rows or with why there are none; times are `perf_counter`'s."""

    asked: Asked
    arrived: float
    deadline: float
    answer: Callable[[Numbers | Refused], None]
    timer: asyncio.TimerHandle | None = None
    taken: bool = False  # into a batch: from then on its deadline is no more looked at
    gone: bool = False  # answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How much may wait in front of one version, in one process."""

    most_waiting: int = 40
    longest_wait: float = 0.25
    most_rows: int = 2 * MAX_ROWS


class Lane:
    """One version's line."""

    def __init__(
        self, score: Score, signature: Signature, *, room: Room, threads: Executor, sizes: Histogram, row_seconds: float
    ) -> None:
        self._score = score
        self._signature = signature
        self._room = room
        self._threads = threads
        self._sizes = sizes
        self._queue: deque[Waiting] = deque()
        self._rows = 0  # waiting and running
        self._requests = 0
        self._busy = False
        self._slow = False  # a batch is running in a thread
        self._quick = row_seconds <= QUICK_SECONDS
        self._most_rows = QUICK_ROWS if self._quick else SLOW_ROWS
        self._request_seconds = row_seconds
        self._ended = 0.0

    @property
    def full(self) -> bool:
        """Whether one more would wait too long: known before its body is looked at, so that refusing costs next to nothing."""
        ahead = self._requests
        return ahead > 0 and (
            ahead >= self._room.most_waiting or ahead * self._request_seconds > self._room.longest_wait
        )

    def submit(self, waiting: Waiting) -> None:
        """Take a request into the line, or refuse it. Raises Refused."""
        if self.full or (self._requests and self._rows + waiting.asked.rows > self._room.most_rows):
            raise BUSY
        self._requests += 1
        self._rows += waiting.asked.rows
        self._queue.append(waiting)
        if self._slow:
            self._watch(waiting)
        if not self._busy:
            self._busy = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """Score what has come: on the loop where that is quick, else in a thread."""
        batch, rows, chars = self._take()
        if not batch:
            self._busy = False
            return
        if self._quick and rows <= QUICK_ROWS and chars <= QUICK_CHARS:
            self._finish(batch, rows, self._run(batch))
            return
        self._slow = True
        for one in self._queue:
            self._watch(one)
        task = asyncio.get_running_loop().run_in_executor(self._threads, self._run, batch)
        task.add_done_callback(lambda done: self._came_back(batch, rows, done))

    def _came_back(self, batch: Sequence[Waiting], rows: int, done: "asyncio.Future[Results]") -> None:
        self._slow = False
        self._finish(batch, rows, [STOPPING] * len(batch) if done.cancelled() else done.result())

    def _take(self) -> tuple[list[Waiting], int, int]:
        """The next batch: what is still wanted, in its order, as many rows as are good in one call."""
        batch: list[Waiting] = []
        rows = chars = 0
        now = perf_counter()
        queue = self._queue
        while queue:
            first = queue[0]
            if first.gone or first.deadline < now:
                self._expire(queue.popleft())
                continue
            if batch and (rows + first.asked.rows > self._most_rows or chars + first.asked.chars > QUICK_CHARS):
                break
            queue.popleft()
            first.taken = True
            batch.append(first)
            rows += first.asked.rows
            chars += first.asked.chars
        return batch, rows, chars

    def _run(self, batch: Sequence[Waiting]) -> "Results":
        """A result for each request. Never raises: one bad request among many must not fail the others."""
        try:
            found = self._numbers(batch_of([w.asked for w in batch], self._signature))
        except Exception as error:
            if len(batch) == 1:
                return [_why(error)]
            middle = len(batch) // 2
            return self._run(batch[:middle]) + self._run(batch[middle:])
        parts: list[Numbers | Refused] = []
        start = 0
        for one in batch:
            end = start + one.asked.rows
            parts.append(found.part(start, end))
            start = end
        return parts

    def _numbers(self, features: pa.RecordBatch) -> Numbers:
        """Rows that need more memory than there is are scored half by half."""
        try:
            return numbers(self._score(features))
        except MemoryError:
            if features.num_rows == 1:
                raise
            middle = features.num_rows // 2
            return joined(self._numbers(features.slice(0, middle)), self._numbers(features.slice(middle)))

    def _finish(self, batch: Sequence[Waiting], rows: int, found: "Results") -> None:
        self._sizes.seen(rows)
        for one, result in zip(batch, found, strict=True):
            self._left(one, result)
        now = perf_counter()
        spent = now - max(batch[0].arrived, self._ended)
        self._ended = now
        self._request_seconds += FRESH * (spent / len(batch) - self._request_seconds)
        if self._queue:
            asyncio.get_running_loop().call_soon(self._turn)
        else:
            self._busy = False

    def _watch(self, one: Waiting) -> None:
        """While a slow batch runs nobody looks at the line: a clock does."""
        if one.timer is None:
            left = max(one.deadline - perf_counter(), 0.0)
            one.timer = asyncio.get_running_loop().call_later(left, self._expire, one)

    def _expire(self, one: Waiting) -> None:
        if not (one.gone or one.taken):
            self._left(one, LATE)

    def _left(self, one: Waiting, found: Numbers | Refused) -> None:
        one.gone = True
        if one.timer is not None:
            one.timer.cancel()
        self._requests -= 1
        self._rows -= one.asked.rows
        one.answer(found)


Results = list[Numbers | Refused]

BUSY = Refused(429, "infer.busy", "more requests than this model can serve; try again later", retry_after=RETRY_AFTER)
LATE = Refused(504, "request.deadline", "the time given for this request was up before it was started")
STOPPING = Refused(503, "gateway.stopping", "the gateway is being stopped; try again", retry_after=RETRY_AFTER)


def _why(error: Exception) -> Refused:
    if isinstance(error, MemoryError):
        return Refused(503, "infer.out_of_memory", "too little memory for even one of these rows; send shorter texts")
    return Refused(500, "infer.failed", f"the model could not score this: {error}")

"""The line in front of a model: who came together is scored together, nobody waits in vain, and one bad request harms no other."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_core.scoring.engine import EngineScores
from gateway.inference.lane import Lane, Room, Waiting
from gateway.inference.signature import Signature
from gateway.inference.tensors import Asked, read
from gateway.metrics import SIZES, Histogram
from gateway.refusals import Refused

MANIFEST = {"kind": "linear_text", "classes": ["a", "b"], "inputs": ["text"], "features": {}}
SIGNATURE = Signature(MANIFEST)


class Model:
    """Says of each text how long it is, and remembers which it was given together."""

    def __init__(self, *, seconds: float = 0.0, memory: int = 10**9) -> None:
        self.batches: list[list[str]] = []
        self.threads: set[str] = set()
        self._seconds = seconds
        self._memory = memory

    def __call__(self, features):
        texts = features.column("text").to_pylist()
        if len(texts) > self._memory:
            raise MemoryError
        self.batches.append(texts)
        self.threads.add(threading.current_thread().name)
        time.sleep(self._seconds)
        if "bad" in texts:
            raise ValueError("a bad text")
        first = np.array([[1 / (1 + len(t)), 1 - 1 / (1 + len(t))] for t in texts], np.float32)
        nothing = np.zeros(len(texts))
        return EngineScores(probabilities=first, unseen_share=nothing, text_length=nothing.astype(np.int64))


def asked(*texts) -> Asked:
    tensor = {"name": "text", "shape": [len(texts)], "datatype": "BYTES", "data": list(texts)}
    return read({"inputs": [tensor]}, memoryview(b""), SIGNATURE)


class Line:
    def __init__(self, model, *, row_seconds=0.0001, **room):
        self.sizes = Histogram(SIZES)
        self.lane = Lane(
            model, SIGNATURE, room=Room(**room), threads=ThreadPoolExecutor(1, thread_name_prefix="slow"),
            sizes=self.sizes, row_seconds=row_seconds,
        )  # fmt: skip

    def send(self, *texts, seconds=30.0) -> "asyncio.Future":
        """A future with the numbers, or with the refusal as its result."""
        future = asyncio.get_running_loop().create_future()
        now = perf_counter()
        try:
            self.lane.submit(Waiting(asked(*texts), now, now + seconds, future.set_result))
        except Refused as refused:
            future.set_result(refused)
        return future


def test_who_came_in_one_turn_is_scored_in_one_call_and_gets_their_own_rows():
    model = Model()

    async def main():
        line = Line(model)
        answers = await asyncio.gather(line.send("a"), line.send("bb", "ccc"), line.send("dddd"))
        alone = await line.send("ee")
        return answers, alone, line.sizes.slots

    answers, alone, slots = asyncio.run(main())
    assert model.batches == [["a", "bb", "ccc", "dddd"], ["ee"]]
    assert [a.probabilities[:, 0].tolist() for a in answers] == [
        pytest.approx([1 / 2], abs=1e-6), pytest.approx([1 / 3, 1 / 4], abs=1e-6), pytest.approx([1 / 5], abs=1e-6)
    ]  # fmt: skip
    assert alone.probabilities[0, 0] == pytest.approx(1 / 3, abs=1e-6)
    assert (slots[SIZES.index(4)], slots[SIZES.index(1)]) == (1, 1)
    assert model.threads == {"MainThread"}


def test_a_slow_model_is_scored_in_a_thread_and_what_comes_meanwhile_is_the_next_batch():
    model = Model(seconds=0.05)

    async def main():
        line = Line(model, row_seconds=0.05)
        first = line.send("a")
        await asyncio.sleep(0.01)
        await asyncio.gather(first, line.send("b"), line.send("c"))

    asyncio.run(main())
    assert model.batches == [["a"], ["b", "c"]]
    assert all(name.startswith("slow") for name in model.threads)


def test_more_than_may_wait_is_refused_at_once_and_the_rest_is_answered():
    model = Model()

    async def main():
        line = Line(model, most_waiting=3)
        return await asyncio.gather(*[line.send(str(n)) for n in range(5)], line.send(*"xyz")), line.lane.full

    answers, full = asyncio.run(main())
    refused = [a for a in answers if isinstance(a, Refused)]
    assert [(r.status, r.code, r.retry_after) for r in refused] == [(429, "infer.busy", 1)] * 3
    assert model.batches == [["0", "1", "2"]]
    assert not full


def test_a_line_that_would_last_too_long_lets_nobody_in_but_an_empty_one_always_does():
    model = Model(seconds=0.03)

    async def main():
        line = Line(model, row_seconds=0.03, longest_wait=0.05)
        answers = await asyncio.gather(*[line.send(str(n)) for n in range(6)])
        return answers, await line.send("later")

    answers, later = asyncio.run(main())
    assert sum(isinstance(a, Refused) for a in answers) == 4
    assert not isinstance(later, Refused)


def test_work_whose_time_is_up_is_never_started_and_is_told_in_time():
    model = Model(seconds=1.0)

    async def main():
        line = Line(model, row_seconds=1.0, longest_wait=10)
        first = line.send("first")
        await asyncio.sleep(0.01)
        started = perf_counter()
        late = await line.send("late", seconds=0.05)
        told = perf_counter() - started
        return late, told, await first, line.lane._requests

    late, told, first, left = asyncio.run(main())
    assert (late.status, late.code) == (504, "request.deadline")
    assert told < 0.9  # before the first one, which takes a second, has its answer
    assert not isinstance(first, Refused)
    assert (model.batches, left) == ([["first"]], 0)


def test_one_bad_request_fails_alone():
    model = Model()

    async def main():
        line = Line(model)
        return await asyncio.gather(line.send("a"), line.send("bad"), line.send("c"), line.send("d"))

    answers = asyncio.run(main())
    assert [isinstance(a, Refused) for a in answers] == [False, True, False, False]
    assert (answers[1].status, answers[1].code) == (500, "infer.failed")


def test_rows_that_need_too_much_memory_together_are_scored_in_parts():
    model = Model(memory=3)

    async def main():
        line = Line(model)
        return await asyncio.gather(line.send(*[("x" * n) for n in range(1, 11)]), line.send("y"))

    whole, other = asyncio.run(main())
    assert whole.probabilities[:, 0].tolist() == pytest.approx([1 / (1 + n) for n in range(1, 11)], abs=1e-6)
    assert not isinstance(other, Refused)

    async def too_much():
        return await Line(Model(memory=0)).send("x")

    answer = asyncio.run(too_much())
    assert (answer.status, answer.code) == (503, "infer.out_of_memory")


@given(
    st.lists(
        st.lists(st.text(max_size=5).filter(lambda t: t != "bad"), min_size=1, max_size=6), min_size=1, max_size=12
    )
)
def test_every_request_is_answered_once_with_as_many_rows_as_it_has(requests):
    async def main():
        line = Line(Model(), most_waiting=100)
        return await asyncio.gather(*[line.send(*texts) for texts in requests])

    answers = asyncio.run(main())
    for texts, answer in zip(requests, answers, strict=True):
        assert answer.probabilities[:, 0].tolist() == pytest.approx([1 / (1 + len(t)) for t in texts], abs=1e-6)

"""The load generator against a small server that answers as each test tells it to."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager

import pytest

from benchmarks.serve.answers import (
    Judge,
    Score,
    ask_bento,
    ask_inference_protocol,
    read_bento,
    read_inference_protocol,
)
from benchmarks.serve.load import Loading, Observed, Plan, run

TEXTS = [f"text {number}" for number in range(20)]
EXPECTED = {
    version: [Score("ab"[n % 2], (0.5 + version / 100, 0.25 + n / 1000)) for n in range(len(TEXTS))]
    for version in (1, 2)
}
Answering = Callable[[int, str], bytes | None]  # request number and text -> response; None: the connection is closed


def response(
    text: str,
    *,
    status: str = "200 OK",
    scores: int = 1,
    says: int = 1,
    header: int | None = 1,
    extra: str = "",
    label: str | None = None,
) -> bytes:
    score = EXPECTED[scores][TEXTS.index(text)]
    body = json.dumps(
        {
            "model_name": "m",
            "model_version": str(says),
            "outputs": [
                {"name": "label", "shape": [1], "datatype": "BYTES", "data": [label or score.label]},
                {"name": "probabilities", "shape": [1, 2], "datatype": "FP32", "data": list(score.probabilities)},
            ],
        }
    ).encode()
    version = "" if header is None else f"X-Aios-Model-Version: {header}\r\n"
    return f"HTTP/1.1 {status}\r\n{version}{extra}Content-Length: {len(body)}\r\n\r\n".encode() + body


@contextmanager
def serving(answer: Answering, *, delay: float = 0.0) -> Iterator[int]:
    """A server on a port of its own, in a thread."""
    count = 0

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.split("content-length: ")[1].split("\r\n")[0])
                text = json.loads(await reader.readexactly(length))["inputs"][0]["data"][0]
                count += 1
                number = count
                if delay:
                    await asyncio.sleep(delay)
                if (content := answer(number, text)) is None:
                    break
                middle = len(content) // 2  # an answer may come in pieces
                writer.write(content[:middle])
                await writer.drain()
                writer.write(content[middle:])
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def serve() -> None:
        started = await asyncio.start_server(connected, "127.0.0.1", 0)
        port.set_result(started.sockets[0].getsockname()[1])
        async with started:
            await stop.wait()

    port: Future[int] = Future()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    def in_thread() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:  # it cancels whatever is left
            runner.run(serve())

    thread = threading.Thread(target=in_thread, daemon=True)
    thread.start()
    try:
        yield port.result(5)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(5)


def plan(port: int, *, clients: int = 4, seconds: float = 0.3, warmup: float = 0.1, **more: object) -> Plan:
    bodies: Sequence[bytes] = [ask_inference_protocol(text) for text in TEXTS]
    settings = {"path": "/v2/models/m/infer", "reader": "inference_protocol", "expected": EXPECTED, **more}
    return Plan(
        addresses=[("127.0.0.1", port)],
        bodies=bodies,
        clients=clients,
        seconds=seconds,
        warmup_seconds=warmup,
        **settings,
    )


def observed(answer: Answering, *, delay: float = 0.0, **more: object) -> Observed:
    with serving(answer, delay=delay) as port:
        return run(plan(port, **more))


def test_every_right_answer_is_counted_and_timed() -> None:
    asked = []

    def answer(number: int, text: str) -> bytes:
        asked.append(text)
        return response(text)

    found = observed(answer, seconds=0.5)

    assert (found.failed, found.mixed, found.rejected) == (0, 0, 0)
    assert len(found.finished) == len(asked) > 20
    assert set(found.versions) == {1}
    assert 0 < found.completed < len(asked), "the warm-up is not in the window"
    assert found.completed <= len(found.latencies) + 4, "one a client may have begun before the window"
    assert found.rps == pytest.approx(found.completed / 0.5)
    assert len(set(asked)) > len(TEXTS) / 2


def test_latency_is_what_the_client_waited() -> None:
    found = observed(lambda _, text: response(text), delay=0.05, seconds=0.4)

    assert min(found.latencies) >= 0.05
    assert 0 < found.completed <= 4 * (0.4 / 0.05 + 1), (
        "four clients, each one request at a time; one may end just inside"
    )


@pytest.mark.parametrize(
    ("planted", "reason"),
    [
        (lambda text: response(text, status="500 Internal Server Error"), "status 500"),
        (lambda text: b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nnot json!", "wrong answer"),
        (lambda text: response(text).replace(b'"shape": [1, 2]', b'"shape": [2, 1]'), "wrong answer"),
        (lambda text: response(text, scores=2, says=3, header=3).replace(b"0.5", b"0.9"), "wrong answer"),
        (lambda text: response(text, label="c"), "wrong answer"),
        (lambda text: b"HTTP/1.1 200 OK\r\n\r\n", "no content-length"),
        (lambda text: response(text) + b"more", "more than one response"),
        (lambda text: None, "connection closed"),
    ],
)
def test_a_planted_failure_is_found(planted: Callable[[str], bytes | None], reason: str) -> None:
    found = observed(lambda number, text: planted(text) if number == 15 else response(text))

    assert found.failures == {reason: 1}
    assert found.completed > 0, "the others go on"


@pytest.mark.parametrize(
    "planted",
    [
        {"scores": 2},  # the scores of version 2 under the name of version 1
        {"scores": 2, "says": 2, "header": 1},  # a header of the version before
        {"scores": 1, "says": 2, "header": 2},  # the other way round
    ],
)
def test_one_answer_put_together_from_two_versions_is_found(planted: dict[str, int]) -> None:
    found = observed(lambda number, text: response(text, **planted) if number == 33 else response(text))

    assert found.mixed == 1
    assert found.failed == 0


def test_two_versions_that_are_each_whole_are_no_mixture() -> None:
    def answer(number: int, text: str) -> bytes:
        version = 1 + number % 2
        return response(text, scores=version, says=version, header=version)

    found = observed(answer)

    assert (found.mixed, found.failed) == (0, 0)
    assert set(found.versions) == {1, 2}


def test_an_answer_without_a_version_header_is_judged_by_its_body() -> None:
    found = observed(lambda _, text: response(text, header=None, says=2, scores=2))

    assert (found.mixed, found.failed) == (0, 0)
    assert set(found.versions) == {2}


def refusal(*, told: bool = True) -> bytes:
    after = "Retry-After: 1\r\n" if told else ""
    return f"HTTP/1.1 429 Too Many Requests\r\n{after}Content-Length: 2\r\n\r\n{{}}".encode()


def test_refusals_are_counted_apart_and_waited_out_as_told() -> None:
    begun = time.monotonic()
    found = observed(
        lambda number, text: refusal() if number <= 2 else response(text), clients=2, seconds=1.4, warmup=0
    )

    assert (found.rejected, found.failed) == (2, 0)
    assert min(found.finished) - begun >= 0.95, "both clients were told to wait a second"
    assert found.completed > 0


def test_impatient_clients_try_again_at_once() -> None:
    found = observed(lambda number, text: refusal() if number % 2 else response(text), pause_seconds=0.0)

    assert found.rejected > 4, "more than one for each client"
    assert found.completed > 4


def test_a_refusal_that_names_no_time_is_a_failure() -> None:
    found = observed(lambda number, text: refusal(told=False) if number == 7 else response(text), pause_seconds=0.0)

    assert found.rejected == 1
    assert found.failures == {"429 without retry-after": 1}


def test_a_connection_that_the_server_ends_in_order_is_taken_anew() -> None:
    found = observed(lambda _, text: response(text, extra="Connection: close\r\n"))

    assert found.failed == 0
    assert found.completed > 4


def test_a_request_without_an_answer_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.serve.load.DRAIN_SECONDS", 0.2)
    stuck = threading.Event()

    def answer(number: int, text: str) -> bytes:
        if number == 10:
            stuck.wait(1.5)  # the whole server stands still
        return response(text)

    found = observed(answer, seconds=0.3)
    stuck.set()

    assert found.failures["no answer"] == 4


def test_a_load_in_a_process_of_its_own_can_be_ended_early() -> None:
    with serving(lambda _, text: response(text)) as port:
        loading = Loading(plan(port, seconds=60, warmup=0.1))
        time.sleep(max(0.0, loading.begun - time.monotonic()) + 0.3)
        loading.stop()
        found = loading.result()

    assert 0.2 < found.seconds < 5
    assert found.completed > 10
    assert found.failed == 0


def test_a_server_that_is_not_there_is_said() -> None:
    with serving(lambda _, text: response(text)) as port:
        pass
    gone = plan(port)
    with pytest.raises(ConnectionError):
        Loading(Plan(**{name: getattr(gone, name) for name in Plan.__slots__} | {"addresses": [("127.0.0.1", 1)]}))


def test_the_judge_remembers_only_what_was_right_for_that_very_text() -> None:
    judge = Judge(EXPECTED, "inference_protocol")
    _, body = response(TEXTS[3]).split(b"\r\n\r\n")

    assert judge.judge(3, 1, body) == ("right", 1)
    assert judge.judge(3, 1, body) == ("right", 1)
    assert judge.judge(5, 1, body)[0] == "wrong"
    assert judge.judge(3, 2, body)[0] == "mixed"


def test_requests_and_answers_of_both_formats_go_together() -> None:
    assert json.loads(ask_bento("a")) == {"texts": ["a"]}
    assert read_bento(b'[{"label": "a", "probabilities": [0.75, 0.25]}]').score == Score("a", (0.75, 0.25))
    nested = response(TEXTS[0]).split(b"\r\n\r\n")[1].replace(b"[0.51, 0.25]", b"[[0.51, 0.25]]")
    assert read_inference_protocol(nested).score == EXPECTED[1][0]

"""HTTP clients whose answers end: in bytes and in time, however the other side dribbles.

What belongs here: the bounds on an answer's body. What does not: what is asked (`llm.py`). Imported only where a model is called, since it
needs the extra `assistant`.

A read time-out starts anew with each byte, so that an endpoint which sends one character, or one keep-alive, every few seconds would
hold a run for ever.
"""

import time
from collections.abc import AsyncIterator, Iterator
from typing import Final

import httpx2

MOST_BYTES: Final = 8_000_000


def sync_client(*, silence_seconds: float, whole_seconds: float) -> httpx2.Client:
    """`silence_seconds` is the longest pause between bytes, `whole_seconds` the time for one answer."""

    def bound(response: httpx2.Response) -> None:
        assert isinstance(response.stream, httpx2.SyncByteStream)  # of a synchronous client
        response.stream = _Bounded(response.stream, response.request, whole_seconds)

    return httpx2.Client(timeout=_timeouts(silence_seconds), event_hooks={"response": [bound]})


def async_client(*, silence_seconds: float, whole_seconds: float) -> httpx2.AsyncClient:
    """The same for asynchronous callers."""

    async def bound(response: httpx2.Response) -> None:
        assert isinstance(response.stream, httpx2.AsyncByteStream)  # of an asynchronous client
        response.stream = _AsyncBounded(response.stream, response.request, whole_seconds)

    return httpx2.AsyncClient(timeout=_timeouts(silence_seconds), event_hooks={"response": [bound]})


def _timeouts(silence_seconds: float) -> httpx2.Timeout:
    return httpx2.Timeout(silence_seconds, connect=min(10.0, silence_seconds))


class _Bounds:
    """Counts what came and how long it took."""

    def __init__(self, request: httpx2.Request, seconds: float) -> None:
        self._request, self._seconds = request, seconds
        self._until, self._left = time.monotonic() + seconds, MOST_BYTES

    def took(self, chunk: bytes) -> bytes:
        """The chunk, or an error of the client's own kind where it is one too many."""
        self._left -= len(chunk)
        if time.monotonic() > self._until:
            raise httpx2.ReadTimeout(f"no end after {self._seconds:g} s", request=self._request)
        if self._left < 0:
            raise httpx2.ReadError(f"more than {MOST_BYTES:,} bytes", request=self._request)
        return chunk


class _Bounded(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream, request: httpx2.Request, seconds: float) -> None:
        self._stream, self._bounds = stream, _Bounds(request, seconds)

    def __iter__(self) -> Iterator[bytes]:
        yield from map(self._bounds.took, self._stream)

    def close(self) -> None:
        self._stream.close()


class _AsyncBounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, request: httpx2.Request, seconds: float) -> None:
        self._stream, self._bounds = stream, _Bounds(request, seconds)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield self._bounds.took(chunk)

    async def aclose(self) -> None:
        await self._stream.aclose()

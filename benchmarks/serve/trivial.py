"""A server that does nothing but answer: what it reaches is the ceiling of the load generator on this machine.

What belongs here: the one fixed answer. What does not: any model.
"""

import asyncio
import sys
from typing import cast

from benchmarks.serve.answers import Score

VERSION = 1
SCORE = Score("a", (0.75, 0.25))
BODY = (
    b'{"model_name":"trivial","model_version":"1","outputs":['
    b'{"name":"probabilities","shape":[1,2],"datatype":"FP32","data":[0.75,0.25]},'
    b'{"name":"label","shape":[1],"datatype":"BYTES","data":["a"]}]}'
)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-aios-model-version: 1\r\ncontent-length: %d\r\n\r\n"
ANSWER = HEAD % len(BODY) + BODY


class Answering(asyncio.Protocol):
    """One answer for every piece that arrives: the generator sends a request in one piece, and one at a time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its base class

    def data_received(self, data: bytes) -> None:  # noqa: ARG002  # asyncio's name for it
        self._transport.write(ANSWER)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


def main() -> None:
    """Serve on the port given, until ended."""
    port = int(sys.argv[1])
    try:
        import uvloop
    except ImportError:
        asyncio.run(serve(port))
    else:
        uvloop.run(serve(port))


if __name__ == "__main__":
    main()

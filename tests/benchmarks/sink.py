"""A push service that looks at nothing, so that it is not what is measured: it answers 201 to whatever is posted.

python -m tests.benchmarks.sink     prints its port; a GET tells how many were posted, and how many under one Topic.
"""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar
from urllib.request import urlopen

TAKEN = b"HTTP/1.1 201 Created\r\nLocation: /message/1\r\nContent-Length: 0\r\n\r\n"


class _Sink(asyncio.Protocol):
    topics: ClassVar[Counter[bytes]] = Counter()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            head, _, rest = self.buffer.partition(b"\r\n\r\n")
            length = int(_field(head, b"content-length") or b"0")
            if len(rest) < length:
                return
            self.buffer = rest[length:]
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        if head.startswith(b"POST"):
            self.topics[_field(head, b"topic")] += 1
            self.transport.write(TAKEN)
            return
        said = b"%d %d" % (self.topics.total(), max(self.topics.values(), default=0))
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said))


def _field(head: bytes, name: bytes) -> bytes:
    start = head.lower().find(b"\r\n" + name + b":")
    return b"" if start < 0 else head[start + len(name) + 3 :].partition(b"\r\n")[0].strip()


@contextmanager
def sink() -> Iterator[str]:
    """In a process of its own; its origin."""
    process = subprocess.Popen([sys.executable, "-m", "tests.benchmarks.sink"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait(10)


def taken(origin: str) -> tuple[int, int]:
    """How many were posted, and the most there were of one Topic."""
    with urlopen(origin, timeout=10) as reply:
        posted, most = reply.read().split()
    return int(posted), int(most)


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Sink, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())

"""A small HTTP/1.1 load generator: so many connections, each sending its next request when the last was answered."""

import asyncio
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple


class Load(NamedTuple):
    """`rate` in requests a second; `p50` and `p99` in milliseconds; `failed` counts answers that were not 2xx."""

    rate: float
    p50: float
    p99: float
    failed: int


class _Caller(asyncio.Protocol):
    """One connection. Reads only what it needs of an answer: the status, and by Content-Length where it ends."""

    def __init__(self, following: Callable[[], bytes | None], done: Callable[[float, bool], None]) -> None:
        self.following, self.done = following, done
        self.finished = asyncio.get_running_loop().create_future()
        self.buffer = b""
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._send()

    def _send(self) -> None:
        request = self.following()
        if request is None:
            self.transport.close()
            self.finished.set_result(None)
            return
        self.started = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        _, _, rest = head.lower().partition(b"content-length: ")
        if len(body) < int(rest.partition(b"\r\n")[0] or b"0"):
            return
        self.buffer = b""
        self.done(time.perf_counter() - self.started, head[9:10] == b"2")
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.finished.done():
            self.finished.set_exception(error or ConnectionError("the server closed the connection"))


Over = Callable[[int], bool]
"""Whether, after so many requests, no more are sent."""


async def _run(port: int, make: Callable[[int], bytes], connections: int, over: Over) -> Load:
    times: list[float] = []
    failed = number = 0

    def following() -> bytes | None:
        nonlocal number
        if over(number):
            return None
        number += 1
        return make(number)

    def done(seconds: float, well: bool) -> None:
        nonlocal failed
        times.append(seconds)
        failed += not well

    loop = asyncio.get_running_loop()
    start = time.perf_counter()
    callers = [
        (await loop.create_connection(lambda: _Caller(following, done), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(caller.finished for caller in callers))
    seconds = time.perf_counter() - start
    cuts = statistics.quantiles(times, n=100)
    return Load(len(times) / seconds, 1000 * cuts[49], 1000 * cuts[98], failed)


def load(port: int, make: Callable[[int], bytes], connections: int, count: int) -> Load:
    """`make(number)` gives the bytes of the number-th request, from 1 to `count`."""
    return load_until(port, make, connections, lambda sent: sent >= count)


def load_until(port: int, make: Callable[[int], bytes], connections: int, over: Over) -> Load:
    return asyncio.run(_run(port, make, connections, over))


def request(method: str, path: str, token: str = "", body: bytes = b"") -> bytes:
    head = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    if token:
        head.append(f"Authorization: Bearer {token}")
    if body:
        head.append("Content-Type: application/json")
    return "\r\n".join([*head, "", ""]).encode() + body

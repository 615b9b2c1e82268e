"""The server's own edges, over a real socket: heads too large, and who is believed to have asked."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from service import app as application
from service.app import LARGEST_BODY
from service.clock import SetClock
from service.database import Database, connect
from service.serving import LARGEST_HEAD, _Server, config_of
from service.settings import Settings
from tests.service.application import built
from tests.world import NOON

Ask = Callable[[bytes], Any]


@pytest.fixture
async def database(sqlite_original: Any, tmp_path: Any) -> AsyncIterator[Database]:
    """One database will do: nothing here reaches it."""
    copy = tmp_path / "homestretch.db"
    copy.write_bytes(sqlite_original.read_bytes())
    async with await connect(f"sqlite:///{copy}", {}) as opened:
        yield opened


@pytest.fixture
async def ask(database: Database) -> AsyncIterator[Ask]:
    """Sends bytes to the server as it is run, and gives all that comes back until it ends the connection."""
    taken = socket.create_server(("127.0.0.1", 0))
    server = _Server(config_of(built(Settings(), database, SetClock(NOON))))
    serving = asyncio.create_task(server.serve([taken]))
    await server.answers.wait()

    async def sent(raw: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*taken.getsockname())
        writer.write(raw)
        with contextlib.suppress(ConnectionError):  # it need not read to the end what it refuses
            await writer.drain()
        reply = b""
        with contextlib.suppress(ConnectionError):
            while part := await reader.read(65536):
                reply += part
        writer.close()
        return reply

    yield sent
    server.should_exit = True
    await serving


def request(*headers: str, target: str = "/healthz", method: str = "GET") -> bytes:
    lines = (f"{method} {target} HTTP/1.1", "Host: a", "Connection: close", *headers, "", "")
    return "\r\n".join(lines).encode("latin-1")


async def test_a_head_of_reasonable_size_is_answered(ask: Ask) -> None:
    padding = "x" * (LARGEST_HEAD - 1000)
    assert (await ask(request(f"Cookie: {padding}"))).startswith(b"HTTP/1.1 200 ")
    assert (await ask(request(target=f"/healthz?x={padding}"))).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("size", [300_000, 1_000_000])
async def test_a_larger_one_is_refused_wherever_it_is_large(ask: Ask, size: int) -> None:
    for raw in (
        request("Cookie: " + "x" * size),
        request(target="/healthz?x=" + "x" * size),
        request(*(f"X-{number}: y" for number in range(size // 8))),
        request(method="G" * size),
    ):
        reply = await ask(raw)
        assert reply.startswith(b"HTTP/1.1 4") or reply == b""
        assert b"Traceback" not in reply


async def test_a_body_whose_end_could_be_read_in_two_ways_is_refused(ask: Ask) -> None:
    """Request smuggling: a proxy in front may read the one, we the other."""
    for headers in (
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: +5",),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding: xchunked",),
    ):
        reply = await ask(request(*headers, target="/api/v1/enrolments/redeem", method="POST") + b"0\r\n\r\n")
        assert reply.startswith(b"HTTP/1.1 400 "), headers


async def test_a_body_announced_as_too_large_is_not_waited_for(ask: Ask) -> None:
    head = request(f"Content-Length: {LARGEST_BODY + 1}", target="/api/v1/enrolments/redeem", method="POST")
    reply = await ask(head)
    assert reply.startswith(b"HTTP/1.1 413 ")


async def test_a_body_that_drips_in_is_given_up(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "BODY_TAKES", 0)
    reply = await ask(request("Content-Length: 500", target="/api/v1/enrolments/redeem", method="POST") + b"{")
    assert reply.startswith(b"HTTP/1.1 408 ")
    assert b"/problems/too-slow" in reply


def test_no_header_is_believed_before_ours_is_asked() -> None:
    """uvicorn's own default believes X-Forwarded-For from any process of this machine."""
    config = config_of(None)
    assert config.proxy_headers is False
    assert config.server_header is False

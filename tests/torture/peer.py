"""A provider that keeps a journal: what is in it left us, whatever became of the sender. And the channel to it.

A line comes in, its line in the journal is on disk, an answer goes out. It knows a repeat by its delivery id, as a
phone does by the collapse id, and shows it in place of the first.
"""

import asyncio
import contextlib
import os
from collections import Counter
from pathlib import Path
from typing import ClassVar, Self

import msgspec

from notifications.channels import Accepted, Later, Outcome, Parcel
from notifications.channels.addresses import ConsoleAddress


class Taken(msgspec.Struct, frozen=True):
    """One line of the journal."""

    to: str
    id: str


class Peer:
    def __init__(self, journal: Path) -> None:
        self.journal = journal
        self.port = 0
        self._talks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._file = os.open(self.journal, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        for talk in list(self._talks):
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)
        os.close(self._file)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        assert talk is not None
        self._talks.add(talk)
        left = b""
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(65536):
                whole, end, left = (left + chunk).rpartition(b"\n")
                # Those that came together are on disk together, before any of them is answered.
                os.write(self._file, whole + end)
                os.fdatasync(self._file)
                writer.write(b"+" * (whole + end).count(b"\n"))
                await writer.drain()
        writer.close()
        self._talks.discard(talk)

    def taken(self) -> list[Taken]:
        lines = self.journal.read_bytes().split(b"\n")[:-1]
        return [msgspec.json.decode(line, type=Taken) for line in lines]


def shown(taken: list[Taken]) -> Counter[tuple[str, str]]:
    """What stands on the phones, and how often each arrived there."""
    return Counter((it.to, it.id) for it in taken)


class Line:
    """The channel: one connection, answered in order."""

    kind: ClassVar[str] = "console"
    Address: ClassVar[type[msgspec.Struct]] = ConsoleAddress
    limit: ClassVar[int] = 50

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._waiting: list[asyncio.Future[None]] = []
        self._hearing = asyncio.create_task(self._hear())

    @classmethod
    async def connect(cls, port: int) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def send(self, address: ConsoleAddress, parcel: Parcel) -> Outcome:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        self._writer.write(msgspec.json.encode(Taken(address.label, parcel.delivery_id)) + b"\n")
        try:
            await answer
        except ConnectionError:
            return Later("the line broke")
        return Accepted()

    async def _hear(self) -> None:
        with contextlib.suppress(ConnectionError):
            while answers := await self._reader.read(65536):
                answered, self._waiting = self._waiting[: len(answers)], self._waiting[len(answers) :]
                for it in answered:
                    it.set_result(None)
        for it in self._waiting:
            it.set_exception(ConnectionResetError())

    async def close(self) -> None:
        self._hearing.cancel()
        self._writer.close()

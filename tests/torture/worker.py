"""What a forked worker does: turns, one a line it is told, on a clock that whoever forked it moves.

At the failpoint it was given it stops, says so, and does what it is told there: go on, raise, or find the disk full.
"""

import asyncio
import mmap
import os
import resource
import socket
import struct
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from sqlalchemy import Engine, event

from notifications.channels import Channel
from notifications.channels.addresses import Allowed
from notifications.channels.vapid import VapidKeys
from notifications.channels.web_push import PushSettings, WebPush
from programs.instants import Instant
from service.database import Database, PostgreSQL, SQLite, connect
from service.jobs import Worker
from tests import statements
from tests.torture.peer import Line

# In a process of its own nothing else listens; a statement of any clinic ends the turn, and so fails the test.
event.listen(Engine, "before_cursor_execute", statements.watch)

SUBJECT = "mailto:operator@clinic.example"
BUSY_FOR = 300  # milliseconds


class Job(msgspec.Struct, frozen=True):
    url: str
    clock: str
    stop_at: str = ""
    hit: int = 1
    """At which passing of the failpoint to stop."""
    peer: int = 0
    """The port of a tests.torture.peer; else the key of a push service."""
    key: str = ""
    drains: int = 1
    """So many at once in this one process."""
    hurried: bool = False
    """It waits for a lock a third of a second, not several."""


class SharedClock:
    """A clock that one process moves and all see."""

    def __init__(self, path: Path | str, at: Instant | None = None) -> None:
        path = Path(path)
        if at is not None:
            path.write_bytes(struct.pack("q", at))
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), 8)

    def now(self) -> Instant:
        return int(struct.unpack("q", self._shared[:8])[0])

    def move_to(self, at: Instant) -> None:
        self._shared[:8] = struct.pack("q", at)


class Full:
    """A disk without room, from the moment it is switched on.

    SQLite: no file of this process may grow, so that the kernel refuses the write; a commit always lets the log grow.
    PostgreSQL: the server itself ends the transaction with 53100 at its first write, as it does when a table or its log
    finds no room.
    """

    NO_ROOM = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = 'could not extend file'; END $$"

    def __init__(self, db: Database) -> None:
        self.on = False
        self._log = Path(f"{db._lock.name.removesuffix('.lock')}-wal") if isinstance(db, SQLite) else None
        if isinstance(db, PostgreSQL):
            event.listen(db._engine, "before_cursor_execute", self._refuse)

    def switch(self, on: bool) -> None:
        self.on = on
        if self._log is not None:
            size = self._log.stat().st_size if on else resource.RLIM_INFINITY
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def _refuse(self, _db: Any, cursor: Any, statement: str, *_: Any) -> None:
        if self.on and statement.startswith(("INSERT", "UPDATE", "DELETE", "WITH")):
            cursor.execute(self.NO_ROOM)


class Told(Exception):
    """Raised at a failpoint because somebody said so."""


class Stop:
    """A failpoint that asks what to do, once, and holds up the whole process until it is told."""

    def __init__(self, job: Job, lines: BinaryIO) -> None:
        self._name, self._left, self._lines = job.stop_at, job.hit, lines
        self.full: Full | None = None

    def __call__(self, name: str) -> None:
        if name != self._name:
            return
        self._left -= 1
        if self._left != 0:
            return
        self._lines.write(f"at {name}\n".encode())
        told = self._lines.readline().decode().strip()
        if told == "raise":
            raise Told
        if told == "full" and self.full is not None:
            self.full.switch(True)


def serve(connection: socket.socket) -> None:
    lines = connection.makefile("rwb", buffering=0)
    job = msgspec.json.decode(lines.readline(), type=Job)
    lines.write(f"pid {os.getpid()}\n".encode())
    try:
        asyncio.run(_work(job, lines))  # type: ignore[arg-type]
    except Exception:
        traceback.print_exc(file=sys.stderr)
        sys.stderr.flush()


async def _work(job: Job, lines: BinaryIO) -> None:
    async with await connect(job.url, {}) as db:
        if job.hurried:
            await _lose_patience(db)
        stop = Stop(job, lines)
        stop.full = Full(db)
        channels = _channels(job, await Line.connect(job.peer) if job.peer else None)
        workers = [Worker(db, channels, SharedClock(job.clock), stop) for _ in range(job.drains)]
        while line := lines.readline().decode().strip():
            lines.write(f"{await _do(line, stop.full, workers)}\n".encode())
        for channel in channels.values():
            await channel.close()


async def _do(line: str, full: Full, workers: list[Worker]) -> str:
    if line == "room":
        full.switch(False)
        return "room"
    try:
        await asyncio.gather(*(it.turn() for it in workers))
    except Exception as error:
        return f"failed {type(error).__name__}"
    return "done"


def _channels(job: Job, line: Line | None) -> Mapping[str, Channel]:
    if line is not None:
        return {"console": line}
    keys = VapidKeys.from_pem(Path(job.key).read_text(), SUBJECT)
    return {"web_push": WebPush(PushSettings(keys, "http://127.0.0.1:8000", Allowed(loopback=True)), time.time)}


async def _lose_patience(db: Database) -> None:
    if isinstance(db, SQLite):
        await db._writer.file.execute(f"PRAGMA busy_timeout = {BUSY_FOR}")
    elif isinstance(db, PostgreSQL):

        @event.listens_for(db._engine, "connect")
        def dress(raw: Any, _: Any) -> None:
            raw.execute(f"SET lock_timeout = {BUSY_FOR}")

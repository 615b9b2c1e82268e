"""Workers in processes of their own that cost 50 ms instead of a second: a process that has imported everything forks.

It opens no database and starts no thread before the fork. A worker talks over the socket it was asked for: a line to
tell it something, a line of what it says; the end of the socket is the end of the worker, however it came.
"""

import asyncio
import contextlib
import ctypes
import gc
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Self

import msgspec

PATIENCE = 240.0
"""Seconds after which a worker that says nothing has failed the test."""


class Zygote:
    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "z")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.zygote", self.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def end(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(10)

    async def fork(self, job: msgspec.Struct) -> "Forked":
        reader, writer = await asyncio.open_unix_connection(self.path)
        forked = Forked(reader, writer)
        await forked.tell(msgspec.json.encode(job).decode())
        forked.pid = int((await forked.hear()).removeprefix("pid "))
        return forked


class Forked:
    """One worker, from the outside."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.pid = 0

    async def tell(self, line: str) -> None:
        self._writer.write(line.encode() + b"\n")
        await self._writer.drain()

    async def hear(self) -> str:
        """The next line; "" when it is dead."""
        try:
            line = await asyncio.wait_for(self._reader.readline(), PATIENCE)
        except ConnectionResetError:
            line = b""
        return line.decode().rstrip("\n")

    async def asked(self, line: str) -> str:
        await self.tell(line)
        return await self.hear()

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    async def kill(self) -> None:
        """Returns when the kernel has closed all it had open, the database and its lock among it."""
        self.signal(signal.SIGKILL)
        while await self.hear():
            pass
        self.close()

    def close(self) -> None:
        self._writer.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        try:
            await self.kill()
        except ProcessLookupError:
            self.close()


def _bury(*_: object) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def main() -> None:
    from tests.torture import worker  # all the imports there are, before any fork

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen(64)
    signal.signal(signal.SIGCHLD, _bury)
    gc.freeze()
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            return  # whoever started us has closed it, or died
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: no worker outlives the tests
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            try:
                worker.serve(connection)
            finally:
                os._exit(0)
        connection.close()


if __name__ == "__main__":
    main()

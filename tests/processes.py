"""Processes for tests, forked from one that has imported what they need: to start Python anew takes a hundred times
as long. What a process says, how it ends and which signal it gets are as with any other."""

import asyncio
import importlib
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from multiprocessing.reduction import DupFd
from pathlib import Path
from signal import Signals
from typing import Any

CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload(
    [
        "service.serving",
        "service.commands",
        "service.import_command",
        "service.token_command",
        "service.demo_command",
        "service.staff_command",
        "service.simulation.command",
        "tests.conftest",
        "sqlalchemy.dialects.postgresql.psycopg",
        "sqlalchemy.dialects.sqlite.pysqlite",
    ]
)


class Running:
    """As asyncio's own Process, as far as tests need it."""

    def __init__(self, process: ForkServerProcess, out: asyncio.StreamReader, complaints: asyncio.StreamReader) -> None:
        self._process = process
        self.stdout, self.stderr = out, complaints

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: Signals) -> None:
        if self._process.pid is not None and self._process.is_alive():
            os.kill(self._process.pid, number)

    def kill(self) -> None:
        self._process.kill()

    async def communicate(self) -> tuple[bytes, bytes]:
        """What it had still to say, once it has ended."""
        said = await asyncio.gather(self.stdout.read(), self.stderr.read())
        await asyncio.to_thread(self._process.join)
        return said


async def fork(where: str, args: Sequence[str], folder: Path, settings: Mapping[str, str]) -> Running:
    """`where` is module:function, called in `folder` with `args` as a command line and these settings and no others."""
    (out, out_end), (complaints, complaints_end) = os.pipe(), os.pipe()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HOMESTRETCH_")}
    ends = DupFd(out_end), DupFd(complaints_end)
    process = CONTEXT.Process(target=_become, args=(where, args, str(folder), inherited | dict(settings), *ends))
    try:
        process.start()
    finally:
        os.close(out_end)
        os.close(complaints_end)
    return Running(process, await _reader(out), await _reader(complaints))


async def _reader(end: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(end, "rb")
    )
    return reader


def _become(
    where: str, args: Sequence[str], folder: str, environment: Mapping[str, str], out: Any, complaints: Any
) -> None:
    for number, end in ((1, out), (2, complaints)):
        handle = end.detach()
        os.dup2(handle, number)
        os.close(handle)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    warnings.simplefilter("error")
    sys.argv = [where, *args]
    module, _, function = where.partition(":")
    getattr(importlib.import_module(module), function)()

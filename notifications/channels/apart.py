"""Web Push in a process of its own while there is much to send: at lower priority, and without the database.

Encryption and HTTP of a burst would take the core from under the API, which then answers a twentieth of the requests
(performance.md). A few messages at a time are sent where they are; from more on, a child is started, told the settings
through its pipe, and ended when it has been idle. Until it is there all are sent here, so that nothing waits between
the last look (handing.py) and a send; what the child cannot begin within a second counts as untried. What a child had
in hand that died is Later, and not the provider's fault: it may have arrived, and goes out again under the same
delivery id. One that does not answer at all is killed.

As its own process: python -m notifications.channels.apart
"""

import asyncio
import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable
from typing import ClassVar

import msgspec

from notifications.channels import Later, Outcome, Parcel, Untried
from notifications.channels.addresses import Allowed, WebPushAddress
from notifications.channels.vapid import VapidKeys
from notifications.channels.web_push import PushSettings, WebPush

log = logging.getLogger("homestretch.apart")

FEW = 8
"""So many at once are sent in this process; starting another costs half a second of processor time."""
IDLE = 20.0
"""Seconds without a message after which the child is ended: it holds some 55 MB."""
FRESH = 1.0
"""Seconds in which the child has to begin, by a clock that all processes of a machine share."""
GRACE = 2.0
LAST_SENDS = 0.5
"""Seconds in which a child may finish what it has in hand when it is ended."""
NICE = 15
LONGEST_LINE = 64 * 1024
READY = b"ready\n"


class _Told(msgspec.Struct):
    """The child's first line."""

    key: str
    subject: str
    public_url: str
    allowed: Allowed
    timeout: float


class _Errand(msgspec.Struct):
    number: int
    told_at: float
    address: WebPushAddress
    parcel: Parcel


class _Done(msgspec.Struct):
    number: int
    outcome: Outcome


_errand, _done = msgspec.json.Decoder(_Errand).decode, msgspec.json.Decoder(_Done).decode


class _Child:
    """One process and what it has in hand. Once it has died it is of no more use."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self._waiting: dict[int, asyncio.Future[Outcome]] = {}
        self.number = 0
        self.reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, settings: PushSettings) -> "_Child":
        """One that is ready to send. Raises OSError, also where it ended at once."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            __name__,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LONGEST_LINE,
            start_new_session=True,  # Ctrl-C in a terminal is for us, who end it in good order
        )
        assert process.stdout is not None
        keys = settings.keys
        try:
            _write(process, _Told(keys.pem(), keys.subject, settings.public_url, settings.allowed, settings.timeout))
            if await process.stdout.readline() != READY:
                raise OSError("the process that sends did not start")
        except BaseException:
            await _stop(process)
            raise
        return cls(process)

    @property
    def alive(self) -> bool:
        return not self.reading.done()

    async def send(self, address: WebPushAddress, parcel: Parcel) -> Outcome:
        """The errand is in the pipe before anything is waited for."""
        self.number += 1
        number = self.number
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            _write(self.process, _Errand(number, time.monotonic(), address, parcel))
            return await answer
        finally:
            del self._waiting[number]

    async def _read(self) -> None:
        assert self.process.stdout is not None
        try:
            while line := await self.process.stdout.readline():
                it = _done(line)
                answer = self._waiting.get(it.number)
                if answer is not None and not answer.done():
                    answer.set_result(it.outcome)
        finally:
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_result(Later("the process that sends ended", ours=True))

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    async def end(self) -> None:
        await _stop(self.process)
        await asyncio.wait([self.reading])


async def _stop(process: asyncio.subprocess.Process) -> None:
    """It ends when its input does; if not soon, at once."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(LAST_SENDS):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _write(process: asyncio.subprocess.Process, it: msgspec.Struct) -> None:
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(it) + b"\n")


class Apart:
    """A channel as WebPush is. Make it inside a running loop."""

    kind: ClassVar[str] = WebPush.kind
    Address: ClassVar[type[msgspec.Struct]] = WebPush.Address
    limit: ClassVar[int] = WebPush.limit

    def __init__(self, settings: PushSettings, now: Callable[[], float]) -> None:
        self._settings = settings
        self._here = WebPush(settings, now)
        self._child: _Child | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._flying = 0

    async def send(self, address: WebPushAddress, parcel: Parcel) -> Outcome:
        self._flying += 1
        child = self._child
        try:
            if child is not None and child.alive:
                async with asyncio.timeout(self._settings.timeout + GRACE):
                    return await child.send(address, parcel)
            if self._flying > FEW and self._keeping is None:
                self._keeping = asyncio.create_task(self._keep())
            return await self._here.send(address, parcel)
        except TimeoutError:
            if child is not None:
                child.kill()  # it is stuck, and would keep from being sent whatever it is given
            return Later("the process that sends did not answer in time", ours=True)
        finally:
            self._flying -= 1

    async def close(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
        await self._here.close()

    async def _keep(self) -> None:
        """Starts a child, and ends it when it has had nothing to do for a while, or died, or when we are closed."""
        try:
            child = self._child = await _Child.start(self._settings)
        except OSError as error:  # no room for another process: better slowly than not at all
            log.warning("a burst is sent by the service itself: %s", error)
            await asyncio.sleep(IDLE)
            return
        else:
            try:
                done = -1
                while child.alive and (self._flying or child.number != done):
                    done = child.number
                    await asyncio.wait([child.reading], timeout=IDLE)
            finally:
                self._child = None
                await child.end()
        finally:
            self._keeping = None


async def _work(read: asyncio.StreamReader, say: Callable[[bytes], object]) -> None:
    """The child: sends what it reads, all at once, until its input ends."""
    told = msgspec.json.decode(await read.readline(), type=_Told)
    keys = VapidKeys.from_pem(told.key, told.subject)
    channel = WebPush(PushSettings(keys, told.public_url, told.allowed, told.timeout), time.time)

    async def run(it: _Errand) -> None:
        try:
            late = time.monotonic() - it.told_at > FRESH
            found = (
                Untried("the process that sends was too busy") if late else await channel.send(it.address, it.parcel)
            )
        except Exception as error:
            found = Later(f"{type(error).__name__} while sending")
        say(msgspec.json.encode(_Done(it.number, found)) + b"\n")

    async with contextlib.AsyncExitStack() as closing:
        closing.push_async_callback(channel.close)
        os.nice(NICE)  # not before: it should be there soon
        say(READY)
        async with asyncio.TaskGroup() as group:
            while line := await read.readline():
                group.create_task(run(_errand(line)))


async def _main() -> None:
    loop = asyncio.get_running_loop()
    read = asyncio.StreamReader(limit=LONGEST_LINE)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(read), sys.stdin)
    out, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, sys.stdout)
    await _work(read, out.write)
    out.close()


if __name__ == "__main__":
    asyncio.run(_main())

"""`homestretch serve`: the API, the pages and the worker in one process, and the order in which they start and stop.

Whoever stops it (Ctrl-C, SIGTERM) has it stopped within three seconds: first no request comes in, then no message goes
out, then the database is closed. What the worker had in hand is taken up by the next one.
"""

import asyncio
import contextlib
import errno
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import uvicorn

from service import channels, logs, metrics, walls
from service.app import build
from service.auth import staff
from service.auth.passwords import Stolen
from service.clock import SystemClock
from service.database import Database, InUse, connect, postgresql_engine
from service.erasing import reapply
from service.jobs import Worker
from service.migrations import Newer, NotOwner, prepare
from service.settings import Settings, read
from service.staff_command import first_words
from service.vault import VaultError, carried_by
from service.walls import Breached
from service.watchdog import Watchdog

log = logging.getLogger("homestretch.serving")

LAST_REQUESTS = 1  # seconds
LAST_TURN = 1
SWITCH = 0.0005
LARGEST_HEAD = 32 * 1024
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@click.command()
def serve() -> None:
    """Serve the API and the pages, and send what is due, as the settings (HOMESTRETCH_...) say. Ctrl-C stops it."""
    try:
        settings = read(os.environ)
        check_credentials(settings)
        taken = listening(settings)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None
    with taken:
        click.echo("Bringing the database up to date.")
        try:
            prepare(settings)
            check_walls(settings.database_url)
        except (InUse, Newer, NotOwner, Breached) as error:
            raise click.ClickException(str(error)) from None
        hello = asyncio.run(first_words(settings))
        serve_on(taken, settings, [*hello, f"Homestretch serves {settings.public_url}. Ctrl-C stops it."])


def check_walls(url: str) -> None:
    """Raises Breached where this role could look past the walls between clinics; SQLite knows no roles."""
    if url.startswith("sqlite"):
        return
    engine = postgresql_engine(url)
    try:
        with engine.connect() as db:
            walls.check(db)
    finally:
        engine.dispose()


def listening(settings: Settings) -> socket.socket:
    """The socket, taken before anything else is done; OSError says in a line why it cannot be had."""
    family, kind, protocol, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
    # Named as TCP, or asyncio does not switch Nagle's algorithm off, and each reply waits 40 ms for an acknowledgement.
    taken = socket.socket(family, kind, protocol)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind(address)
        taken.listen(2048)
    except OSError as error:
        taken.close()
        where = f"port {settings.port} of {settings.host}"
        if error.errno == errno.EADDRINUSE:
            raise OSError(f"{where} is taken: is Homestretch running already?") from None
        raise OSError(f"{where} cannot be opened: {error.strerror}") from None
    return taken


def serve_on(taken: socket.socket, settings: Settings, hello: Sequence[str]) -> None:
    """Until a signal comes; `hello` is printed when requests are answered."""
    logs.begin()
    try:
        carried = carried_by(settings.database_url, settings.vault)
    except (VaultError, OSError) as error:
        raise click.ClickException(str(error)) from None
    asyncio.run(_serve(taken, settings, hello, carried))


def config_of(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="h11",
        log_config=None,
        access_log=False,
        server_header=False,
        # Its own would believe X-Forwarded-For from every process of this machine; see auth/peer.py.
        proxy_headers=False,
        # Of the request line and all headers together, looked at after each read (256 KiB at most); a body is not
        # counted, see app.py.
        h11_max_incomplete_event_size=LARGEST_HEAD,
        timeout_graceful_shutdown=LAST_REQUESTS,
    )


class _Server(uvicorn.Server):
    """Leaves signals to us: its own handling raises them again when it has stopped, and nothing could follow."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answers = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.answers.set()


async def _serve(taken: socket.socket, settings: Settings, hello: Sequence[str], carried: Mapping[str, object]) -> None:
    asyncio.get_running_loop().set_exception_handler(logs.unforeseen)
    stop, clock = _stop_asked(), SystemClock()
    async with contextlib.AsyncExitStack() as closing:
        db = await closing.enter_async_context(await connect(settings.database_url, carried))
        await reapply(db, clock, log.warning)  # before anybody is told anything: this may be a back-up
        await _seal(db)
        ways = channels.channels_of(settings, clock)
        for way in ways.values():
            closing.push_async_callback(way.close)
        worker = Worker(db, ways, clock)
        config = config_of(build(settings, db, clock, worker))
        closing.enter_context(metrics.serving(settings.metrics_port or None, worker))
        worker.start()
        closing.push_async_callback(_finish, worker)
        watchdog = Watchdog(lambda: worker.pulse.steps)
        watchdog.start()
        closing.callback(watchdog.call_off)
        await _answer(_Server(config), taken, stop, hello)


async def _seal(db: Database) -> None:
    """What an earlier version, or a back-up of its time, left readable or under a key that was renewed."""
    for clinic in await db.read(staff.unsealed):
        await db.at(clinic).write(staff.seal_secrets, clinic)


def _stop_asked() -> asyncio.Event:
    stop = asyncio.Event()
    for signal_ in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(signal_, stop.set)
    return stop


def favour_replies() -> None:
    """When all is in place: short waits for whoever asks, at a little more work for the rest."""
    # What stands now stands until the end: collections that skip it cut the 99th percentile to a ninth.
    gc.collect()
    gc.freeze()
    # While a verb runs in its thread, the loop waits this long for the interpreter, three times a request; not 5 ms.
    sys.setswitchinterval(SWITCH)


async def _answer(server: _Server, taken: socket.socket, stop: asyncio.Event, hello: Sequence[str]) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve([taken]))
        await server.answers.wait()
        favour_replies()
        for line in hello:
            click.echo(line)
        sys.stdout.flush()
        await stop.wait()
        server.should_exit = True


async def _finish(worker: Worker) -> None:
    try:
        async with asyncio.timeout(LAST_TURN):
            await worker.stop()
    except TimeoutError:
        log.warning("a message was still being sent; it is taken up again at the next start")


def check_credentials(settings: Settings) -> None:
    """ValueError where a channel or a list could not work as it was given: better now than at the first message."""
    if settings.breached_passwords:
        Stolen(Path(settings.breached_passwords))
    channels.check(settings)

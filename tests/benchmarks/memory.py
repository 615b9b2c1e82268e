"""P10: the memory of the whole service, idle and after 100,000 messages.

As its own process: python -m tests.benchmarks.memory URL     prints idle, warm and final, in MB
"""

import asyncio
import gc
import random
import socket
import subprocess
import sys
from pathlib import Path

import uvicorn
from sqlalchemy import Connection, update

from notifications.outbox import earliest
from programs.instants import DAY
from programs.tables import patient
from service.app import build
from service.channels import check
from service.clock import SetClock
from service.database import Database, connect
from service.jobs import Worker
from service.settings import Settings
from tests.benchmarks import crowd
from tests.benchmarks.engine import Nowhere
from tests.benchmarks.measure import at_most
from tests.benchmarks.places import SQLitePlace
from tests.world import NOON

PATIENTS = 2_000
WARM, MESSAGES = 6_000, 100_000
TOLD_EVERY = 20_000


def memory(folder: Path) -> None:
    place = SQLitePlace(folder)
    asyncio.run(_fill(place.url))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.memory", place.url],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=1500,
    )
    idle, warm, final = (float(number) for number in done.stdout.split())
    at_most("P10 idle MB", idle, 150, "API, pages, worker, Web Push and e-mail in one process")
    growth = 100 * (final - warm) / warm
    at_most("P10 growth %", growth, 5, f"over {MESSAGES:,} messages: {warm:.0f} MB warm, {final:.0f} MB after")


async def _fill(url: str) -> None:
    async with await connect(url, {}) as db:
        await db.write(crowd.fill, PATIENTS)


async def _live(url: str) -> None:
    check(Settings())  # Web Push and e-mail are imported in every service, the others where they are set up
    async with await connect(url, {}) as db:
        clock = SetClock(NOON)
        worker = Worker(db, {"console": Nowhere()}, clock, chance=random.Random(1))
        app = build(Settings(database_url=url), db, clock, worker)
        taken = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
        running = asyncio.create_task(server.serve([taken]))
        await asyncio.sleep(1)
        gc.collect()
        gc.freeze()
        print(_megabytes(), flush=True)
        for count in (WARM, MESSAGES):
            await _send(db, worker, clock, count)
            gc.collect()
            print(_megabytes(), flush=True)
        server.should_exit = True
        await running


async def _send(db: Database, worker: Worker, clock: SetClock, count: int) -> None:
    """Reminder after reminder, each at its instant, to patients who react each day, until so many were sent."""
    sent, said = 0, 0
    while sent < count:
        due = await db.read(earliest)
        assert due is not None, f"nothing more is planned after {sent:,} of {count:,} messages"
        clock.move_to(max(clock.at, due))
        await db.write(_react, clock.at)
        sent += (await worker.turn()).accepted
        if sent - said >= TOLD_EVERY:
            said = sent
            print(f"P10: {sent:,} of {count:,} messages sent", file=sys.stderr, flush=True)


def _react(db: Connection, at: int) -> None:
    db.execute(update(patient).values(reacted_at=at - DAY // 4))


def _megabytes() -> float:
    """Resident memory now, from the kernel."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


if __name__ == "__main__":
    asyncio.run(_live(sys.argv[1]))

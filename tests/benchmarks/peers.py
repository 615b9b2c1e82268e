"""P5: what is due at one instant, sent by us, by APScheduler's own job store, by procrastinate, and a row at a time.

All do the same work on the same rows: is it still wanted, hand it to a channel that does nothing, write down what came
of it, durable. The peers bring their own queue and take the messages one by one, through our bridge to the database.
"""

import asyncio
import logging
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import procrastinate
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy import Connection, bindparam, func, select, update

from notifications import claiming, delivery
from notifications.claiming import LEASE, Claimed
from notifications.settling import settle
from notifications.tables import due, outcome
from notifications.wire import Wire
from service.database import Database, connect
from tests.benchmarks import crowd
from tests.benchmarks.engine import Nowhere
from tests.benchmarks.measure import PAIRS, at_least, at_most, frozen, say
from tests.benchmarks.places import Place, places
from tests.world import CLINIC

CROWD = 2_000
AT_ONCE = 20  # jobs a procrastinate worker has in hand; one by one, as it comes, it is slower still


class Run(NamedTuple):
    """Seconds for the whole crowd; the longest that the loop did not come round, in ms; how many were not sent."""

    seconds: float
    stall: float
    missed: int


async def _stands() -> bool:
    """The peers are spared the last look before a message is handed over."""
    return True


class Clerk:
    """What a peer's job calls with one message."""

    def __init__(self, db: Database) -> None:
        self.db, self.wire, self.chance = db, Wire({"console": Nowhere()}), random.Random(1)

    async def deliver(self, key: str) -> None:
        await self.settle(await self.db.at(CLINIC).read(_known, key))

    async def settle(self, wanted: Sequence[Claimed]) -> None:
        sent = [await delivery.send(it, self.wire, lambda: crowd.DUE, _stands) for it in wanted]
        await self.db.at(CLINIC).write(settle, sent, crowd.DUE, self.chance)


_DUE = select(due.c.key).where(due.c.wake_at <= crowd.DUE).order_by(due.c.wake_at, due.c.key)
_NEXT = _DUE.limit(1).with_for_update(skip_locked=True).cte("next")
_TAKE_NEXT = (
    update(due)
    .where(due.c.clinic_id == CLINIC, due.c.key.in_(select(_NEXT.c.key)))
    .values(state="in_flight", wake_at=crowd.DUE + LEASE, fence=due.c.fence + 1)
    .returning(*claiming._HANDS)
)
_KNOWN = select(*claiming._HANDS).where(due.c.clinic_id == CLINIC, due.c.key == bindparam("key"))


def _waiting(db: Connection) -> list[str]:
    return list(db.execute(_DUE).scalars())


def _known(db: Connection, key: str) -> list[Claimed]:
    """The message that a peer's job is for, if it is still wanted."""
    return _wanted(db, db.execute(_KNOWN, {"key": key}).one())


def _next(db: Connection) -> list[Claimed] | None:
    """The one that is due first, ours from now on; None when nothing more is due."""
    taken = db.execute(_TAKE_NEXT).first()
    return None if taken is None else _wanted(db, taken)


def _wanted(db: Connection, taken: Sequence[Any]) -> list[Claimed]:
    return claiming._still_wanted(db, CLINIC, [claiming.Taken(*taken)], crowd.DUE)


def _sent(db: Connection) -> int:
    return int(db.execute(select(func.count()).where(outcome.c.state == "accepted")).scalar_one())


class Stall:
    longest = 0.0

    async def tick(self) -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            self.longest, last = max(self.longest, now - last), now


@asynccontextmanager
async def stalls() -> Any:
    """The longest that a task on this loop, which sleeps a millisecond at a time, was not woken."""
    found = Stall()
    ticking = asyncio.create_task(found.tick())
    try:
        yield found
    finally:
        ticking.cancel()


async def _timed(db: Database, work: Callable[[], Awaitable[object]]) -> Run:
    async with stalls() as stall:
        await asyncio.sleep(0.01)
        start = time.perf_counter()
        await work()
        seconds = time.perf_counter() - start
    return Run(seconds, 1000 * stall.longest, CROWD - await db.read(_sent))


async def ours(url: str) -> Run:
    async with await connect(url, {}) as db:
        return await _timed(db, lambda: delivery.drain(db, Wire({"console": Nowhere()}), lambda: crowd.DUE))


async def row_by_row(url: str) -> Run:
    """The same tables without batches: take the next row, send, settle, and again."""
    async with await connect(url, {}) as db:
        clerk = Clerk(db)

        async def loop() -> None:
            while (wanted := await db.at(CLINIC).write(_next)) is not None:
                await clerk.settle(wanted)

        return await _timed(db, loop)


class Jobs:
    """APScheduler finds a job's function by its name, so what it works with hangs here."""

    clerk: Clerk
    left: int
    done: asyncio.Event


async def job(key: str) -> None:
    try:
        await Jobs.clerk.deliver(key)
    finally:
        Jobs.left -= 1
        if Jobs.left == 0:
            Jobs.done.set()


async def apscheduler(url: str) -> Run:
    async with await connect(url, {}) as db:
        Jobs.clerk, Jobs.done = Clerk(db), asyncio.Event()
        store = SQLAlchemyJobStore(url.replace("postgresql://", "postgresql+psycopg://"))
        defaults = {"misfire_grace_time": None, "max_instances": 1}
        scheduler = AsyncIOScheduler(jobstores={"default": store}, job_defaults=defaults, timezone=UTC)
        scheduler.start(paused=True)
        waiting = await db.read(_waiting)
        Jobs.left = len(waiting)
        at = datetime.now(UTC)
        for key in waiting:
            scheduler.add_job(job, "date", run_date=at, args=(key,), id=key)

        async def run() -> None:
            scheduler.resume()
            await Jobs.done.wait()

        try:
            return await _timed(db, run)
        finally:
            scheduler.shutdown(wait=False)


async def procrastinated(url: str) -> Run:
    async with await connect(url, {}) as db:
        clerk = Clerk(db)
        app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url))
        task = app.task(name="deliver")(clerk.deliver)
        async with app.open_async():
            await app.schema_manager.apply_schema_async()
            waiting = await db.read(_waiting)
            await task.batch_defer_async(*({"key": key} for key in waiting))

            async def work() -> None:
                await app.run_worker_async(
                    concurrency=AT_ONCE, wait=False, listen_notify=False, install_signal_handlers=False
                )

            return await _timed(db, work)


def peers(folder: Path) -> None:
    """Alternating: ours, then each peer, on a copy each; five times."""
    for chatty in ("apscheduler", "procrastinate"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    with places(folder) as kinds:
        for place in kinds:
            asyncio.run(_fill(place))
            _compare(place)


async def _fill(place: Place) -> None:
    async with await connect(place.url, {}) as db:
        await db.write(crowd.fill, CROWD)


def _compare(place: Place) -> None:
    others: dict[str, tuple[Callable[[str], Any], float]] = {"APScheduler": (apscheduler, 8)}
    if place.name == "postgresql":
        others["procrastinate"] = (procrastinated, 20)
    others["a row at a time"] = (row_by_row, 50)
    mine: list[Run] = []
    theirs: dict[str, list[Run]] = {name: [] for name in others}
    for round_ in range(PAIRS):
        say(f"P5 {place.name}, round {round_ + 1} of {PAIRS}")
        mine.append(_run(place, ours))
        for name, (peer, _) in others.items():
            theirs[name].append(_run(place, peer))
    rate = f"{CROWD / statistics.median(it.seconds for it in mine):,.0f} messages a second"
    for name, (_, goal) in others.items():
        ratio = statistics.median(b.seconds / a.seconds for a, b in zip(mine, theirs[name], strict=True))
        seconds, stall = (statistics.median(each) for each in list(zip(*theirs[name], strict=True))[:2])
        missed = sum(it.missed for it in theirs[name])
        said = f"{rate}; {name} {CROWD / seconds:,.0f}, longest stall {stall:,.0f} ms, missed {missed}"
        at_least(f"P5 {place.name} {name}", ratio, goal, said)
    at_most(f"P5 {place.name} missed", sum(it.missed for it in mine), 0, f"of {PAIRS} times {CROWD:,}")
    longest = [it.stall for it in mine]
    said = f"ms, median of {PAIRS}; the worst {max(longest):.0f}"
    at_most(f"P5 {place.name} stall", statistics.median(longest), 50, said)


def _run(place: Place, engine: Callable[[str], Any]) -> Run:
    url = place.copy()
    try:
        found: Run = frozen(lambda: asyncio.run(engine(url)))
        return found
    finally:
        place.drop(url)

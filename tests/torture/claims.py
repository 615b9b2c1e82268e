"""Eight workers, ten thousand rows: each row is won by one of them, and taken by the provider once.

PostgreSQL: eight processes. SQLite, where one process owns the file: eight workers at once in that process.
"""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from sqlalchemy import Connection, func, select

from notifications.tables import delivery
from service.database import connect
from tests.conftest import application_url, forget_everything
from tests.torture import crowd
from tests.torture.accounts import accounts, unaccounted
from tests.torture.finding import Finding
from tests.torture.peer import Peer, shown
from tests.torture.worker import Job, SharedClock
from tests.torture.zygote import Zygote
from tests.world import populate

WORKERS = 8


def arrange(db: Connection, rows: int) -> None:
    forget_everything(db)
    populate(db)
    crowd.seed(db)
    for first in range(1, rows, 2_000):
        crowd.clone(db, first, min(2_000, rows - first))


def tries(db: Connection) -> int:
    return db.execute(select(func.count()).select_from(delivery)).scalar_one()


async def claims(zygote: Zygote, url: str, folder: Path, rows: int, into: Finding) -> None:
    async with await connect(url, {}) as db:
        await db.write(arrange, rows)
    SharedClock(folder / "clock", crowd.DUE)
    async with Peer(folder / "journal") as peer:
        job = Job(application_url(url), str(folder / "clock"), peer=peer.port)
        alone = url.startswith("sqlite")
        async with AsyncExitStack() as stack:
            jobs = [Job(job.url, job.clock, peer=job.peer, drains=WORKERS)] if alone else [job] * WORKERS
            workers = [await stack.enter_async_context(await zygote.fork(it)) for it in jobs]
            said = await asyncio.gather(*(it.asked("turn") for it in workers))
        screens = shown(peer.taken())
    async with await connect(url, {}) as db:
        states = {it.id: it.state for it in await db.read(accounts, crowd.DUE)}
        tried, left = await db.read(tries), await db.read(unaccounted)
    into.cases = rows
    into.figures |= {"workers": WORKERS, "tries on record": tried}
    into.broken += [it for it in said if it != "done"]
    into.broken += [f"{to} was sent to {often} times" for (to, _), often in screens.items() if often != 1]
    into.broken += [f"{id} ended {state or 'nowhere'}" for id, state in states.items() if state != "accepted"]
    if not len(screens) == len(states) == tried == rows or left:
        counts = f"{len(screens)} shown, {len(states)} messages, {tried} tries, {left} unaccounted for"
        into.broken.append(f"of {rows} rows: {counts}")

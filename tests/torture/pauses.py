"""A worker that stands still past its lease and goes on as if nothing had been: SIGSTOP, the clock moves, SIGCONT.

PostgreSQL: another worker has sent everything meanwhile. SQLite: nobody else can have the file; it goes on alone.
"""

import asyncio
import random
import signal
from collections import Counter
from pathlib import Path

from sqlalchemy import Connection

from notifications.claiming import LEASE
from notifications.delivery import FAILPOINTS
from programs.instants import SECOND
from service.database import connect
from tests.conftest import application_url, forget_everything
from tests.torture import crowd
from tests.torture.accounts import accounts, unaccounted
from tests.torture.finding import Finding, Rounds
from tests.torture.peer import Peer, shown
from tests.torture.worker import Job, SharedClock
from tests.torture.zygote import Forked, Zygote
from tests.world import populate

EACH = 12  # messages of a pause


def arrange(db: Connection) -> None:
    forget_everything(db)
    populate(db)
    crowd.seed(db)
    crowd.clone(db, 1, EACH - 1)


async def pauses(zygote: Zygote, url: str, folder: Path, wanted: int, into: Finding) -> None:
    """At each failpoint in turn, and at none: then at a moment of its own choosing."""
    chance = random.Random(wanted)
    into.figures |= {"messages": 0, "repeats under the same id": 0}
    rounds = Rounds(wanted, into.name)
    while rounds.more():
        stop = (*FAILPOINTS, "")[rounds.done % (len(FAILPOINTS) + 1)]
        async with await connect(url, {}) as db:
            await db.write(arrange)
        clock = SharedClock(folder / "clock", crowd.DUE)
        async with Peer(folder / f"journal{rounds.done}") as peer:
            hit = chance.randint(1, EACH) if stop in ("sending", "sent") else 1
            job = Job(application_url(url), str(folder / "clock"), stop, hit, peer.port)
            await _pause(zygote, job, clock, chance)
            await _judge(url, peer, f"pause at {stop or 'any moment'}", into)
        rounds.done += 1
        into.cases += 1


async def _pause(zygote: Zygote, job: Job, clock: SharedClock, chance: random.Random) -> None:
    async with await zygote.fork(job) as worker:
        await worker.tell("turn")
        if job.stop_at:
            assert await worker.hear() == f"at {job.stop_at}"
            worker.signal(signal.SIGSTOP)
            await worker.tell("go")
        else:
            await asyncio.sleep(chance.uniform(0, 0.15))
            worker.signal(signal.SIGSTOP)
        clock.move_to(clock.now() + LEASE)
        if not job.url.startswith("sqlite"):
            async with await zygote.fork(Job(job.url, job.clock, peer=job.peer)) as other:
                await _look(other, clock, 2)
        worker.signal(signal.SIGCONT)
        assert await worker.hear() == "done"
        await _look(worker, clock, 3)


async def _look(worker: Forked, clock: SharedClock, times: int) -> None:
    for _ in range(times):
        assert await worker.asked("turn") == "done"
        clock.move_to(clock.now() + LEASE + SECOND)


async def _judge(url: str, peer: Peer, what: str, into: Finding) -> None:
    async with await connect(url, {}) as db:
        states = {it.id: it.state for it in await db.read(accounts, crowd.DUE)}
        left = await db.read(unaccounted)
    screens = shown(peer.taken())
    into.broken += [f"{what}: {id} ended {state or 'nowhere'}" for id, state in states.items() if state != "accepted"]
    into.broken += [f"{what}: {to} was taken {often} times" for (to, _), often in screens.items() if often > 2]
    phones = Counter(to for to, _ in screens)
    if len(phones) != EACH or max(phones.values()) != 1 or left:
        into.broken.append(f"{what}: {len(phones)} phones, {max(phones.values())} shown, {left} unaccounted for")
    into.figures["messages"] += EACH
    into.figures["repeats under the same id"] += sum(screens.values()) - len(screens)

"""kill -9 at any moment, again and again, while two thousand check-ins are due: nothing lost, nothing shown twice."""

import asyncio
import random
from collections import Counter
from pathlib import Path

from sqlalchemy import Connection

from notifications.claiming import LEASE
from service.database import connect
from tests.conftest import application_url, forget_everything
from tests.torture import crowd
from tests.torture.accounts import accounts, unaccounted
from tests.torture.finding import Finding, Rounds
from tests.torture.peer import Peer, shown
from tests.torture.worker import Job, SharedClock
from tests.torture.zygote import Zygote
from tests.world import populate

CROWD = 2_000
SHORTEST, DOUBLINGS = 0.1, 3
"""Seconds a worker lives at most, doubled up to so often: a machine that is busy needs longer for a batch."""
DEATHS = 80
"""Of one crowd: each moves the clock by a lease, and after an hour the last worker may do its work."""


def arrange(db: Connection) -> None:
    forget_everything(db)
    populate(db)
    crowd.seed(db)
    crowd.clone(db, 1, CROWD - 1)


async def kills(zygote: Zygote, url: str, folder: Path, wanted: int, into: Finding) -> None:
    """A new crowd whenever the one before has all been sent to, until enough workers were killed."""
    chance = random.Random(wanted)
    into.figures |= {"messages": 0, "repeats under the same id": 0, "most of one message": 0}
    rounds = Rounds(wanted, into.name)
    while rounds.more():
        async with Peer(folder / f"journal{rounds.done}") as peer:
            await _crowd(zygote, Job(application_url(url), str(folder / "clock"), peer=peer.port), url, rounds, chance)
            await _judge(url, peer, into)
        into.cases = rounds.done


async def _crowd(zygote: Zygote, job: Job, url: str, rounds: Rounds, chance: random.Random) -> None:
    clock = SharedClock(job.clock, crowd.DUE)
    async with await connect(url, {}) as db:
        await db.write(arrange)
    for _ in range(DEATHS):
        if not rounds.more() or not await _one_dies(zygote, job, chance):
            break
        rounds.done += 1
        clock.move_to(clock.now() + LEASE)
    async with await zygote.fork(job) as last:
        for _ in range(8):
            assert await last.asked("turn") == "done"
            clock.move_to(clock.now() + LEASE)


async def _one_dies(zygote: Zygote, job: Job, chance: random.Random) -> bool:
    """False where it was done before it was to die."""
    async with await zygote.fork(job) as worker:
        await worker.tell("turn")
        done = asyncio.create_task(worker.hear())
        await asyncio.wait([done], timeout=chance.uniform(0, SHORTEST * 2 ** chance.randint(0, DOUBLINGS)))
        if done.done():
            return False
        done.cancel()
        await asyncio.wait([done])
        await worker.kill()
        return True


async def _judge(url: str, peer: Peer, into: Finding) -> None:
    async with await connect(url, {}) as db:
        states = {it.id: it.state for it in await db.read(accounts, crowd.DUE)}
        left = await db.read(unaccounted)
    screens = shown(peer.taken())
    into.broken += [
        f"message {id} was lost: {state or 'pending'}" for id, state in states.items() if state != "accepted"
    ]
    into.broken += [f"{to} was shown {id}, of which we say {states.get(id)}" for to, id in screens if id not in states]
    often = Counter(to for to, _ in screens)
    into.broken += [f"{to} was shown {count} messages" for to, count in often.items() if count != 1]
    if len(often) != CROWD or left:
        into.broken.append(f"{len(often)} of {CROWD} phones show a message, {left} messages are unaccounted for")
    tally = into.figures
    tally["messages"] += len(screens)
    tally["repeats under the same id"] += sum(screens.values()) - len(screens)
    tally["most of one message"] = max(tally["most of one message"], *screens.values())

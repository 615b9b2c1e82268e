"""The worker: it wakes at the earliest due instant, says how it is, and finishes what it holds when it is stopped."""

import asyncio
from typing import Any, ClassVar

import msgspec
from sqlalchemy import Connection, func, insert, select

from notifications import outbox
from notifications.channels import Accepted, Outcome, Parcel
from notifications.channels.addresses import ConsoleAddress
from programs.instants import DAY, HOUR, MINUTE
from service import care
from service.clock import SetClock, SystemClock
from service.database import Database
from service.jobs import STALE, Worker, health
from service.tables import reply
from tests.world import ADA, BEN, CLINIC, NOON, populate, session


class Slow:
    """A channel that takes its time over each message."""

    kind: ClassVar[str] = "console"
    Address: ClassVar[type[msgspec.Struct]] = ConsoleAddress
    limit: ClassVar[int] = 4

    def __init__(self, seconds: float = 0) -> None:
        self.seconds, self.taken = seconds, 0
        self.busy, self.done = asyncio.Event(), asyncio.Event()

    async def send(self, address: Any, parcel: Parcel) -> Outcome:
        self.busy.set()
        await asyncio.sleep(self.seconds)
        self.taken += 1
        self.done.set()
        return Accepted()

    async def close(self) -> None:
        return None


async def needled(db: Database, now: int) -> None:
    await db.write(populate, now)
    await db.write(care.record_session, BEN, "s1", session(ended_at=now - HOUR), now)


async def test_a_running_worker_notices_at_once_what_became_due(database: Database) -> None:
    clock, wire = SystemClock(), Slow()
    await needled(database, clock.now())
    worker = Worker(database, {"console": wire}, clock)
    worker.start()
    try:
        await database.write(care.answer, ADA, "s1-evening", {"rf_bleed": True}, clock.now(), clock.now())
        await asyncio.wait_for(wire.done.wait(), 10)  # far less than the longest nap
    finally:
        await worker.stop()
    assert wire.taken == 1


async def test_a_worker_that_is_stopped_settles_what_it_is_sending(database: Database) -> None:
    clock, wire = SystemClock(), Slow(seconds=0.3)
    await needled(database, clock.now())
    await database.write(care.answer, ADA, "s1-evening", {"rf_bleed": True}, clock.now(), clock.now())
    worker = Worker(database, {"console": wire}, clock)
    worker.start()
    await asyncio.wait_for(wire.busy.wait(), 10)
    await worker.stop()
    assert wire.taken == 1
    assert (await database.read(outbox.earliest) or 0) > clock.now() + MINUTE


async def test_it_sleeps_until_the_earliest_message_but_never_long(database: Database) -> None:
    await needled(database, NOON)
    worker = Worker(database, {}, SetClock(NOON + 5 * HOUR - 10_000))
    assert await worker.next_wake() == NOON + 5 * HOUR
    assert await Worker(database, {}, SetClock(NOON)).next_wake() == NOON + 30_000


async def test_health_turns_red_when_the_worker_or_a_message_is_late(database: Database) -> None:
    await needled(database, NOON)
    clock = SetClock(NOON)
    worker = Worker(database, {"console": Slow()}, clock)
    assert (await database.read(health, worker.pulse, NOON)).problems == []
    late = NOON + STALE + 1
    assert (await database.read(health, worker.pulse, late)).problems == ["the worker has not finished a turn"]
    worker.pulse.turned_at = NOON + 6 * HOUR
    assert (await database.read(health, worker.pulse, NOON + 6 * HOUR)).problems == ["a message is overdue"]
    clock.move_to(NOON + 6 * HOUR)
    await worker.turn()
    assert (await database.read(health, worker.pulse, NOON + 6 * HOUR)).problems == []


async def test_a_failing_turn_is_counted_and_the_next_one_follows(database: Database) -> None:
    worker = Worker(database, {}, SystemClock())
    broken = worker.turn

    async def fail_once() -> Any:
        worker.turn = broken  # type: ignore[method-assign]
        raise RuntimeError("the database is away")

    worker.turn = fail_once  # type: ignore[method-assign]
    await worker._turn_and_arm()
    assert worker.pulse.failed_turns == 1
    await worker._turn_and_arm()
    assert worker.pulse.failed_turns == 0


async def test_replies_are_forgotten_after_a_week(database: Database) -> None:
    def keep(db: Connection) -> None:
        populate(db)
        row = {"clinic_id": CLINIC, "person_id": "p", "request": "r", "status": 201, "body": "{}"}
        db.execute(
            insert(reply), [{**row, "key": "old", "made_at": NOON}, {**row, "key": "new", "made_at": NOON + DAY}]
        )

    await database.write(keep)
    await Worker(database, {}, SetClock(NOON + 8 * DAY - HOUR)).turn()
    assert await database.read(lambda db: db.execute(select(func.count()).select_from(reply)).scalar()) == 1

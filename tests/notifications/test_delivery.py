"""From a recorded needling session to a message that a channel took, on both databases."""

import random
from collections.abc import Callable
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import msgspec

from notifications import delivery, outbox
from notifications.channels import Accepted, Outcome, Parcel
from programs.instants import DAY, HOUR, Instant, moment
from service import care
from service.clock import SetClock
from service.database import Database
from service.jobs import Worker
from tests.world import BEN, NOON, populate, session

NEW_YORK = ZoneInfo("America/New_York")


class Wire:
    """The far side: takes what it is given and remembers it, or answers as it is told."""

    kind: ClassVar[str] = "console"
    limit: ClassVar[int] = 4

    class Address(msgspec.Struct):
        label: str

    def __init__(self, answer: Callable[[Parcel], Outcome] = lambda _: Accepted()) -> None:
        self.answer = answer
        self.taken: list[tuple[Instant, str, Parcel]] = []
        self.clock = SetClock(NOON)

    async def send(self, address: Any, parcel: Parcel) -> Outcome:
        result = self.answer(parcel)
        if isinstance(result, Accepted):
            self.taken.append((self.clock.at, address.label, parcel))
        return result

    async def close(self) -> None:
        return None


async def run_until(worker: Worker, clock: SetClock, until: Instant) -> None:
    """A worker on a fast clock: it wakes at each due instant, and every six hours in between."""
    while clock.at < until:
        await worker.turn()
        at = await worker.db.read(delivery.earliest)
        clock.move_to(min(at if at is not None else until, clock.at + 6 * HOUR, until))
    await worker.turn()


async def told(db: Database, wire: Wire, until: Instant) -> list[tuple[str, str]]:
    """Local time and sentence of everything Ada was sent until then; nothing is unaccounted for."""
    clock = SetClock(NOON)
    wire.clock = clock
    await run_until(Worker(db, {"console": wire}, clock, chance=random.Random(1)), clock, until)
    assert await db.read(outbox.unaccounted) == 0
    return [(moment(at).astimezone(NEW_YORK).strftime("%a %d %H:%M"), parcel.body) for at, _, parcel in wire.taken]


async def test_a_recorded_session_is_followed_by_its_check_ins(database: Database) -> None:
    await database.write(populate)
    await database.write(care.record_session, BEN, "s1", session(), NOON)
    assert await told(database, Wire(), NOON + 10 * DAY) == [
        ("Mon 01 17:00", "You have a check-in."),
        ("Mon 01 20:50", "Your check-in is still open."),
        ("Tue 02 11:00", "You have a check-in."),
        ("Tue 02 15:00", "Your check-in is still open."),
        ("Wed 03 11:00", "You have a check-in."),
        ("Wed 03 15:00", "Your check-in is still open."),
        ("Mon 08 11:00", "You have a check-in."),
        ("Mon 08 15:00", "Your check-in is still open."),
    ]

"""What one worker knows of its providers: who does not answer, who is slow, how many sends each bears."""

import asyncio
import random
import sqlite3
from typing import Any, ClassVar

import msgspec
import pytest
from msgspec.structs import replace
from sqlalchemy import Connection, select
from sqlalchemy.exc import OperationalError

from notifications import conservation, delivery, settling
from notifications.breaker import FIRST_PAUSE, LONGEST_PAUSE, OPENS_AFTER
from notifications.channels import Accepted, Gone, Later, Outcome, Parcel, Untried
from notifications.channels.addresses import ConsoleAddress
from notifications.delivery import drain
from notifications.reach import Address
from notifications.tables import outcome
from notifications.wire import Turn, Wire
from programs.instants import DAY, HOUR, MINUTE, SECOND, Instant
from service import care
from service.clock import SetClock
from service.database import Database
from service.jobs import Worker
from tests.notifications.test_delivery import run_until
from tests.world import BEN, CLINIC, NOON, assignment, patient, populate, session

CROWD = 12
PARCEL = Parcel("d1", "Title", "Body", "/open/d1", "high", 60, "en")
ADDRESS = Address("a1", "ada", "console", b'{"label": "phone"}', NOON)


async def still() -> bool:
    return True


class Peer:
    """A provider on loopback that can be taken away and put back: one connection a message, a byte for an answer."""

    kind: ClassVar[str] = "console"
    Address: ClassVar[type[msgspec.Struct]] = ConsoleAddress
    limit: ClassVar[int] = 10

    def __init__(self, clock: SetClock) -> None:
        self.clock = clock
        self.asked: list[Instant] = []
        self.taken: list[str] = []
        self.port = 0
        self._server: asyncio.Server | None = None

    async def up(self) -> None:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.taken.append((await reader.readline()).decode().strip())
        writer.write(b"+")
        writer.close()

    async def send(self, address: Any, parcel: Parcel) -> Outcome:
        self.asked.append(self.clock.now())
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError as error:
            return Later(type(error).__name__)
        writer.write(parcel.delivery_id.encode() + b"\n")
        await reader.read(1)
        writer.close()
        return Accepted()

    async def close(self) -> None:
        return None


def crowd(db: Connection) -> None:
    """All asked at five in the afternoon."""
    populate(db)
    for number in range(CROWD):
        id = f"p{number}"
        care.enrol(db, BEN, patient(id, "ben"), None, NOON)
        care.put_address(db, BEN, id, f"{id}-phone", "console", {"label": id}, NOON)
        care.record_session(db, BEN, f"s{number}", session(patient_id=id), NOON)


async def test_a_provider_that_died_is_asked_once_a_pause_and_everything_is_sent_when_it_is_back(
    database: Database,
) -> None:
    await database.write(crowd)
    due, back = NOON + 5 * HOUR, NOON + 5 * HOUR + 12 * MINUTE
    clock = SetClock(due)
    peer = Peer(clock)
    await peer.up()
    await peer.down()
    worker = Worker(database, {"console": peer}, clock, chance=random.Random(1))
    await run_until(worker, clock, back)
    # What was under way as it died, and then one for all: the pauses double up to the longest.
    assert len(peer.asked) <= peer.limit + 3 + (back - due) // LONGEST_PAUSE
    assert min(it for it in peer.asked if it > due) >= due + FIRST_PAUSE
    assert peer.taken == []
    await peer.up()
    await run_until(worker, clock, back + 2 * LONGEST_PAUSE)
    assert len(peer.taken) == len(set(peer.taken)) == CROWD
    await peer.down()


async def test_a_try_that_was_none_costs_no_patience_and_asks_nobody() -> None:
    clock = SetClock(NOON)
    answers: list[Outcome] = [*[Later("503")] * OPENS_AFTER, Gone("410"), Later("503"), Accepted()]
    channel = Answers(answers)
    wire = Wire({"console": channel})

    async def ask() -> Outcome:
        return await wire.hand_over(ADDRESS, PARCEL, Turn(clock.now, clock.now() + MINUTE, still))

    for _ in range(OPENS_AFTER):
        assert await ask() == Later("503")
    assert wire.open_breakers() == {"console": 1}
    held = await ask()
    assert isinstance(held, Untried)
    assert held.after == FIRST_PAUSE / SECOND
    clock.move_to(NOON + FIRST_PAUSE)
    assert await ask() == Gone("410")  # whatever it says, it answers
    assert wire.open_breakers() == {}
    assert [await ask(), await ask()] == [Later("503"), Accepted()]
    assert wire.sends == {("console", "later"): OPENS_AFTER + 1, ("console", "gone"): 1, ("console", "accepted"): 1}
    assert sum(wire.latency["console"].counts) == sum(wire.sends.values())


class Answers:
    """A channel that says what it is told to; of a rate, where one is given."""

    kind: ClassVar[str] = "console"
    Address: ClassVar[type[msgspec.Struct]] = ConsoleAddress
    limit: ClassVar[int] = 100

    def __init__(self, answers: list[Outcome]) -> None:
        self.answers, self.asked = answers, 0

    async def send(self, address: Any, parcel: Parcel) -> Outcome:
        self.asked += 1
        return self.answers.pop(0)

    async def close(self) -> None:
        return None


class TwentyASecond(ConsoleAddress, frozen=True):
    rate: ClassVar[float | None] = 20.0


class Rated(Answers):
    Address: ClassVar[type[msgspec.Struct]] = TwentyASecond


async def test_whom_a_provider_has_no_turn_for_before_the_lease_ends_is_put_off() -> None:
    channel, clock = Rated([Accepted()] * 100), SetClock(NOON)
    wire = Wire({"console": channel})
    asked = [wire.hand_over(ADDRESS, PARCEL, Turn(clock.now, NOON + SECOND // 5, still)) for _ in range(30)]
    outcomes = await asyncio.gather(*asked)
    # Twenty a second for a fifth of a second.
    assert [isinstance(it, Untried) for it in outcomes] == [False] * 5 + [True] * 25
    assert channel.asked == 5


async def test_a_slow_provider_holds_up_nobody_else(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """What becomes due while one message is still being sent is sent before that one is done."""
    monkeypatch.setattr(delivery, "PATIENCE", 0.05)
    clock = SetClock(NOON + 5 * HOUR)
    await database.write(crowd)
    slow, released, quick = asyncio.Event(), asyncio.Event(), asyncio.Event()

    class Two(Answers):
        async def send(self, address: Any, parcel: Parcel) -> Outcome:
            if address.label == "p0":
                slow.set()
                await released.wait()
            if address.label.startswith("ben"):
                quick.set()
            return Accepted()

    task = asyncio.create_task(drain(database, Wire({"console": Two([])}), clock.now))
    await asyncio.wait_for(slow.wait(), 20)
    await database.write(
        care.answer, care.Who(CLINIC, "patient", "p1"), "s1-evening", {"rf_bleed": True}, clock.at, clock.at
    )
    await asyncio.wait_for(quick.wait(), 20)
    released.set()
    tally = await task
    assert tally.accepted == CROWD + 1


async def test_what_was_sent_and_could_not_be_written_down_is_written_down_later_and_not_sent_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.write(crowd)
    clock = SetClock(NOON + 5 * HOUR)
    channel = Answers([Accepted()] * CROWD)
    worker = Worker(database, {"console": channel}, clock)
    written = database.append

    async def no_room(clinic: str, verb: Any, *args: Any) -> Any:
        if verb is settling.settle:
            raise OperationalError("", None, sqlite3.OperationalError("database or disk is full"))
        return await written(clinic, verb, *args)

    monkeypatch.setattr(database, "append", no_room)
    with pytest.raises(OperationalError):
        await worker.turn()
    assert channel.asked == CROWD
    monkeypatch.setattr(database, "append", written)
    clock.move_to(clock.at + DAY // 24)  # long after the lease
    tally = await worker.turn()
    assert (tally.accepted, channel.asked) == (CROWD, CROWD)
    assert await database.read(conservation.unaccounted) == 0


async def test_what_was_just_being_sent_as_the_database_went_away_is_heard_out_and_not_sent_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text message is shown as often as it is handed over."""
    monkeypatch.setattr(delivery, "PATIENCE", 0.05)
    await database.write(crowd)
    clock, written = SetClock(NOON + 5 * HOUR), database.append
    away, back = asyncio.Event(), asyncio.Event()
    asked: list[str] = []

    class OneIsSlow(Answers):
        limit: ClassVar[int] = CROWD // 2  # so that some have not begun

        async def send(self, address: Any, parcel: Parcel) -> Outcome:
            asked.append(address.label)
            if len(asked) > 2:
                await back.wait()
            return Accepted()

    async def restarting(clinic: str, verb: Any, *args: Any) -> Any:
        if verb is settling.settle and not back.is_set():
            away.set()
            raise OperationalError("", None, sqlite3.OperationalError("server closed the connection"))
        return await written(clinic, verb, *args)

    monkeypatch.setattr(database, "append", restarting)
    worker = Worker(database, {"console": OneIsSlow([])}, clock)
    turn = asyncio.create_task(worker.turn())
    await asyncio.wait_for(away.wait(), 20)
    begun = len(asked)
    await asyncio.sleep(0.05)
    back.set()
    with pytest.raises(OperationalError):
        await turn
    assert len(asked) == begun < CROWD
    clock.move_to(clock.at + MINUTE)  # after the lease
    tally = await worker.turn()
    assert (tally.accepted, len(asked), len(set(asked))) == (CROWD, CROWD, CROWD)
    assert await database.read(conservation.unaccounted) == 0


async def test_what_has_not_had_its_turn_when_the_quiet_hours_begin_is_not_sent_in_them(database: Database) -> None:
    """A worker that was late, and a provider that takes its time over the first of two."""

    def late(db: Connection) -> None:
        populate(db)
        for id in ("p", "q"):
            care.enrol(db, BEN, patient(id, "ben"), None, NOON)
            care.put_address(db, BEN, id, f"{id}-phone", "console", {"label": id}, NOON)
            care.assign_plan(db, BEN, f"plan-{id}", replace(assignment(times=("20:30",)), patient_id=id), NOON)

    await database.write(late)
    quiet = NOON + 9 * HOUR
    clock, busy, go_on = SetClock(quiet - 1), asyncio.Event(), asyncio.Event()
    asked: list[Instant] = []

    class One(Answers):
        limit: ClassVar[int] = 1

        async def send(self, address: Any, parcel: Parcel) -> Outcome:
            asked.append(clock.at)
            busy.set()
            await go_on.wait()
            return Accepted()

    worker = Worker(database, {"console": One([])}, clock)
    turn = asyncio.create_task(worker.turn())
    await asyncio.wait_for(busy.wait(), 20)
    clock.move_to(quiet)
    go_on.set()
    await turn
    await run_until(worker, clock, quiet + 4 * HOUR)
    assert asked == [quiet - 1]
    ends = await database.read(lambda db: sorted(db.execute(select(outcome.c.reason)).scalars()))
    assert ends == ["console", "window_over"]  # said, and not silently missed

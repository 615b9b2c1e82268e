"""The worker: it wakes at the earliest due instant, says how it is, and finishes what it holds when it is stopped."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar
from unittest.mock import AsyncMock

import msgspec
import pytest
from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import OperationalError

from notifications import conservation, outbox
from notifications.agenda import agenda
from notifications.channels import Accepted, Outcome, Parcel
from notifications.channels.addresses import ConsoleAddress
from notifications.tables import due, horizon, message
from programs import adherence, rollup
from programs.adherence import Item
from programs.instants import DAY, HOUR, MINUTE, moment
from programs.schedule import DAY_MINUTES, week_of
from service import care, jobs
from service.clock import SetClock, SystemClock
from service.database import Database
from service.errors import refused
from service.jobs import STALE, Worker, health
from service.tables import reply
from service.upkeep import COUNTING, PLANNING
from tests.poisoned import poison_planning
from tests.world import ADA, BEN, CLINIC, DOV, NOON, assignment, patient, populate, session

THIS_WEEK = week_of(moment(NOON + 2 * DAY).toordinal() * DAY_MINUTES)


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


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_on_a_full_disk_nothing_is_sent_and_one_line_says_so_until_there_is_room(
    database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(db: Connection) -> None:
        db.exec_driver_sql("PRAGMA max_page_count = 1")  # SQLite takes it for as many as there are
        row = {"clinic_id": CLINIC, "person_id": "p", "request": "r", "status": 201, "key": "k", "made_at": NOON}
        db.execute(insert(reply), {**row, "body": "x" * 1_000_000})

    await needled(database, NOON)
    with pytest.raises(OperationalError) as full:
        await database.write(fill)
    wire = Slow()
    worker = Worker(database, {"console": wire}, SetClock(NOON + 6 * HOUR))
    with monkeypatch.context() as patched:
        patched.setattr(worker, "turn", AsyncMock(side_effect=full.value))
        for _ in range(2):
            await worker._turn_and_arm()
    said = [it.message for it in caplog.records if it.name == "homestretch.jobs"]
    assert len(said) == 2
    assert all("SQLITE_FULL" in it and "\n" not in it for it in said)
    health_ = await database.read(health, worker.pulse, NOON + HOUR)
    assert health_.problems == ["the worker's turns fail"]
    it = refused(full.value)
    assert (it.kind.status, it.headers) == (503, {"Retry-After": "60"})
    await worker._turn_and_arm()
    assert (wire.taken, worker.pulse.failed_turns) == (1, 0)


async def test_a_patient_no_agenda_can_be_made_of_keeps_nobody_elses_from_being_made(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await needled(database, NOON)
    await database.write(care.enrol, BEN, patient("bad", "ben"), None, NOON)
    poison_planning(monkeypatch, "bad")
    at, wire = NOON + 4 * DAY, Slow()
    worker = Worker(database, {"console": wire}, SetClock(at))
    await worker.turn()
    assert worker.pulse.unplanned == {(CLINIC, "bad"): at}
    assert await database.read(outbox.behind, at, 200) == {}
    monkeypatch.setattr(outbox, "agenda", agenda)
    worker.clock = SetClock(at + 2 * HOUR)
    await worker.turn()
    assert worker.pulse.unplanned == {}


async def test_a_patient_whose_adherence_raises_stops_nobody_and_is_tried_again_in_an_hour(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def furnish(db: Connection) -> None:
        populate(db)
        care.enrol(db, BEN, patient("bad", "ben"), None, NOON)
        for who in ("ada", "bad"):
            care.assign_plan(db, BEN, f"plan-{who}", msgspec.structs.replace(assignment(), patient_id=who), NOON)

    await database.write(furnish)
    tally, asked, words = adherence.tally, 0, "left hip"

    def raising(items: Iterable[Item]) -> Any:
        nonlocal asked
        asked += 1
        items = [*items]
        if any(it.plan_id == "plan-bad" for it in items):
            raise ZeroDivisionError(words)
        return tally(items)

    monkeypatch.setattr(adherence, "tally", raising)
    at = NOON + 2 * DAY
    worker = Worker(database, {"console": Slow()}, SetClock(at))
    await worker.turn()
    assert worker.pulse.uncounted == {(CLINIC, "bad"): at}
    assert "patient bad cannot be counted: ZeroDivisionError" in caplog.text
    assert words not in caplog.text
    assert [it.patient for it in await database.read(rollup.unsure, CLINIC, THIS_WEEK, at)] == ["bad"]
    worker.clock, asked = SetClock(at + HOUR - MINUTE), 0
    await worker.turn()
    assert asked == 0  # nobody's was wrong in between, and the faulty one is left alone
    monkeypatch.setattr(adherence, "tally", tally)
    worker.clock = SetClock(at + HOUR)
    await worker.turn()
    assert worker.pulse.uncounted == {}
    assert await database.read(rollup.unsure, CLINIC, THIS_WEEK, at + HOUR) == []


async def test_every_message_is_accounted_for_a_part_a_minute_and_what_was_found_stands_until_the_next_round(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(db: Connection) -> int:
        ids = db.execute(select(message.c.id).order_by(message.c.clinic_id, message.c.id)).scalars().all()
        db.execute(delete(due).where(due.c.message_id == ids[-1]))
        return len(ids)

    await needled(database, NOON)
    await database.write(care.record_session, DOV, "s2", session(patient_id="eve", clinician_id="dov"), NOON)
    count = await database.write(lose)
    assert await database.read(conservation.unaccounted) == 1
    monkeypatch.setattr(conservation, "PART", 2)
    worker, found = Worker(database, {}, SetClock(NOON)), []
    for number in range(count // 2 + 1):
        worker.clock = SetClock(NOON + number * MINUTE)
        await worker.turn()
        found.append(worker.pulse.unaccounted)
    assert found[: count // 2 - 1] == [0] * (count // 2 - 1)
    assert found[-1] == await database.read(conservation.unaccounted) == 1
    assert (await database.read(health, worker.pulse, worker.clock.now())).problems == ["messages are unaccounted for"]
    worker.clock = SetClock(NOON + HOUR)
    await worker.turn()
    assert worker.pulse.unaccounted == 1  # a new round has begun


async def test_a_fault_that_another_worker_saw_mended_is_not_told_for_ever(database: Database) -> None:
    await database.write(populate)
    worker = Worker(database, {}, SetClock(NOON + 3 * HOUR))
    worker.pulse.unplanned = {(CLINIC, "ada"): NOON + HOUR, (CLINIC, "gone"): NOON}
    await worker.turn()
    assert worker.pulse.unplanned == {(CLINIC, "ada"): NOON + HOUR}


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


async def test_an_alert_does_not_wait_until_everybody_is_counted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    class Desk(Slow):
        async def send(self, address: Any, parcel: Parcel) -> Outcome:
            done.append(address.label)
            return await super().send(address, parcel)

    def counting_(db: Connection, clinic: str, patients: Sequence[str], now: int) -> None:
        COUNTING.do(db, clinic, patients, now)
        if "counted" not in done:  # and in this moment
            care.answer(db, ADA, "s1-evening", {"rf_bleed": True}, now, now)
        done.append("counted")

    await needled(database, NOON)
    await database.write(care.enrol, BEN, patient("flo", "ben"), None, NOON)
    monkeypatch.setattr(jobs, "ROLL_UP", 1)
    monkeypatch.setattr(jobs, "COUNTING", COUNTING._replace(do=counting_))
    worker = Worker(database, {"console": Desk()}, SetClock(NOON + MINUTE))
    tally = await worker.turn()
    assert done[:2] == ["counted", "ben's desk"]
    assert done.count("counted") > 2
    assert tally.accepted == worker.pulse.totals.accepted == 1


async def test_what_is_due_is_sent_although_no_rows_can_be_laid_out(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def takes_too_long(*_: Any) -> None:
        raise OperationalError("", None, RuntimeError("canceling statement due to statement timeout"))

    await needled(database, NOON)
    await database.write(lambda db: db.execute(update(horizon).values(planned_until=0)))
    monkeypatch.setattr(jobs, "PLANNING", PLANNING._replace(do=takes_too_long))
    wire = Slow()
    with pytest.raises(OperationalError):
        await Worker(database, {"console": wire}, SetClock(NOON + 6 * HOUR)).turn()
    assert wire.taken == 1


async def test_a_clock_that_was_ahead_for_a_moment_leaves_nobody_unplanned(database: Database) -> None:
    """The machine started in another year, and heard of it a minute later."""
    await needled(database, NOON)
    worker = Worker(database, {"console": Slow()}, SetClock(NOON + 300 * DAY))
    await worker.turn()
    worker.clock = SetClock(NOON)
    await worker.turn()
    wire = Slow()
    worker = Worker(database, {"console": wire}, SetClock(NOON + 6 * HOUR))
    await worker.turn()
    assert wire.taken == 1
    assert await database.read(outbox.behind, NOON + 6 * HOUR, 200) == {}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_clock_that_was_set_back_does_not_put_the_worker_to_sleep(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it looks to the ticker: the worker's instants lie an hour ahead of what its clock says now."""
    monkeypatch.setattr(jobs, "LONGEST_NAP", 100)
    ahead = AsyncMock(side_effect=lambda: SystemClock().now() + HOUR)
    worker = Worker(database, {}, SystemClock())
    monkeypatch.setattr(worker, "next_wake", ahead)
    worker.start()
    try:
        async with asyncio.timeout(20):
            while ahead.await_count < 2:  # noqa: ASYNC110 (nobody tells us)
                await asyncio.sleep(0.05)
    finally:
        await worker.stop()


def test_what_is_done_every_hour_is_done_when_the_clock_was_set_back() -> None:
    every = [jobs._is_over(NOON, HOUR, NOON + it) for it in (0, HOUR - 1, HOUR, -1, -DAY)]
    assert every == [False, False, True, True, True]

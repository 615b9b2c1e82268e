"""Rows follow the agenda: planned twice is planned once, what was sent is left alone, each row has one winner."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, Engine, delete, insert, select

from notifications import claiming, conservation, outbox, settling
from notifications.agenda import Reason
from notifications.book import PENDING
from notifications.channels import Accepted
from notifications.claiming import Claimed
from notifications.outbox import insert_messages
from notifications.preferences import Preferences
from notifications.settling import Sent, Try
from notifications.tables import due, message, outcome
from programs import people
from programs.instants import DAY, HOUR, MINUTE, SECOND, Instant
from programs.tables import flag
from service import care
from service.database import Database, postgresql_engine
from tests.world import BEN, CLINIC, DOV, NOON, OTHER, assignment, patient, populate, session

ROWS = (
    select(message, due.c.state, due.c.wake_at, due.c.fence, outcome.c.state.label("ended"), outcome.c.reason)
    .outerjoin(due, PENDING)
    .outerjoin(outcome, (outcome.c.clinic_id == message.c.clinic_id) & (outcome.c.message_id == message.c.id))
    .order_by(message.c.planned_at, message.c.key)
)
# When Ada is asked about both sessions and reminded of her program, in one message; all three fall within six hours.
EVENING = NOON + 5 * HOUR + 30 * MINUTE
only_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def rows(db: Connection) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in db.execute(ROWS)]


def reconcile(db: Connection, now: Instant) -> None:
    outbox.reconcile(db, CLINIC, ["ada"], now)


def busy(db: Connection) -> None:
    """Ada two days after one needling session and an hour after another, with a program."""
    populate(db, NOON - 2 * DAY)
    care.record_session(db, BEN, "s1", session(NOON - 47 * HOUR), NOON - 46 * HOUR)
    care.record_session(db, BEN, "s2", session(NOON - HOUR), NOON)
    care.assign_plan(db, BEN, "p1", assignment(times=("09:00", "17:30")), NOON)


def accept(db: Connection, now: Instant) -> list[str]:
    """Claim, and settle as if a provider took all of it; the keys."""
    _, claimed = claiming.claim(db, now)
    settling.settle(db, [taken(it) for it in claimed], now, Random(1))
    return [it.row.key for it in claimed]


def taken(it: Claimed) -> Sent:
    return Sent(it, tuple(Try(address, Accepted()) for step in it.ladder for address in step))


async def test_planning_twice_is_planning_once(database: Database) -> None:
    await database.write(busy)
    before = await database.read(rows)
    assert len(before) > 8
    await database.write(reconcile, NOON)
    assert await database.read(rows) == before


@pytest.mark.parametrize("wait", [1, 20 * MINUTE, 4 * HOUR])
async def test_planning_again_later_adds_to_the_end_and_changes_nothing(database: Database, wait: Instant) -> None:
    await database.write(busy)
    await database.write(accept, NOON)
    before = await database.read(rows)
    await database.write(reconcile, NOON + wait)
    after = await database.read(rows)
    assert [row for row in after if row["planned_at"] <= NOON] == before
    assert all(row["planned_for"] >= NOON + outbox.HORIZON for row in after if row["planned_at"] > NOON)


async def test_what_moves_keeps_its_row_and_what_is_unwanted_ends_with_the_reason(database: Database) -> None:
    await database.write(populate)
    await database.write(care.record_session, BEN, "s1", session(NOON - HOUR), NOON)
    before = {row["key"]: row for row in await database.read(rows)}
    await database.write(care.correct_session, BEN, "s1", 1, session(NOON - 2 * HOUR), NOON + MINUTE)
    after = {row["key"]: row for row in await database.read(rows)}
    assert {key: row["id"] for key, row in after.items()} == {key: row["id"] for key, row in before.items()}
    moved = before["check_in:s1-day1"]["planned_for"] - HOUR
    assert (after["check_in:s1-day1"]["planned_for"], after["check_in:s1-day1"]["wake_at"]) == (moved, moved)
    await database.write(care.cancel_session, BEN, "s1", 2, NOON + 2 * MINUTE)
    ended = await database.read(rows)
    assert {(row["state"], row["ended"]) for row in ended} == {(None, "cancelled")}
    assert {row["reason"] for row in ended if row["kind"] == "check_in"} == {"cancelled"}


async def test_what_is_in_flight_or_sent_is_never_touched(database: Database) -> None:
    await database.write(busy)
    await database.write(accept, NOON)
    _, claimed = await database.write(claiming.claim, EVENING)
    assert [it.row.key for it in claimed] == ["check_in:s1-day2"]
    before = [row for row in await database.read(rows) if row["state"] != "pending"]
    assert {row["state"] for row in before} == {"in_flight", None}
    await database.write(care.cancel_session, BEN, "s2", 1, EVENING + 1)
    await database.write(care.change_patient, BEN, "ada", 1, {"zone": "Asia/Tokyo", "consented": False}, EVENING + 2)
    after = await database.read(rows)
    assert [row for row in after if row["id"] in {one["id"] for one in before}] == before
    assert not [row for row in after if row["state"] == "pending"]


@pytest.mark.parametrize("pause", [0, 1, HOUR])
async def test_what_is_wanted_again_gets_a_new_message_and_is_never_pending_twice(
    database: Database, pause: Instant
) -> None:
    """Also within the same millisecond, which is how a simulation and a quick script meet it."""
    await database.write(populate)
    await database.write(care.record_session, BEN, "s1", session(), NOON)
    for version, given in enumerate((False, True, False, True), start=1):
        at = NOON + version * pause
        await database.write(care.change_patient, BEN, "ada", version, {"consented": given}, at)
    found = [row for row in await database.read(rows) if row["key"] == "check_in:s1-day1"]
    assert [row["ended"] for row in found].count("suppressed") == 2
    assert [row["state"] for row in found].count("pending") == 1
    assert len({row["id"] for row in found}) == 3
    assert await database.read(conservation.unaccounted) == 0


async def test_a_stranger_s_rows_stay_as_they_are(database: Database) -> None:
    await database.write(busy)
    theirs = msgspec.structs.replace(session(), patient_id="eve", clinician_id="dov")
    await database.write(care.record_session, DOV, "s1", theirs, NOON)
    before = [row for row in await database.read(rows) if row["clinic_id"] == OTHER]
    assert before
    await database.write(care.change_patient, BEN, "ada", 1, {"consented": False}, NOON + 1)
    await database.write(outbox.reconcile, CLINIC, ["eve"], NOON + 1)
    assert [row for row in await database.read(rows) if row["clinic_id"] == OTHER] == before


async def test_what_shared_a_prompt_with_something_that_is_over_is_still_sent(database: Database) -> None:
    """A worker was down until the first of two check-ins had closed: the other one has no row of its own yet."""
    await database.write(populate, NOON, Preferences(most_a_day=6))
    await database.write(care.record_session, BEN, "s1", session(NOON - 15 * HOUR), NOON)
    await database.write(care.record_session, BEN, "s2", session(NOON - 24 * HOUR), NOON)
    (shared,) = [
        row for row in await database.read(rows) if "s1-evening" in row["subjects"] and row["kind"] == "check_in"
    ]
    assert msgspec.json.decode(shared["subjects"]) == ["check_in:s1-evening", "check_in:s2-day1"]
    assert await database.write(accept, NOON + 4 * HOUR) == []
    assert await database.write(accept, NOON + 4 * HOUR) == ["check_in:s2-day1"]
    ended = {row["key"]: row["ended"] for row in await database.read(rows) if row["kind"] == "check_in"}
    assert ended["check_in:s1-evening"] == "expired"
    assert ended["check_in:s2-day1"] == "accepted"


async def test_what_was_merged_into_another_message_at_the_last_moment_has_a_row_there(database: Database) -> None:
    """Whatever the agenda says at the claim has a row, or the message would wait for the next change of a fact."""
    await database.write(busy)

    def wanted(db: Connection, now: Instant) -> tuple[set[str], set[str]]:
        plan = outbox.preview(db, CLINIC, "ada", now, now + DAY)
        pending = db.execute(select(due.c.key).where(due.c.state == "pending")).scalars()
        return {it.key for it in plan.messages}, set(pending)

    for hours in range(0, 60, 7):
        now = NOON + hours * HOUR
        while await database.write(accept, now):
            pass
        keys, pending = await database.read(wanted, now)
        assert keys <= pending


# the horizon


async def test_who_is_short_of_rows_is_found_at_half_the_horizon_and_only_then(database: Database) -> None:
    """To the second: what was planned twice within a millisecond is marked by a millisecond more."""
    await database.write(busy)
    await database.write(reconcile, NOON)
    half = NOON + outbox.HORIZON // 2
    assert "ada" not in (await database.read(outbox.behind, half, 10)).get(CLINIC, [])
    assert await database.read(outbox.behind, half + SECOND, 10) == {CLINIC: ["ada"], OTHER: ["eve"]}
    # Who has been short for longest comes first, so that a limit starves nobody.
    assert await database.read(outbox.behind, half + SECOND, 1) == {OTHER: ["eve"]}
    await database.write(reconcile, half + SECOND)
    assert await database.read(outbox.behind, half + SECOND, 10) == {OTHER: ["eve"]}


async def test_rows_are_laid_out_for_a_fortnight_without_a_gap_or_a_double(database: Database) -> None:
    await database.write(populate)
    await database.write(care.assign_plan, BEN, "p1", assignment(times=("09:00", "17:30")), NOON)
    for hours in range(0, 14 * 24, 7):
        now = NOON + hours * HOUR
        await database.write(people.reacted, CLINIC, "ada", now)  # or reminders thin out
        while behind := await database.read(outbox.behind, now, 10):
            for clinic, patients in behind.items():
                await database.write(outbox.reconcile, clinic, patients, now)
    found = [row for row in await database.read(rows) if row["kind"] == "bout"]
    at = sorted(row["planned_for"] for row in found)
    evening, morning = NOON + 5 * HOUR + 30 * MINUTE, NOON + 21 * HOUR
    assert at[:28] == [at for day in range(14) for at in (evening + day * DAY, morning + day * DAY)]
    assert len({row["key"] for row in found}) == len(found)
    assert await database.read(conservation.unaccounted) == 0


# several at a time


@contextmanager
def engine_of(url: str) -> Iterator[Engine]:
    engine = postgresql_engine(url, pool_size=12)
    try:
        yield engine
    finally:
        engine.dispose()


@only_postgresql
async def test_a_claim_passes_over_what_is_being_planned_and_planning_waits_for_a_claim(
    database: Database, database_url: str
) -> None:
    await database.write(busy)
    await database.write(accept, NOON)
    with engine_of(database_url) as engine, engine.connect() as planner, engine.connect() as worker:
        care.correct_session(planner, BEN, "s2", 1, session(NOON - 2 * HOUR), EVENING)
        assert claiming.claim(worker, EVENING) == (0, [])
        worker.rollback()
        planner.rollback()

        _, claimed = claiming.claim(worker, EVENING)
        assert [it.row.key for it in claimed] == ["check_in:s1-day2"]
        corrected = threading.Event()

        def correct() -> None:
            care.correct_session(planner, BEN, "s2", 1, session(NOON - 3 * HOUR), EVENING)
            planner.commit()
            corrected.set()

        waiting = threading.Thread(target=correct)
        waiting.start()
        assert not corrected.wait(0.2)
        worker.commit()
        waiting.join(20)
        assert corrected.is_set()
    after = {row["key"]: row for row in await database.read(rows)}
    assert (after["check_in:s1-day2"]["state"], after["check_in:s1-day2"]["planned_for"]) == ("in_flight", EVENING)


@only_postgresql
async def test_a_message_is_handed_out_or_withdrawn_and_never_both(database: Database, database_url: str) -> None:
    """Consent is withdrawn at the instant at which a worker claims, twenty times, one patient after the other."""
    await database.write(populate)
    patients = [f"p{number:02}" for number in range(20)]
    for id in patients:
        await database.write(care.enrol, BEN, patient(id, "ben"), None, NOON)
        await database.write(care.record_session, BEN, f"s-{id}", session(patient_id=id), NOON)
    together = threading.Barrier(2, timeout=20)
    handed: list[str] = []

    def withdraw(engine: Engine) -> None:
        for id in patients:
            together.wait()
            with engine.begin() as db:
                care.change_patient(db, BEN, id, 1, {"consented": False}, EVENING)

    def claim(engine: Engine) -> None:
        for _ in patients:
            together.wait()
            with engine.begin() as db:
                handed.extend(it.row.id for it in claiming.claim(db, EVENING, 1)[1])

    with engine_of(database_url) as engine:
        await asyncio.gather(asyncio.to_thread(withdraw, engine), asyncio.to_thread(claim, engine))
    found = {row["id"]: row for row in await database.read(rows) if row["key"].endswith("-evening")}
    asked = {id: row for id, row in found.items() if row["kind"] == "check_in"}
    assert len(asked) == len(patients)
    assert {id for id, row in asked.items() if row["state"] == "in_flight"} == set(handed)
    assert {row["ended"] for id, row in asked.items() if id not in handed} <= {"suppressed"}
    assert len(handed) == len(set(handed))
    assert await database.read(conservation.unaccounted) == 0


async def test_planning_and_claiming_at_the_same_time_lose_and_double_nothing(database: Database) -> None:
    await database.write(busy)

    async def work(now: Instant) -> None:
        for _ in range(2):
            _, claimed = await database.write(claiming.claim, now)
            await database.write(settling.settle, [taken(it) for it in claimed], now, Random(1))

    for number in range(30):
        now = NOON + number * 2 * HOUR
        corrected = session(NOON - HOUR - number % 3 * HOUR)
        correct = database.write(care.correct_session, BEN, "s2", number + 1, corrected, now)
        await asyncio.gather(work(now), correct, work(now))
    assert await database.read(conservation.unaccounted) == 0
    found = await database.read(rows)
    accepted = [
        subject for row in found if row["ended"] == "accepted" for subject in msgspec.json.decode(row["subjects"])
    ]
    assert {"check_in:s1-day2", "check_in:s2-day1", "check_in:s2-day2"} <= set(accepted)
    assert len(accepted) == len(set(accepted))
    assert not [row for row in found if row["state"] == "in_flight"]


def flood(db: Connection) -> None:
    """Two thousand alerts, all due."""
    finding = {"tier": "emergency", "rule": "r", "rule_version": "1", "source": "s", "inputs": {}}
    raised = {"clinic_id": CLINIC, "patient_id": "ada", "check_in_id": "s1-day1", "tier": "emergency"}
    names = [f"f{number:04}" for number in range(2_000)]
    db.execute(insert(flag), [{**raised, "id": name, "finding": finding, "raised_at": NOON} for name in names])
    alert = {"clinic_id": CLINIC, "person_id": "ben", "kind": "alert", "planned_for": NOON, "planned_at": NOON}
    alert |= {"closes": NOON + DAY, "reasons": (Reason("flag_emergency"),)}
    insert_messages(db, [{**alert, "id": it, "key": f"alert:{it}", "subjects": (f"alert:{it}",)} for it in names])


async def test_eight_workers_and_two_thousand_rows_each_row_has_one_winner(database: Database) -> None:
    await database.write(populate)
    await database.write(care.record_session, BEN, "s1", session(), NOON)
    await database.write(flood)
    won: list[tuple[str, int]] = []

    async def work() -> None:
        while (batch := await database.write(claiming.claim, NOON + 1, 40))[0]:
            won.extend((it.row.id, it.fence) for it in batch[1])

    await asyncio.gather(*(work() for _ in range(8)))
    assert sorted(won) == [(f"f{number:04}", 1) for number in range(2_000)]


async def test_a_message_that_is_nowhere_or_twice_is_counted(database: Database) -> None:
    await database.write(populate)
    await database.write(care.record_session, BEN, "s1", session(), NOON)

    def harm(db: Connection) -> None:
        first, second = db.execute(select(due.c.key, due.c.message_id).order_by(due.c.key).limit(2)).all()
        db.execute(delete(due).where(due.c.key == first.key))
        ended = {
            "clinic_id": CLINIC,
            "message_id": second.message_id,
            "state": "failed",
            "reason": "",
            "ended_at": NOON,
        }
        db.execute(insert(outcome), ended)

    await database.write(harm)
    assert await database.read(conservation.unaccounted) == 2

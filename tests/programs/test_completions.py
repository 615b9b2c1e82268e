"""What a phone says was done: a verdict an item, its own times kept, safe to send twice, a bad item spoils nothing."""

from datetime import date, datetime
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, func, select

from programs import completions
from programs.completions import Completion, Judged, Kept
from programs.dosage import Dosage, Prescription
from programs.instants import DAY, HOUR, MINUTE, Instant, of
from programs.schedule import wall_at
from programs.tables import completion
from service import care, counting, reading
from service.database import Database
from tests.world import ADA, BEN, CLINIC, EVE, NOON, assignment, populate, terms

TUESDAY = date(2026, 6, 2)
MORNING = of(datetime.fromisoformat("2026-06-02T09:20:00-04:00"))


def done(id: str = "c1", **changed: Any) -> Completion:
    it = Completion(id, "p1", "hip_bridge", TUESDAY, "09:00", "done", MORNING, sets=3)
    return msgspec.structs.replace(it, **changed)


async def send(database: Database, *items: Completion, now: Instant = MORNING + MINUTE, who: Any = ADA) -> list[Judged]:
    judged: list[Judged] = await database.write(care.complete, who, items, now)
    return judged


async def kept(database: Database, patient: str = "ada") -> list[Kept]:
    found: dict[str, list[Kept]] = await database.read(completions.completions_of, CLINIC, [patient], 0, 2**53)
    return found.get(patient, [])


async def states(database: Database, now: Instant) -> dict[str, str]:
    items = await database.read(counting.patient_ledger, CLINIC, "ada", TUESDAY, TUESDAY, now)
    return {it.exercise: it.state for it in items}


@pytest.fixture
async def assigned(database: Database) -> Database:
    """Ada has hip bridges and a walk at 09:00, from Monday noon on."""
    await database.write(populate)
    await database.write(care.assign_plan, BEN, "p1", assignment(), NOON)
    return database


async def test_what_is_done_is_kept_with_its_own_time(assigned: Database) -> None:
    it = done(pain=2, note="easier today")
    assert await send(assigned, it, now=MORNING + 3 * HOUR) == [Judged("c1", "accepted")]
    (found,) = await kept(assigned)
    assert found == Kept(wall_at(TUESDAY, "09:00"), wall_at(TUESDAY, "09:20"), MORNING + 3 * HOUR, it)


async def test_a_batch_from_a_phone_that_was_offline_for_weeks_counts_for_its_days(assigned: Database) -> None:
    now = MORNING + 40 * DAY
    items = [done(f"c{day}", date=date(2026, 6, day), done_at=MORNING + (day - 2) * DAY) for day in range(2, 30)]
    assert {it.verdict for it in await send(assigned, *items, now=now)} == {"accepted"}
    assert (await states(assigned, now))["hip_bridge"] == "done"
    assert {found.received_at for found in await kept(assigned)} == {now}


async def test_what_is_done_on_another_day_than_it_was_due_is_late(assigned: Database) -> None:
    await send(assigned, done(done_at=MORNING + DAY), now=MORNING + DAY)
    assert (await states(assigned, MORNING + DAY))["hip_bridge"] == "late"


async def test_sent_twice_is_kept_once_and_the_first_stands(assigned: Database) -> None:
    again = done(outcome="skipped", reason="no_time", sets=None)
    assert await send(assigned, done(), again) == [Judged("c1", "accepted"), Judged("c1", "duplicate")]
    assert await send(assigned, again, now=MORNING + DAY) == [Judged("c1", "duplicate")]
    assert [found.value for found in await kept(assigned)] == [done()]


async def test_sent_twice_changes_no_row_anywhere(assigned: Database) -> None:
    def rows(db: Connection) -> list[Any]:
        tables = completion.metadata.sorted_tables
        return [(table.name, db.execute(select(func.count()).select_from(table)).scalar_one()) for table in tables]

    await send(assigned, done())
    before = await assigned.read(rows)
    await send(assigned, done())
    assert await assigned.read(rows) == before


async def test_of_several_logs_of_one_item_the_one_done_last_counts(assigned: Database) -> None:
    first, second = done("c1", outcome="skipped", sets=None), done("c2", done_at=MORNING + HOUR)
    await send(assigned, second, first, now=MORNING + 2 * HOUR)
    assert (await states(assigned, MORNING + DAY))["hip_bridge"] == "done"


@pytest.mark.parametrize(
    "changed",
    [
        {"exercise": "clamshell"},
        {"time": "09:30"},
        {"date": date(2026, 6, 1)},  # the plan began at noon: nothing of that morning was missed, nor was it asked for
        {"date": date(2026, 5, 2)},
    ],
)
async def test_what_nobody_asked_for_is_kept_and_counts_for_nothing(
    assigned: Database, changed: dict[str, Any]
) -> None:
    before = await states(assigned, MORNING + DAY)
    assert await send(assigned, done(**changed)) == [Judged("c1", "not_due")]
    assert len(await kept(assigned)) == 1
    assert await states(assigned, MORNING + DAY) == before


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"done_at": MORNING + HOUR}, "done_at is in the future"),
        ({"done_at": MORNING - 61 * DAY}, "done_at is more than 60 days ago"),
        ({"done_at": 253_402_300_799_000}, "done_at is in the future"),
        ({"done_at": -62_135_596_800_000}, "done_at is more than 60 days ago"),
        ({"reason": "too_sore"}, "only what was skipped has a reason"),
        ({"sets": -1}, "sets must be from 0 to 50"),
        ({"sets": 51}, "sets must be from 0 to 50"),
        ({"pain": 11}, "pain must be from 0 to 10"),
        ({"time": "9:00"}, "time must be written as HH:MM, from 00:00 to 23:59"),
        ({"time": "24:00"}, "time must be written as HH:MM, from 00:00 to 23:59"),
        ({"time": ""}, "time must be written as HH:MM, from 00:00 to 23:59"),
        ({"plan_id": "p9"}, "names a plan that this patient does not have"),
    ],
)
async def test_what_cannot_be_is_rejected_alone_and_says_why(
    assigned: Database, changed: dict[str, Any], problem: str
) -> None:
    judged = await send(assigned, done("bad", **changed), done("good"))
    assert judged == [Judged("bad", "rejected", problem), Judged("good", "accepted")]
    assert [found.value.id for found in await kept(assigned)] == ["good"]


async def test_what_was_rejected_can_be_put_right_under_the_same_id(assigned: Database) -> None:
    await send(assigned, done(sets=99))
    assert await send(assigned, done()) == [Judged("c1", "accepted")]


async def test_nobody_logs_for_somebody_else(assigned: Database) -> None:
    (judged,) = await send(assigned, done(), who=EVE)
    assert (judged.verdict, judged.problem) == ("rejected", "names a plan that this patient does not have")
    await send(assigned, done())
    assert len(await kept(assigned)) == 1


async def test_what_belongs_to_an_earlier_revision_is_still_taken_and_stays_with_it(assigned: Database) -> None:
    walk = Prescription("walking", Dosage(minutes=10))
    later = MORNING + 5 * HOUR
    await assigned.write(care.revise_plan, BEN, "ada", "p1", 1, terms(prescriptions=(walk,)), later)
    first, second = done("c1"), done("c2", date=date(2026, 6, 3), done_at=MORNING + DAY)
    judged = await send(assigned, first, second, now=MORNING + 2 * DAY)
    assert [it.verdict for it in judged] == ["accepted", "not_due"]
    revisions = await assigned.read(lambda db: dict(db.execute(select(completion.c.id, completion.c.revision)).all()))
    assert revisions == {"c1": 1, "c2": 0}


async def test_after_the_end_of_a_plan_what_was_done_before_it_still_counts(assigned: Database) -> None:
    await assigned.write(care.end_plan, BEN, "ada", "p1", 1, MORNING + 2 * HOUR)
    judged = await send(
        assigned, done("c1"), done("c2", date=date(2026, 6, 3), done_at=MORNING + DAY), now=MORNING + DAY
    )
    assert [it.verdict for it in judged] == ["accepted", "not_due"]


async def test_a_log_is_a_sign_of_life_and_its_reminder_is_not_sent(assigned: Database) -> None:
    before = await assigned.read(reading.today, ADA, MORNING)
    early = of(datetime.fromisoformat("2026-06-02T08:00:00-04:00"))
    await send(assigned, done(done_at=early), done("c2", exercise="walking", done_at=early), now=early)
    after = await assigned.read(reading.today, ADA, MORNING)
    assert after.patient.reacted_at == early > before.patient.reacted_at
    assert [sorted(task.logged) for task in after.tasks] == [["hip_bridge", "walking"]]

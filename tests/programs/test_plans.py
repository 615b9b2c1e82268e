"""A plan is assigned, revised, held and ended; each change touches the future only."""

from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, select

from programs import plans
from programs.dosage import Dosage, Prescription
from programs.errors import Conflict, Invalid, NoSuchRecord, Stale
from programs.instants import DAY, HOUR, MINUTE, Instant
from programs.schedule import Course, Hold, Terms, bouts, day_of, time_of, wall_at
from programs.tables import plan, revision
from service import care
from service.database import Database
from tests.world import ADA, BEN, CLINIC, DOV, NOON, OTHER, assignment, patient, populate, terms

MONDAY = date(2026, 6, 1)
WALK = Prescription("walking", Dosage(minutes=10))
TIMES = ("09:00", "18:00")


@pytest.fixture
async def clinic(database: Database) -> Database:
    await database.write(populate)
    return database


async def assign(clinic: Database, now: Instant = NOON, **changed: Any) -> Course:
    found: Course = await clinic.write(care.assign_plan, BEN, "p", assignment(**changed), now)
    return found


async def revise(clinic: Database, version: int, it: Terms, now: Instant) -> Course:
    found: Course = await clinic.write(care.revise_plan, BEN, "ada", "p", version, it, now)
    return found


def hold(first: int, last: int | None, *exercises: str) -> Hold:
    until = None if last is None else wall_at(MONDAY + timedelta(days=last), "00:00")
    return Hold("h", wall_at(MONDAY + timedelta(days=first), "00:00"), until, exercises, "flare")


def due(it: Course, days: int = 3) -> list[str]:
    found = bouts(it, MONDAY.toordinal(), MONDAY.toordinal() + days - 1)
    return [
        f"{day_of(bout.wall):%a} {time_of(bout.wall)} {' '.join(item.exercise for item in bout.wanted)}".strip()
        for bout in found
    ]


def rows(db: Connection) -> int:
    return sum(len(db.execute(select(table)).all()) for table in (plan, revision))


async def test_a_plan_assigned_at_noon_makes_nothing_of_this_morning_due(clinic: Database) -> None:
    it = await assign(clinic, times=TIMES, prescriptions=(WALK,))
    assert due(it, 2) == ["Mon 18:00 walking", "Tue 09:00 walking", "Tue 18:00 walking"]
    assert await clinic.read(plans.course_of, CLINIC, "ada", "p") == it


async def test_a_plan_that_starts_later_starts_with_its_first_morning(clinic: Database) -> None:
    it = await assign(clinic, times=TIMES, prescriptions=(WALK,), starts_on=MONDAY + timedelta(days=1))
    assert due(it, 2) == ["Tue 09:00 walking", "Tue 18:00 walking"]


async def test_noon_is_the_patients_own(clinic: Database) -> None:
    await clinic.write(care.enrol, BEN, patient("kim", "ben", zone="Asia/Tokyo"), None, NOON)
    given = msgspec.structs.replace(assignment(times=("00:30", "01:30"), prescriptions=(WALK,)), patient_id="kim")
    it = await clinic.write(care.assign_plan, BEN, "kims", given, NOON)  # there it is one in the morning, Tuesday
    assert due(it, 2) == ["Tue 01:30 walking"]


async def test_a_revision_changes_the_future_only(clinic: Database) -> None:
    await assign(clinic, times=TIMES, prescriptions=(WALK,))
    later = terms(times=("07:00",))
    it = await revise(clinic, 1, later, NOON + DAY)
    assert due(it) == ["Mon 18:00 walking", "Tue 09:00 walking", "Wed 07:00 hip_bridge walking"]
    assert (it.version, [item.number for item in it.revisions], it.revisions[1].terms) == (2, [1, 2], later)
    assert await clinic.read(plans.course_of, CLINIC, "ada", "p") == it


async def test_revised_twice_on_one_day_each_bout_keeps_the_terms_that_ruled_it(clinic: Database) -> None:
    day = tuple(f"{hour:02}:00" for hour in range(10, 16))
    await assign(clinic, NOON - 3 * HOUR, times=day, prescriptions=(WALK,))
    await revise(clinic, 1, terms(times=day), NOON + MINUTE)
    it = await revise(clinic, 2, terms(times=day, prescriptions=(WALK,)), NOON + 2 * HOUR)
    both = "hip_bridge walking"
    assert due(it, 1) == [
        f"Mon {time} {what}" for time, what in zip(day, ["walking"] * 3 + [both] + ["walking"] * 2, strict=True)
    ]


async def test_a_hold_excuses_until_its_end_and_the_plan_goes_on(clinic: Database) -> None:
    await assign(clinic, prescriptions=(WALK,))
    it = await clinic.write(care.hold_plan, BEN, "ada", "p", 1, hold(1, 3), NOON)
    assert due(it, 5) == ["Tue 09:00", "Wed 09:00", "Thu 09:00 walking", "Fri 09:00 walking"]
    assert (it.version, it.holds) == (2, (hold(1, 3),))


async def test_a_hold_without_an_end_of_one_exercise_leaves_the_others(clinic: Database) -> None:
    await assign(clinic)
    it = await clinic.write(care.hold_plan, BEN, "ada", "p", None, hold(2, None, "hip_bridge"), NOON)
    assert due(it, 4) == ["Tue 09:00 hip_bridge walking", "Wed 09:00 walking", "Thu 09:00 walking"]


async def test_a_hold_that_cannot_be_is_refused(clinic: Database) -> None:
    it = await assign(clinic)
    for wrong, field in ((hold(2, 2), "until"), (hold(2, 1), "until"), (hold(1, 2, "clamshell"), "exercises")):
        with pytest.raises(Invalid) as refused:
            await clinic.write(care.hold_plan, BEN, "ada", "p", 1, wrong, NOON)
        assert refused.value.field == field
    assert await clinic.read(plans.course_of, CLINIC, "ada", "p") == it


async def test_an_ended_plan_asks_for_nothing_more_keeps_its_past_and_does_not_change(clinic: Database) -> None:
    await assign(clinic, times=TIMES, prescriptions=(WALK,))
    it = await clinic.write(care.end_plan, BEN, "ada", "p", 1, NOON + DAY)
    assert due(it) == ["Mon 18:00 walking", "Tue 09:00 walking"]
    assert await clinic.write(care.end_plan, BEN, "ada", "p", 1, NOON + 2 * DAY) == it
    with pytest.raises(Conflict) as refused:
        await revise(clinic, 2, terms(), NOON + 2 * DAY)
    assert not isinstance(refused.value, Stale)
    with pytest.raises(Conflict):
        await clinic.write(care.hold_plan, BEN, "ada", "p", None, hold(3, None), NOON + 2 * DAY)


async def test_a_change_made_for_an_older_version_is_stale(clinic: Database) -> None:
    await assign(clinic)
    it = await revise(clinic, 1, terms(times=TIMES), NOON)
    changes = (
        (care.revise_plan, (1, terms(), NOON)),
        (care.hold_plan, (1, hold(1, 2), NOON)),
        (care.end_plan, (1, NOON)),
        (care.revise_plan, (3, terms(), NOON)),
    )
    for verb, arguments in changes:
        with pytest.raises(Stale):
            await clinic.write(verb, BEN, "ada", "p", *arguments)
    assert await clinic.read(plans.course_of, CLINIC, "ada", "p") == it


async def test_a_strangers_plan_is_no_such_record(clinic: Database) -> None:
    it = await assign(clinic)
    changes = (
        (care.revise_plan, (1, terms(), NOON)),
        (care.hold_plan, (1, hold(1, 2), NOON)),
        (care.end_plan, (1, NOON)),
    )
    # Dov's own patient, the right patient from the wrong clinic, and another patient of the right clinic.
    await clinic.write(care.enrol, BEN, patient("kim", "ben"), None, NOON)
    for who, whose in ((DOV, "eve"), (DOV, "ada"), (BEN, "eve"), (BEN, "kim")):
        for verb, arguments in changes:
            with pytest.raises(NoSuchRecord):
                await clinic.write(verb, who, whose, "p", *arguments)
    assert await clinic.read(plans.course_of, CLINIC, "ada", "p") == it
    assert await clinic.read(plans.courses_of, OTHER, ["ada", "eve"]) == {}


async def test_a_plan_is_for_ones_own_patient_by_ones_own_clinician(clinic: Database) -> None:
    own = assignment()
    for changed in ({"patient_id": "eve"}, {"patient_id": "nobody"}, {"clinician_id": "dov"}):
        with pytest.raises(NoSuchRecord):
            await clinic.write(care.assign_plan, BEN, "p", msgspec.structs.replace(own, **changed), NOON)
    await clinic.write(care.change_patient, BEN, "ada", 1, {"discharged_at": NOON}, NOON)
    with pytest.raises(Conflict):
        await clinic.write(care.assign_plan, BEN, "p", own, NOON)
    assert await clinic.read(rows) == 0


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"prescriptions": ()}, "prescriptions"),
    ({"prescriptions": (WALK, WALK)}, "prescriptions"),
    ({"prescriptions": (Prescription("hip_bridges", Dosage(reps=3)),)}, "exercise"),
    ({"prescriptions": (Prescription("walking", Dosage()),)}, "reps"),
    ({"prescriptions": (Prescription("walking", Dosage(minutes=10, per_day=2)),)}, "times"),
    ({"ends_on": MONDAY - timedelta(days=1)}, "ends_on"),
    ({"times": ("9:00",)}, "times"),
    ({"times": ("09:00", "09:00")}, "times"),
    ({"times": tuple(f"{hour:02}:00" for hour in range(7))}, "times"),
    ({"times": ()}, "times"),
]


@pytest.mark.parametrize(("changed", "field"), WRONG)
def test_terms_that_cannot_be_are_refused_by_name(changed: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        plans.checked(terms(**changed))
    assert refused.value.field == field


async def test_of_terms_that_cannot_be_nothing_is_written(clinic: Database) -> None:
    for changed, _ in WRONG:
        with pytest.raises(Invalid):
            await assign(clinic, **changed)
    assert await clinic.read(rows) == 0
    it = await assign(clinic)
    for changed, _ in WRONG:
        with pytest.raises(Invalid):
            await revise(clinic, 1, terms(**changed), NOON)
    assert await clinic.read(plans.course_of, CLINIC, "ada", "p") == it


async def test_a_patient_who_moves_to_another_zone_keeps_the_times_of_day(clinic: Database) -> None:
    it = await assign(clinic, times=TIMES)
    await clinic.write(care.change_patient, BEN, "ada", 1, {"zone": "Asia/Tokyo"}, NOON)
    assert await clinic.read(plans.course_of, ADA.clinic, "ada", "p") == it

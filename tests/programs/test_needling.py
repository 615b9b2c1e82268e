"""Recording, correcting and cancelling a needling session, and what that does to its check-ins."""

from typing import Any

import pytest
from sqlalchemy import Connection, select

from programs import checkins, needling
from programs.aftercare import PROTOCOL
from programs.errors import Conflict, Invalid, NoSuchRecord, Stale
from programs.instants import DAY, HOUR, MINUTE, Instant
from programs.needling import NeedlingSession
from programs.tables import check_in, needling_session, needling_session_before
from service import care
from service.care import Aftercare, Who
from service.database import Database
from tests.world import ADA, BEN, CLEO, CLINIC, DOV, NOON, populate, session

ALL = ["evening", "day1", "day2", "day3", "day7"]


@pytest.fixture
async def clinic(database: Database) -> Database:
    await database.write(populate)
    return database


async def record(clinic: Database, ended_at: Instant = NOON - HOUR, **changed: Any) -> Aftercare:
    found: Aftercare = await clinic.write(care.record_session, BEN, "s1", session(ended_at, **changed), NOON)
    return found


def rows(db: Connection) -> int:
    return sum(len(db.execute(select(table)).all()) for table in (needling_session, needling_session_before, check_in))


def before(db: Connection) -> list[tuple[int, str, str, Instant]]:
    table = needling_session_before
    columns = table.c.version, table.c.value, table.c.replaced_by, table.c.replaced_at
    return [tuple(row) for row in db.execute(select(*columns).order_by(table.c.version))]


def targets(aftercare: Aftercare) -> dict[str, Instant]:
    return {it.step: it.target for it in aftercare.check_ins}


async def test_a_recorded_session_says_what_was_entered_and_has_its_check_ins(clinic: Database) -> None:
    made = await record(clinic, muscles=("Gluteus medius", "gluteus medius", "psoas"))
    assert made.recorded.session.muscles == ("gluteus medius", "iliopsoas")
    assert await clinic.read(needling.session_of, CLINIC, "s1") == made.recorded
    assert [(it.step, it.state) for it in made.check_ins] == [
        (step, "conditional" if step == "day3" else "open") for step in ALL
    ]
    ended = NOON - HOUR
    assert [(it.opens - ended, it.target - ended, it.closes - ended) for it in made.check_ins] == [
        (step.opens, step.target, step.closes) for step in PROTOCOL
    ]


async def test_a_visit_in_the_past_makes_only_what_is_still_in_its_window(clinic: Database) -> None:
    first_left = {17: 0, 18: 1, 39: 1, 40: 2, 62: 3, 85: 3, 86: 4, 203: 4, 252: 5}
    for hours, first in first_left.items():
        visit = session(NOON - hours * HOUR)
        made = await clinic.write(care.record_session, BEN, f"s{hours}", visit, NOON)
        assert [it.step for it in made.check_ins] == ALL[first:], hours


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"ended_at": NOON + 3 * MINUTE}, "ended_at", "is in the future"),
    ({"ended_at": NOON - 30 * DAY - 1}, "ended_at", "is more than 30 days ago"),
    ({"started_at": NOON - HOUR + 1}, "ended_at", "is before started_at"),
    ({"started_at": NOON - 14 * HOUR}, "started_at", "is more than 12 hours before ended_at"),
    ({"muscles": ()}, "muscles", "name at least one needled muscle"),
    ({"insertions": 0}, "insertions", "must be from 1 to 500, “few” or “many”"),
    ({"insertions": 501}, "insertions", "must be from 1 to 500, “few” or “many”"),
    ({"note": "x" * 4_001}, "note", "must be at most 4000 characters"),
]


@pytest.mark.parametrize(("changed", "field", "problem"), WRONG)
def test_what_cannot_be_is_refused_by_name(changed: dict[str, Any], field: str, problem: str) -> None:
    with pytest.raises(Invalid) as refused:
        needling.checked(session(**changed), NOON)
    assert (refused.value.field, refused.value.problem) == (field, problem)


@pytest.mark.parametrize(
    "edge",
    [
        {"ended_at": NOON + 2 * MINUTE},
        {"ended_at": NOON - 30 * DAY},
        {"started_at": NOON - HOUR},
        {"started_at": NOON - 13 * HOUR},
        {"insertions": 500},
        {"note": "x" * 4_000},
    ],
)
def test_the_edges_of_what_can_be_are_taken(edge: dict[str, Any]) -> None:
    assert needling.checked(session(**edge), NOON) == session(**edge)


async def test_of_what_is_refused_nothing_is_written(clinic: Database) -> None:
    for changed, _, _ in WRONG:
        with pytest.raises(Invalid):
            await clinic.write(care.record_session, BEN, "s1", session(**changed), NOON)
    assert await clinic.read(rows) == 0
    made = await record(clinic)
    for changed, _, _ in WRONG:
        with pytest.raises(Invalid):
            await clinic.write(care.correct_session, BEN, "s1", 1, session(**changed), NOON)
    assert await clinic.read(needling.session_of, CLINIC, "s1") == made.recorded


def test_an_unknown_muscle_is_answered_with_the_nearest_known_one() -> None:
    with pytest.raises(Invalid) as refused:
        needling.checked(session(muscles=("gluteus medius", "gluteus maximuss")), NOON)
    assert "gluteus maximus" in refused.value.hint


async def test_a_stranger_is_no_such_record_for_a_new_session_and_for_a_correction(clinic: Database) -> None:
    clinicians: list[dict[str, Any]] = [{"clinician_id": "dov"}, {"clinician_id": "nobody"}]
    for changed in [*clinicians, {"patient_id": "eve"}, {"patient_id": "nobody"}]:
        with pytest.raises(NoSuchRecord):
            await record(clinic, **changed)
    assert await clinic.read(rows) == 0
    await record(clinic)
    for changed in clinicians:
        with pytest.raises(NoSuchRecord):
            await clinic.write(care.correct_session, BEN, "s1", 1, session(**changed), NOON)


async def test_another_clinics_session_is_no_such_record(clinic: Database) -> None:
    await record(clinic)
    for verb in (care.correct_session, care.cancel_session):
        change = (session(patient_id="eve", clinician_id="dov"),) if verb is care.correct_session else ()
        with pytest.raises(NoSuchRecord):
            await clinic.write(verb, DOV, "s1", 1, *change, NOON)
    assert (await clinic.read(needling.session_of, CLINIC, "s1")).version == 1


async def test_a_discharged_patient_has_no_new_session(clinic: Database) -> None:
    await clinic.write(care.change_patient, BEN, "ada", 1, {"discharged_at": NOON}, NOON)
    with pytest.raises(Conflict):
        await record(clinic)


async def test_each_correction_keeps_what_was_said_before_and_by_whom_it_was_replaced(clinic: Database) -> None:
    made = await record(clinic)
    await clinic.write(care.correct_session, CLEO, "s1", 1, session(insertions=9), NOON + HOUR)
    last = await clinic.write(care.correct_session, BEN, "s1", 2, session(insertions=12, note="left"), NOON + 2 * HOUR)
    assert last.recorded == await clinic.read(needling.session_of, CLINIC, "s1")
    assert (last.recorded.version, last.recorded.session.insertions, last.recorded.recorded_at) == (3, 12, NOON)
    kept = await clinic.read(before)
    assert [(version, by, at) for version, _, by, at in kept] == [
        (1, "clinician:cleo", NOON + HOUR),
        (2, "clinician:ben", NOON + 2 * HOUR),
    ]
    assert f'"insertions":{made.recorded.session.insertions}' in kept[0][1]
    assert '"insertions":9' in kept[1][1]


async def test_a_correction_made_for_an_older_version_is_stale(clinic: Database) -> None:
    await record(clinic)
    await clinic.write(care.correct_session, CLEO, "s1", 1, session(insertions=9), NOON)
    with pytest.raises(Stale):
        await clinic.write(care.correct_session, BEN, "s1", 1, session(insertions=3), NOON)
    with pytest.raises(Stale):
        await clinic.write(care.cancel_session, BEN, "s1", 1, NOON)
    assert (await clinic.read(needling.session_of, CLINIC, "s1")).session.insertions == 9
    assert len(await clinic.read(before)) == 1


async def test_moving_a_session_moves_only_what_was_neither_asked_nor_answered(clinic: Database) -> None:
    was = targets(await record(clinic))
    await clinic.write(checkins.asked, CLINIC, ["s1-evening"], NOON)
    await clinic.write(care.answer, ADA, "s1-day1", {"q_sore": 2}, NOON + DAY, NOON + DAY)
    earlier = session(NOON - 4 * HOUR)
    moved = await clinic.write(care.correct_session, BEN, "s1", 1, earlier, NOON + DAY)
    kept = {"evening": was["evening"], "day1": was["day1"]}
    assert targets(moved) == {step: kept.get(step, at - 3 * HOUR) for step, at in was.items()}
    assert [it.state for it in moved.check_ins] == ["open", "answered", "open", "conditional", "open"]


async def test_a_correction_of_anything_but_the_time_moves_nothing(clinic: Database) -> None:
    was = await record(clinic)
    now = await clinic.write(
        care.correct_session, BEN, "s1", 1, session(muscles=("multifidus",), side="both"), NOON + DAY
    )
    assert list(now.check_ins) == list(was.check_ins)


async def test_a_session_moved_to_a_later_time_gets_the_check_ins_it_was_too_late_for(clinic: Database) -> None:
    was = await record(clinic, NOON - 50 * HOUR)
    assert [it.step for it in was.check_ins] == ["day2", "day3", "day7"]
    now = await clinic.write(care.correct_session, BEN, "s1", 1, session(NOON - 2 * HOUR), NOON)
    assert [it.step for it in now.check_ins] == ALL


async def test_the_patient_of_a_session_does_not_change(clinic: Database) -> None:
    await record(clinic)
    with pytest.raises(Invalid) as refused:
        await clinic.write(care.correct_session, BEN, "s1", 1, session(patient_id="ada2"), NOON)
    assert refused.value.field == "patient_id"


async def test_cancelling_ends_what_is_unanswered_keeps_the_rest_and_twice_is_once(clinic: Database) -> None:
    await record(clinic)
    await clinic.write(care.answer, ADA, "s1-evening", {"q_sore": 1}, NOON + HOUR, NOON + HOUR)
    gone = await clinic.write(care.cancel_session, BEN, "s1", 1, NOON + 2 * HOUR)
    assert [it.state for it in gone.check_ins] == ["answered", *["cancelled"] * 4]
    assert (gone.recorded.version, gone.recorded.cancelled_at) == (2, NOON + 2 * HOUR)
    again = await clinic.write(care.cancel_session, CLEO, "s1", 1, NOON + 3 * HOUR)
    assert again == gone
    assert len(await clinic.read(before)) == 1


async def test_a_cancelled_session_is_not_corrected(clinic: Database) -> None:
    await record(clinic)
    await clinic.write(care.cancel_session, BEN, "s1", 1, NOON)
    with pytest.raises(Conflict) as refused:
        await clinic.write(care.correct_session, BEN, "s1", 2, session(), NOON)
    assert not isinstance(refused.value, Stale)


async def test_a_patients_sessions_are_listed_latest_first_with_the_cancelled_ones(clinic: Database) -> None:
    for number, days in enumerate((3, 1, 2), 1):
        await clinic.write(care.record_session, BEN, f"s{number}", session(NOON - days * DAY), NOON)
    await clinic.write(care.cancel_session, BEN, "s2", 1, NOON)
    listed = await clinic.read(needling.sessions_of, CLINIC, "ada")
    assert [(it.id, it.cancelled_at is not None) for it in listed] == [("s2", True), ("s3", False), ("s1", False)]
    assert await clinic.read(needling.sessions_of, Who("harbour", "clinician", "dov").clinic, "ada") == []


def test_what_was_not_said_stays_unsaid() -> None:
    said = needling.checked(NeedlingSession("ada", "ben", NOON, ("iliopsoas",), "left"), NOON)
    assert (said.insertions, said.twitch_responses, said.electrical_stimulation, said.started_at) == (None,) * 4

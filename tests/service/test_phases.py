"""Phases in the life of a patient: what needling holds, what opens it, what the clinic is told; on both databases."""

from datetime import date
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection

from notifications import outbox
from programs import adherence, checkins, gates, people, plans, rollup
from programs.dosage import Dosage, Prescription
from programs.errors import Conflict, NoSuchRecord
from programs.instants import DAY, HOUR, Instant
from programs.phases import AFTER_NEEDLING, STOPPED, Phases
from programs.schedule import Course, bouts, day_of, time_of
from service import care, counting
from service.database import Database
from tests.world import ADA, BEN, CLEO, CLINIC, DOV, NOON, assignment, populate, session

MONDAY = date(2026, 6, 1).toordinal()
BRIDGE = Prescription("hip_bridge", Dosage(sets=3, reps=10), lighter=Dosage(sets=1, reps=8))
SINGLE = Prescription("single_leg_bridge", Dosage(sets=2, reps=8))
WALK = Prescription("walking", Dosage(minutes=10))
ENDED = NOON - HOUR  # Monday 11:00


@pytest.fixture
async def clinic(database: Database) -> Database:
    """Ada has a plan that follows phases, and was needled an hour ago."""
    await database.write(populate)
    it = assignment(prescriptions=(BRIDGE, SINGLE, WALK), times=("12:00",), phases=Phases())
    await database.write(care.assign_plan, BEN, "p", it, NOON - 2 * DAY)
    await database.write(care.record_session, BEN, "s", session(ENDED), NOON)
    return database


async def asked(clinic: Database, days: int = 4) -> list[str]:
    """What each noon asks for, in how many sets; what is held is left out."""
    course: Course = await clinic.read(plans.course_of, CLINIC, "ada", "p")
    return [
        f"{day_of(bout.wall):%a} " + " ".join(f"{it.exercise}:{it.dosage.sets}" for it in bout.wanted)
        for bout in bouts(course, MONDAY, MONDAY + days - 1)
    ]


async def answer(clinic: Database, step: str, at: Instant, id: str = "s", **answers: Any) -> care.Reply:
    found: care.Reply = await clinic.write(care.answer, ADA, f"{id}-{step}", answers, at, at)
    return found


ALL = "hip_bridge:3 single_leg_bridge:2 walking:1"


async def test_loaded_work_is_held_lightened_and_taken_up_again_as_answers_allow(clinic: Database) -> None:
    held = [f"{day} walking:1" for day in ("Mon", "Tue", "Wed", "Thu")]
    assert await asked(clinic) == held
    await answer(clinic, "evening", ENDED + 6 * HOUR, q_sore=5)
    assert await asked(clinic) == held
    await answer(clinic, "day1", ENDED + 24 * HOUR, q_sore=4)
    assert (await asked(clinic))[1:] == [f"{day} hip_bridge:1 walking:1" for day in ("Tue", "Wed", "Thu")]
    await answer(clinic, "day2", ENDED + 46 * HOUR, q_sore=2)
    assert await asked(clinic) == ["Mon walking:1", "Tue hip_bridge:1 walking:1", f"Wed {ALL}", f"Thu {ALL}"]


async def test_what_is_held_is_excused_with_its_reason_and_what_is_done_all_the_same_counts(clinic: Database) -> None:
    course = await clinic.read(plans.course_of, CLINIC, "ada", "p")
    items = adherence.ledger(course, [], set(), MONDAY, MONDAY, (MONDAY + 2) * 1440)
    assert [(it.exercise, it.state, it.reason) for it in items] == [
        ("hip_bridge", "excused", AFTER_NEEDLING),
        ("single_leg_bridge", "excused", AFTER_NEEDLING),
        ("walking", "missed", ""),
    ]


async def test_an_answer_that_fails_a_gate_is_a_flag_for_the_next_visit_and_holds_until_the_clinic_releases(
    clinic: Database,
) -> None:
    await answer(clinic, "day1", ENDED + 25 * HOUR, q_sore=6)
    (flag,) = await clinic.read(checkins.flags_of, CLINIC)
    assert (flag.tier, flag.finding.rule, flag.finding.inputs) == ("next_visit", "phase_light", {"q_sore": 6})
    assert flag.finding.approved_by == "Ben, in the plan"
    assert (await asked(clinic))[1:3] == ["Tue walking:1", "Wed walking:1"]
    (gate,) = await gates_at(clinic, ENDED + 26 * HOUR)
    assert (gate.standing.stage, gate.standing.next, gate.standing.why) == ("A", "B", "soreness")
    await clinic.write(care.release_phase, CLEO, "s", "B", ENDED + 48 * HOUR)
    assert await asked(clinic) == [
        "Mon walking:1",
        "Tue walking:1",
        "Wed hip_bridge:1 walking:1",
        "Thu hip_bridge:1 walking:1",
    ]
    await clinic.write(care.release_phase, CLEO, "s", "C", ENDED + 72 * HOUR)
    assert (await asked(clinic))[3] == f"Thu {ALL}"
    assert await gates_at(clinic, ENDED + 73 * HOUR) == []


async def gates_at(clinic: Database, now: Instant) -> list[gates.Gate]:
    courses = await clinic.read(gates.courses_with_phases, CLINIC, ["ada"])
    found: list[gates.Gate] = await clinic.read(gates.gates_of, CLINIC, courses, now)
    return found


async def test_nobody_is_told_of_a_gate_that_holds_nothing(clinic: Database) -> None:
    course = await clinic.read(plans.course_of, CLINIC, "ada", "p")
    alone = msgspec.structs.replace(course.revisions[-1].terms, prescriptions=(WALK,))
    await clinic.write(care.revise_plan, BEN, "ada", "p", course.version, alone, NOON)
    await answer(clinic, "day1", ENDED + 25 * HOUR, q_sore=6)
    assert await clinic.read(checkins.flags_of, CLINIC) == []
    assert await gates_at(clinic, ENDED + 26 * HOUR) == []


async def test_an_orange_answer_stops_the_whole_plan_until_the_clinic_lets_it_go_on(clinic: Database) -> None:
    await answer(clinic, "day1", ENDED + 24 * HOUR, q_sore=2, rf_nerve=True)
    course = await clinic.read(plans.course_of, CLINIC, "ada", "p")
    tuesday = bouts(course, MONDAY + 1, MONDAY + 1)[0]
    assert tuesday.held == dict.fromkeys(("hip_bridge", "single_leg_bridge", "walking"), STOPPED)
    await clinic.write(care.release_phase, BEN, "s", "A", ENDED + 30 * HOUR)
    assert (await asked(clinic))[1:3] == ["Tue ", "Wed hip_bridge:1 walking:1"]


async def test_silence_holds_and_is_seen_on_the_clinics_list(clinic: Database) -> None:
    assert [it.standing.why for it in await gates_at(clinic, ENDED + 23 * HOUR)] == ["time"]
    assert [it.standing.why for it in await gates_at(clinic, ENDED + 24 * HOUR)] == ["silence"]
    assert [it.standing.held for it in await gates_at(clinic, ENDED + 9 * DAY)] == [True]


async def test_a_cancelled_session_lifts_its_holds_from_then_on_and_what_was_held_stays_excused(
    clinic: Database,
) -> None:
    await clinic.write(care.cancel_session, BEN, "s", 1, ENDED + 24 * HOUR)
    assert (await asked(clinic))[:2] == ["Mon walking:1", f"Tue {ALL}"]
    with pytest.raises(Conflict):
        await clinic.write(care.release_phase, BEN, "s", "C", ENDED + 25 * HOUR)


async def test_a_corrected_session_holds_what_it_now_says_from_the_correction_on(clinic: Database) -> None:
    """It was the shoulder after all."""
    other = session(ENDED, muscles=("upper trapezius",))
    await clinic.write(care.correct_session, BEN, "s", 1, other, ENDED + 24 * HOUR)
    assert (await asked(clinic))[:2] == ["Mon walking:1", f"Tue {ALL}"]


async def test_two_open_sessions_hold_each_by_its_own_muscles_and_its_own_answers(clinic: Database) -> None:
    await answer(clinic, "day1", ENDED + 24 * HOUR, q_sore=2)
    shoulder = session(ENDED + 25 * HOUR, muscles=("upper trapezius",))
    await clinic.write(care.record_session, BEN, "t", shoulder, ENDED + 26 * HOUR)
    assert (await asked(clinic))[1] == "Tue hip_bridge:1 walking:1"
    again = session(ENDED + 25 * HOUR, muscles=("hamstrings",))
    await clinic.write(care.record_session, BEN, "u", again, ENDED + 26 * HOUR)
    # Tuesday at noon was that very minute; from then on the second one holds, whatever is said of the first.
    await answer(clinic, "day2", ENDED + 46 * HOUR, q_sore=1)
    assert (await asked(clinic))[2] == "Wed walking:1"


async def test_a_held_bout_is_not_reminded_of_and_the_reminder_follows_the_answer(clinic: Database) -> None:
    async def reminded() -> list[str]:
        course = await clinic.read(plans.course_of, CLINIC, "ada", "p")
        terms = msgspec.structs.replace(course.revisions[-1].terms, prescriptions=(BRIDGE, SINGLE))
        if len(course.revisions) == 1:
            await clinic.write(care.revise_plan, BEN, "ada", "p", course.version, terms, NOON)
        found = await clinic.read(preview, ENDED + 30 * HOUR)
        return [time for time in found if time >= "Wed 12:00"][:1]

    assert await reminded() == []
    await answer(clinic, "day1", ENDED + 29 * HOUR, q_sore=2)
    assert await reminded() == ["Wed 12:00"]


def preview(db: Any, now: Instant) -> list[str]:
    it = outbox.preview(db, CLINIC, "ada", now, now + 2 * DAY)
    walls = [int(subject.rpartition(":")[2]) for one in it.messages for subject in one.subjects if "bout" in subject]
    return [f"{day_of(one):%a} {time_of(one)}" for one in walls]


async def test_a_patient_who_flies_on_keeps_what_was_held_and_the_hours_go_on(clinic: Database) -> None:
    """RADAR matches by the zone's raw offset and CareKit by an index: both lose such a day (features.md 4.2, 4.5)."""
    before = await asked(clinic, 1)
    at = ENDED + 20 * HOUR  # Tuesday 07:00 in New York, 20:00 in Tokyo
    version = (await clinic.read(people.patient_of, CLINIC, "ada")).version
    await clinic.write(care.change_patient, BEN, "ada", version, {"zone": "Asia/Tokyo"}, at)
    await answer(clinic, "day1", ENDED + 24 * HOUR, q_sore=2)  # midnight there: Wednesday's noon is 36 h after
    assert await asked(clinic, 1) == before
    assert (await asked(clinic))[1:3] == ["Tue walking:1", "Wed hip_bridge:1 walking:1"]


async def test_a_strangers_session_cannot_be_released(clinic: Database) -> None:
    with pytest.raises(NoSuchRecord):
        await clinic.write(care.release_phase, DOV, "s", "C", NOON)


async def test_a_plan_without_phases_is_asked_for_whatever_is_needled(clinic: Database) -> None:
    it = assignment(prescriptions=(BRIDGE, WALK), times=("12:00",))
    await clinic.write(care.assign_plan, BEN, "q", it, NOON - DAY)
    course: Course = await clinic.read(plans.course_of, CLINIC, "ada", "q")
    assert all(not bout.held and bout.due == (BRIDGE, WALK) for bout in bouts(course, MONDAY, MONDAY + 3))


async def test_the_weekly_rollup_follows_every_fact_that_moves_a_hold(clinic: Database) -> None:
    """Ten days on, with the weeks rolled up: each fact is counted at once, as if nothing had been rolled up."""
    now = NOON + 10 * DAY
    facts = (
        (care.answer, ADA, "s-day1", {"q_sore": 2}, now - 9 * DAY, now),
        (care.correct_session, BEN, "s", 1, session(ENDED + HOUR), now),
        (care.release_phase, BEN, "s", "C", now),
        (care.record_session, BEN, "t", session(now - 2 * DAY), now),
        (care.cancel_session, BEN, "t", 1, now),
    )
    later = now + 10 * DAY
    for verb, *arguments in facts:
        await clinic.write(counting.roll_up, CLINIC, ["ada"], later)
        await clinic.write(verb, *arguments)
        assert await clinic.read(groups, later) == await clinic.write(uncached, later), verb


def groups(db: Connection, now: Instant) -> list[counting.Group]:
    wanted = counting.weeks(date(2026, 6, 1), date(2026, 6, 21), "week", now)
    return counting.clinic_groups(db, CLINIC, wanted)


def uncached(db: Connection, now: Instant) -> list[counting.Group]:
    rollup.forget(db, CLINIC)
    return groups(db, now)


async def test_as_of_a_past_instant_only_what_was_known_then_holds(clinic: Database) -> None:
    """What was said, corrected or released since is not known yet."""
    at = ENDED + 50 * HOUR
    await answer(clinic, "day1", ENDED + 24 * HOUR, q_sore=2)
    before = await clinic.read(ledger, at)
    await clinic.write(care.release_phase, BEN, "s", "C", at + 1)
    await clinic.write(care.correct_session, BEN, "s", 1, session(ENDED - 3 * DAY), at + 2)
    await clinic.write(care.record_session, BEN, "t", session(at - HOUR), at + 3)
    await clinic.write(care.cancel_session, BEN, "s", 2, at + 4)
    assert await clinic.read(ledger, at) == before
    assert await clinic.read(ledger, at + 5) != before


def ledger(db: Connection, known: Instant) -> list[adherence.Item]:
    first, last = date(2026, 6, 1), date(2026, 6, 6)
    return counting.patient_ledger(db, CLINIC, "ada", first, last, NOON + 20 * DAY, known)

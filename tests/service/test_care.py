"""Every use case is one transaction: the fact, the messages that follow and the note of who did it, or nothing."""

import inspect
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

import msgspec
import pytest
from sqlalchemy import Connection, insert, select

from notifications import conservation, outbox
from notifications.preferences import Preferences
from notifications.tables import due, message, outcome
from programs import checkins, people, plans
from programs.activities import Rated, Rating
from programs.aftercare import Protocol
from programs.completions import Completion
from programs.errors import Invalid, NoSuchRecord, Stale
from programs.instants import DAY, HOUR, MINUTE, Instant
from programs.schedule import Hold, wall_at
from programs.tables import consent, metadata, patient
from programs.templates import Template
from service import audit, care, counting
from service.care import Who
from service.database import Database
from service.tables import audit as notes
from tests.programs.test_cards import OWN, WALK
from tests.world import ADA, BEN, CLEO, CLINIC, DOV, NOON, OTHER, assignment, populate, replayed, session, terms
from tests.world import patient as person

LATER = NOON + HOUR
TUESDAY = date(2026, 6, 2)
CALM = Preferences(allowed_from="10:00", allowed_until="22:00")
HOLD = Hold("h", wall_at(TUESDAY, "00:00"), None, (), "flare")
DONE = Completion("c1", "p", "walking", TUESDAY, "09:00", "done", LATER)


class Deed(NamedTuple):
    """A use case with what it is called with, what its note says, and of which record."""

    verb: Any
    who: Who
    arguments: Sequence[Any]
    note: str
    record: str


MADE = "(made by it)"
OUTSIDE = msgspec.structs.replace(CLEO, sees_all=False)
DEEDS = (
    Deed(care.enrol, BEN, (person("kim", "ben"), CALM, LATER), "enrol patient", "kim"),
    Deed(care.change_patient, BEN, ("ada", 1, {"preferences": CALM}, LATER), "change patient", "ada"),
    Deed(care.put_address, ADA, ("ada", "a2", "console", {"label": "tablet"}, LATER), "put address", "a2"),
    Deed(care.record_session, BEN, ("s2", session(), LATER), "record needling session", "s2"),
    Deed(care.correct_session, CLEO, ("s1", 1, session(NOON - 3 * HOUR), LATER), "correct needling session", "s1"),
    Deed(care.cancel_session, CLEO, ("s1", 1, LATER), "cancel needling session", "s1"),
    Deed(care.assign_plan, BEN, ("p2", assignment(times=("19:00",)), LATER), "assign plan", "p2"),
    Deed(care.revise_plan, BEN, ("ada", "p", 1, terms(times=("07:00",)), LATER), "revise plan", "p"),
    Deed(care.hold_plan, CLEO, ("ada", "p", 1, HOLD, LATER), "hold plan", "p"),
    Deed(care.end_plan, BEN, ("ada", "p", 1, LATER), "end plan", "p"),
    Deed(care.release_phase, CLEO, ("s1", "B", LATER), "release phase", "s1"),
    Deed(care.answer, ADA, ("s1-evening", {"rf_bleed": True}, LATER, LATER), "answer check-in", "s1-evening"),
    Deed(care.save_program, BEN, (Template("ours", "Hips", terms().prescriptions), LATER), "save program", "ours"),
    Deed(care.retire_program, BEN, ("theirs", 1, LATER), "retire program", "theirs"),
    Deed(care.save_protocol, BEN, (Protocol(), LATER), "save protocol", "1"),
    Deed(care.approve_protocol, CLEO, (0, LATER), "approve protocol", "1"),
    Deed(care.complete, ADA, ([DONE], LATER), "record completions", "c1"),
    Deed(care.put_exercise, BEN, ("calf_raise", 0, OWN, LATER), "write exercise", "calf_raise"),
    Deed(care.reword_exercise, BEN, ("walking", 0, {"en": WALK}, LATER), "reword exercise", "walking"),
    Deed(care.retire_exercise, BEN, ("heel_raise", 1, LATER), "retire exercise", "heel_raise"),
    Deed(care.acknowledge, BEN, ("the flag", LATER), "acknowledge flag", "the flag"),
    Deed(care.follow_up, BEN, ("s1-day1", "Phoned.", NOON + 3 * DAY), "follow up unanswered check-in", "s1-day1"),
    Deed(care.break_glass, OUTSIDE, ("ada", "She rang about a bleed; Ben is away.", LATER), "break glass", MADE),
    Deed(care.change_settings, BEN, ({"minutes_a_day": 20}, LATER), "change settings", "minutes_a_day"),
    Deed(care.hear_text, BEN, ("+34600111222", "STOP", LATER), "stop text messages", "ada-text"),
    Deed(care.choose, ADA, (CALM, LATER), "change preferences", "ada"),
    Deed(care.snooze, ADA, ("told", LATER + 2 * HOUR, "", LATER), "snooze message", "told"),
    Deed(care.add_activity, ADA, ("ada", "a1", "Stairs", LATER), "add activity", "a1"),
    Deed(care.end_activity, ADA, ("ada", "a0", LATER), "end activity", "a0"),
    Deed(care.rate, ADA, (Rating("r1", LATER, Rated({"a0": 3})), LATER), "rate activities", "r1"),
)
PLANS_NOTHING = (care.acknowledge, care.follow_up, care.break_glass, care.add_activity, care.end_activity)
# What a clinic decides, and what it writes of its exercises and its protocol, is about no patient and plans nothing.
OF_NOBODY = (
    care.change_settings,
    care.put_exercise,
    care.reword_exercise,
    care.retire_exercise,
    care.save_protocol,
    care.approve_protocol,
    care.save_program,
    care.retire_program,
)
each = pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.note)
SILENT = {"confirm", "check_zone"}  # a receipt of a message is its own record; a check writes nothing


def told(db: Connection) -> None:
    """Ada was reminded of a check-in a while ago."""
    it: dict[str, Any] = {"clinic_id": CLINIC, "id": "told", "person_id": "ada", "kind": "nudge", "planned_at": NOON}
    it |= {"key": "nudge:s1-evening", "subjects": ("nudge:s1-evening",), "reasons": (), "planned_for": NOON}
    db.execute(insert(message), {**it, "closes": NOON + 17 * HOUR})
    ended = {"clinic_id": CLINIC, "message_id": "told", "state": "accepted", "reason": "email"}
    db.execute(insert(outcome), {**ended, "ended_at": NOON, "sent_at": NOON})


@replayed
def furnish(db: Connection) -> None:
    """Ada was needled, has a program, and gave one answer that Ben must see."""
    populate(db)
    told(db)
    care.record_session(db, BEN, "s1", session(), NOON)
    care.record_session(db, BEN, "s0", session(NOON - 3 * HOUR), NOON)
    care.assign_plan(db, BEN, "p", assignment(), NOON)
    care.save_program(db, BEN, Template("theirs", "Hips", terms().prescriptions), NOON)
    care.answer(db, ADA, "s0-evening", {"rf_bleed": True}, NOON, NOON)
    care.add_activity(db, ADA, "ada", "a0", "Shoes", NOON)
    care.put_address(db, ADA, "ada", "ada-text", "sms", {"number": "+34600111222", "service": "sms"}, NOON)
    care.put_exercise(db, BEN, "heel_raise", 0, OWN, NOON)


@pytest.fixture
async def clinic(database: Database) -> Database:
    await database.write(furnish)
    return database


async def do(clinic: Database, deed: Deed) -> None:
    await clinic.write(deed.verb, deed.who, *[await known(clinic, it) for it in deed.arguments])


async def known(clinic: Database, it: Any) -> Any:
    return it if it != "the flag" else (await clinic.read(checkins.flags_of, CLINIC))[0].id


def everything(db: Connection) -> dict[str, list[str]]:
    return {table.name: sorted(map(repr, db.execute(select(table)))) for table in metadata.sorted_tables}


def noted(db: Connection) -> list[tuple[str, str, str, str]]:
    written = select(notes.c.who, notes.c.what, notes.c.patient_id, notes.c.record_id)
    return [tuple(row) for row in db.execute(written.order_by(notes.c.clinic_id, notes.c.number))]


def pending(db: Connection) -> dict[str, Instant]:
    """Key -> when, of what waits for Ada."""
    joined = select(message.c.key, message.c.planned_for).join(due, due.c.message_id == message.c.id)
    return {row.key: row.planned_for for row in db.execute(joined.where(message.c.person_id == "ada"))}


def test_every_use_case_is_looked_at_here() -> None:
    public = {name for name, it in vars(care).items() if inspect.isfunction(it) and it.__module__ == care.__name__}
    assert {name for name in public if not name.startswith("_")} - SILENT == {deed.verb.__name__ for deed in DEEDS}


@each
async def test_what_was_done_is_noted_with_who_did_it(clinic: Database, deed: Deed) -> None:
    record = await known(clinic, deed.record)
    before = await clinic.read(noted)
    await do(clinic, deed)
    whose = "" if deed.verb in OF_NOBODY else "kim" if deed.verb is care.enrol else "ada"
    [it] = (await clinic.read(noted))[len(before) :]
    assert it == (str(deed.who), deed.note, whose, it[3] if record == MADE else record)
    assert await clinic.read(conservation.unaccounted) == 0


@pytest.mark.parametrize(("room", "verb"), [(audit, "note"), (outbox, "reconcile")])
async def test_where_the_note_or_the_planning_fails_nothing_was_written(
    clinic: Database, monkeypatch: pytest.MonkeyPatch, room: Any, verb: str
) -> None:
    before = await clinic.read(everything)
    monkeypatch.setattr(room, verb, fail)
    for deed in DEEDS:
        if verb == "note" or deed.verb not in (*PLANS_NOTHING, *OF_NOBODY):  # which plan nothing
            with pytest.raises(ZeroDivisionError):
                await do(clinic, deed)
            assert await clinic.read(everything) == before, deed.note


def fail(*_: object) -> None:
    raise ZeroDivisionError


# what follows from a changed patient


async def test_discharge_ends_the_plans_suppresses_the_messages_and_both_stay_so(clinic: Database) -> None:
    assert await clinic.read(pending)
    await clinic.write(care.change_patient, BEN, "ada", 1, {"discharged_at": LATER}, LATER)
    [course] = (await clinic.read(plans.courses_of, CLINIC, ["ada"]))["ada"]
    assert course.ended_wall == wall_at(TUESDAY - timedelta(days=1), "13:00")
    assert await clinic.read(pending) == {}
    ended = await clinic.read(
        lambda db: db.execute(
            select(message.c.kind, outcome.c.state, outcome.c.reason)
            .join(message, message.c.id == outcome.c.message_id)
            .where(message.c.person_id == "ada", outcome.c.ended_at == LATER)
        ).all()
    )
    assert {tuple(row) for row in ended} == {
        ("check_in", "suppressed", "discharged"),
        ("nudge", "suppressed", "discharged"),
        ("bout", "cancelled", "withdrawn"),  # its plan ended
    }
    await clinic.write(outbox.reconcile, CLINIC, ["ada"], LATER + DAY)
    assert await clinic.read(pending) == {}


async def test_a_patient_taken_up_again_gets_check_ins_again_and_no_ended_plan(clinic: Database) -> None:
    await clinic.write(care.change_patient, BEN, "ada", 1, {"discharged_at": LATER}, LATER)
    await clinic.write(care.change_patient, BEN, "ada", 2, {"discharged_at": None}, LATER + HOUR)
    assert {key.partition(":")[0] for key in await clinic.read(pending)} == {"check_in", "nudge"}


async def test_withdrawn_consent_empties_the_queue_and_given_again_fills_it(clinic: Database) -> None:
    before = await clinic.read(pending)
    await clinic.write(care.change_patient, BEN, "ada", 1, {"consented": False}, LATER)
    assert await clinic.read(pending) == {}
    await clinic.write(care.change_patient, BEN, "ada", 2, {"consented": True}, LATER)
    assert await clinic.read(pending) == before


async def test_every_change_of_consent_is_on_record_with_who_wrote_it_down(clinic: Database) -> None:
    await clinic.write(care.change_patient, BEN, "ada", 1, {"consented": False}, LATER)
    await clinic.write(care.change_patient, BEN, "ada", 2, {"name": "Ada L.", "consented": False}, LATER + HOUR)
    await clinic.write(care.change_patient, ADA, "ada", 3, {"consented": True}, LATER + 2 * HOUR)
    log = await clinic.read(
        lambda db: db.execute(
            select(consent.c.version, consent.c.given, consent.c.recorded_by, consent.c.recorded_at)
            .where(consent.c.patient_id == "ada")
            .order_by(consent.c.version)
        ).all()
    )
    assert [(row.version, bool(row.given), row.recorded_by, row.recorded_at) for row in log] == [
        (1, True, "clinician:ben", NOON),
        (2, False, "clinician:ben", LATER),
        (4, True, "patient:ada", LATER + 2 * HOUR),
    ]


async def test_a_new_zone_moves_the_reminders_to_the_same_time_of_day_there(clinic: Database) -> None:
    await clinic.write(care.cancel_session, BEN, "s1", 1, NOON)
    await clinic.write(care.cancel_session, BEN, "s0", 1, NOON)
    before = await clinic.read(pending)
    await clinic.write(care.change_patient, BEN, "ada", 1, {"zone": "America/Los_Angeles"}, NOON)
    after = await clinic.read(pending)
    shared = before.keys() & after.keys()  # at its far end the horizon holds other days
    assert len(shared) >= 2
    assert {key: after[key] for key in shared} == {key: before[key] + 3 * HOUR for key in shared}


async def test_new_allowed_hours_move_the_check_ins(clinic: Database) -> None:
    late = Preferences(allowed_from="18:00", allowed_until="06:00")
    before = await clinic.read(pending)
    await clinic.write(care.change_patient, BEN, "ada", 1, {"preferences": late}, NOON)
    after = await clinic.read(pending)
    assert before["check_in:s1-evening"] == NOON + 5 * HOUR
    assert after["check_in:s1-evening"] == NOON + 6 * HOUR


async def test_an_unknown_zone_is_answered_with_the_nearest_and_nothing_is_written(clinic: Database) -> None:
    before = await clinic.read(everything)
    for verb, arguments in (
        (care.change_patient, ("ada", 1, {"zone": "America/New_Yrok"}, LATER)),
        (care.enrol, (person("kim", "ben", zone="America/New_Yrok"), None, LATER)),
    ):
        with pytest.raises(Invalid) as refused:
            await clinic.write(verb, BEN, *arguments)
        assert (refused.value.field, refused.value.hint) == ("zone", "Did you mean “America/New_York”?")
    assert await clinic.read(everything) == before


async def test_a_change_for_an_older_version_or_a_strangers_patient_is_refused_whole(clinic: Database) -> None:
    await clinic.write(care.change_patient, BEN, "ada", 1, {"name": "Ada L."}, LATER)
    before = await clinic.read(everything)
    with pytest.raises(Stale):
        await clinic.write(care.change_patient, CLEO, "ada", 1, {"preferences": CALM, "name": "A."}, LATER)
    for who, changed in ((DOV, {"name": "A."}), (BEN, {"clinician_id": "dov"})):
        with pytest.raises(NoSuchRecord):
            await clinic.write(care.change_patient, who, "ada", 2, changed, LATER)
    with pytest.raises(NoSuchRecord):
        await clinic.write(care.enrol, DOV, person("kim", "ben"), None, LATER)
    assert await clinic.read(everything) == before


async def test_two_clinics_may_number_their_patients_alike(clinic: Database) -> None:
    other = msgspec.structs.replace(person("ada", "dov"), name="Another Ada")
    await clinic.write(care.enrol, DOV, other, None, LATER)
    await clinic.write(care.change_patient, DOV, "ada", 1, {"discharged_at": LATER}, LATER)
    assert (await clinic.read(people.patient_of, CLINIC, "ada")).discharged_at is None
    assert await clinic.read(pending)


# what a patient says


async def test_an_answer_and_a_completion_are_signs_of_life(clinic: Database) -> None:
    def reacted(db: Connection) -> Instant:
        return int(db.execute(select(patient.c.reacted_at).where(patient.c.id == "ada")).scalar_one())

    await clinic.write(care.answer, ADA, "s1-evening", {"q_sore": 1}, NOON, LATER)
    assert await clinic.read(reacted) == LATER
    await clinic.write(care.complete, ADA, [DONE], LATER + HOUR)
    await clinic.write(care.complete, ADA, [DONE], LATER + DAY)  # the phone says it again; Ada did nothing
    assert await clinic.read(reacted) == LATER + HOUR


async def test_a_bout_done_ahead_of_its_reminder_is_not_reminded_of(clinic: Database) -> None:
    for visit in ("s0", "s1"):
        await clinic.write(care.cancel_session, BEN, visit, 1, NOON)
    assert f"bout:p:{wall_at(TUESDAY, '09:00')}" in await clinic.read(pending)
    bridges = msgspec.structs.replace(DONE, id="c2", exercise="hip_bridge")
    await clinic.write(care.complete, ADA, [DONE, bridges], LATER)
    assert f"bout:p:{wall_at(TUESDAY, '09:00')}" not in await clinic.read(pending)


async def test_the_safety_text_names_the_number_of_the_clinics_country(clinic: Database) -> None:
    visit = session(patient_id="eve", clinician_id="dov")
    await clinic.write(care.record_session, DOV, "s9", visit, NOON)
    eve = Who(OTHER, "patient", "eve")
    reply = await clinic.write(care.answer, eve, "s9-evening", {"rf_bleed": True}, LATER, LATER)
    assert reply.safety.startswith("Call 000 now.")
    reply = await clinic.write(care.answer, eve, "s9-day1", {"q_sore": 9}, LATER, LATER)
    assert (reply.tier, "+61 555 0100" in reply.safety) == ("same_day", True)


# what a number is made of


async def states(clinic: Database, now: Instant) -> list[str]:
    """Of the walk, on Tuesday and Wednesday."""
    last = TUESDAY + timedelta(days=1)
    items = await clinic.read(counting.patient_ledger, CLINIC, "ada", TUESDAY, last, now)
    return [it.state for it in items if it.exercise == "walking"]


async def test_a_move_to_another_zone_keeps_the_days_on_which_things_were_done(clinic: Database) -> None:
    evening = NOON + 35 * HOUR + 30 * MINUTE  # Tuesday 23:30 in New York, already Wednesday in Madrid
    there = NOON + 39 * HOUR  # Wednesday 09:00 in Madrid
    wednesday = msgspec.structs.replace(DONE, id="c2", date=TUESDAY + timedelta(days=1), done_at=there)
    await clinic.write(care.complete, ADA, [msgspec.structs.replace(DONE, done_at=evening)], evening)
    await clinic.write(care.change_patient, BEN, "ada", 1, {"zone": "Europe/Madrid"}, evening)
    await clinic.write(care.complete, ADA, [wednesday], there)
    assert await states(clinic, NOON + 5 * DAY) == ["done", "done"]


async def test_a_bout_whose_reminder_never_left_is_not_held_against_the_patient(clinic: Database) -> None:
    """No worker ran; yet what was done without a reminder counts."""
    now = NOON + 5 * DAY
    await clinic.write(outbox.reconcile, CLINIC, ["ada"], now)
    assert await states(clinic, now) == ["not_reached", "not_reached"]
    await clinic.write(care.complete, ADA, [DONE], now)
    assert await states(clinic, now) == ["done", "not_reached"]

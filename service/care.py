"""The use cases: what several doors (API, pages, imports, the simulator) do, each the verbs of one transaction.

A fact changes, the messages follow, and who did it is noted: all of it or nothing. What is only read is in reading.py.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection

from notifications import addresses, alerts, outbox, preferences, receipts, snoozes, stops
from notifications.agenda import bout_subject, reminded_every
from notifications.preferences import Preferences
from notifications.receipts import Receipt
from notifications.stops import Meaning
from notifications.timing import EPOCH_DAY, zone, zone_names
from programs import (
    activities,
    cards,
    checkins,
    completions,
    gates,
    needled,
    needling,
    offers,
    people,
    plans,
    protocols,
    rollup,
    silence,
    treating,
)
from programs.activities import Activity, Rating
from programs.aftercare import CheckIn, Protocol
from programs.cards import Card, Entry
from programs.checkins import Answered, Flag
from programs.completions import Completion, Judged
from programs.dosage import Phase
from programs.emergency import emergency_number
from programs.errors import Conflict, Invalid, did_you_mean
from programs.ids import new_id
from programs.instants import DAY, Instant
from programs.needling import NeedlingSession, Recorded
from programs.people import ClinicSettings, Patient, Stamp
from programs.plans import Assignment
from programs.protocols import Version
from programs.schedule import DAY_MINUTES, Course, Hold, Terms, wall_at
from programs.templates import Template
from programs.treating import Opening
from programs.triage import safety_text
from programs.wording import CardWords
from service import audit

Kind = Literal["patient", "clinician", "admin", "key", "operator", "system"]
NO_TIME_LEFT = "There is no allowed time left for that today. It stays in the app."
STAFF: tuple[Kind, ...] = ("clinician", "admin")


class Who(msgspec.Struct, frozen=True):
    """Who acts: a patient, a clinician, an admin (a clinician who runs the clinic), an integration's "key" with its
    `verbs`, the "operator" at the command line, or the service itself ("system"). Where they may go is access.py.

    `sees_all` is for staff and keys: every patient of the clinic, not only those they treat.
    """

    clinic: str
    kind: str
    id: str
    sees_all: bool = False
    verbs: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


class Aftercare(msgspec.Struct, frozen=True):
    """A needling session with the check-ins that stand for it."""

    recorded: Recorded
    check_ins: Sequence[CheckIn]


class Reply(msgspec.Struct, frozen=True):
    """What a patient gets back for an answer; `safety` is the fixed text of the worst tier, or empty."""

    answered: Answered
    tier: str
    safety: str


def _follow(db: Connection, who: Who, what: str, patient: str, record: str, now: Instant) -> None:
    """After every change: the patient's messages are brought to their new agenda, and the deed is noted."""
    outbox.reconcile(db, who.clinic, [patient], now)
    audit.note(db, who.clinic, str(who), what, patient, record, now)


def _recount(db: Connection, who: Who, patient: str, since: Instant) -> None:
    """What a plan holds after needling is worked out anew: from here on, a day being room for any zone."""
    rollup.mark(db, who.clinic, [(patient, (since // DAY + EPOCH_DAY - 1) * DAY_MINUTES)])


def _stamp(who: Who, patient: Patient, now: Instant) -> Stamp:
    return Stamp(str(who), now, zone(patient.zone).minutes(now))


# people


def enrol(db: Connection, who: Who, it: Patient, chosen: Preferences | None, now: Instant) -> Patient:
    check_zone(it.zone)
    people.add_patient(db, who.clinic, it, str(who), now)
    if chosen is not None:
        preferences.prefer(db, who.clinic, it.id, chosen)
    _follow(db, who, "enrol patient", it.id, it.id, now)
    return it


def change_patient(
    db: Connection, who: Who, id: str, version: int, changed: Mapping[str, Any], now: Instant
) -> Patient:
    """Change what is named: columns of the patient, or `preferences`. A moved zone, withdrawn consent and discharge
    are changed facts like any other: the agenda follows. Discharge ends the plans."""
    people.lock(db, who.clinic, [id])
    columns = {name: value for name, value in changed.items() if name != "preferences"}
    if "zone" in columns:
        check_zone(columns["zone"])
        names = columns["zone"], people.patient_of(db, who.clinic, id).zone
        rollup.mark(db, who.clinic, [(id, min(zone(name).minutes(now) for name in names))])
    after = people.change_patient(db, who.clinic, id, version, columns, str(who), now)
    if "preferences" in changed:
        preferences.prefer(db, who.clinic, id, changed["preferences"])
    if columns.get("discharged_at") is not None:
        stamp = _stamp(who, after, now)
        for course in plans.courses_of(db, who.clinic, [id]).get(id, ()):
            plans.end(db, who.clinic, course, course.version, stamp)
    _follow(db, who, "change patient", id, id, now)
    return after


def check_zone(name: str) -> None:
    if name not in zone_names():
        hint = did_you_mean(name, zone_names()) or "For example “Europe/Madrid”."
        raise Invalid("zone", "is not the name of a time zone", hint)


def put_address(
    db: Connection, who: Who, person: str, id: str, channel: str, value: Mapping[str, Any], now: Instant
) -> None:
    """`value` was checked by the channel. A patient's new address may wake what could not be sent before."""
    addresses.put_address(db, who.clinic, person, id, channel, value, now)
    if who.kind == "patient":
        _follow(db, who, "put address", person, id, now)


def hear_text(db: Connection, who: Who, number: str, text: str, now: Instant) -> Meaning:
    """Somebody answered a text message, as their provider tells us: what they meant, whoever they are.

    Of words that mean neither, and of a number nobody here has, nothing is kept.
    """
    meant = stops.meaning(text)
    if meant == "nothing":
        return meant
    change, deed = (stops.stop, "stop text messages") if meant == "stop" else (stops.start, "start text messages")
    for it in sorted(change(db, who.clinic, number, now)):  # in order, as whoever plans for many does
        _follow(db, who, deed, it.person, it.address, now)
    return meant


def change_settings(db: Connection, who: Who, changed: Mapping[str, object], now: Instant) -> ClinicSettings:
    after = people.change_settings(db, who.clinic, changed)
    audit.note(db, who.clinic, str(who), "change settings", "", ", ".join(changed)[:64], now)
    return after


def break_glass(db: Connection, who: Who, patient: str, reason: str, now: Instant) -> Opening:
    """Open a patient to a clinician who does not treat them; whoever runs the clinic is told in the same commit."""
    treating.look_at(db, who.clinic, patient, None)
    if who.sees_all:
        raise Conflict("sees the clinic already", "You see this patient already. There is nothing to open.")
    it = Opening(new_id(now), patient, "", who.id, reason, now, now + treating.OPEN_FOR)
    it = treating.open_record(db, who.clinic, it)
    admins = [one.id for one in people.staff_of(db, who.clinic) if one.role == "admin" and one.ended_at is None]
    alerts.tell_admins(db, who.clinic, it.id, admins, now)
    audit.note(db, who.clinic, str(who), "break glass", patient, it.id, now)
    return it


# needling sessions


def record_session(db: Connection, who: Who, id: str, session: NeedlingSession, now: Instant) -> Aftercare:
    people.lock(db, who.clinic, [session.patient_id])
    recorded = needling.record(db, who.clinic, id, session, now)
    standing = checkins.plan_aftercare(db, who.clinic, recorded, now)
    _recount(db, who, session.patient_id, session.ended_at)
    _follow(db, who, "record needling session", session.patient_id, id, now)
    return Aftercare(recorded, standing)


def correct_session(
    db: Connection, who: Who, id: str, version: int, session: NeedlingSession, now: Instant
) -> Aftercare:
    people.lock(db, who.clinic, [session.patient_id])
    before = needling.session_of(db, who.clinic, id).session.ended_at
    recorded = needling.correct(db, who.clinic, id, version, session, str(who), now)
    standing = checkins.plan_aftercare(db, who.clinic, recorded, now)
    _recount(db, who, session.patient_id, min(session.ended_at, before))
    _follow(db, who, "correct needling session", session.patient_id, id, now)
    return Aftercare(recorded, standing)


def cancel_session(db: Connection, who: Who, id: str, version: int, now: Instant) -> Aftercare:
    patient = needling.session_of(db, who.clinic, id).session.patient_id
    people.lock(db, who.clinic, [patient])
    recorded = needling.cancel(db, who.clinic, id, version, str(who), now)
    checkins.cancel_aftercare(db, who.clinic, id)
    _recount(db, who, patient, recorded.session.ended_at)
    _follow(db, who, "cancel needling session", patient, id, now)
    return Aftercare(recorded, checkins.session_check_ins(db, who.clinic, id))


# what a clinic's plans are made of


def save_program(db: Connection, who: Who, it: Template, now: Instant) -> Template:
    """A clinic's own program, or a new version of it. No plan changes."""
    saved = offers.save(db, who.clinic, it, str(who), now)
    audit.note(db, who.clinic, str(who), "save program", "", it.id, now)
    return saved


def retire_program(db: Connection, who: Who, id: str, version: int, now: Instant) -> Template:
    retired = offers.retire(db, who.clinic, id, version, now)
    audit.note(db, who.clinic, str(who), "retire program", "", id, now)
    return retired


# protocols


def save_protocol(db: Connection, who: Who, it: Protocol, now: Instant) -> Version:
    """A draft, which changes nothing for anybody yet."""
    saved = protocols.save(db, who.clinic, it, str(who), now)
    audit.note(db, who.clinic, str(who), "save protocol", "", str(saved.number), now)
    return saved


def approve_protocol(db: Connection, who: Who, number: int, now: Instant) -> Version:
    """In force for the needling sessions recorded from now on. No patient's messages change."""
    approved = protocols.approve(db, who.clinic, number, str(who), now)
    audit.note(db, who.clinic, str(who), "approve protocol", "", str(approved.number), now)
    return approved


# plans


def assign_plan(db: Connection, who: Who, id: str, it: Assignment, now: Instant) -> Course:
    people.lock(db, who.clinic, [it.patient_id])
    stamp = _stamp(who, people.patient_of(db, who.clinic, it.patient_id), now)
    course = plans.assign(db, who.clinic, id, it, stamp)
    _follow(db, who, "assign plan", it.patient_id, id, now)
    return course


def revise_plan(db: Connection, who: Who, patient: str, id: str, version: int, terms: Terms, now: Instant) -> Course:
    course, stamp = _course(db, who, patient, id, now)
    course = plans.revise(db, who.clinic, course, version, terms, stamp)
    _follow(db, who, "revise plan", patient, id, now)
    return course


def hold_plan(db: Connection, who: Who, patient: str, id: str, version: int | None, it: Hold, now: Instant) -> Course:
    """`version` None holds the plan as it stands."""
    course, stamp = _course(db, who, patient, id, now)
    course = plans.hold_plan(db, who.clinic, course, version or course.version, it, stamp)
    _follow(db, who, "hold plan", patient, id, now)
    return course


def end_plan(db: Connection, who: Who, patient: str, id: str, version: int | None, now: Instant) -> Course:
    course, stamp = _course(db, who, patient, id, now)
    course = plans.end(db, who.clinic, course, version or course.version, stamp)
    _follow(db, who, "end plan", patient, id, now)
    return course


def _course(db: Connection, who: Who, patient: str, id: str, now: Instant) -> tuple[Course, Stamp]:
    people.lock(db, who.clinic, [patient])
    stamp = _stamp(who, people.patient_of(db, who.clinic, patient), now)
    return plans.course_of(db, who.clinic, patient, id), stamp


def release_phase(db: Connection, who: Who, session: str, phase: Phase, now: Instant) -> Recorded:
    """A clinician lets a patient go on after a needling session, whatever the gates of their plans say."""
    recorded = needling.session_of(db, who.clinic, session)
    patient = recorded.session.patient_id
    people.lock(db, who.clinic, [patient])
    stamp = _stamp(who, people.patient_of(db, who.clinic, patient), now)
    needled.release(db, who.clinic, session, phase, stamp)
    _recount(db, who, patient, now)
    _follow(db, who, "release phase", patient, session, now)
    return recorded


# a clinic's exercises


def put_exercise(db: Connection, who: Who, id: str, version: int, entry: Entry, now: Instant) -> Card:
    card = cards.put_exercise(db, who.clinic, id, version, entry, str(who), now)
    audit.note(db, who.clinic, str(who), "write exercise", "", id, now)
    return card


def reword_exercise(
    db: Connection, who: Who, id: str, version: int, words: Mapping[str, CardWords], now: Instant
) -> Card:
    card = cards.reword(db, who.clinic, id, version, words, str(who), now)
    audit.note(db, who.clinic, str(who), "reword exercise", "", id, now)
    return card


def retire_exercise(db: Connection, who: Who, id: str, version: int, now: Instant) -> Card:
    card = cards.retire(db, who.clinic, id, version, str(who), now)
    audit.note(db, who.clinic, str(who), "retire exercise", "", id, now)
    return card


# what patients say


def answer(db: Connection, who: Who, check_in_id: str, answers: Mapping[str, Any], at: Instant, now: Instant) -> Reply:
    """Keep the answers and raise the flags; the clinician's alert and the patient's fixed safety text come at once."""
    people.lock(db, who.clinic, [who.id])
    it = checkins.check_in_of(db, who.clinic, who.id, check_in_id)
    recorded = needling.session_of(db, who.clinic, it.session_id)
    if at < recorded.session.ended_at:
        raise Invalid("answered_at", "is before the needling session ended")
    answered = checkins.answer_check_in(db, who.clinic, it, recorded, answers, min(at, now), now)
    held = _tell_of_gates(db, who, it, now)
    flags = (*answered.flags, *held)
    alerts.raise_alerts(db, who.clinic, [checkins.flag_of(db, who.clinic, id) for id in flags], now)
    people.reacted(db, who.clinic, who.id, now)
    _recount(db, who, who.id, now)
    _follow(db, who, "answer check-in", who.id, check_in_id, now)
    tier = answered.findings[0].tier if answered.findings else ""
    return Reply(answered, tier, _safety(db, who, tier) if tier in ("emergency", "same_day") else "")


def _tell_of_gates(db: Connection, who: Who, it: CheckIn, now: Instant) -> tuple[str, ...]:
    """A gate that this answer leaves shut holds its phase by itself; the clinic gets a flag, unless triage is off."""
    if people.clinic_of(db, who.clinic).settings.triage_off is not None:
        return ()
    courses = gates.courses_with_phases(db, who.clinic, [who.id])
    findings = gates.failed(db, who.clinic, courses, it, now)
    return checkins.raise_flags(db, who.clinic, it, findings, now) if findings else ()


def _safety(db: Connection, who: Who, tier: Any) -> str:
    clinic = people.clinic_of(db, who.clinic)
    language = preferences.preferences_of(db, who.clinic, [who.id]).get(who.id, preferences.DEFAULT).language
    return safety_text(tier, emergency_number(clinic.country), clinic.phone, language)


def complete(db: Connection, who: Who, items: Sequence[Completion], now: Instant) -> list[Judged]:
    """A batch from a phone, perhaps long offline; a verdict for each item. Sent twice, it changes nothing."""
    people.lock(db, who.clinic, [who.id])
    patient = people.patient_of(db, who.clinic, who.id)
    clock = zone(patient.zone)
    # No zone knows the year 10,000; what is so far off is rejected anyway.
    timed = [(it, clock.minutes(min(max(it.done_at, 0), now + completions.AHEAD))) for it in items]
    courses = plans.courses_of(db, who.clinic, [who.id]).get(who.id, [])
    judged = completions.record(db, who.clinic, who.id, timed, courses, now)
    kept = [it for it, its in zip(items, judged, strict=True) if its.verdict in ("accepted", "not_due")]
    if kept:
        people.reacted(db, who.clinic, who.id, now)
        if _changes_the_agenda(db, who, patient, kept, now):
            outbox.reconcile(db, who.clinic, [who.id], now)
        audit.note(db, who.clinic, str(who), "record completions", who.id, judged[0].id, now)
    return judged


def _changes_the_agenda(db: Connection, who: Who, patient: Patient, kept: Sequence[Completion], now: Instant) -> bool:
    """A phone tells of many bouts that nobody would have been reminded of any more: planning them anew costs more than
    all the rest. What is logged takes its reminder away; a sign of life after days brings the others back."""
    if reminded_every(patient.reacted_at, now) > 1:
        return True
    subjects = {bout_subject(it.plan_id, wall_at(it.date, it.time)) for it in kept}
    return outbox.is_told_of(db, who.clinic, who.id, subjects, now)


def confirm(db: Connection, who: Who, it: Receipt, now: Instant) -> bool:
    """The app shows, opens or has answered a message; False when it said so before."""
    fresh = receipts.confirm(db, who.clinic, who.id, it, now)
    if fresh and it.kind != "shown":
        people.reacted(db, who.clinic, who.id, now)
    return fresh


def snooze(db: Connection, who: Who, message: str, until: Instant, device: str, now: Instant) -> Instant:
    """Remind me later: when the message comes again. Asking for it twice changes nothing.

    Raises Conflict where no allowed time is left, for what was never sent, and for what is just being sent.
    """
    people.lock(db, who.clinic, [who.id])
    snoozed, subjects = snoozes.snooze(db, who.clinic, who.id, message, until, now)
    confirm(db, who, Receipt(message, "opened", now, device), now)
    _follow(db, who, "snooze message", who.id, message, now)
    planned = outbox.planned_about(db, who.clinic, who.id, subjects, now)
    if planned is None and snoozed.until > now:
        raise Conflict(f"message {message} has no time left", NO_TIME_LEFT)
    return planned or snoozed.until


def choose(db: Connection, who: Who, chosen: Preferences, now: Instant) -> None:
    """What a patient wants to be told, when, and how."""
    people.lock(db, who.clinic, [who.id])
    preferences.prefer(db, who.clinic, who.id, chosen)
    _follow(db, who, "change preferences", who.id, who.id, now)


def add_activity(db: Connection, who: Who, patient: str, id: str, words: str, now: Instant) -> Activity:
    """Something the patient finds hard, in their words, typed by them or by whoever sits with them."""
    people.lock(db, who.clinic, [patient])
    people.patient_of(db, who.clinic, patient)
    found = activities.add(db, who.clinic, patient, Activity(id, words, str(who), now, None))
    audit.note(db, who.clinic, str(who), "add activity", patient, id, now)
    return found


def end_activity(db: Connection, who: Who, patient: str, id: str, now: Instant) -> Activity:
    found = activities.end(db, who.clinic, patient, id, now)
    audit.note(db, who.clinic, str(who), "end activity", patient, id, now)
    return found


def rate(db: Connection, who: Who, it: Rating, now: Instant) -> Rating:
    people.lock(db, who.clinic, [who.id])
    found = activities.rate(db, who.clinic, who.id, it, now)
    people.reacted(db, who.clinic, who.id, now)
    _follow(db, who, "rate activities", who.id, it.id, now)
    return found


# flags, rules and silence


def acknowledge(db: Connection, who: Who, id: str, now: Instant, note: str = "") -> Flag:
    """Whoever was still to be told of it is not told any more."""
    it = checkins.acknowledge(db, who.clinic, id, str(who), now, note)
    alerts.stop(db, who.clinic, id, now)
    audit.note(db, who.clinic, str(who), "acknowledge flag", it.patient_id, id, now)
    return it


def follow_up(db: Connection, who: Who, check_in_id: str, note: str, now: Instant) -> str:
    patient = silence.follow(db, who.clinic, check_in_id, note, str(who), now)
    audit.note(db, who.clinic, str(who), "follow up unanswered check-in", patient, check_in_id, now)
    return patient

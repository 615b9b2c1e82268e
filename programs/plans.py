"""A patient's plan: assign, revise (append-only), hold, end. What is due when, schedule.py says."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, update

from programs import dosage, needled, people, phases, rollup
from programs.cards import OURS, Cards, card_of, cards_of
from programs.errors import Conflict, Invalid, NoSuchRecord, Stale
from programs.instants import Instant
from programs.needled import Recovery
from programs.people import Stamp
from programs.phases import Phases
from programs.schedule import DAY_MINUTES, Course, Hold, Revision, Terms
from programs.tables import among, hold, plan, revision

MOST_EXERCISES = 30
MOST_TIMES = 6

_PLANS = select(
    plan.c.id, plan.c.patient_id, plan.c.clinician_id, plan.c.title, plan.c.version, plan.c.ended_wall
).where(plan.c.clinic_id == bindparam("clinic"))
# Put in order below: asked to, SQLite goes through every plan of the clinic, as its key has them in order.
_OF_PATIENTS = _PLANS.where(among(plan.c.patient_id, "patients"))
_ONE = _PLANS.where(plan.c.patient_id == bindparam("patient"), plan.c.id == bindparam("plan"))
_REVISIONS = (
    select(revision.c.plan_id, revision.c.number, revision.c.from_wall, revision.c.terms)
    .where(revision.c.clinic_id == bindparam("clinic"), among(revision.c.plan_id, "plans"))
    .order_by(revision.c.number)
)
_HOLDS = (
    select(hold.c.plan_id, hold.c.id, hold.c.from_wall, hold.c.until_wall, hold.c.exercises, hold.c.reason)
    .where(hold.c.clinic_id == bindparam("clinic"), among(hold.c.plan_id, "plans"))
    .order_by(hold.c.held_at, hold.c.id)
)
_THESE = (plan.c.clinic_id == bindparam("clinic"), plan.c.id.in_(bindparam("plans", expanding=True)))
_MADE_LATER = select(plan.c.id).where(*_THESE, plan.c.created_at > bindparam("at"))
_ENDED_LATER = select(plan.c.id).where(*_THESE, plan.c.ended_at > bindparam("at"))
_REVISED_LATER = _REVISIONS.where(revision.c.revised_at > bindparam("at"))
_HELD_LATER = _HOLDS.where(hold.c.held_at > bindparam("at"))
_terms = msgspec.json.Decoder(Terms)
_names = msgspec.json.Decoder(tuple[str, ...])


class Assignment(msgspec.Struct, frozen=True):
    patient_id: str
    clinician_id: str
    title: str
    terms: Terms


def checked(terms: Terms, known: Cards = OURS) -> Terms:
    """Raises Invalid, which names the field: an unknown exercise, an impossible dose or time, an end before start.

    `known` are the exercises of the clinic.
    """
    if not 1 <= len(terms.prescriptions) <= MOST_EXERCISES:
        raise Invalid("prescriptions", f"must be 1 to {MOST_EXERCISES} exercises")
    if terms.ends_on is not None and terms.ends_on < terms.starts_on:
        raise Invalid("ends_on", "is before starts_on")
    _check_times(terms)
    names = [card_of(known, item.exercise).exercise.id for item in terms.prescriptions]
    if len(set(names)) < len(names):
        raise Invalid("prescriptions", "name an exercise twice", "Give one exercise several times of day instead.")
    for item in terms.prescriptions:
        dosage.check_prescription(item)
    return terms if terms.phases is None else _settled(terms, terms.phases, known)


def _settled(terms: Terms, chosen: Phases, known: Cards) -> Terms:
    """Every exercise with its phase and what it works, written down for good."""
    phases.checked(chosen)
    items = tuple(phases.settled(it, known[it.exercise].exercise) for it in terms.prescriptions)
    return msgspec.structs.replace(terms, prescriptions=items)


def _check_times(terms: Terms) -> None:
    if len(terms.times) > MOST_TIMES or len(set(terms.times)) < len(terms.times):
        raise Invalid("times", f"must be at most {MOST_TIMES} different times of day")
    for time in terms.times:
        dosage.check_time(time)
    for item in terms.prescriptions:
        wanted = item.dosage.per_day or 1
        if item.times is None and wanted > len(terms.times):
            raise Invalid("times", f"must be at least {wanted}", f"{item.exercise} is to be done {wanted} times a day.")


def assign(db: Connection, clinic: str, id: str, it: Assignment, stamp: Stamp) -> Course:
    """A new plan, from its first day on or from this minute , whichever is later."""
    terms = checked(it.terms, cards_of(db, clinic))
    people.at_work(db, clinic, it.clinician_id)
    if people.patient_of(db, clinic, it.patient_id).discharged_at is not None:
        raise Conflict("the patient is discharged", "This patient is discharged. Take them up again first.")
    row = {"clinic_id": clinic, "id": id, "patient_id": it.patient_id, "clinician_id": it.clinician_id}
    db.execute(insert(plan), {**row, "title": it.title, "version": 1, "created_at": stamp.at})
    first = Revision(1, max(stamp.here, terms.starts_on.toordinal() * DAY_MINUTES), terms)
    _append(db, clinic, id, first, stamp)
    rollup.mark(db, clinic, [(it.patient_id, first.from_wall)])
    return course_of(db, clinic, it.patient_id, id)


def revise(db: Connection, clinic: str, course: Course, version: int, terms: Terms, stamp: Stamp) -> Course:
    """From this minute on the new terms; every bout before it stays as it was asked for."""
    terms = checked(terms, cards_of(db, clinic))
    _advance(db, clinic, course, version)
    next_one = Revision(course.revisions[-1].number + 1, stamp.here, terms)
    _append(db, clinic, course.plan_id, next_one, stamp)
    rollup.mark(db, clinic, [(course.patient_id, stamp.here)])
    return course_of(db, clinic, course.patient_id, course.plan_id)


def hold_plan(db: Connection, clinic: str, course: Course, version: int, it: Hold, stamp: Stamp) -> Course:
    """Excuse bouts for a while: all exercises or those named, which must be in the plan (else Invalid)."""
    if it.until_wall is not None and it.until_wall <= it.from_wall:
        raise Invalid("until", "is before the hold begins")
    planned = {item.exercise for item in course.revisions[-1].terms.prescriptions}
    for name in it.exercises:
        if name not in planned:
            raise Invalid("exercises", "names one that is not in this plan")
    _advance(db, clinic, course, version)
    row = {"clinic_id": clinic, "plan_id": course.plan_id, "held_by": stamp.by, "held_at": stamp.at}
    db.execute(insert(hold), {**row, **msgspec.structs.asdict(it)})
    rollup.mark(db, clinic, [(course.patient_id, it.from_wall)])
    return course_of(db, clinic, course.patient_id, course.plan_id)


def end(db: Connection, clinic: str, course: Course, version: int, stamp: Stamp) -> Course:
    if course.ended_wall is not None:
        return course
    _advance(db, clinic, course, version, ended_wall=stamp.here, ended_at=stamp.at)
    rollup.mark(db, clinic, [(course.patient_id, stamp.here)])
    return course_of(db, clinic, course.patient_id, course.plan_id)


def courses_of(db: Connection, clinic: str, patients: Sequence[str]) -> dict[str, list[Course]]:
    """Patient id -> all plans with their whole history, ended ones included."""
    rows = sorted(db.execute(_OF_PATIENTS, {"clinic": clinic, "patients": list(patients)}), key=attrgetter("id"))
    found: dict[str, list[Course]] = defaultdict(list)
    for course in _courses(db, clinic, rows):
        found[course.patient_id].append(course)
    return found


def known_by(db: Connection, clinic: str, courses: Iterable[Course], at: Instant) -> list[Course]:
    """These courses as they were known at that instant: without the plans, revisions, holds and ends of later."""
    courses = list(courses)
    values = {"clinic": clinic, "plans": [it.plan_id for it in courses], "at": at}
    later = {row.id for row in db.execute(_MADE_LATER, values)}
    ended = {row.id for row in db.execute(_ENDED_LATER, values)}
    revised = {(row.plan_id, row.number) for row in db.execute(_REVISED_LATER, values)}
    held = {row.id for row in db.execute(_HELD_LATER, values)}
    found = [
        msgspec.structs.replace(
            it,
            ended_wall=None if it.plan_id in ended else it.ended_wall,
            revisions=tuple(one for one in it.revisions if (it.plan_id, one.number) not in revised),
            holds=tuple(one for one in it.holds if one.id not in held),
        )
        for it in courses
        if it.plan_id not in later
    ]
    recoveries = needled.recoveries_of(db, clinic, sorted({it.patient_id for it in found if follows(it)}))
    known = {id: needled.known_by(it, at) for id, it in recoveries.items()}
    return [_eased(it, known[it.patient_id]) if follows(it) else it for it in found]


def course_of(db: Connection, clinic: str, patient: str, id: str) -> Course:
    rows = db.execute(_ONE, {"clinic": clinic, "patient": patient, "plan": id}).all()
    if not rows:
        raise NoSuchRecord("plan", id)
    return _courses(db, clinic, rows)[0]


def _courses(db: Connection, clinic: str, rows: Sequence[Any]) -> list[Course]:
    if not rows:
        return []
    values = {"clinic": clinic, "plans": [row.id for row in rows]}
    revisions: dict[str, list[Revision]] = defaultdict(list)
    for plan_id, number, from_wall, terms in db.execute(_REVISIONS, values).all():
        revisions[plan_id].append(Revision(number, from_wall, _terms.decode(terms)))
    holds: dict[str, list[Hold]] = defaultdict(list)
    for plan_id, id, from_wall, until_wall, names, reason in db.execute(_HOLDS, values).all():
        holds[plan_id].append(Hold(id, from_wall, until_wall, _names.decode(names), reason))
    found = [Course(*(*row, tuple(revisions[row.id]), tuple(holds[row.id]))) for row in rows]
    following = {it.patient_id for it in found if follows(it)}
    return found if not following else _after_needling(db, clinic, found, sorted(following))


def follows(course: Course) -> bool:
    """Whether any revision of it has phases."""
    return any(it.terms.phases is not None for it in course.revisions)


def _after_needling(db: Connection, clinic: str, courses: Sequence[Course], patients: Sequence[str]) -> list[Course]:
    known = needled.recoveries_of(db, clinic, patients)
    return [_eased(it, known[it.patient_id]) if follows(it) else it for it in courses]


def _eased(course: Course, known: Recovery) -> Course:
    revisions = tuple(
        it
        if it.terms.phases is None
        else msgspec.structs.replace(it, spells=phases.spells(it.terms.phases, known.sessions, known.moves))
        for it in course.revisions
    )
    return msgspec.structs.replace(course, revisions=revisions)


def _advance(db: Connection, clinic: str, course: Course, version: int, **values: int) -> None:
    done = db.execute(
        update(plan)
        .where(
            plan.c.clinic_id == clinic,
            plan.c.id == course.plan_id,
            plan.c.version == version,
            plan.c.ended_wall.is_(None),
        )
        .values(**values, version=version + 1)
    )
    if done.rowcount == 1:
        return
    if course.ended_wall is not None:
        raise Conflict(f"plan {course.plan_id} has ended", "This plan has ended. Assign a new one.")
    raise Stale(f"plan {course.plan_id} is at version {course.version}, not {version}")


def _append(db: Connection, clinic: str, plan_id: str, it: Revision, stamp: Stamp) -> None:
    row = {"clinic_id": clinic, "plan_id": plan_id, "number": it.number, "from_wall": it.from_wall, "terms": it.terms}
    db.execute(insert(revision), {**row, "revised_by": stamp.by, "revised_at": stamp.at})

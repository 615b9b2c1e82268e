"""What is only read, put together from several verbs: a patient's today and check-ins. Numbers: counting.py."""

from datetime import date
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, select

from notifications.timing import zone
from programs import checkins, completions, needling, people, plans
from programs.aftercare import CheckIn
from programs.completions import Kept
from programs.instants import DAY, Instant
from programs.needling import Recorded
from programs.people import Patient
from programs.questions import Question
from programs.rollup import FOREVER
from programs.schedule import DAY_MINUTES, Bout, Course, bouts
from programs.tables import check_in
from service.care import Who

_MY_CHECK_INS = (
    select(*(check_in.c[name] for name in CheckIn.__struct_fields__))
    .where(
        check_in.c.clinic_id == bindparam("clinic"),
        check_in.c.patient_id == bindparam("patient"),
        check_in.c.state.in_(("open", "answered")),
        (check_in.c.target < bindparam("at"))
        | ((check_in.c.target == bindparam("at")) & (check_in.c.id < bindparam("id"))),
    )
    .order_by(check_in.c.target.desc(), check_in.c.id.desc())
    .limit(bindparam("count"))
)


class Asked(msgspec.Struct, frozen=True):
    """A check-in that waits for an answer, with what it asks and what was answered so far."""

    check_in: CheckIn
    questions: tuple[Question, ...]
    answers: dict[str, bool | int | str]
    needled_at: Instant  # when its needling session ended


class Task(msgspec.Struct, frozen=True):
    """One bout of today and which of its exercises are logged."""

    course: Course
    bout: Bout
    logged: dict[str, Kept]


class Today(msgspec.Struct, frozen=True):
    """It holds while nothing is written, until `changes_at` (a check-in opens or closes) or the next local date."""

    patient: Patient
    date: date
    check_ins: list[Asked]
    tasks: list[Task]
    changes_at: Instant


def today(db: Connection, who: Who, now: Instant) -> Today:
    """What one patient has to answer and to do on their local date."""
    patient = people.patient_of(db, who.clinic, who.id)
    day = zone(patient.zone).wall(now).day
    standing = checkins.check_ins_of(db, who.clinic, [who.id], now - 2 * DAY)
    waiting = [it for it in standing if it.state == "open" and it.opens <= now < it.closes]
    return Today(
        patient,
        date.fromordinal(day),
        [asked(db, who.clinic, it) for it in waiting],
        _tasks(db, who, day),
        min((at for it in standing if it.state == "open" for at in (it.opens, it.closes) if at > now), default=FOREVER),
    )


def asked(db: Connection, clinic: str, it: CheckIn) -> Asked:
    recorded = needling.session_of(db, clinic, it.session_id)
    answers = checkins.answers_of(db, clinic, it.session_id).get(it.id, {}) if it.answered_at is not None else {}
    return Asked(it, checkins.questions_of(recorded, it.step), answers, recorded.session.ended_at)


def my_check_ins(db: Connection, who: Who, before: tuple[Instant, str] | None, count: int) -> list[Asked]:
    """A patient's check-ins, also those to come, latest first; `before` is the (target, id) of the last one seen."""
    at, id = before or (FOREVER, "")
    values = {"clinic": who.clinic, "patient": who.id, "at": at, "id": id, "count": count}
    sessions: dict[str, tuple[Recorded, dict[str, dict[str, Any]]]] = {}
    found = []
    for it in [CheckIn(*row) for row in db.execute(_MY_CHECK_INS, values).all()]:
        if it.session_id not in sessions:
            recorded = needling.session_of(db, who.clinic, it.session_id)
            sessions[it.session_id] = recorded, checkins.answers_of(db, who.clinic, it.session_id)
        recorded, answers = sessions[it.session_id]
        asks, said = checkins.questions_of(recorded, it.step), answers.get(it.id, {})
        found.append(Asked(it, asks, said, recorded.session.ended_at))
    return found


def _tasks(db: Connection, who: Who, day: int) -> list[Task]:
    courses = plans.courses_of(db, who.clinic, [who.id]).get(who.id, [])
    if not courses:
        return []
    first = day * DAY_MINUTES
    done = completions.completions_of(db, who.clinic, [who.id], first, first + DAY_MINUTES - 1).get(who.id, [])
    logged = {(kept.value.plan_id, kept.wall, kept.value.exercise): kept for kept in done}
    found = [
        Task(
            course,
            bout,
            {
                due.exercise: kept
                for due in bout.due
                if (kept := logged.get((bout.plan_id, bout.wall, due.exercise))) is not None
            },
        )
        for course in courses
        for bout in bouts(course, day, day)
    ]
    return sorted(found, key=lambda it: (it.bout.wall, it.course.plan_id))

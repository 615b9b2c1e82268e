"""All that the clinic knows of one patient, on one page, with the forms that change it. What they do is entries.py."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from litestar import Response, get
from litestar.params import FromPath
from sqlalchemy import Connection

from notifications import outbox
from notifications.agenda import Agenda
from notifications.timing import zone
from programs import checkins, needling, people, plans
from programs.adherence import Adherence
from programs.aftercare import CheckIn, Step
from programs.ids import new_id
from programs.instants import DAY, Instant
from programs.needling import Recorded
from programs.people import Patient
from programs.schedule import Course, day_of
from service.console.clinic import Raised, four_weeks, raised
from service.console.doors import Here, clinician_here
from service.console.forms import PageRequest, Typed
from service.console.pages import page
from service.console.plan_forms import Choices, choices_of
from service.console.progress import Progress, progress
from service.console.words import form_time

AHEAD = 14 * DAY
SESSIONS = 10  # the latest; older ones are in the API


class Visit(NamedTuple):
    """A needling session, its check-ins, the latest answers by check-in, and the steps that were over too soon."""

    recorded: Recorded
    check_ins: list[CheckIn]
    answers: Mapping[str, Mapping[str, Any]]
    not_made: list[Step]


class Profile(NamedTuple):
    patient: Patient
    clinician: str
    wall: int  # the patient's clock now
    flags: list[Raised]
    visits: list[Visit]
    plans: list[Course]
    agenda: Agenda
    adherence: Adherence
    progress: Progress


def profile(db: Connection, clinic: str, id: str, now: Instant) -> Profile:
    patient = people.patient_of(db, clinic, id)
    flags = checkins.flags_of(db, clinic, patient=id, open_only=True)
    courses = plans.courses_of(db, clinic, [id]).get(id, [])
    return Profile(
        patient,
        people.clinician_of(db, clinic, patient.clinician_id),
        zone(patient.zone).minutes(now),
        raised(db, clinic, flags),
        [_visit(db, clinic, it) for it in needling.sessions_of(db, clinic, id)[:SESSIONS]],
        sorted(courses, key=lambda it: it.revisions[0].from_wall, reverse=True),
        outbox.preview(db, clinic, id, now, now + AHEAD),
        four_weeks(db, clinic, [patient], now)[id],
        progress(db, clinic, id, people.clinic_of(db, clinic).zone),
    )


def _visit(db: Connection, clinic: str, it: Recorded) -> Visit:
    made = checkins.session_check_ins(db, clinic, it.id)
    not_made = needling.not_made(it, {one.step for one in made})
    return Visit(it, made, checkins.answers_of(db, clinic, it.id), not_made)


def fresh(here: Here, patient: Patient) -> Typed:
    """What the forms say before anybody has typed; the ids are made once, so that a form sent twice is one record."""
    today = day_of(zone(patient.zone).minutes(here.now))
    return Typed(
        {
            "id": [new_id(here.now)],
            "ended_at": [form_time(here.now, here.clinic.zone)],
            "starts_on": [today.isoformat()],
            "times": ["09:00"],
            "phases": ["yes"],
            "light_after": ["24"],
            "full_after": ["48"],
            "light_at_most": ["5"],
            "full_at_most": ["3"],
        }
    )


@get("/clinic/patients/{id:str}")
async def show(request: PageRequest, id: FromPath[str]) -> Response[str]:
    here = await clinician_here(request)
    found: Profile = await here.db.read(profile, here.who.clinic, id, here.now)
    choices: Choices = await here.db.read(choices_of, here.who.clinic, id, here.now)
    return page("patient", here=here, it=found, typed=fresh(here, found.patient), error=None, choices=choices)


ROUTES = [show]

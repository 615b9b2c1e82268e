"""What a clinician enters about a patient: a needling session, a plan, a hold, its end, consent, discharge.

A preview is the very transaction that saving would be, undone: what it shows is what would be, and nothing is written.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from litestar import Response, get, post
from litestar.params import FromPath
from sqlalchemy import Connection

from notifications import outbox
from notifications.agenda import Agenda
from notifications.timing import zone
from programs import needling, offers, people, plans, templates
from programs.dosage import PHASES, Phase
from programs.errors import Conflict, Invalid, NoSuchRecord
from programs.ids import derived_id
from programs.instants import Instant
from programs.needling import NeedlingSession
from programs.offers import Offer
from programs.people import Patient
from programs.plans import Assignment
from programs.schedule import Terms
from programs.templates import Template
from service import care
from service.care import Who
from service.console.doors import Here, clinician_here
from service.console.forms import PageRequest, Typed, confirmed, hold_from, one_of, session_from, typed
from service.console.pages import go, page
from service.console.plan_forms import Choices, choices_of, terms_from, title_from
from service.console.profile import AHEAD, fresh
from service.errors import refused


class Preview(NamedTuple):
    """What the patient would get, and what to think about before saving; `terms` are those of a plan."""

    agenda: Agenda
    warnings: list[str]
    terms: Terms | None


class Undone(Exception):
    """Carries the agenda out of a transaction that leaves nothing behind."""

    def __init__(self, agenda: Agenda) -> None:
        super().__init__()
        self.agenda = agenda


class Entry(NamedTuple):
    """A form: its page, how it is read, the use case that saves it, and the ids already saved for this patient."""

    page: str
    read: Callable[[Here, Patient, Typed, Offer], Any]
    save: Callable[..., Any]
    known: Callable[[Connection, str, str], set[str]]
    warn: Callable[[Patient, Any, Offer], list[str]]


def as_if(db: Connection, who: Who, patient: str, save: Callable[..., Any], id: str, value: Any, now: Instant) -> None:
    save(db, who, id, value, now)
    raise Undone(outbox.preview(db, who.clinic, patient, now, now + AHEAD))


def once(db: Connection, who: Who, patient: str, entry: Entry, id: str, value: Any, now: Instant) -> None:
    """A form that is sent twice saves once."""
    people.lock(db, who.clinic, [patient])
    if id not in entry.known(db, who.clinic, patient):
        entry.save(db, who, id, value, now)


async def _empty(request: PageRequest, id: str, entry: Entry) -> Response[str]:
    here = await clinician_here(request)
    patient: Patient = await here.db.read(people.patient_of, here.who.clinic, id)
    choices: Choices = await here.db.read(choices_of, here.who.clinic, id, here.now)
    return _form(here, patient, entry, fresh(here, patient), choices)


async def _take(request: PageRequest, patient_id: str, entry: Entry) -> Response[str]:
    """Preview or save; what is refused comes back as it was typed, with the reason beside it."""
    here = await clinician_here(request)
    it = await typed(request)
    patient: Patient = await here.db.read(people.patient_of, here.who.clinic, patient_id)
    id = derived_id(here.who.clinic, patient_id, it["id"])
    choices: Choices = await here.db.read(choices_of, here.who.clinic, patient_id, here.now)
    try:
        value = entry.read(here, patient, it, choices.offer)
        if it["do"] == "preview":
            await here.db.write(as_if, here.who, patient_id, entry.save, id, value, here.now)
        await here.db.write(once, here.who, patient_id, entry, id, value, here.now)
    except Undone as undone:
        shown = Preview(undone.agenda, entry.warn(patient, value, choices.offer), getattr(value, "terms", None))
        return _form(here, patient, entry, it, choices, preview=shown)
    except (Invalid, Conflict) as error:
        return _form(here, patient, entry, it, choices, error=error)
    return go(f"/clinic/patients/{patient_id}")


def _form(
    here: Here,
    patient: Patient,
    entry: Entry,
    it: Typed,
    choices: Choices,
    preview: Preview | None = None,
    error: Invalid | Conflict | None = None,
) -> Response[str]:
    status = 200 if error is None else refused(error).kind.status
    shown = {"here": here, "patient": patient, "typed": it, "preview": preview, "error": error, "choices": choices}
    return page(entry.page, status, **shown)


# needling session


def _session(here: Here, patient: Patient, it: Typed, offer: Offer) -> NeedlingSession:
    return needling.checked(session_from(it, patient.id, here.who.id, zone(here.clinic.zone)), here.now)


def _sessions(db: Connection, clinic: str, patient: str) -> set[str]:
    return {it.id for it in needling.sessions_of(db, clinic, patient)}


def _no_warnings(patient: Patient, value: NeedlingSession, offer: Offer) -> list[str]:
    return []


SESSION = Entry("session", _session, care.record_session, _sessions, _no_warnings)


@get("/clinic/patients/{id:str}/needling-sessions")
async def session_form(request: PageRequest, id: FromPath[str]) -> Response[str]:
    return await _empty(request, id, SESSION)


@post("/clinic/patients/{id:str}/needling-sessions")
async def record(request: PageRequest, id: FromPath[str]) -> Response[str]:
    return await _take(request, id, SESSION)


# plan


def _assignment(here: Here, patient: Patient, it: Typed, offer: Offer) -> Assignment:
    terms = plans.checked(terms_from(it, offer), offer.cards)
    return Assignment(patient.id, here.who.id, title_from(it, offer), terms)


def _plans(db: Connection, clinic: str, patient: str) -> set[str]:
    return {it.plan_id for it in plans.courses_of(db, clinic, [patient]).get(patient, ())}


def _plan_warnings(patient: Patient, it: Assignment, offer: Offer) -> list[str]:
    """Too much, too long, unusual; and what this patient's precautions say of each exercise. A clinician decides."""
    chosen = it.terms.prescriptions
    careful = (templates.cautions(patient.precautions, offer.cards[due.exercise]) for due in chosen)
    return [*offer.warnings(chosen, len(it.terms.times)), *(text for texts in careful for text in texts)]


PLAN = Entry("plan", _assignment, care.assign_plan, _plans, _plan_warnings)


@get("/clinic/patients/{id:str}/plans")
async def plan_form(request: PageRequest, id: FromPath[str]) -> Response[str]:
    return await _empty(request, id, PLAN)


@post("/clinic/patients/{id:str}/plans")
async def assign(request: PageRequest, id: FromPath[str]) -> Response[str]:
    return await _take(request, id, PLAN)


@post("/clinic/patients/{id:str}/plans/{plan:str}/hold")
async def hold(request: PageRequest, id: FromPath[str], plan: FromPath[str]) -> Response[str]:
    here = await clinician_here(request)
    it = await typed(request)
    await here.db.write(_hold, here.who, (id, plan), it, here.now)
    return go(f"/clinic/patients/{id}")


def _hold(db: Connection, who: Who, patient_and_plan: tuple[str, str], it: Typed, now: Instant) -> None:
    patient, plan = patient_and_plan
    people.lock(db, who.clinic, [patient])
    id = derived_id(plan, it["id"])
    if all(held.id != id for held in plans.course_of(db, who.clinic, patient, plan).holds):
        here = zone(people.patient_of(db, who.clinic, patient).zone).minutes(now)
        care.hold_plan(db, who, patient, plan, None, hold_from(it, id, here), now)


@post("/clinic/patients/{id:str}/needling-sessions/{session:str}/release")
async def release(request: PageRequest, id: FromPath[str], session: FromPath[str]) -> Response[str]:
    """A clinician lets the patient go on; the phase is named, so that a form sent twice does not go two steps."""
    here = await clinician_here(request)
    phase = one_of(PHASES, (await typed(request))["phase"], "phase")
    await here.db.write(_release, here.who, (id, session), phase, here.now)
    return go(f"/clinic/patients/{id}")


def _release(db: Connection, who: Who, patient_and_session: tuple[str, str], phase: Phase, now: Instant) -> None:
    patient, session = patient_and_session
    if needling.session_of(db, who.clinic, session).session.patient_id != patient:
        raise NoSuchRecord("needling session", session)
    care.release_phase(db, who, session, phase, now)


@post("/clinic/patients/{id:str}/plans/{plan:str}/keep")
async def keep(request: PageRequest, id: FromPath[str], plan: FromPath[str]) -> Response[str]:
    """The plan as it stands becomes a program of the clinic's own, under a title of its own."""
    here = await clinician_here(request)
    it = await typed(request)
    await here.db.write(_keep, here.who, (id, plan), it, here.now)
    return go("/clinic/programs")


def _keep(db: Connection, who: Who, patient_and_plan: tuple[str, str], it: Typed, now: Instant) -> None:
    course = plans.course_of(db, who.clinic, *patient_and_plan)
    id = derived_id(course.plan_id, it["id"])
    if id not in offers.offer_of(db, who.clinic).templates:
        care.save_program(db, who, Template(id, it["title"], course.revisions[-1].terms.prescriptions), now)


@post("/clinic/patients/{id:str}/plans/{plan:str}/end")
async def end(request: PageRequest, id: FromPath[str], plan: FromPath[str]) -> Response[str]:
    here = await clinician_here(request)
    confirmed(await typed(request))
    await here.db.write(care.end_plan, here.who, id, plan, None, here.now)
    return go(f"/clinic/patients/{id}")


# the patient


@post("/clinic/patients/{id:str}/consent")
async def consent(request: PageRequest, id: FromPath[str]) -> Response[str]:
    """`given` is yes or no: a toggle sent twice must not toggle twice."""
    here = await clinician_here(request)
    it = await typed(request)
    confirmed(it)
    await here.db.write(_change, here.who, id, "consented", it["given"] == "yes", here.now)
    return go(f"/clinic/patients/{id}")


@post("/clinic/patients/{id:str}/discharge")
async def discharge(request: PageRequest, id: FromPath[str]) -> Response[str]:
    here = await clinician_here(request)
    it = await typed(request)
    confirmed(it)
    at = None if it["back"] == "yes" else here.now
    await here.db.write(_change, here.who, id, "discharged_at", at, here.now)
    return go(f"/clinic/patients/{id}")


def _change(db: Connection, who: Who, id: str, column: str, value: Any, now: Instant) -> None:
    people.lock(db, who.clinic, [id])
    before = people.patient_of(db, who.clinic, id)
    standing = getattr(before, column)
    # A second press of the button finds it done: consent as wanted, discharged at whatever time.
    if standing != value and (column != "discharged_at" or (standing is None) != (value is None)):
        care.change_patient(db, who, id, before.version, {column: value}, now)


ROUTES = [session_form, record, plan_form, assign, hold, release, keep, end, consent, discharge]

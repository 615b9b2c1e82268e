"""A patient's plans: assign, list, revise, hold, end."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated

from litestar import get, post, put
from litestar.response.base import ASGIResponse
from msgspec import Meta, field
from sqlalchemy import Connection

from notifications.timing import zone
from programs import dosage, people, phases, plans
from programs.cards import Cards, card_of
from programs.dosage import Prescription
from programs.errors import Invalid, did_you_mean
from programs.ids import new_id
from programs.instants import Instant
from programs.offers import Offer, offer_of
from programs.phases import Phases
from programs.plans import MOST_EXERCISES, MOST_TIMES, Assignment
from programs.schedule import DAY_MINUTES, Course, Hold, Terms, day_of
from programs.templates import Template
from service import care
from service.api.call import ApiRequest, at_clinic
from service.api.doc import Doc
from service.api.wire import (
    Body,
    Clock,
    Day,
    Etag,
    Id,
    Line,
    Moment,
    Note,
    Out,
    Page,
    PageQuery,
    day,
    instant,
    line,
    local,
    paged,
    place,
)
from service.care import Who
from service.errors import Wrong, invalid, under

Prescriptions = Annotated[tuple[Prescription, ...], Meta(min_length=1, max_length=MOST_EXERCISES)]
Times = Annotated[
    tuple[Clock, ...], Meta(max_length=MOST_TIMES, description="The patient's times of day, on their own clock.")
]


class TermsIn(Body, frozen=True, kw_only=True):
    """What the plan asks for: a `template` or `prescriptions`, one of the two, and the times of day."""

    template: Annotated[str, Meta(max_length=64)] | None = None
    prescriptions: Prescriptions | None = None
    times: Times
    starts_on: Day | None = None
    ends_on: Day | None = None
    note: Note = ""
    phases: Annotated[
        Phases | None,
        Meta(
            description="How the plan goes on after needling; null holds nothing. {} takes the usual 24 and 48 hours."
        ),
    ] = None

    def terms(self, otherwise: date, offer: Offer) -> Terms:
        """`otherwise` is the first day where none is given; `offer` is what the clinic's plans are made of."""
        starts_on = otherwise if self.starts_on is None else day(self.starts_on, "/starts_on")
        ends_on = None if self.ends_on is None else day(self.ends_on, "/ends_on")
        it = Terms(self._asked_for(offer), self.times, starts_on, ends_on, self.note.strip(), self.phases)
        if self.phases is not None:
            with under("/phases"):
                phases.checked(self.phases)
        return plans.checked(it, offer.cards)

    def _asked_for(self, offer: Offer) -> tuple[Prescription, ...]:
        if (self.template is None) == (self.prescriptions is None):
            raise invalid(Wrong("give either template or prescriptions", "/prescriptions"))
        if self.template is not None:
            return template_of(self.template, offer).prescriptions
        for at, it in enumerate(self.prescriptions or ()):
            check_prescription(it, offer.cards, f"/prescriptions/{at}")
        return self.prescriptions or ()


class PlanIn(TermsIn, frozen=True, kw_only=True):
    """A new plan. It starts today on the patient's calendar, unless `starts_on` says otherwise."""

    title: Line = ""
    clinician_id: Id | None = None

    def assignment(self, patient: str, clinician: str, today: date, offer: Offer) -> Assignment:
        terms = self.terms(today, offer)
        title = self.title.strip() or (template_of(self.template, offer).title if self.template else "")
        return Assignment(patient, self.clinician_id or clinician, line(title, "/title"), terms)


class HoldIn(Body, frozen=True, kw_only=True):
    """From `from` (now, if left out) until the end of the local day `until`, or for good if that is left out."""

    from_: Moment | None = field(default=None, name="from")
    until: Day | None = None
    exercises: Annotated[tuple[Annotated[str, Meta(max_length=64)], ...], Meta(max_length=MOST_EXERCISES)] = ()
    reason: Line


class RevisionOut(Out, frozen=True, kw_only=True):
    """`from` is the patient's own clock."""

    number: int
    from_: str = field(name="from")
    prescriptions: Sequence[Prescription]
    times: Sequence[str]
    starts_on: date
    ends_on: date | None
    note: str
    phases: Phases | None


class HoldOut(Out, frozen=True, kw_only=True):
    """Held are the exercises named, or all; `until` is the last day of it."""

    id: str
    from_: str = field(name="from")
    until: date | None
    exercises: Sequence[str]
    reason: str


class PlanOut(Out, frozen=True, kw_only=True):
    """A plan with its whole history, the latest revision last. `ended` is the patient's own clock."""

    id: str
    version: Etag
    patient_id: str
    clinician_id: str
    title: str
    ended: str | None
    revisions: Sequence[RevisionOut]
    holds: Sequence[HoldOut]
    warnings: Sequence[str]


@get("/clinics/{clinic:str}/patients/{patient:str}/plans", doc=Doc(gives=Page[PlanOut], query=PageQuery))
async def list_plans(request: ApiRequest) -> ASGIResponse:
    """All plans of a patient, ended ones included, with the versions to change them by."""
    call = await at_clinic(request)
    query = call.query(PageQuery)
    return await call.read(_page, call.who, call.id("patient"), place(query.cursor, str) or "", query.limit)


@post(
    "/clinics/{clinic:str}/patients/{patient:str}/plans",
    doc=Doc(takes=PlanIn, gives=PlanOut, status=201, also=(409,)),
)
async def assign_plan(request: ApiRequest) -> ASGIResponse:
    """Assign a plan. `warnings` in the reply are for the clinician to read; they forbid nothing."""
    call = await at_clinic(request)
    return await call.once(201, _assign, call.who, call.id("patient"), await call.body(PlanIn), call.now)


@put(
    "/clinics/{clinic:str}/patients/{patient:str}/plans/{id:str}",
    doc=Doc(takes=TermsIn, gives=PlanOut, if_match="required", also=(409,)),
)
async def revise_plan(request: ApiRequest) -> ASGIResponse:
    """New terms from this minute on. What was asked for before stays as it was."""
    call = await at_clinic(request)
    at = call.id("patient"), call.id(), call.version()
    return await call.change(_revise, call.who, *at, await call.body(TermsIn), call.now)


@post(
    "/clinics/{clinic:str}/patients/{patient:str}/plans/{id:str}/hold",
    status_code=200,
    doc=Doc(takes=HoldIn, gives=PlanOut, if_match="optional", also=(409,)),
)
async def hold_plan(request: ApiRequest) -> ASGIResponse:
    """Pause the plan or some of its exercises. What is held is neither reminded of nor counted."""
    call = await at_clinic(request)
    at = call.id("patient"), call.id(), call.version_if_given()
    return await call.once(200, _hold, call.who, *at, await call.body(HoldIn), call.now)


@post(
    "/clinics/{clinic:str}/patients/{patient:str}/plans/{id:str}/end",
    status_code=200,
    doc=Doc(takes=Body, gives=PlanOut, optional_body=True, if_match="optional", also=(409,)),
)
async def end_plan(request: ApiRequest) -> ASGIResponse:
    """End the plan now. Doing it again changes nothing."""
    call = await at_clinic(request)
    await call.body(Body)
    return await call.once(200, _end, call.who, call.id("patient"), call.id(), call.version_if_given(), call.now)


def _page(db: Connection, who: Who, patient: str, after: str, limit: int) -> Page[PlanOut]:
    people.patient_of(db, who.clinic, patient)
    courses = plans.courses_of(db, who.clinic, [patient]).get(patient, [])
    found = [it for it in courses if it.plan_id > after][: limit + 1]
    offer = offer_of(db, who.clinic)
    return paged(found, limit, lambda it: it.plan_id, lambda it: plan_out(it, offer))


def _assign(db: Connection, who: Who, patient: str, it: PlanIn, now: Instant) -> PlanOut:
    course = care.assign_plan(db, who, new_id(now), assignment(db, who, patient, it, now), now)
    return plan_out(course, offer_of(db, who.clinic))


def assignment(db: Connection, who: Who, patient: str, it: PlanIn, now: Instant) -> Assignment:
    today = day_of(zone(people.patient_of(db, who.clinic, patient).zone).minutes(now))
    if who.kind == "key" and it.clinician_id is None:
        raise invalid(Wrong("must be given", "/clinician_id", hint="An integration says whose plan it is."))
    return it.assignment(patient, who.id, today, offer_of(db, who.clinic))


def _revise(db: Connection, who: Who, patient: str, id: str, version: int, it: TermsIn, now: Instant) -> PlanOut:
    before = plans.course_of(db, who.clinic, patient, id).revisions[-1].terms
    offer = offer_of(db, who.clinic)
    return plan_out(care.revise_plan(db, who, patient, id, version, it.terms(before.starts_on, offer), now), offer)


def _hold(db: Connection, who: Who, patient: str, id: str, version: int | None, it: HoldIn, now: Instant) -> PlanOut:
    clock = zone(people.patient_of(db, who.clinic, patient).zone)
    begins = now if it.from_ is None else instant(it.from_, "/from")
    until = None if it.until is None else (day(it.until, "/until").toordinal() + 1) * DAY_MINUTES
    held = Hold(new_id(now), clock.minutes(begins), until, it.exercises, line(it.reason, "/reason"))
    return plan_out(care.hold_plan(db, who, patient, id, version, held, now), offer_of(db, who.clinic))


def _end(db: Connection, who: Who, patient: str, id: str, version: int | None, now: Instant) -> PlanOut:
    return plan_out(care.end_plan(db, who, patient, id, version, now), offer_of(db, who.clinic))


def template_of(id: str, offer: Offer) -> Template:
    found = offer.templates.get(id)
    if found is None:
        raise Invalid("template", "is not a program we have", did_you_mean(id, offer.templates))
    return found


def check_prescription(it: Prescription, known: Cards, pointer: str) -> None:
    with under(pointer):
        card_of(known, it.exercise)
    with under(f"{pointer}/dosage"):
        dosage.check(it.dosage)
    with under(pointer):
        dosage.check_prescription(it)


def plan_out(it: Course, offer: Offer) -> PlanOut:
    terms = it.revisions[-1].terms
    return PlanOut(
        id=it.plan_id,
        version=it.version,
        patient_id=it.patient_id,
        clinician_id=it.clinician_id,
        title=it.title,
        ended=None if it.ended_wall is None else local(it.ended_wall),
        revisions=[
            RevisionOut(
                number=one.number,
                from_=local(one.from_wall),
                prescriptions=one.terms.prescriptions,
                times=one.terms.times,
                starts_on=one.terms.starts_on,
                ends_on=one.terms.ends_on,
                note=one.terms.note,
                phases=one.terms.phases,
            )
            for one in it.revisions
        ],
        holds=[_hold_out(one) for one in it.holds],
        warnings=offer.warnings(terms.prescriptions, len(terms.times)),
    )


def _hold_out(it: Hold) -> HoldOut:
    until = None if it.until_wall is None else day_of(it.until_wall - 1)
    return HoldOut(id=it.id, from_=local(it.from_wall), until=until, exercises=it.exercises, reason=it.reason)


ROUTES = (list_plans, assign_plan, revise_plan, hold_plan, end_plan)

"""What a patient will be told and why, as things are or as they would be. Neither changes anything."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.response.base import ASGIResponse
from msgspec import Meta
from sqlalchemy import Connection

from notifications import outbox
from notifications.agenda import Agenda, Omitted, Planned, Reason
from notifications.explain import say
from notifications.timing import Zone, zone
from programs import people
from programs.ids import new_id
from programs.instants import DAY, Instant
from service import care
from service.api.call import ApiRequest, Call, at_clinic
from service.api.doc import Doc
from service.api.needling_sessions import NeedlingSessionIn, its_clinician
from service.api.plans import PlanIn, assignment
from service.api.wire import Body, Out, local, stamp
from service.care import Who
from service.errors import Wrong, invalid, under


class AgendaQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    days: Annotated[int, Meta(ge=1, le=60, description="How many days ahead, from 1 to 60.")] = 14


class PreviewIn(Body, frozen=True, kw_only=True):
    """What is about to be saved; neither is."""

    needling_session: NeedlingSessionIn | None = None
    plan: PlanIn | None = None


class Subject(Out, frozen=True, kw_only=True, omit_defaults=True):
    """What a message is about: a check-in, a nudge about one, or a bout of a plan at a local date and time."""

    kind: str
    check_in_id: str = ""
    plan_id: str = ""
    local: str = ""


class ReasonOut(Out, frozen=True, kw_only=True):
    """`code` is for machines and stays; `text` is for people and may be worded better."""

    code: str
    text: str


class MessageOut(Out, frozen=True, kw_only=True):
    at: datetime
    local: str
    closes_at: datetime
    kind: str
    subjects: Sequence[Subject]
    reasons: Sequence[ReasonOut]


class OmissionOut(Out, frozen=True, kw_only=True):
    """Something one might expect that will not be sent; `at` is when it would have been."""

    at: datetime
    local: str
    subject: Subject
    reason: ReasonOut


class AgendaOut(Out, frozen=True, kw_only=True):
    """`local` times are those of `zone`, the patient's."""

    patient_id: str
    zone: str
    starts_at: datetime
    ends_at: datetime
    messages: Sequence[MessageOut]
    omissions: Sequence[OmissionOut]


class _Unsaved(Exception):
    """Carries a preview out of a transaction that is to leave nothing behind."""

    def __init__(self, it: AgendaOut) -> None:
        super().__init__()
        self.agenda = it


@get("/clinics/{clinic:str}/patients/{id:str}/agenda", doc=Doc(gives=AgendaOut, query=AgendaQuery))
async def get_agenda(request: ApiRequest) -> ASGIResponse:
    """The messages the patient will get as things stand, each with its reasons, and what they will not get and why."""
    call = await at_clinic(request)
    return await call.read(_agenda, call.who, call.id(), call.query(AgendaQuery).days, call.now)


@post(
    "/clinics/{clinic:str}/patients/{id:str}/agenda",
    status_code=200,
    doc=Doc(takes=PreviewIn, gives=AgendaOut, query=AgendaQuery, also=(409,), idempotent=False),
)
async def preview_agenda(request: ApiRequest) -> ASGIResponse:
    """The same, as it would be if this needling session and this plan were saved. Nothing is."""
    call = await at_clinic(request)
    return call.show(await _preview(call, await call.body(PreviewIn)))


async def _preview(call: Call, it: PreviewIn) -> AgendaOut:
    try:
        await call.db.write(_try, call.who, call.id(), it, call.query(AgendaQuery).days, call.now)
    except _Unsaved as unsaved:
        return unsaved.agenda
    raise AssertionError("a preview was saved")


def _try(db: Connection, who: Who, patient: str, it: PreviewIn, days: int, now: Instant) -> None:
    """Save it by the verbs that save, look, and undo it: a preview by other means could differ from what comes."""
    if it.needling_session is not None:
        if it.needling_session.patient_id != patient:
            raise invalid(Wrong("is another patient", "/needling_session/patient_id"))
        with under("/needling_session"):
            care.record_session(
                db, who, new_id(now), it.needling_session.session(its_clinician(who, it.needling_session)), now
            )
    if it.plan is not None:
        with under("/plan"):
            care.assign_plan(db, who, new_id(now), assignment(db, who, patient, it.plan, now), now)
    raise _Unsaved(_agenda(db, who, patient, days, now))


def _agenda(db: Connection, who: Who, patient: str, days: int, now: Instant) -> AgendaOut:
    clock = zone(people.patient_of(db, who.clinic, patient).zone)
    until = now + days * DAY
    return _out(patient, clock, outbox.preview(db, who.clinic, patient, now, until), now, until)


def _out(patient: str, clock: Zone, it: Agenda, now: Instant, until: Instant) -> AgendaOut:
    return AgendaOut(
        patient_id=patient,
        zone=clock.name,
        starts_at=stamp(now),
        ends_at=stamp(until),
        messages=[_message(one, clock) for one in it.messages],
        omissions=[_omission(one, clock) for one in sorted(it.omitted, key=lambda one: (one.at, one.subject))],
    )


def _message(it: Planned, clock: Zone) -> MessageOut:
    return MessageOut(
        at=stamp(it.at),
        local=local(clock.minutes(it.at)),
        closes_at=stamp(it.closes),
        kind=it.kind,
        subjects=[subject_out(one) for one in it.subjects],
        reasons=[reason_out(one, clock) for one in it.reasons],
    )


def _omission(it: Omitted, clock: Zone) -> OmissionOut:
    at = local(clock.minutes(it.at))
    return OmissionOut(at=stamp(it.at), local=at, subject=subject_out(it.subject), reason=reason_out(it.reason, clock))


def reason_out(it: Reason, clock: Zone) -> ReasonOut:
    return ReasonOut(code=it.code, text=say(it, clock))


def subject_out(key: str) -> Subject:
    kind, _, rest = key.partition(":")
    if kind != "bout":
        return Subject(kind=kind, check_in_id=rest)
    plan, _, wall = rest.rpartition(":")
    return Subject(kind=kind, plan_id=plan, local=local(int(wall)))


ROUTES = (get_agenda, preview_agenda)

"""Break-glass: a clinician opens a patient they do not treat, for an hour, with a reason; those who run the clinic are
told at once and can look at all of them."""

from collections.abc import Sequence
from datetime import datetime

from litestar import get, post
from litestar.response.base import ASGIResponse
from sqlalchemy import Connection

from programs import treating
from programs.instants import Instant
from programs.treating import Opening
from service import care
from service.api.call import ApiRequest, at_clinic
from service.api.doc import Doc
from service.api.wire import Body, Line, Out, stamp
from service.care import Who


class BreakGlassIn(Body, frozen=True, kw_only=True):
    """Why this record is needed now. It is kept, and those who run the clinic are told."""

    reason: Line


class OpeningOut(Out, frozen=True, kw_only=True):
    """A patient's record, open to one clinician until `closes_at`."""

    id: str
    patient_id: str
    patient_name: str
    clinician_id: str
    reason: str
    opened_at: datetime
    closes_at: datetime


class OpeningsOut(Out, frozen=True, kw_only=True):
    items: Sequence[OpeningOut]


@post(
    "/clinics/{clinic:str}/patients/{id:str}/break-glass",
    doc=Doc(takes=BreakGlassIn, gives=OpeningOut, status=201, also=(409,)),
)
async def break_glass(request: ApiRequest) -> ASGIResponse:
    """Open the record of a patient you do not treat, for 60 minutes. Every look is noted, and the admins are told."""
    call = await at_clinic(request)
    it = await call.body(BreakGlassIn)
    return await call.once(201, _open, call.who, call.id(), it.reason, call.now)


@get("/clinics/{clinic:str}/break-glass", doc=Doc(gives=OpeningsOut))
async def list_openings(request: ApiRequest) -> ASGIResponse:
    """For those who run the clinic: who opened whom in the last 90 days, and why, latest first."""
    call = await at_clinic(request)
    return await call.read(_openings, call.who, call.now)


def _open(db: Connection, who: Who, patient: str, reason: str, now: Instant) -> OpeningOut:
    return _out(care.break_glass(db, who, patient, reason, now))


def _openings(db: Connection, who: Who, now: Instant) -> OpeningsOut:
    return OpeningsOut(items=[_out(it) for it in treating.openings_of(db, who.clinic, now)])


def _out(it: Opening) -> OpeningOut:
    return OpeningOut(
        id=it.id,
        patient_id=it.patient_id,
        patient_name=it.patient_name,
        clinician_id=it.clinician_id,
        reason=it.reason,
        opened_at=stamp(it.opened_at),
        closes_at=stamp(it.closes_at),
    )


ROUTES = (break_glass, list_openings)

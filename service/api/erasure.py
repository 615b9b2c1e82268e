"""Ending it: no more messages at once, the whole record erased, and the legal hold that keeps it from being erased."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from litestar import get, post
from litestar.response.base import ASGIResponse
from msgspec import Meta
from sqlalchemy import Connection

from programs import people
from programs.instants import Instant
from service import erasing, rights
from service.api.call import ApiRequest, Call, at_clinic, at_me
from service.api.doc import Doc
from service.api.wire import Body, Out, maybe_stamp, stamp
from service.care import Who
from service.rights import GROUNDS, LONGEST_REASON, Ground, Request

Reason = Annotated[str, Meta(min_length=1, max_length=LONGEST_REASON, description="Why, in 1 to 1000 characters.")]
PATIENT = "/clinics/{clinic:str}/patients/{id:str}"


class ReasonIn(Body, frozen=True, kw_only=True):
    """It is kept with the record."""

    reason: Reason


class ApproveIn(Body, frozen=True, kw_only=True):
    """`asked`: the patient asked for it. `withdrawn`: consent was withdrawn, and nothing else lets you keep it. `over`:
    the time to keep it is over. `mistake`: it should never have been kept. Of the reason no more than this word stays.
    """

    ground: Annotated[Ground, Meta(description=f"One of: {', '.join(GROUNDS)}.")]


class UnenrolledOut(Out, frozen=True, kw_only=True):
    """Their phones, addresses and codes are gone, consent is withdrawn and no message follows. The record stays."""

    patient_id: str
    unenrolled_at: datetime


class ErasureOut(Out, frozen=True, kw_only=True):
    """A request to erase a record. It is open while `refused_at` is null."""

    asked_at: datetime
    asked_by: str
    refused_at: datetime | None
    refused_by: str | None
    refused_why: str | None


class HoldOut(Out, frozen=True, kw_only=True):
    """While it stands the record is not erased."""

    set_at: datetime
    set_by: str
    reason: str


class StandingOut(Out, frozen=True, kw_only=True):
    """`legal_hold` is null where none stands, and for patients always: it is between the clinic and its counsel."""

    patient_id: str
    requests: Sequence[ErasureOut]
    legal_hold: HoldOut | None


class WaitingOut(Out, frozen=True, kw_only=True):
    patient_id: str
    patient_name: str
    asked_at: datetime
    asked_by: str
    legal_hold: bool


class WaitingsOut(Out, frozen=True, kw_only=True):
    items: Sequence[WaitingOut]


class ErasedOut(Out, frozen=True, kw_only=True):
    patient_id: str
    erased_at: datetime


# a patient's own


@post("/me/unenrol", status_code=200, doc=Doc(takes=Body, gives=UnenrolledOut, optional_body=True))
async def unenrol_me(request: ApiRequest) -> ASGIResponse:
    """End all messages and all of your phones, this one too, at once. Your clinic keeps your record."""
    call = await at_me(request)
    return await _unenrol(call, call.who.id)


@get("/me/erasure", doc=Doc(gives=StandingOut))
async def my_erasure(request: ApiRequest) -> ASGIResponse:
    """Whether you asked to have your record erased, and what your clinic answered."""
    call = await at_me(request)
    return await call.read(_standing, call.who, call.who.id)


@post("/me/erasure", status_code=200, doc=Doc(takes=Body, gives=StandingOut, optional_body=True))
async def ask_to_erase_me(request: ApiRequest) -> ASGIResponse:
    """Ask your clinic to erase your record. Somebody who runs it decides, as some of it may have to be kept by law."""
    call = await at_me(request)
    await call.body(Body)
    return await call.once(200, _ask, call.who, call.who.id, call.now)


# the clinic's


@post(
    f"{PATIENT}/unenrol",
    status_code=200,
    doc=Doc(takes=Body, gives=UnenrolledOut, optional_body=True),
)
async def unenrol_patient(request: ApiRequest) -> ASGIResponse:
    """End a patient's messages and phones at once, as they asked. The record stays. Twice is once."""
    call = await at_clinic(request)
    return await _unenrol(call, call.id())


@get("/clinics/{clinic:str}/erasures", doc=Doc(gives=WaitingsOut))
async def list_erasures(request: ApiRequest) -> ASGIResponse:
    """For those who run the clinic: who asks to be erased and waits for an answer, longest waiting first."""
    call = await at_clinic(request)
    return await call.read(_waiting, call.who.clinic)


@get(f"{PATIENT}/erasure", doc=Doc(gives=StandingOut))
async def get_erasure(request: ApiRequest) -> ASGIResponse:
    """For those who run the clinic: whether the record was asked to be erased, and whether a legal hold stands."""
    call = await at_clinic(request)
    return await call.read(_standing, call.who, call.id())


@post(f"{PATIENT}/erasure", status_code=200, doc=Doc(takes=Body, gives=StandingOut, optional_body=True))
async def ask_to_erase(request: ApiRequest) -> ASGIResponse:
    """Ask for a patient who wants their record erased. Those who run the clinic decide. Twice is once."""
    call = await at_clinic(request)
    await call.body(Body)
    return await call.once(200, _ask, call.who, call.id(), call.now)


@post(f"{PATIENT}/erasure/refuse", status_code=200, doc=Doc(takes=ReasonIn, gives=StandingOut, also=(409,)))
async def refuse_to_erase(request: ApiRequest) -> ASGIResponse:
    """For those who run the clinic: the record stays. The patient is shown your reason."""
    call = await at_clinic(request)
    it = await call.body(ReasonIn)
    return await call.once(200, _refuse, call.who, call.id(), it.reason, call.now)


@post(
    f"{PATIENT}/erasure/approve",
    status_code=200,
    doc=Doc(takes=ApproveIn, gives=ErasedOut, idempotent=False, also=(409,)),
)
async def erase_patient(request: ApiRequest) -> ASGIResponse:
    """For those who run the clinic: erase the record for good, asked for or not. When this answers, it is done."""
    call = await at_clinic(request)
    it, id = await call.body(ApproveIn), call.id()
    at = await erasing.erase(call.db, call.desk.db, call.who, id, call.desk.clock, it.ground)
    return call.show(ErasedOut(patient_id=id, erased_at=stamp(at)))


@post(f"{PATIENT}/legal-hold", status_code=200, doc=Doc(takes=ReasonIn, gives=StandingOut))
async def set_legal_hold(request: ApiRequest) -> ASGIResponse:
    """For those who run the clinic: nothing of this record is erased until you release it. A new reason replaces."""
    call = await at_clinic(request)
    it = await call.body(ReasonIn)
    return await call.once(200, _hold, call.who, call.id(), it.reason, call.now)


@post(f"{PATIENT}/legal-hold/release", status_code=200, doc=Doc(takes=ReasonIn, gives=StandingOut, also=(409,)))
async def release_legal_hold(request: ApiRequest) -> ASGIResponse:
    """For those who run the clinic: the record may be erased again."""
    call = await at_clinic(request)
    it = await call.body(ReasonIn)
    return await call.once(200, _release, call.who, call.id(), it.reason, call.now)


async def _unenrol(call: Call, patient: str) -> ASGIResponse:
    await call.body(Body)
    return await call.once(200, _unenrolled, call.who, patient, call.now)


def _unenrolled(db: Connection, who: Who, patient: str, now: Instant) -> UnenrolledOut:
    rights.unenrol(db, who, patient, now)
    return UnenrolledOut(patient_id=patient, unenrolled_at=stamp(now))


def _ask(db: Connection, who: Who, patient: str, now: Instant) -> StandingOut:
    rights.ask_to_erase(db, who, patient, now)
    return _standing(db, who, patient)


def _refuse(db: Connection, who: Who, patient: str, reason: str, now: Instant) -> StandingOut:
    rights.refuse_to_erase(db, who, patient, reason, now)
    return _standing(db, who, patient)


def _hold(db: Connection, who: Who, patient: str, reason: str, now: Instant) -> StandingOut:
    rights.hold(db, who, patient, reason, now)
    return _standing(db, who, patient)


def _release(db: Connection, who: Who, patient: str, reason: str, now: Instant) -> StandingOut:
    rights.release(db, who, patient, reason, now)
    return _standing(db, who, patient)


def _standing(db: Connection, who: Who, patient: str) -> StandingOut:
    people.patient_of(db, who.clinic, patient)
    held = rights.held(db, who.clinic, patient) if who.kind == "admin" else None
    return StandingOut(
        patient_id=patient,
        requests=[_out(it) for it in rights.requests_of(db, who.clinic, patient)],
        legal_hold=HoldOut(set_at=stamp(held.set_at), set_by=held.set_by, reason=held.reason) if held else None,
    )


def _out(it: Request) -> ErasureOut:
    return ErasureOut(
        asked_at=stamp(it.asked_at),
        asked_by=it.asked_by,
        refused_at=maybe_stamp(it.refused_at),
        refused_by=it.refused_by,
        refused_why=it.refused_why,
    )


def _waiting(db: Connection, clinic: str) -> WaitingsOut:
    return WaitingsOut(
        items=[
            WaitingOut(
                patient_id=it.patient_id,
                patient_name=it.name,
                asked_at=stamp(it.asked_at),
                asked_by=it.asked_by,
                legal_hold=it.held,
            )
            for it in rights.waiting(db, clinic)
        ]
    )


ROUTES = (
    *(unenrol_me, my_erasure, ask_to_erase_me, unenrol_patient, list_erasures),
    *(get_erasure, ask_to_erase, refuse_to_erase, erase_patient, set_legal_hold, release_legal_hold),
)

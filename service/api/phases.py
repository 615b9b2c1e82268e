"""Phases after needling: whose is held and why, and a clinician's word that a patient goes on."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from litestar import get, post
from litestar.response.base import ASGIResponse
from sqlalchemy import Connection

from programs import gates, people
from programs.dosage import Phase
from programs.gates import Gate
from programs.instants import Instant
from service import care
from service.api.call import ApiRequest, at_clinic
from service.api.doc import Doc
from service.api.wire import Body, Out, stamp
from service.care import Who


class ReleaseIn(Body, frozen=True, kw_only=True):
    """The phase the patient is in from now on. "A" after an alarm lets the plan go on where it stood."""

    phase: Phase


class PhaseOut(Out, frozen=True, kw_only=True):
    """One plan after one needling session. `stage` is "stop" after a red or orange answer, else the phase it is in.

    `why` the `next` phase has not begun: "time" until `not_before` at the earliest; "silence", "soreness", "rising"
    and "alarm" hold it, until a later answer or a clinician. `sore` is the last answer about soreness.
    """

    patient_id: str
    plan_id: str
    session_id: str
    stage: Literal["stop", "A", "B", "C"]
    since: datetime
    next: Literal["B", "C"] | None
    why: str | None
    not_before: datetime
    sore: int | None


class PhasesOut(Out, frozen=True, kw_only=True):
    items: Sequence[PhaseOut]


@get("/clinics/{clinic:str}/patients/{patient:str}/phases", doc=Doc(gives=PhasesOut))
async def list_phases(request: ApiRequest) -> ASGIResponse:
    """The plans of a patient that are not back in full after a needling session, and what they wait for."""
    call = await at_clinic(request)
    return await call.read(_phases, call.who, call.id("patient"), call.now)


@post(
    "/clinics/{clinic:str}/needling-sessions/{id:str}/release",
    status_code=200,
    doc=Doc(takes=ReleaseIn, gives=PhasesOut, also=(409,)),
)
async def release_phase(request: ApiRequest) -> ASGIResponse:
    """Let the patient go on after this needling session. A phase never begins by a failed gate or by silence."""
    call = await at_clinic(request)
    return await call.once(200, _release, call.who, call.id(), await call.body(ReleaseIn), call.now)


def _phases(db: Connection, who: Who, patient: str, now: Instant) -> PhasesOut:
    people.patient_of(db, who.clinic, patient)
    courses = gates.courses_with_phases(db, who.clinic, [patient])
    return PhasesOut(items=[_out(it) for it in gates.gates_of(db, who.clinic, courses, now)])


def _release(db: Connection, who: Who, session: str, it: ReleaseIn, now: Instant) -> PhasesOut:
    recorded = care.release_phase(db, who, session, it.phase, now)
    return _phases(db, who, recorded.session.patient_id, now)


def _out(it: Gate) -> PhaseOut:
    where = it.standing
    return PhaseOut(
        patient_id=it.patient_id,
        plan_id=it.plan_id,
        session_id=where.session_id,
        stage=where.stage,
        since=stamp(where.since),
        next=where.next,
        why=where.why,
        not_before=stamp(where.not_before),
        sore=where.sore,
    )


ROUTES = (list_phases, release_phase)

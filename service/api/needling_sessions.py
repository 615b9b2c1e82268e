"""Needling sessions: record, look at, correct, cancel; each with the check-ins that follow from it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from litestar import delete, get, post, put
from litestar.response.base import ASGIResponse
from msgspec import Meta
from sqlalchemy import Connection

from programs import checkins, muscles, needling, treating
from programs.aftercare import CheckIn
from programs.errors import Invalid
from programs.ids import new_id
from programs.instants import Instant
from programs.needling import NeedlingSession, Recorded
from service import care
from service.access import sight_of
from service.api.call import ApiRequest, at_clinic
from service.api.doc import Doc
from service.api.wire import Body, Etag, Id, Moment, Note, Out, instant, maybe_stamp, stamp
from service.care import Aftercare, Who
from service.errors import Wrong, invalid

Amount = Annotated[
    Annotated[int, Meta(ge=1, le=500)] | Literal["few", "many"],
    Meta(description="How many needle insertions: from 1 to 500, “few” or “many”."),
]
Muscles = Annotated[
    tuple[Annotated[str, Meta(min_length=1, max_length=100)], ...],
    Meta(
        min_length=1, max_length=50, description="What was needled, by name or a usual short form: gluteus medius, TFL."
    ),
]


class NeedlingSessionIn(Body, frozen=True, kw_only=True):
    """One visit at which muscles were needled. `clinician_id` is left out by whoever needled."""

    patient_id: Id
    clinician_id: Id | None = None
    started_at: Moment | None = None
    ended_at: Moment
    muscles: Muscles
    side: Literal["left", "right", "both"]
    insertions: Amount | None = None
    twitch_responses: Literal["none", "some", "many"] | None = None
    electrical_stimulation: bool | None = None
    sore_before: Annotated[int, Meta(ge=0, le=10, description="Soreness there before the visit, 0 to 10.")] | None = (
        None
    )
    note: Note = ""

    def session(self, clinician: str) -> NeedlingSession:
        return NeedlingSession(
            patient_id=self.patient_id,
            clinician_id=self.clinician_id or clinician,
            started_at=None if self.started_at is None else instant(self.started_at, "/started_at"),
            ended_at=instant(self.ended_at, "/ended_at"),
            muscles=_known(self.muscles),
            side=self.side,
            insertions=self.insertions,
            twitch_responses=self.twitch_responses,
            electrical_stimulation=self.electrical_stimulation,
            sore_before=self.sore_before,
            note=self.note.strip(),
        )


class CheckInOut(Out, frozen=True, kw_only=True):
    """One planned contact: its window, and where it stands."""

    id: str
    step: str
    state: str
    opens_at: datetime
    target_at: datetime
    closes_at: datetime
    asked_at: datetime | None
    answered_at: datetime | None


class NotMade(Out, frozen=True, kw_only=True):
    step: str
    reason: str
    closed_at: datetime


class NeedlingSessionOut(Out, frozen=True, kw_only=True):
    """`not_made` are the check-ins that would have followed, had it been recorded sooner; `protocol` is the version of
    the clinic's protocol that it follows for good.
    """

    id: str
    version: Etag
    patient_id: str
    clinician_id: str
    started_at: datetime | None
    ended_at: datetime
    muscles: Sequence[str]
    side: str
    insertions: int | str | None
    twitch_responses: str | None
    electrical_stimulation: bool | None
    sore_before: int | None
    note: str
    recorded_at: datetime
    cancelled_at: datetime | None
    protocol: str
    check_ins: Sequence[CheckInOut]
    not_made: Sequence[NotMade]


@post(
    "/clinics/{clinic:str}/needling-sessions",
    doc=Doc(takes=NeedlingSessionIn, gives=NeedlingSessionOut, status=201, also=(409,)),
)
async def record_needling_session(request: ApiRequest) -> ASGIResponse:
    """Record one of the last 30 days. Its check-ins are made with it, but for those whose window is over."""
    call = await at_clinic(request)
    return await call.once(201, _record, call.who, await call.body(NeedlingSessionIn), call.now)


@get("/clinics/{clinic:str}/needling-sessions/{id:str}", doc=Doc(gives=NeedlingSessionOut))
async def get_needling_session(request: ApiRequest) -> ASGIResponse:
    """A needling session as it stands, with its check-ins."""
    call = await at_clinic(request)
    return await call.read(_session, call.who, call.id())


@put(
    "/clinics/{clinic:str}/needling-sessions/{id:str}",
    doc=Doc(takes=NeedlingSessionIn, gives=NeedlingSessionOut, if_match="required", also=(409,)),
)
async def correct_needling_session(request: ApiRequest) -> ASGIResponse:
    """Say it anew. What was said before is kept; check-ins not yet asked move, those asked or answered stay."""
    call = await at_clinic(request)
    it = await call.body(NeedlingSessionIn)
    return await call.change(_correct, call.who, call.id(), call.version(), it, call.now)


@delete(
    "/clinics/{clinic:str}/needling-sessions/{id:str}",
    status_code=200,
    doc=Doc(gives=NeedlingSessionOut, if_match="required"),
)
async def cancel_needling_session(request: ApiRequest) -> ASGIResponse:
    """Cancel it: nothing more is asked about it. What was asked and answered stays. Doing it again changes nothing."""
    call = await at_clinic(request)
    return await call.change(_cancel, call.who, call.id(), call.version(), call.now)


def _record(db: Connection, who: Who, it: NeedlingSessionIn, now: Instant) -> NeedlingSessionOut:
    treating.look_at(db, who.clinic, it.patient_id, sight_of(who, now))
    return _out(care.record_session(db, who, new_id(now), it.session(its_clinician(who, it)), now))


def its_clinician(who: Who, it: NeedlingSessionIn) -> str:
    """Whoever needled, which an integration must say."""
    if who.kind == "key" and it.clinician_id is None:
        raise invalid(Wrong("must be given", "/clinician_id", hint="An integration says who needled."))
    return it.clinician_id or who.id


def _session(db: Connection, who: Who, id: str) -> NeedlingSessionOut:
    recorded = needling.session_of(db, who.clinic, id)
    return _out(Aftercare(recorded, checkins.session_check_ins(db, who.clinic, id)))


def _correct(
    db: Connection, who: Who, id: str, version: int, it: NeedlingSessionIn, now: Instant
) -> NeedlingSessionOut:
    """Whoever corrects a session of a colleague does not take it over."""
    before = needling.session_of(db, who.clinic, id).session
    return _out(care.correct_session(db, who, id, version, it.session(before.clinician_id), now))


def _cancel(db: Connection, who: Who, id: str, version: int, now: Instant) -> NeedlingSessionOut:
    return _out(care.cancel_session(db, who, id, version, now))


def _known(names: Sequence[str]) -> tuple[str, ...]:
    found, wrong = [], []
    for at, name in enumerate(names):
        try:
            found.append(muscles.find(name).id)
        except Invalid as error:
            wrong.append(Wrong(error.problem, f"/muscles/{at}", hint=error.hint))
    if wrong:
        raise invalid(*wrong)
    return tuple(found)


def _out(it: Aftercare) -> NeedlingSessionOut:
    recorded = it.recorded
    session = recorded.session
    return NeedlingSessionOut(
        id=recorded.id,
        version=recorded.version,
        patient_id=session.patient_id,
        clinician_id=session.clinician_id,
        started_at=maybe_stamp(session.started_at),
        ended_at=stamp(session.ended_at),
        muscles=session.muscles,
        side=session.side,
        insertions=session.insertions,
        twitch_responses=session.twitch_responses,
        electrical_stimulation=session.electrical_stimulation,
        sore_before=session.sore_before,
        note=session.note,
        recorded_at=stamp(recorded.recorded_at),
        cancelled_at=maybe_stamp(recorded.cancelled_at),
        protocol=str(recorded.protocol_version),
        check_ins=[check_in_out(one) for one in sorted(it.check_ins, key=lambda one: one.target)],
        not_made=_not_made(recorded, it.check_ins),
    )


def _not_made(recorded: Recorded, made: Sequence[CheckIn]) -> list[NotMade]:
    return [
        NotMade(
            step=step.name,
            reason="Its window was over when the needling session was recorded.",
            closed_at=stamp(recorded.session.ended_at + step.closes),
        )
        for step in needling.not_made(recorded, {it.step for it in made})
    ]


def check_in_out(it: CheckIn) -> CheckInOut:
    return CheckInOut(
        id=it.id,
        step=it.step,
        state=it.state,
        opens_at=stamp(it.opens),
        target_at=stamp(it.target),
        closes_at=stamp(it.closes),
        asked_at=maybe_stamp(it.asked_at),
        answered_at=maybe_stamp(it.answered_at),
    )


ROUTES = (record_needling_session, get_needling_session, correct_needling_session, cancel_needling_session)

"""The clinic's aftercare protocols: which there are, a new draft, and the approval that puts one in force."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated

from litestar import get, post
from litestar.response.base import ASGIResponse
from msgspec import Meta
from sqlalchemy import Connection

from programs import protocols
from programs.aftercare import STEPS, Late, Protocol, Step
from programs.instants import HOUR, MINUTE, Instant
from programs.protocols import Version
from service import care
from service.api.call import ApiRequest, at_clinic
from service.api.doc import Doc
from service.api.wire import Body, Out, maybe_stamp, stamp
from service.care import Who

Hours = Annotated[
    float, Meta(ge=0, le=24 * 30, description="Hours since the needling session ended, such as 24 or 1.5.")
]
Names = Annotated[tuple[Annotated[str, Meta(max_length=32)], ...], Meta(max_length=20)]


class StepIn(Body, frozen=True, kw_only=True):
    """One contact. `also` and `without` are ids of questions; warning signs and soreness are always asked."""

    name: Annotated[str, Meta(max_length=16, description=f"One of: {', '.join(STEPS)}.")]
    opens: Hours
    target: Hours
    closes: Hours
    conditional: bool = False
    also: Names = ()
    without: Names = ()
    late: Annotated[
        Late,
        Meta(description="What becomes of one that cannot be asked in time: catch_up, shift (day7 only) or skip."),
    ] = "catch_up"


class ProtocolIn(Body, frozen=True, kw_only=True):
    """`left_out` says, for each step that is not among `steps`, why this clinic does without it."""

    steps: Annotated[tuple[StepIn, ...], Meta(min_length=1, max_length=len(STEPS))]
    left_out: Mapping[str, Annotated[str, Meta(max_length=1000)]] = {}


class StepOut(Out, frozen=True, kw_only=True):
    name: str
    opens: float
    target: float
    closes: float
    conditional: bool
    also: Sequence[str]
    without: Sequence[str]
    late: Late


class ProtocolOut(Out, frozen=True, kw_only=True):
    """`id` is the version. One that is `in_force` without `approved_by` is the default, which nobody here approved."""

    id: str
    in_force: bool
    made_by: str
    made_at: datetime | None
    approved_by: str | None
    approved_at: datetime | None
    steps: Sequence[StepOut]
    left_out: Mapping[str, str]


class ProtocolsOut(Out, frozen=True, kw_only=True):
    items: Sequence[ProtocolOut]


@get("/clinics/{clinic:str}/protocols", doc=Doc(gives=ProtocolsOut))
async def list_protocols(request: ApiRequest) -> ASGIResponse:
    """Every version, latest first; the last is the default. A needling session keeps the one it was recorded under."""
    call = await at_clinic(request)
    return await call.read(_list, call.who)


@get("/clinics/{clinic:str}/protocols/{id:str}", doc=Doc(gives=ProtocolOut))
async def get_protocol(request: ApiRequest) -> ASGIResponse:
    """One version, with who made it and who approved it."""
    call = await at_clinic(request)
    return await call.read(_one, call.who, call.id())


@post("/clinics/{clinic:str}/protocols", doc=Doc(takes=ProtocolIn, gives=ProtocolOut, status=201))
async def save_protocol(request: ApiRequest) -> ASGIResponse:
    """A draft. It is asked of nobody until a clinician approves it."""
    call = await at_clinic(request)
    return await call.once(201, _save, call.who, await call.body(ProtocolIn), call.now)


@post(
    "/clinics/{clinic:str}/protocols/{id:str}/approve",
    status_code=200,
    doc=Doc(takes=Body, gives=ProtocolOut, optional_body=True, also=(409,)),
)
async def approve_protocol(request: ApiRequest) -> ASGIResponse:
    """Put it in force for needling sessions recorded from now on; those before keep theirs."""
    call = await at_clinic(request)
    await call.body(Body)
    return await call.once(200, _approve, call.who, call.id(), call.now)


def _list(db: Connection, who: Who) -> ProtocolsOut:
    now = protocols.in_force(db, who.clinic).number
    return ProtocolsOut(items=[_out(it, now) for it in protocols.versions_of(db, who.clinic)])


def _one(db: Connection, who: Who, id: str) -> ProtocolOut:
    found = protocols.version_of(db, who.clinic, _number(id))
    return _out(found, protocols.in_force(db, who.clinic).number)


def _save(db: Connection, who: Who, it: ProtocolIn, now: Instant) -> ProtocolOut:
    return _out(care.save_protocol(db, who, _protocol(it), now), -1)


def _approve(db: Connection, who: Who, id: str, now: Instant) -> ProtocolOut:
    approved = care.approve_protocol(db, who, _number(id), now)
    return _out(approved, protocols.in_force(db, who.clinic).number)


def _number(id: str) -> int:
    """What is no number is the number of no protocol."""
    return int(id) if id.isdecimal() and len(id) < 10 else -1


def _protocol(it: ProtocolIn) -> Protocol:
    return Protocol(tuple(_step(one) for one in it.steps), it.left_out)


def _step(it: StepIn) -> Step:
    return Step(it.name, _ms(it.opens), _ms(it.target), _ms(it.closes), it.conditional, it.also, it.without, it.late)


def _ms(hours: float) -> Instant:
    """To the minute, so that what is read back is what was said."""
    return round(hours * HOUR / MINUTE) * MINUTE


def _out(it: Version, in_force: int) -> ProtocolOut:
    return ProtocolOut(
        id=str(it.number),
        in_force=it.number == in_force,
        made_by=it.made_by,
        made_at=None if it.number == 0 else stamp(it.made_at),
        approved_by=it.approved_by,
        approved_at=maybe_stamp(it.approved_at),
        steps=[
            StepOut(
                name=one.name,
                opens=one.opens / HOUR,
                target=one.target / HOUR,
                closes=one.closes / HOUR,
                conditional=one.conditional,
                also=one.also,
                without=one.without,
                late=one.late,
            )
            for one in it.protocol.steps
        ],
        left_out=it.protocol.left_out,
    )


ROUTES = (list_protocols, get_protocol, save_protocol, approve_protocol)

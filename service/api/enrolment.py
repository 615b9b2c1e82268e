"""How a patient's phone is let in: the clinic makes a code, the app redeems it for a token of its own."""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.response.base import ASGIResponse
from msgspec import Meta
from sqlalchemy import Connection

from programs import people
from programs.instants import Instant
from service import audit
from service.api import decode
from service.api.call import ApiRequest, Desk, at_clinic
from service.api.doc import Doc
from service.api.wire import Body, Line, Out, maybe_stamp, stamp
from service.auth import enrolment
from service.auth.devices import LONGEST_LABEL
from service.auth.enrolment import Factor, LetIn, Made, Missed, Way
from service.auth.limits import REDEEM_BY_ADDRESS, Take, give_back, take
from service.auth.peer import address_of, network
from service.care import Who
from service.errors import Wrong, invalid


class EnrolmentIn(Body, frozen=True, kw_only=True):
    """`screen` is for a patient who is there and scans it; `link` is sent, and asks for a second thing, which the
    clinic's settings choose: six digits you get to tell them, never in the same message, or the year of birth, which
    you then give here. It is not kept."""

    way: Way
    birth_year: Annotated[int, Meta(ge=1900, le=2100)] | None = None


class EnrolmentOut(Out, frozen=True, kw_only=True):
    """Show `url` as a QR code, or send it. It and `spoken` are not shown again; a new one voids this one."""

    url: str
    spoken: str | None
    way: Way
    factor: Factor
    expires_at: datetime


class EnrolmentStateOut(Out, frozen=True, kw_only=True):
    """What became of the latest code. All but `open` are null where none was ever made."""

    open: bool
    way: Way | None = None
    factor: Factor | None = None
    made_at: datetime | None = None
    expires_at: datetime | None = None
    used_at: datetime | None = None


class RedeemIn(Body, frozen=True, kw_only=True):
    """`code` is what follows the # of the link, `second` what it asks for besides: codes that begin with y ask for the
    year of birth, with d for the digits the clinic said, with q for nothing. `label` names the phone to its owner."""

    code: Annotated[str, Meta(max_length=enrolment.LONGEST)]
    second: Annotated[str, Meta(max_length=40)] = ""
    label: Line = ""


class RedeemedOut(Out, frozen=True, kw_only=True):
    """Keep `token` where only your app can read it; it is not shown again. It ends when it was not used for 90 days."""

    token: str
    clinic_id: str
    patient_id: str
    device_id: str


@post(
    "/clinics/{clinic:str}/patients/{patient:str}/enrolment",
    status_code=200,
    doc=Doc(takes=EnrolmentIn, gives=EnrolmentOut, idempotent=False, also=(409,)),
)
async def make_enrolment(request: ApiRequest) -> ASGIResponse:
    """Make the code that lets a phone of this patient in, once, within 10 minutes (screen) or 24 hours (link)."""
    call = await at_clinic(request)
    it = await call.body(EnrolmentIn)
    made = await call.db.write(enrolment.make_code, call.who, call.id("patient"), it.way, it.birth_year, call.now)
    return call.show(_made(made, call.desk))


@get("/clinics/{clinic:str}/patients/{patient:str}/enrolment", doc=Doc(gives=EnrolmentStateOut))
async def get_enrolment(request: ApiRequest) -> ASGIResponse:
    """Whether the latest code is still open, or was used. The code itself is kept by nobody."""
    call = await at_clinic(request)
    return await call.read(_state, call.who, call.id("patient"), call.now)


@post(
    "/enrolments/redeem",
    status_code=200,
    doc=Doc(takes=RedeemIn, gives=RedeemedOut, signed_in=False, idempotent=False, also=(404, 429)),
)
async def redeem_enrolment(request: ApiRequest) -> ASGIResponse:
    """Redeem a code for a token. It works once. Five wrong tries at the second thing void it."""
    desk: Desk = request.app.state.desk
    it = decode.body(await request.body(), RedeemIn)
    if len(it.label) > LONGEST_LABEL:
        raise invalid(Wrong(f"must have at most {LONGEST_LABEL} characters", "/label"))
    done = await redeem(desk, address_of(request.scope, desk.settings.proxies), it)
    if isinstance(done, Missed):
        raise invalid(Wrong(missed(done), "/second"))
    out = RedeemedOut(token=done.token, clinic_id=done.who.clinic, patient_id=done.who.id, device_id=done.device)
    return ASGIResponse(body=msgspec.json.encode(out), status_code=200, media_type="application/json")


async def redeem(desk: Desk, address: str, it: RedeemIn) -> LetIn | Missed:
    """For the page too. Tries that fail are counted by address; raises Refused."""
    now = desk.clock.now()
    takes = [Take(REDEEM_BY_ADDRESS, (network(address),))]
    await desk.db.write(take, takes, now)
    asked = (it.code, it.second, it.label, now)
    done: LetIn | Missed = await desk.db.write(audit.come_from, address, enrolment.redeem, *asked)
    if isinstance(done, LetIn):
        await desk.db.write(give_back, takes)
    return done


def missed(it: Missed) -> str:
    left = {0: "the code is void now; ask your clinic for a new one", 1: "one try is left"}
    return f"is not right: {left.get(it.tries_left, f'{it.tries_left} tries are left')}"


def link(desk: Desk, code: str) -> str:
    """The code stands behind the #, which browsers send to nobody: it is in no log and no Referer."""
    return f"{desk.settings.public_url.rstrip('/')}/enrol#{code}"


def _made(it: Made, desk: Desk) -> EnrolmentOut:
    return EnrolmentOut(
        url=link(desk, it.code),
        spoken=it.spoken or None,
        way=it.way,
        factor=it.factor,
        expires_at=stamp(it.expires_at),
    )


def _state(db: Connection, who: Who, patient: str, now: Instant) -> EnrolmentStateOut:
    people.patient_of(db, who.clinic, patient)
    it = enrolment.standing(db, who.clinic, patient)
    if it is None:
        return EnrolmentStateOut(open=False)
    return EnrolmentStateOut(
        open=it.is_open(now),
        way=it.way,
        factor=it.factor,
        made_at=stamp(it.made_at),
        expires_at=stamp(it.expires_at),
        used_at=maybe_stamp(it.used_at),
    )


ROUTES = (make_enrolment, get_enrolment)
ARRIVING = (redeem_enrolment,)

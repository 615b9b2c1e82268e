"""A patient's phones: the clinic lets one in by a code, on the screen or by link, and ends it; patients see their own.

The page that a code opens, /enrol, is for anybody. Looking at it does nothing, as mail scanners look at every link;
the code stands behind the #, which no browser sends, until somebody presses the button.
"""

from typing import NamedTuple

from litestar import Response, get, post
from litestar.params import FromPath
from markupsafe import Markup
from sqlalchemy import Connection

from programs import people
from programs.errors import Invalid
from programs.instants import Instant
from programs.people import Patient
from service import audit
from service.api.enrolment import RedeemIn, link, missed, redeem
from service.auth import devices, enrolment
from service.auth.devices import Device
from service.auth.enrolment import LONGEST, Made, Missed, Standing
from service.auth.peer import address_of
from service.auth.tokens import Held, find_token
from service.console import cookies
from service.console.cookies import COOKIE, desk_of, sent
from service.console.doors import Here, clinician_here, patient_here
from service.console.forms import PageRequest, a_number, one_of, typed
from service.console.pages import go, page, qr
from service.errors import Refused

WAYS = ("screen", "link")


class Phones(NamedTuple):
    patient: Patient
    devices: list[Device]
    code: Standing | None


class Shown(NamedTuple):
    """A new code, for the one page that shows it."""

    made: Made
    url: str
    picture: Markup


def phones(db: Connection, clinic: str, patient: str, now: Instant) -> Phones:
    return Phones(
        people.patient_of(db, clinic, patient),
        devices.devices_of(db, clinic, patient, now),
        enrolment.standing(db, clinic, patient),
    )


# the clinic's page


@get("/clinic/patients/{id:str}/phones")
async def show(request: PageRequest, id: FromPath[str]) -> Response[str]:
    return await _show(await clinician_here(request), id)


@post("/clinic/patients/{id:str}/phones", status_code=200)
async def let_in(request: PageRequest, id: FromPath[str]) -> Response[str]:
    """The code is on the page this makes and nowhere else."""
    here = await clinician_here(request)
    it = await typed(request)
    try:
        way = one_of(WAYS, it["way"], "way")
        year = a_number(it["birth_year"], "birth_year")
        made: Made = await here.db.write(enrolment.make_code, here.who, id, way, year, here.now)
    except Invalid as error:
        return await _show(here, id, error=error, status=422)
    url = link(desk_of(request), made.code)
    return await _show(here, id, Shown(made, url, qr(url)))


async def _show(
    here: Here, id: str, shown: Shown | None = None, error: Invalid | None = None, status: int = 200
) -> Response[str]:
    found: Phones = await here.db.read(phones, here.who.clinic, id, here.now)
    return page("phones", status, here=here, it=found, shown=shown, error=error)


@post("/clinic/patients/{id:str}/phones/{device:str}/end")
async def end(request: PageRequest, id: FromPath[str], device: FromPath[str]) -> Response[str]:
    here = await clinician_here(request)
    await here.db.write(devices.end_device, here.who, id, device, here.now)
    return go(f"/clinic/patients/{id}/phones")


# the patient's own


@get("/phones")
async def show_own(request: PageRequest) -> Response[str]:
    here = await patient_here(request)
    found = await here.db.read(devices.devices_of, here.who.clinic, here.who.id, here.now)
    return page("own_phones", here=here, devices=found, this=request.state.held.id)


@post("/phones/{device:str}/end")
async def end_own(request: PageRequest, device: FromPath[str]) -> Response[str]:
    here = await patient_here(request)
    await here.db.write(devices.end_device, here.who, here.who.id, device, here.now)
    return go("/phones")


# whoever has a code


@get("/enrol")
async def ask() -> Response[str]:
    return _ask()


def _ask(status: int = 200, problem: str = "", code: str = "") -> Response[str]:
    """Its script takes the code out of the address, which no server ever sees."""
    return page("enrol", status, here=None, problem=problem, code=code, script="enrol.js")


@post("/enrol")
async def arrive(request: PageRequest) -> Response[str]:
    """Lets this browser in; who was signed in with it before is not any more."""
    desk, it = desk_of(request), await typed(request)
    label = devices.name_of(request.headers.get("user-agent", ""))
    asked = RedeemIn(code=it["code"][:LONGEST], second=it["second"][:40], label=label)
    try:
        done = await redeem(desk, address_of(request.scope, desk.settings.proxies), asked)
    except Refused as refused:
        return _ask(refused.kind.status, refused.detail)
    if isinstance(done, Missed):
        return _ask(422, f"That {missed(done)}.", asked.code if done.tries_left else "")
    await leave(request)
    return go("/today", cookies.of_device(request, done.token))


async def leave(request: PageRequest) -> None:
    """This browser opens nothing any more of whoever it was let in for."""
    desk = desk_of(request)
    now, presented = desk.clock.now(), sent(request, COOKIE)
    before: Held | None = await desk.db.read(find_token, presented, now) if presented else None
    if before is not None and before.use == "device":
        here, ended = address_of(request.scope, desk.settings.proxies), (before.who, before.who.id, before.id, now)
        await desk.db.at(before.who.clinic).write(audit.come_from, here, devices.end_device, *ended)


ROUTES = [show, let_in, end, show_own, end_own, ask, arrive]

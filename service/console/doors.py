"""Who comes in, and where they are let: sign-in by a token kept in a cookie, sign-out, and what a refusal looks like.

The cookie holds the token itself, which scripts cannot read. Every POST must say that it comes from our own pages.
"""

from typing import Any, NamedTuple
from urllib.parse import urlsplit

from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.types import ExceptionHandlersMap
from sqlalchemy import Connection

from programs import people, treating
from programs.instants import Instant
from programs.people import Clinic
from programs.treating import Opening
from service import access, errors
from service.api.call import Desk, checked_id
from service.care import STAFF, Who
from service.console.forms import PageRequest, typed
from service.console.pages import go, page
from service.database import Bridge
from service.errors import NOT_FOR_YOU, Refused

COOKIE = "homestretch"
COOKIE_DAYS = 30
# A demonstration's tokens, which service/demo.py makes; they open nothing where there is no demo.
DEMO = (("Ada, a patient", "demo-ada"), ("Ben, a clinician", "demo-ben"))
HOMES = {"patient": "/today", "clinician": "/clinic", "admin": "/clinic"}


class Here(NamedTuple):
    """Somebody signed in, at one request; `now` is read once, so that a page agrees with itself."""

    who: Who
    name: str
    clinic: Clinic
    zone: str  # the clock this person reads: a patient's own, a clinician's clinic's
    now: Instant
    db: Bridge  # the part of it that is of their clinic
    opened: tuple[Opening, ...] = ()  # by break-glass, now: it stands on top of every page


class Elsewhere(Exception):
    """This page is not for whoever asks: they are sent to the one that is."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


async def patient_here(request: PageRequest) -> Here:
    return await _here(request, ("patient",))


async def clinician_here(request: PageRequest) -> Here:
    return await _here(request, STAFF)


async def _here(request: PageRequest, kinds: tuple[str, ...]) -> Here:
    """Somebody whom the route's line lets in; see access.py."""
    here = await visitor(request)
    if here is None:
        raise Elsewhere("/sign-in")
    if here.who.kind not in kinds:
        raise Elsewhere("/")
    line = access.line_of(request.scope)
    access.admit(line, here.who)
    for name, id in request.path_params.items():
        checked_id(id, name)
    guard = access.guard_of(line, here.who, request.path_params, here.now)
    return here._replace(db=access.behind(here.db, guard))


def desk_of(request: PageRequest) -> Desk:
    return request.app.state.desk  # type: ignore[no-any-return]


async def visitor(request: PageRequest) -> Here | None:
    """Whoever the cookie stands for; None for nobody we know."""
    desk = desk_of(request)
    token = request.cookies.get(COOKIE, "")
    held = await desk.gate.held(token) if token else None
    here = await _arrived(desk, held.who) if held and held.who.kind in HOMES else None
    request.state.here = here
    return here


async def _arrived(desk: Desk, who: Who) -> Here:
    part = desk.db.at(who.clinic)
    here: Here = await part.read(_arrive, who, desk.clock.now(), part)
    return here


def _arrive(db: Connection, who: Who, now: Instant, database: Bridge) -> Here:
    clinic = people.clinic_of(db, who.clinic)
    if who.kind == "patient":
        patient = people.patient_of(db, who.clinic, who.id)
        return Here(who, patient.name, clinic, patient.zone, now, database)
    opened = () if who.sees_all else tuple(treating.open_for(db, who.clinic, who.id, now))
    return Here(who, people.clinician_of(db, who.clinic, who.id), clinic, clinic.zone, now, database, opened)


def same_site(request: PageRequest) -> None:
    """Before every handler. Browsers say where a POST comes from: Sec-Fetch-Site (https, localhost), else Origin."""
    if request.method != "POST":
        return
    fetch_site = request.headers.get("sec-fetch-site")
    if fetch_site is not None:
        ours = fetch_site in ("same-origin", "none")
    else:
        origin = urlsplit(request.headers.get("origin", "")).netloc
        ours = origin != "" and origin in (request.headers.get("host", ""), _public(request).netloc)
    if not ours:
        raise Refused(NOT_FOR_YOU, "This form was not sent from our own pages, so nothing was changed.")


def _public(request: PageRequest) -> Any:
    return urlsplit(desk_of(request).settings.public_url)


# sign-in


@get("/", name="home")
async def home(request: PageRequest) -> Response[str]:
    here = await visitor(request)
    return go(HOMES[here.who.kind] if here else "/sign-in")


@get("/sign-in")
async def ask(request: PageRequest) -> Response[str]:
    return _sign_in_page(request)


@post("/sign-in")
async def sign_in(request: PageRequest) -> Response[str]:
    token = (await typed(request))["token"]
    if await desk_of(request).gate.held(token) is None:
        return _sign_in_page(request, 403, "We do not know this code. Check that you have all of it, and try again.")
    return go("/", cookie(request, token, COOKIE_DAYS * 86_400))


@post("/sign-out")
async def sign_out(request: PageRequest) -> Response[str]:
    """This browser forgets the token; the token itself stays good, as an app may live by it."""
    return go("/sign-in", cookie(request, "", 0))


def _sign_in_page(request: PageRequest, status: int = 200, problem: str = "") -> Response[str]:
    settings = desk_of(request).settings
    return page("sign_in", status, here=None, problem=problem, demo=DEMO if settings.demo else ())


def cookie(request: PageRequest, value: str, seconds: int) -> Cookie:
    secure = _public(request).scheme == "https"
    return Cookie(COOKIE, value=value, path="/", max_age=seconds, httponly=True, samesite="lax", secure=secure)


# refusals


def elsewhere(request: PageRequest, error: Elsewhere) -> Response[str]:
    return go(error.path)


def refuse(request: PageRequest, error: Exception) -> Response[str]:
    """Every other error: said, counted and logged as the API would, but on a page."""
    it = errors.refused(error)
    errors.answer(request, error)  # for its line in the log
    return page("refused", it.kind.status, here=request.state.get("here"), said=it.detail)


REFUSALS: ExceptionHandlersMap = {Elsewhere: elsewhere, Exception: refuse}

"""Who is there, and where they are let; and what a refusal looks like. How they sign in is sign_in.py.

The cookie holds the token itself, which scripts cannot read. What changes anything must come from our own pages.
"""

from typing import NamedTuple
from urllib.parse import urlsplit

from litestar import Response, get
from litestar.types import ExceptionHandlersMap
from sqlalchemy import Connection

from programs import people, treating
from programs.instants import MINUTE, Instant
from programs.people import Clinic
from programs.treating import Opening
from service import access, errors
from service.api.call import checked_id
from service.auth.peer import address_of
from service.care import STAFF, Who
from service.console.cookies import COOKIE, desk_of, is_secure, sent
from service.console.forms import PageRequest
from service.console.pages import go, page
from service.database import Bridge
from service.errors import NOT_FOR_YOU, Refused
from service.witness import Deed, Witness, deed_of

SAFE = ("GET", "HEAD", "OPTIONS")
FRESH = 10 * MINUTE
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


async def fresh_clinician(request: PageRequest, to: str = "account") -> Here:
    """Who signed in just now: what changes how somebody signs in is not for whoever finds their desk."""
    here = await clinician_here(request)
    if not is_fresh(request, here):
        raise Elsewhere(f"/sign-in?to={to}")
    return here


def is_fresh(request: PageRequest, here: Here) -> bool:
    return bool(here.now - request.state.held.made_at < FRESH)


async def _here(request: PageRequest, kinds: tuple[str, ...]) -> Here:
    """Somebody whom the route's line lets in; see access.py."""
    here = await visitor(request)
    if here is None:
        raise Elsewhere("/sign-in")
    if here.who.kind not in kinds:
        request.state.deed.refused = True
        raise Elsewhere("/")
    line = access.line_of(request.scope)
    access.admit(line, here.who)
    for name, id in request.path_params.items():
        checked_id(id, name)
    guard = access.guard_of(line, here.who, request.path_params, here.now)
    return here._replace(db=access.behind(here.db, guard))


async def visitor(request: PageRequest) -> Here | None:
    """Whoever the cookie stands for; None for nobody we know."""
    desk = desk_of(request)
    token = sent(request, COOKIE)
    held = await desk.gate.held(token) if token else None
    # A key is for machines, in a header: a browser is given none. Whoever has no pages is nobody here.
    if held is None or held.use == "key" or held.who.kind not in HOMES:
        request.state.here = request.state.held = None
        return None
    deed = deed_of(request.scope, held.who, address_of(request.scope, desk.settings.proxies), desk.clock.now())
    request.state.deed = deed  # for whoever watches the reply leave
    part = desk.gate.part(held)
    try:
        here: Here = await part.read(_arrive, deed, Witness(part, deed))
    except Refused:  # it was ended this moment
        request.state.here = request.state.held = None
        return None
    request.state.here, request.state.held = here, held
    return here


def _arrive(db: Connection, deed: Deed, witness: Witness) -> Here:
    who = deed.who
    clinic = people.clinic_of(db, who.clinic)
    if who.kind == "patient":
        patient = people.patient_of(db, who.clinic, who.id)
        return Here(who, patient.name, clinic, patient.zone, deed.at, witness)
    opened = () if who.sees_all else tuple(treating.open_for(db, who.clinic, who.id, deed.at))
    return Here(who, people.clinician_of(db, who.clinic, who.id), clinic, clinic.zone, deed.at, witness, opened)


def same_site(request: PageRequest) -> None:
    """Before every handler. Browsers say where a form comes from: Sec-Fetch-Site (https, localhost), else Origin."""
    if request.method in SAFE:
        return
    fetch_site = request.headers.get("sec-fetch-site")
    ours = fetch_site in ("same-origin", "none") if fetch_site is not None else _is_our_origin(request)
    if not ours:
        raise Refused(NOT_FOR_YOU, "This form was not sent from our own pages, so nothing was changed.")


def _is_our_origin(request: PageRequest) -> bool:
    """The public one, or the host that was asked: a proxy in front may know us by another name."""
    public, origin = urlsplit(desk_of(request).settings.public_url), urlsplit(request.headers.get("origin", ""))
    if not origin.netloc or (is_secure(desk_of(request).settings) and origin.scheme != "https"):
        return False
    return origin.netloc in (request.headers.get("host", ""), public.netloc)


@get("/", name="home")
async def home(request: PageRequest) -> Response[str]:
    here = await visitor(request)
    return go(HOMES[here.who.kind] if here else "/sign-in")


# refusals


def elsewhere(request: PageRequest, error: Elsewhere) -> Response[str]:
    return go(error.path)


def refuse(request: PageRequest, error: Exception) -> Response[str]:
    """Every other error: said, counted and logged as the API would, but on a page."""
    it = errors.refused(error)
    errors.answer(request, error)  # for its line in the log
    shown = page("refused", it.kind.status, here=request.state.get("here"), said=it.detail)
    shown.headers.update(it.headers)
    return shown


REFUSALS: ExceptionHandlersMap = {Elsewhere: elsewhere, Exception: refuse}

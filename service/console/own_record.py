"""Your record, for a patient: what you agreed to, who looked, a copy, no more messages, and asking to be erased."""

from typing import NamedTuple

from litestar import Response, get, post
from litestar.params import FromQuery
from sqlalchemy import Connection

from programs import people
from programs.consent import asked_in
from programs.errors import Invalid
from programs.people import Consent
from service import rights
from service.audit import Asked
from service.care import Who
from service.console import cookies
from service.console.cookies import COOKIE
from service.console.copies import as_file, as_page
from service.console.doors import Here, patient_here
from service.console.forms import PageRequest, a_number, confirmed, typed
from service.console.pages import go, page
from service.console.record import LINES_A_PAGE, Readers, readers_of
from service.records.readers import language_of
from service.rights import Request

PATH = "/record"


class Own(NamedTuple):
    """`consents` with the words that were asked."""

    consents: list[tuple[Consent, str]]
    requests: list[Request]
    names: dict[str, str]


def own(db: Connection, who: Who) -> Own:
    language = language_of(db, who.clinic, who.id)
    found = people.consents_of(db, who.clinic, who.id)
    return Own(
        [(it, asked_in(it.wording, language)) for it in found],
        rights.requests_of(db, who.clinic, who.id),
        people.clinicians_of(db, who.clinic),
    )


@get(PATH)
async def show(request: PageRequest) -> Response[str]:
    return await _page(await patient_here(request))


async def _page(here: Here, error: Invalid | None = None) -> Response[str]:
    found: Own = await here.db.read(own, here.who)
    return page("own_record", 422 if error else 200, here=here, it=found, error=error)


@get(f"{PATH}/copy.json")
async def copy_for_machines(request: PageRequest) -> Response[bytes]:
    here = await patient_here(request)
    return await as_file(request, here, here.who.id, private=False)


@get(f"{PATH}/copy.html")
async def copy_to_read(request: PageRequest) -> Response[str]:
    here = await patient_here(request)
    return await as_page(request, here, here.who.id, private=False)


@get(f"{PATH}/access")
async def show_access(request: PageRequest, before: FromQuery[str] = "", whole: FromQuery[str] = "") -> Response[str]:
    """Who else looked at this very record; what one did oneself, and lists of the clinic, when asked for."""
    here, everything = await patient_here(request), whole == "yes"
    asked = Asked(LINES_A_PAGE + 1, a_number(before, "before"), lists=everything, own=everything)
    found: Readers = await here.db.read(_readers, here.who, asked)
    return page("own_access", here=here, it=found, whole=everything)


def _readers(db: Connection, who: Who, asked: Asked) -> Readers:
    return readers_of(db, who.clinic, who.id, asked, language_of(db, who.clinic, who.id))


@post(f"{PATH}/unenrol", status_code=200)
async def unenrol(request: PageRequest) -> Response[str]:
    """This browser is out with all the others; the page that says so is for nobody signed in."""
    here = await patient_here(request)
    try:
        confirmed(await typed(request))
    except Invalid as error:
        return await _page(here, error)
    await here.db.write(rights.unenrol, here.who, here.who.id, here.now)
    shown = page("unenrolled", here=None, clinic=here.clinic)
    shown.cookies.append(cookies.gone(request, COOKIE))
    return shown


@post(f"{PATH}/erasure")
async def ask_to_erase(request: PageRequest) -> Response[str]:
    here = await patient_here(request)
    try:
        confirmed(await typed(request))
    except Invalid as error:
        return await _page(here, error)
    await here.db.write(rights.ask_to_erase, here.who, here.who.id, here.now)
    return go(PATH)


ROUTES = [show, copy_for_machines, copy_to_read, show_access, unenrol, ask_to_erase]

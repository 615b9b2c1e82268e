"""A patient's record as such, for the clinic: what was agreed to, who looked, copies of it, and ending it."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery
from sqlalchemy import Connection

from notifications.timing import zone
from programs import people
from programs.errors import Conflict, Invalid
from programs.people import Consent, Patient
from service import audit, erasing, rights
from service.audit import Asked
from service.care import Who
from service.console.cookies import desk_of
from service.console.copies import as_file, as_page
from service.console.doors import Here, clinician_here, fresh_clinician, is_fresh
from service.console.forms import PageRequest, a_date, a_number, confirmed, one_of, typed
from service.console.pages import go, page
from service.errors import refused
from service.records.readers import Seen, seen_by
from service.rights import GROUNDS, Held, Request, Waiting

LINES_A_PAGE = 50
GROUND_WORDS = {
    "asked": "The patient asked for it",
    "withdrawn": "Consent was withdrawn, and nothing else lets us keep it",
    "over": "The time to keep it is over",
    "mistake": "It should never have been kept",
}


class Record(NamedTuple):
    """`held` is for those who run the clinic alone."""

    patient: Patient
    consents: list[Consent]
    requests: list[Request]
    held: Held | None
    names: dict[str, str]


def record_of(db: Connection, who: Who, id: str) -> Record:
    return Record(
        people.patient_of(db, who.clinic, id),
        people.consents_of(db, who.clinic, id),
        rights.requests_of(db, who.clinic, id),
        rights.held(db, who.clinic, id) if who.kind == "admin" else None,
        people.clinicians_of(db, who.clinic),
    )


@get("/clinic/patients/{id:str}/record")
async def show(request: PageRequest, id: FromPath[str]) -> Response[str]:
    return await _page(request, await clinician_here(request), id)


async def _page(request: PageRequest, here: Here, id: str, error: Invalid | Conflict | None = None) -> Response[str]:
    found: Record = await here.db.read(record_of, here.who, id)
    status = 200 if error is None else refused(error).kind.status
    shown = {"it": found, "error": error, "fresh": is_fresh(request, here), "grounds": GROUND_WORDS}
    return page("record", status, here=here, **shown)


# copies


@get("/clinic/patients/{id:str}/record/copy.json")
async def copy_for_machines(request: PageRequest, id: FromPath[str]) -> Response[bytes]:
    return await as_file(request, await clinician_here(request), id, private=True)


@get("/clinic/patients/{id:str}/record/copy.html")
async def copy_to_read(request: PageRequest, id: FromPath[str]) -> Response[str]:
    return await as_page(request, await clinician_here(request), id, private=True)


# who looked


class Readers(NamedTuple):
    """One page of them; `before` opens the next, 0 where there is none."""

    patient: Patient
    lines: Sequence[Seen]
    before: int


def readers_of(db: Connection, clinic: str, id: str, asked: Asked, language: str = "en") -> Readers:
    found = seen_by(db, clinic, id, audit.links_of(db, clinic, id, asked), language)
    lines = found[: asked.many - 1]
    return Readers(people.patient_of(db, clinic, id), lines, lines[-1].number if len(found) > len(lines) else 0)


@get("/clinic/patients/{id:str}/record/access")
async def show_access(
    request: PageRequest,
    id: FromPath[str],
    first: FromQuery[str] = "",
    last: FromQuery[str] = "",
    before: FromQuery[str] = "",
    lists: FromQuery[str] = "",
    own: FromQuery[str] = "",
) -> Response[str]:
    """Days are those of the clinic's clock; `first` and `last` are both included."""
    here = await clinician_here(request)
    clock = zone(here.zone)
    since = clock.instant(a_date(first, "first").toordinal(), 0) if first else None
    until = clock.instant((a_date(last, "last") + timedelta(days=1)).toordinal(), 0) if last else None
    asked = Asked(LINES_A_PAGE + 1, a_number(before, "before"), since, until, lists == "yes", own == "yes")
    found: Readers = await here.db.read(readers_of, here.who.clinic, id, asked)
    return page("record_access", here=here, it=found, first=first, last=last, lists=lists, own=own)


# ending it


@post("/clinic/patients/{id:str}/record/unenrol")
async def unenrol(request: PageRequest, id: FromPath[str]) -> Response[str]:
    here = await clinician_here(request)
    return await _change(request, here, id, rights.unenrol)


@post("/clinic/patients/{id:str}/record/erasure")
async def ask_to_erase(request: PageRequest, id: FromPath[str]) -> Response[str]:
    here = await clinician_here(request)
    return await _change(request, here, id, rights.ask_to_erase)


@post("/clinic/patients/{id:str}/record/erasure/refuse")
async def refuse_to_erase(request: PageRequest, id: FromPath[str]) -> Response[str]:
    here = await clinician_here(request)
    return await _change(request, here, id, rights.refuse_to_erase, (await typed(request))["reason"])


@post("/clinic/patients/{id:str}/record/legal-hold")
async def set_hold(request: PageRequest, id: FromPath[str]) -> Response[str]:
    here = await clinician_here(request)
    return await _change(request, here, id, rights.hold, (await typed(request))["reason"])


@post("/clinic/patients/{id:str}/record/legal-hold/release")
async def release_hold(request: PageRequest, id: FromPath[str]) -> Response[str]:
    here = await clinician_here(request)
    return await _change(request, here, id, rights.release, (await typed(request))["reason"])


async def _change(request: PageRequest, here: Here, id: str, verb: Callable[..., Any], *args: str) -> Response[str]:
    try:
        confirmed(await typed(request))
        await here.db.write(verb, here.who, id, *args, here.now)
    except (Invalid, Conflict) as error:
        return await _page(request, here, id, error)
    return go(f"/clinic/patients/{id}/record")


@post("/clinic/patients/{id:str}/record/erasure/approve")
async def erase(request: PageRequest, id: FromPath[str]) -> Response[str]:
    """For good: so it asks for a sign-in of the last minutes, as what changes how somebody signs in does."""
    here, form, desk = await fresh_clinician(request, "requests"), await typed(request), desk_of(request)
    try:
        confirmed(form)
        ground = one_of(GROUNDS, form["ground"], "ground")
        await erasing.erase(here.db, desk.db, here.who, id, desk.clock, ground)
    except (Invalid, Conflict) as error:
        return await _page(request, here, id, error)
    return go("/clinic/requests")


@get("/clinic/requests")
async def show_requests(request: PageRequest) -> Response[str]:
    """Who asks to be erased and waits for an answer, and which legal holds stand."""
    here = await clinician_here(request)
    found: tuple[list[Waiting], dict[str, str]] = await here.db.read(_waiting, here.who.clinic)
    return page("requests", here=here, waiting=found[0], names=found[1])


def _waiting(db: Connection, clinic: str) -> tuple[list[Waiting], dict[str, str]]:
    return rights.waiting(db, clinic), people.clinicians_of(db, clinic)


ROUTES = [
    *(show, copy_for_machines, copy_to_read, show_access, unenrol, ask_to_erase, refuse_to_erase),
    *(set_hold, release_hold, erase, show_requests),
]

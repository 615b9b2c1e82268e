"""Break-glass on a page: the form for whoever does not see all of the clinic, and the list for those who run it."""

from litestar import Response, get, post
from sqlalchemy import Connection

from programs import people, treating
from programs.errors import Conflict, Invalid
from programs.instants import Instant
from programs.treating import Opening
from service import care
from service.care import Who
from service.console.doors import Here, clinician_here
from service.console.forms import PageRequest, Typed, typed
from service.console.pages import go, page
from service.errors import refused


@get("/clinic/break-glass")
async def ask(request: PageRequest) -> Response[str]:
    return await _show(await clinician_here(request))


@post("/clinic/break-glass")
async def open_record(request: PageRequest) -> Response[str]:
    here = await clinician_here(request)
    it = await typed(request)
    try:
        opened: Opening = await here.db.write(_open, here.who, it["name"], it["reason"], here.now)
    except (Invalid, Conflict) as error:
        return await _show(here, it, error)
    return go(f"/clinic/patients/{opened.patient_id}")


def _open(db: Connection, who: Who, name: str, reason: str, now: Instant) -> Opening:
    found = treating.named(db, who.clinic, name)
    if len(found) != 1:
        problem = "is that of several patients" if found else "is not that of a patient here"
        raise Invalid("name", problem, "Ask those who run the clinic." if found else "Write it as it is on record.")
    return care.break_glass(db, who, found[0], reason, now)


async def _show(here: Here, it: Typed | None = None, error: Invalid | Conflict | None = None) -> Response[str]:
    openings: list[Opening] = []
    names: dict[str, str] = {}
    if here.who.kind == "admin":
        openings = await here.db.read(treating.openings_of, here.who.clinic, here.now)
        names = await here.db.read(people.clinicians_of, here.who.clinic)
    status = 200 if error is None else refused(error).kind.status
    return page("break_glass", status, here=here, openings=openings, names=names, typed=it or Typed(), error=error)


ROUTES = [ask, open_record]

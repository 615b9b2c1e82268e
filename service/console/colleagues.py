"""Who of a clinic may sign in, for those who run it: invite, put out, let in again. The link is shown once, here."""

from collections.abc import Callable
from typing import Any, NamedTuple

from litestar import Response, get, post
from litestar.params import FromPath
from sqlalchemy import Connection

from programs import people
from programs.errors import ProgramsError
from programs.instants import DAY, Instant
from programs.people import ROLES, Clinician
from service import audit
from service.audit import Note
from service.auth import staff
from service.auth.staff import Staff
from service.care import Who
from service.console.arriving import write
from service.console.cookies import desk_of
from service.console.doors import Here, clinician_here, fresh_clinician, is_fresh
from service.console.forms import PageRequest, Typed, one_of, typed
from service.console.pages import page

TO = "staff"
LATELY, MOST_FAILURES = 30 * DAY, 20


@get("/clinic/staff")
async def show(request: PageRequest) -> Response[str]:
    return await _page(request, await clinician_here(request))


@post("/clinic/staff", status_code=200)
async def invite(request: PageRequest) -> Response[str]:
    here, form = await fresh_clinician(request, TO), await typed(request)

    def ask(db: Connection) -> str:
        role = one_of(ROLES, form["role"], "role")
        return staff.invite(db, here.who.clinic, form["email"], form["name"], role, str(here.who), here.now)

    return await _change(request, here, ask, form)


@post("/clinic/staff/{id:str}/disable", status_code=200)
async def disable(request: PageRequest, id: FromPath[str]) -> Response[str]:
    here = await fresh_clinician(request, TO)
    return await _change(request, here, lambda db: staff.disable(db, _of(db, here, id), str(here.who), here.now))


@post("/clinic/staff/{id:str}/reset", status_code=200)
async def reset(request: PageRequest, id: FromPath[str]) -> Response[str]:
    here = await fresh_clinician(request, TO)
    return await _change(request, here, lambda db: staff.reset(db, _of(db, here, id), str(here.who), here.now))


def _of(db: Connection, here: Here, id: str) -> Who:
    return staff.staff_of(db, Who(here.who.clinic, "clinician", id)).who


async def _change(
    request: PageRequest, here: Here, verb: Callable[[Connection], Any], form: Typed | None = None
) -> Response[str]:
    """An e-mail address is one person's in the whole installation: so the transaction is the service's own."""
    try:
        code = await write(request, verb)
    except ProgramsError as error:
        return await _page(request, here, form=form, error=error)
    return await _page(request, here, code=code or "")


async def _page(
    request: PageRequest, here: Here, code: str = "", form: Typed | None = None, error: ProgramsError | None = None
) -> Response[str]:
    found: Everybody = await here.db.read(_everybody, here.who.clinic, here.now)
    link = f"{desk_of(request).settings.public_url.rstrip('/')}/join#{code}" if code else ""
    shown = {**found._asdict(), "link": link, "form": form or Typed(), "error": error}
    return page("staff", 422 if error else 200, here=here, fresh=is_fresh(request, here), **shown)


class Everybody(NamedTuple):
    """Who was invited; who works here and was not, as an import brought them; and who failed to sign in as one of them
    lately, with the names of those."""

    staff: list[Staff]
    others: list[Clinician]
    failures: list[Note]
    names: dict[str, str]


def _everybody(db: Connection, clinic: str, now: Instant) -> Everybody:
    found = staff.all_staff(db, clinic)
    invited = {it.who.id for it in found}
    others = [it for it in people.staff_of(db, clinic) if it.id not in invited and it.ended_at is None]
    failures = audit.failures_of(db, clinic, now - LATELY, MOST_FAILURES)
    return Everybody(found, sorted(others, key=lambda it: it.name), failures, people.clinicians_of(db, clinic))


ROUTES = [show, invite, disable, reset]

"""The clinic's adherence by clinician, program or week, and the items behind each number. It counts nothing itself."""

from datetime import date
from typing import Any, NamedTuple, get_args

from litestar import Response, get
from sqlalchemy import Connection

from programs import exercises, people
from programs.errors import Invalid
from programs.ids import derived_id
from programs.instants import Instant
from service import reading
from service.console.clinic import last_days
from service.console.doors import clinician_here
from service.console.forms import PageRequest, a_date
from service.console.pages import page
from service.reading import By, Group, Line

MOST_ITEMS = 500


class Behind(NamedTuple):
    """The items behind one number, latest first; `total` counts all of them."""

    group: str
    lines: list[Line]
    total: int
    names: dict[str, str]


class View(NamedTuple):
    groups: list[Group]
    behind: Behind | None


def link_of(name: str) -> str:
    """What stands for a group in an address: addresses are logged, and hold nobody's name."""
    return derived_id("group", name)[:12]


def view(db: Connection, clinic: str, dates: tuple[date, date], by: By, shown: str, now: Instant) -> View:
    groups = reading.clinic_groups(db, clinic, *dates, by, now)
    name = next((it.name for it in groups if link_of(it.name) == shown), None)
    return View(groups, _behind(db, clinic, dates, by, name, now) if name is not None else None)


def _behind(db: Connection, clinic: str, dates: tuple[date, date], by: By, name: str, now: Instant) -> Behind:
    patients = people.patients_of(db, clinic)
    group_of = reading.namer(by, people.clinicians_of(db, clinic))
    lines = [it for it in reading.lines_of(db, clinic, patients, *dates, now) if name in ("", group_of(it))]
    lines.sort(key=lambda it: it.item.wall, reverse=True)
    return Behind(name, lines[:MOST_ITEMS], len(lines), {it.id: it.name for it in patients})


@get("/clinic/adherence")
async def show(request: PageRequest) -> Response[str]:
    """Dates or a grouping that cannot be are said beside the form; the last 28 days are shown instead."""
    here = await clinician_here(request)
    asked = request.query_params
    by: Any = asked.get("by", "")
    by = by if by in get_args(By) else "clinician"
    usual = last_days(here.clinic.zone, here.now)
    error, dates = None, usual
    try:
        dates = _dates(asked.get("from", ""), asked.get("to", ""), usual)
        reading.check_range(*dates)
    except Invalid as invalid:
        error, dates = invalid, usual
    found: View = await here.db.read(view, here.who.clinic, dates, by, asked.get("show", ""), here.now)
    shown = {"here": here, "view": found, "by": by, "dates": dates, "asked": asked, "error": error}
    return page("adherence", 422 if error else 200, **shown, link_of=link_of, exercises=exercises.library())


def _dates(first: str, last: str, usual: tuple[date, date]) -> tuple[date, date]:
    return a_date(first, "from") if first else usual[0], a_date(last, "to") if last else usual[1]


ROUTES = [show]

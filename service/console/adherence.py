"""The clinic's adherence by clinician, program or week, and the items behind each number. It counts nothing itself."""

from datetime import date
from typing import Any, NamedTuple, get_args

from litestar import Response, get
from sqlalchemy import Connection

from programs import exercises, people
from programs.errors import Invalid
from programs.ids import derived_id
from service import counting
from service.access import sight_of
from service.console.clinic import last_days
from service.console.doors import clinician_here
from service.console.forms import PageRequest, a_date
from service.console.pages import page
from service.counting import By, Group, Line, Wanted

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


def view(db: Connection, clinic: str, wanted: Wanted, shown: str) -> View:
    groups = counting.clinic_groups(db, clinic, wanted)
    group = next((it for it in groups if link_of(it.key) == shown), None)
    return View(groups, _behind(db, clinic, wanted, group) if group is not None else None)


def _behind(db: Connection, clinic: str, wanted: Wanted, group: Group) -> Behind:
    lines = counting.behind(db, clinic, wanted, group.key)
    names = {it.id: it.name for it in people.patients_of(db, clinic, sight=wanted.sight)}
    return Behind(group.name or group.key, lines[:MOST_ITEMS], len(lines), names)


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
        counting.check_range(*dates)
    except Invalid as invalid:
        error, dates = invalid, usual
    wanted = counting.weeks(*dates, by, here.now, sight=sight_of(here.who, here.now))
    found: View = await here.db.read(view, here.who.clinic, wanted, asked.get("show", ""))
    shown = {"here": here, "view": found, "by": by, "dates": wanted.dates, "asked": asked, "error": error}
    return page("adherence", 422 if error else 200, **shown, link_of=link_of, exercises=exercises.library())


def _dates(first: str, last: str, usual: tuple[date, date]) -> tuple[date, date]:
    return a_date(first, "from") if first else usual[0], a_date(last, "to") if last else usual[1]


ROUTES = [show]

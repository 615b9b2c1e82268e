"""A patient's days with data and the time staff spent on them, with a form to log it; a clinic's month as a file."""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery
from sqlalchemy import Connection

from notifications.timing import zone
from programs import people
from programs.errors import Invalid
from programs.instants import Instant
from programs.monitoring import Spent
from programs.schedule import DAY_MINUTES, day_of
from service import monitoring
from service.access import sight_of
from service.care import Who
from service.console.doors import Here, clinician_here
from service.console.forms import PageRequest, Typed, a_date, a_number, typed
from service.console.pages import HEADERS, go, page
from service.monitoring import Evidence, Period

AT_ONCE = 50  # patients read at a time, so that nobody waits behind a whole clinic


class View(NamedTuple):
    evidence: Evidence
    labels: Mapping[str, str]


def view(db: Connection, clinic: str, id: str, it: Period, now: Instant) -> View:
    (found,) = monitoring.evidence_of(db, clinic, [people.patient_of(db, clinic, id)], it, now)
    return View(found, people.clinic_of(db, clinic).settings.monitoring_labels)


@get("/clinic/patients/{id:str}/monitoring")
async def show(request: PageRequest, id: FromPath[str]) -> Response[str]:
    return await _show(await clinician_here(request), id)


async def _show(here: Here, id: str, error: Invalid | None = None, it: Typed | None = None) -> Response[str]:
    today = _today(here)
    found: View = await here.db.read(view, here.who.clinic, id, monitoring.period(today.year, today.month), here.now)
    fields = it or Typed({"date": [today.isoformat()]})
    shown = {"here": here, "it": found.evidence, "labels": found.labels, "today": today, "typed": fields}
    return page("monitoring", 422 if error else 200, **shown, error=error, notice=monitoring.NOTICE)


def _today(here: Here) -> date:
    return day_of(zone(here.clinic.zone).wall(here.now).day * DAY_MINUTES)


@post("/clinic/patients/{id:str}/staff-time")
async def spend(request: PageRequest, id: FromPath[str]) -> Response[str]:
    here = await clinician_here(request)
    it = await typed(request)
    try:
        await here.db.write(monitoring.spend, here.who, id, _spent(it), here.now)
    except Invalid as error:
        return await _show(here, id, error, it)
    return go(f"/clinic/patients/{id}/monitoring")


def _spent(it: Typed) -> Spent:
    minutes = a_number(it["minutes"], "minutes")
    if minutes is None:
        raise Invalid("minutes", "must be said")
    day = a_date(it["date"], "date").toordinal()
    return Spent("", "", day, minutes, it["live"] == "yes", it["note"], it["replaces"] or None, "", 0)


@get("/clinic/monitoring.csv")
async def download(request: PageRequest, month: FromQuery[str] = "") -> Response[str]:
    """Everybody whom this clinician sees: windows and minutes of a month, this one unless another is named."""
    here = await clinician_here(request)
    first = a_date(f"{month}-01", "month") if month else _today(here)
    it = monitoring.period(first.year, first.month)
    ids: list[str] = await here.db.read(_seen, here.who, here.now)
    rows: list[list[str]] = []
    for start in range(0, len(ids), AT_ONCE):
        some = ids[start : start + AT_ONCE]
        rows += await here.db.read(monitoring.sheet_of, here.who.clinic, some, it, here.now)
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="monitoring-{first:%Y-%m}.csv"'}
    return Response(monitoring.csv_of(rows), media_type="text/csv", headers=headers)


def _seen(db: Connection, who: Who, now: Instant) -> list[str]:
    return [it.id for it in people.patients_of(db, who.clinic, sight=sight_of(who, now))]


ROUTES = [show, spend, download]

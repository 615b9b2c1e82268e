"""The clinic's adherence by clinician, program or week, and the items behind each number. It counts nothing itself."""

from datetime import date, timedelta
from typing import Any, NamedTuple, get_args

from litestar import Response, get
from litestar.params import FromPath
from markupsafe import Markup
from sqlalchemy import Connection

from notifications.preferences import DEFAULT, preferences_of
from programs import adherence, cards, people
from programs.adherence import Adherence, Coverage, Item
from programs.errors import Invalid
from programs.ids import derived_id
from programs.instants import Instant
from programs.people import Patient
from programs.schedule import week_of
from service import counting
from service.access import sight_of
from service.care import Who
from service.console.charts.bars import Bar, bars
from service.console.charts.calendar import calendar, legend
from service.console.clinic import last_days
from service.console.doors import clinician_here, patient_here
from service.console.forms import PageRequest, a_date
from service.console.pages import page
from service.console.words import ITEMS
from service.counting import By, Group, Line, MyWeeks, Wanted, say_week

MOST_BARS = 40
MOST_ITEMS = 500


class Behind(NamedTuple):
    """The items behind one number, latest first; `total` counts all of them."""

    group: str
    lines: list[Line]
    total: int
    names: dict[str, str]
    titles: dict[str, str]


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
    return Behind(group.name or group.key, lines[:MOST_ITEMS], len(lines), names, titles_of(db, clinic))


def titles_of(db: Connection, clinic: str, language: str = "en") -> dict[str, str]:
    return {id: card.say(language).title for id, card in cards.cards_of(db, clinic).items()}


@get("/clinic/adherence")
async def show(request: PageRequest) -> Response[str]:
    """Dates or a grouping that cannot be are said beside the form; the last 28 days are shown instead."""
    here = await clinician_here(request)
    asked = request.query_params
    by: Any = asked.get("by", "")
    by = by if by in get_args(By) else "clinician"
    usual = _three_weeks(here.clinic.zone, here.now)
    error, dates = None, usual
    try:
        dates = _dates(asked.get("from", ""), asked.get("to", ""), usual)
        counting.check_range(*dates)
    except Invalid as invalid:
        error, dates = invalid, usual
    wanted = counting.weeks(*dates, by, here.now, sight=sight_of(here.who, here.now))
    found: View = await here.db.read(view, here.who.clinic, wanted, asked.get("show", ""))
    shown = {"here": here, "view": found, "by": by, "dates": wanted.dates, "asked": asked, "error": error}
    return page(
        "adherence",
        422 if error else 200,
        **shown,
        link_of=link_of,
        chart=drawn(found.groups),
    )


def _dates(first: str, last: str, usual: tuple[date, date]) -> tuple[date, date]:
    return a_date(first, "from") if first else usual[0], a_date(last, "to") if last else usual[1]


def _three_weeks(zone_name: str, now: Instant) -> tuple[date, date]:
    """This week and the three before it."""
    _, today = last_days(zone_name, now)
    return today - timedelta(days=21), today


def drawn(groups: list[Group]) -> Markup:
    rows = [Bar(it.name, it.adherence.percent, it.adherence.n, it.adherence.band) for it in groups if it.key]
    return bars(rows[:MOST_BARS], "Adherence of each group; the table says the same")


# one patient


class Apart(NamedTuple):
    key: str
    adherence: Adherence


class Patients(NamedTuple):
    """A patient's numbers with everything behind them; `items` in order of time."""

    patient: Patient
    four_weeks: Adherence
    week: Adherence
    coverage: Coverage
    exercises: list[Apart]
    weeks: list[Apart]
    items: list[Item]
    titles: dict[str, str]


def of_patient(db: Connection, clinic: str, id: str, now: Instant) -> Patients:
    it = people.patient_of(db, clinic, id)
    first, today = last_days(it.zone, now)
    items = counting.patient_ledger(db, clinic, id, first, today, now)
    last_week = today.toordinal() - 6
    by_exercise = adherence.grouped(items, lambda it: it.exercise)
    by_week = adherence.grouped(items, lambda it: say_week(week_of(it.wall)))
    return Patients(
        it,
        adherence.sum_up(items),
        adherence.sum_up(one for one in items if one.day >= last_week),
        adherence.coverage(items),
        [Apart(key, adherence.sum_up(some)) for key, some in by_exercise.items()],
        [Apart(key, adherence.sum_up(some)) for key, some in by_week.items()],
        items,
        titles_of(db, clinic),
    )


@get("/clinic/patients/{id:str}/adherence")
async def show_patient(request: PageRequest, id: FromPath[str]) -> Response[str]:
    """The last seven and 28 days of one patient, with the verdict on every item."""
    here = await clinician_here(request)
    found: Patients = await here.db.read(of_patient, here.who.clinic, id, here.now)
    drawing = calendar(found.items, ITEMS, found.titles, "Every item of the last 28 days; the table says the same")
    shown = {"here": here, "it": found, "calendar": drawing, "legend": legend(ITEMS)}
    return page("patient_adherence", 200, **shown)


# a patient's own page


@get("/progress")
async def show_mine(request: PageRequest) -> Response[str]:
    """What went well, what is ahead; no number a patient could be measured by."""
    here = await patient_here(request)
    found, titles = await here.db.read(_mine, here.who, here.now)
    return page("progress", 200, here=here, it=found, titles=titles)


def _mine(db: Connection, who: Who, now: Instant) -> tuple[MyWeeks, dict[str, str]]:
    language = preferences_of(db, who.clinic, [who.id]).get(who.id, DEFAULT).language
    return counting.my_weeks(db, who.clinic, who.id, now), titles_of(db, who.clinic, language)


ROUTES = [show, show_patient, show_mine]

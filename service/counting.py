"""What is counted: the ledger of many patients, a clinic's numbers from it, and the rollup that makes them quick.

Every number of every page, reply and export comes from here. As of a past instant, only what was known by then counts:
completions received, plans revised, held and ended, messages settled.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Literal

import msgspec
from sqlalchemy import Connection

from notifications import receipts
from notifications.timing import EPOCH_DAY, zone
from programs import adherence, completions, people, plans, rollup
from programs.adherence import FEWEST, Adherence, Item, Progress, Tally
from programs.errors import Invalid
from programs.instants import DAY, Instant
from programs.people import Patient
from programs.rollup import FOREVER, NEVER, Entry, Part, Span, Standing
from programs.schedule import DAY_MINUTES, Course, days_of, last_day, week_of
from programs.treating import Sight

By = Literal["clinician", "program", "week", "patient"]
LONGEST_RANGE = 366  # days
LOWEST = 100  # patients, of whom nobody reads more


class Group(msgspec.Struct, frozen=True):
    """The adherence of some patients together: of one clinician's, of one program's, of one week, or of one patient.

    `key` is the id of the clinician or the patient, the title, or "2026-W23"; of everybody together it is "".
    """

    key: str
    name: str
    patients: int
    adherence: Adherence


class Line(msgspec.Struct, frozen=True):
    """An item with what groups it."""

    patient_id: str
    course: Course
    item: Item


class Wanted(msgspec.Struct, frozen=True):
    """Which weeks of a clinic are asked for, grouped how, at which instant, and (FOREVER: all) known by when."""

    first: int
    last: int
    by: By
    now: Instant
    known: Instant = FOREVER
    sight: Sight | None = None  # only those patients; the rollup is of all of them and then not asked

    @property
    def dates(self) -> tuple[date, date]:
        last = min(days_of(self.last)[1], date.max.toordinal())
        return date.fromordinal(days_of(self.first)[0]), date.fromordinal(last)


def weeks(
    first: date, last: date, by: By, now: Instant, known: Instant = FOREVER, sight: Sight | None = None
) -> Wanted:
    """The whole weeks that these dates lie in: Monday to Sunday."""
    check_range(first, last)
    start, end = (week_of(it.toordinal() * DAY_MINUTES) for it in (first, last))
    return Wanted(start, end, by, now, known, sight)


# the ledger


def patient_ledger(
    db: Connection, clinic: str, patient: str, first: date, last: date, now: Instant, known: Instant = FOREVER
) -> list[Item]:
    """Every item behind a patient's number, in order of time; what is still to come is open."""
    check_range(first, last)
    it = people.patient_of(db, clinic, patient)
    lines = lines_of(db, clinic, [it], first, last, now, known)
    return sorted((line.item for line in lines), key=lambda item: item.wall)


def check_range(first: date, last: date) -> None:
    if last < first:
        raise Invalid("to", "is before from")
    if last - first > timedelta(days=LONGEST_RANGE):
        raise Invalid("to", f"is more than {LONGEST_RANGE} days after from")


def lines_of(
    db: Connection,
    clinic: str,
    patients: Iterable[Patient],
    first: date,
    last: date,
    now: Instant,
    known: Instant = FOREVER,
) -> list[Line]:
    zones = _zones(db, clinic, patients, known)
    ledgers = _ledgers(db, clinic, zones, (first.toordinal(), last.toordinal()), now, known)
    return [Line(course.patient_id, course, item) for course, items in ledgers for item in items]


def _zones(db: Connection, clinic: str, patients: Iterable[Patient], known: Instant) -> dict[str, str]:
    """Patient id -> the zone they lived in then."""
    zones = {it.id: it.zone for it in patients}
    if known == FOREVER:
        return zones
    return {id: it.known_by(known).zone for id, it in people.moves_of(db, clinic, list(zones)).items()}


def _ledgers(
    db: Connection, clinic: str, zones: Mapping[str, str], days: tuple[int, int], now: Instant, known: Instant
) -> Iterator[tuple[Course, list[Item]]]:
    """Each plan of these patients (id -> zone) with its items of these days; a few statements for all of them."""
    ids = list(zones)
    first, last = days
    done = completions.completions_of(db, clinic, ids, first * DAY_MINUTES, (last + 1) * DAY_MINUTES - 1)
    # Two days earlier, as no zone is further from UTC than that.
    unreached = receipts.unreached(db, clinic, ids, (first - EPOCH_DAY - 2) * DAY, known)
    for course in _courses(db, clinic, ids, known):
        patient = course.patient_id
        kept = [it for it in done.get(patient, ()) if it.received_at <= known]
        missing = {wall for plan, wall in unreached.get(patient, ()) if plan == course.plan_id}
        here = zone(zones[patient]).minutes(min(now, known))
        yield course, adherence.ledger(course, kept, missing, first, last, here)


def _courses(db: Connection, clinic: str, patients: Sequence[str], known: Instant) -> list[Course]:
    courses = [it for found in plans.courses_of(db, clinic, patients).values() for it in found]
    return courses if known == FOREVER else plans.known_by(db, clinic, courses, known)


class MyWeek(msgspec.Struct, frozen=True):
    """A patient's own view of one week: its Monday, bouts done of those there are, and every item."""

    monday: date
    progress: Progress
    items: list[Item]


class MyWeeks(msgspec.Struct, frozen=True):
    this: MyWeek
    before: list[MyWeek]  # latest first


def my_weeks(db: Connection, clinic: str, patient: str, now: Instant) -> MyWeeks:
    """This week, all of it, and the three before it."""
    today = zone(people.patient_of(db, clinic, patient).zone).wall(now).day
    week = week_of(today * DAY_MINUTES)
    found = [_my_week(db, clinic, patient, one, now) for one in range(week, week - 4, -1)]
    return MyWeeks(found[0], [it for it in found[1:] if it.items])


def _my_week(db: Connection, clinic: str, patient: str, week: int, now: Instant) -> MyWeek:
    monday, sunday = map(date.fromordinal, days_of(week))
    items = patient_ledger(db, clinic, patient, monday, sunday, now)
    return MyWeek(monday, adherence.progress(items), items)


# a clinic


def clinic_groups(db: Connection, clinic: str, wanted: Wanted) -> list[Group]:
    """A group each, lowest first (weeks in order of time); then all of it together, with the key "".

    Of patients only the LOWEST that have a number. What is still to come is in none.
    """
    unsure = _unsure(db, clinic, wanted)
    sums, total = _Sums(), _Sums()
    if wanted.known == FOREVER and wanted.sight is None:
        span = Span(clinic, wanted.first, wanted.last, wanted.now, FEWEST, LOWEST)
        apart, together = rollup.parts(db, wanted.by, span, all_sure=not unsure)
        for part in apart:
            sums.add_part(part)
        total.add_part(together)
    for course, week, tally in _counted(db, clinic, wanted, unsure):
        sums.add(_key(wanted.by, course, week), course.patient_id, tally)
        total.add("", course.patient_id, tally)
    total.tallies.setdefault("", Tally())  # also where there is nothing to count
    groups = sums.groups(_names(db, clinic, wanted.by, sums.tallies))
    if wanted.by == "patient":
        groups = [it for it in groups if it.adherence.percent is not None]
    groups.sort(key=_in_time if wanted.by == "week" else _lowest_first)
    return [*(groups[:LOWEST] if wanted.by == "patient" else groups), *total.groups({"": ""})]


def _in_time(it: Group) -> str:
    return it.key


def _lowest_first(it: Group) -> tuple[bool, float, str, str]:
    percent = it.adherence.percent
    return percent is None, percent or 0, it.name, it.key


def _unsure(db: Connection, clinic: str, wanted: Wanted) -> list[Standing]:
    """Who is counted from the ledger: whose rollup is behind, or, as of a past instant or for some only, all."""
    if wanted.known == FOREVER and wanted.sight is None:
        return rollup.unsure(db, clinic, wanted.last, wanted.now)
    return [Standing(it.id, 0, 0, 0) for it in people.patients_of(db, clinic, sight=wanted.sight)]


def _counted(
    db: Connection, clinic: str, wanted: Wanted, unsure: Sequence[Standing]
) -> Iterator[tuple[Course, int, Tally]]:
    """Plan, week, tally of these patients: what of their rollup is right, and the rest from the ledger."""
    if not unsure:
        return
    wrong_from = {it.patient: it.wrong_from(wanted.now) for it in unsure}
    ids = list(wrong_from)
    if any(wrong_from.values()):
        courses = {it.plan_id: it for it in _courses(db, clinic, ids, FOREVER)}
        for entry in rollup.entries(db, clinic, ids, wanted.first, wanted.last):
            if entry.week < wrong_from[entry.patient]:
                yield courses[entry.plan], entry.week, Tally(entry.slots, entry.share, entry.counts)
    zones = _zones(db, clinic, people.some_patients(db, clinic, ids), wanted.known)
    for first, some in _by_start({id: max(week, wanted.first) for id, week in wrong_from.items()}).items():
        if first <= wanted.last:
            days = days_of(first)[0], days_of(wanted.last)[1]
            here = {id: zones[id] for id in some}
            ledgers = _ledgers(db, clinic, here, days, wanted.now, wanted.known)
            yield from _weeks(ledgers, here, min(wanted.now, wanted.known))


def _by_start(starts: Mapping[str, int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for id, first in starts.items():
        found[first].append(id)
    return found


def _weeks(
    ledgers: Iterable[tuple[Course, list[Item]]], zones: Mapping[str, str], now: Instant
) -> Iterator[tuple[Course, int, Tally]]:
    """Whole weeks, without what lies after the patient's own date: nobody can have done it yet."""
    for course, items in ledgers:
        today = zone(zones[course.patient_id]).wall(now).day
        for week, some in adherence.grouped((it for it in items if it.day <= today), _week).items():
            yield course, week, adherence.tally(some)


def _week(item: Item) -> int:
    return week_of(item.wall)


class _Sums:
    """Tallies by group, with how many patients each has: those counted before, and those named here."""

    def __init__(self) -> None:
        self.tallies: dict[str | int, Tally] = defaultdict(Tally)
        self.patients: dict[str | int, int] = defaultdict(int)
        self.named: dict[str | int, set[str]] = defaultdict(set)

    def add_part(self, it: Part) -> None:
        self.tallies[it.key] += Tally(it.slots, it.share, it.counts)
        self.patients[it.key] += it.patients

    def add(self, key: str | int, patient: str, it: Tally) -> None:
        self.tallies[key] += it
        self.named[key].add(patient)

    def groups(self, names: Mapping[str | int, str]) -> list[Group]:
        return [
            Group(
                _say(key),
                names.get(key, _say(key)),
                self.patients[key] + len(self.named[key]),
                adherence.number(tally),
            )
            for key, tally in self.tallies.items()
        ]


def _key(by: By, course: Course, week: int) -> str | int:
    if by == "week":
        return week
    return {"clinician": course.clinician_id, "program": course.title, "patient": course.patient_id}[by]


def _names(db: Connection, clinic: str, by: By, keys: Iterable[str | int]) -> Mapping[str | int, str]:
    if by == "clinician":
        return dict(people.clinicians_of(db, clinic).items())
    return {it.id: it.name for it in people.some_patients(db, clinic, [*map(str, keys)])} if by == "patient" else {}


def _say(key: str | int) -> str:
    return say_week(key) if isinstance(key, int) else key


def say_week(week: int) -> str:
    """ "2026-W23" """
    return "{}-W{:02}".format(*date.fromordinal(days_of(week)[0]).isocalendar())


def behind(db: Connection, clinic: str, wanted: Wanted, key: str) -> list[Line]:
    """The items behind one group's number, "" being everybody's; latest first."""
    zones = _zones(db, clinic, people.patients_of(db, clinic, sight=wanted.sight), wanted.known)
    days, then = (days_of(wanted.first)[0], days_of(wanted.last)[1]), min(wanted.now, wanted.known)
    today = {id: zone(name).wall(then).day for id, name in zones.items()}
    found = [
        Line(course.patient_id, course, item)
        for course, items in _ledgers(db, clinic, zones, days, wanted.now, wanted.known)
        for item in items
        if item.day <= today[course.patient_id] and key in ("", _say(_key(wanted.by, course, week_of(item.wall))))
    ]
    return sorted(found, key=lambda it: it.item.wall, reverse=True)


# the rollup


def roll_up(db: Connection, clinic: str, patients: Sequence[str], now: Instant) -> None:
    """Count the weeks that are not right for these patients anew, and keep them."""
    people.lock(db, clinic, patients)
    standings = {it.patient: it for it in rollup.standings(db, clinic, patients, lock=True)}
    zones = {it.id: it.zone for it in people.some_patients(db, clinic, patients)}
    for wrong_from, some in _by_start({id: it.wrong_from(now) for id, it in standings.items()}).items():
        _roll_up(db, clinic, wrong_from, {id: zones[id] for id in some}, standings, now)


def _roll_up(
    db: Connection,
    clinic: str,
    wrong_from: int,
    zones: Mapping[str, str],
    standings: Mapping[str, Standing],
    now: Instant,
) -> None:
    courses: dict[str, list[Course]] = defaultdict(list)
    for course in _courses(db, clinic, list(zones), FOREVER):
        courses[course.patient_id].append(course)
    walls = {id: zone(name).minutes(now) for id, name in zones.items()}
    begun = (it.from_wall for some in courses.values() for course in some for it in course.revisions)
    first = max(wrong_from, week_of(min(begun, default=min(walls.values()))))
    days = days_of(first)[0], max(walls.values()) // DAY_MINUTES
    entries: dict[str, list[Entry]] = defaultdict(list)
    for course, week, it in _weeks(_ledgers(db, clinic, zones, days, now, FOREVER), zones, now):
        keys = course.patient_id, course.plan_id, course.clinician_id, course.title
        entry = Entry(*keys, week, it.slots, it.share, it.counts)
        entries[course.patient_id].append(entry)
    for id, name in zones.items():
        after = _after(id, name, walls[id], courses[id])
        rollup.store(db, clinic, standings[id], after, first, entries[id])


def _after(id: str, zone_name: str, here: int, courses: Iterable[Course]) -> Standing:
    """Right until the patient's next midnight; for good, where no plan asks for anything any more."""
    today, week = here // DAY_MINUTES, week_of(here)
    ends = [last_day(it) for it in courses]
    if all(end is not None and end < today for end in ends):
        return Standing(id, NEVER, week, FOREVER)
    return Standing(id, week + 1, week, zone(zone_name).instant(today + 1, 0))

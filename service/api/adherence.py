"""Adherence: the one number and what it stands on, of a patient, and of a clinic in groups."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Literal

import msgspec
from litestar import get
from litestar.response.base import ASGIResponse
from msgspec import field
from sqlalchemy import Connection

from notifications.timing import zone
from programs import adherence, people
from programs.adherence import Adherence, Item
from programs.instants import Instant, of
from programs.rollup import FOREVER
from programs.schedule import day_of, time_of, week_of
from service import counting
from service.access import sight_of
from service.api.call import ApiRequest, at_clinic, at_me
from service.api.doc import Doc
from service.api.wire import FIRST_YEAR, LAST_YEAR, Day, Moment, Out, local, stamp
from service.care import Who
from service.counting import LONGEST_RANGE, By, Group, MyWeek, say_week
from service.errors import Wrong, invalid

USUAL = timedelta(days=27)  # with today, 28 local days
THREE_WEEKS = timedelta(days=21)
Apart = Literal["exercise", "week", "bout"]
APART: Mapping[Apart, Callable[[Item], str]] = {
    "exercise": lambda it: it.exercise,
    "week": lambda it: say_week(week_of(it.wall)),
    "bout": lambda it: f"{it.plan_id} {local(it.wall)}",
}


class RangeQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Local dates, both included. `as_of` gives the numbers of a past instant: only what was known by then counts."""

    from_: Day | None = field(default=None, name="from")
    to: Day | None = None
    as_of: Moment | None = None

    def days(self, today: date, usual: timedelta) -> tuple[date, date]:
        last = self.to or today
        if last.toordinal() <= LONGEST_RANGE:
            raise invalid(Wrong("is too long ago", parameter="to"))
        first = self.from_ or last - usual
        if last < first:
            raise invalid(Wrong("is before from", parameter="to"))
        if last - first > timedelta(days=LONGEST_RANGE):
            raise invalid(Wrong(f"is more than {LONGEST_RANGE} days after from", parameter="to"))
        return first, last

    def known(self, now: Instant) -> tuple[Instant, Instant]:
        """The instant at which the clocks are read, and by which things were known."""
        if self.as_of is None:
            return now, FOREVER
        if not FIRST_YEAR <= self.as_of.year < LAST_YEAR or of(self.as_of) > now:
            raise invalid(Wrong("must be in the past", parameter="as_of"))
        return of(self.as_of), of(self.as_of)


class PatientQuery(RangeQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The last 28 days where the dates are left out. `by` adds the number of each exercise, week or bout."""

    items: bool = False
    by: Apart | None = None


class ClinicQuery(RangeQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whole weeks: the dates are widened to a Monday and a Sunday; left out, this week and the three before it."""

    by: By = "clinician"


class ItemOut(Out, frozen=True, kw_only=True):
    """One exercise of one bout; `reason` is the patient's for skipping or the clinic's for holding."""

    plan_id: str
    revision: int
    exercise: str
    date: date
    time: str
    state: adherence.State
    sets: int
    sets_done: float
    reason: str
    completion_id: str | None


class AdherenceOut(Out, frozen=True, kw_only=True):
    """`percent` is null with fewer than three days of an exercise (`n`), and `band` then says “not enough data”.

    `counts` are the items behind it by state.
    """

    percent: float | None
    band: str
    n: int
    counts: Mapping[str, int]


class ApartOut(AdherenceOut, frozen=True, kw_only=True):
    """Of one exercise (its id), week ("2026-W23") or bout ("plan 2026-06-01T09:00"), as `key` says."""

    key: str


class PatientAdherenceOut(AdherenceOut, frozen=True, kw_only=True):
    """`items` are all of them and `groups` the numbers apart, if asked for, else null.

    `logged_days` are the dates with anything logged, of the `due_days` that count.
    """

    patient_id: str
    from_: date = field(name="from")
    to: date
    as_of: datetime
    logged_days: int
    due_days: int
    groups: Sequence[ApartOut] | None
    items: Sequence[ItemOut] | None


class GroupOut(AdherenceOut, frozen=True, kw_only=True):
    """`key` is the id of the clinician or patient, the title, or "2026-W23"; "" of everybody."""

    key: str
    name: str
    patients: int


class ClinicAdherenceOut(Out, frozen=True, kw_only=True):
    """`all` is everybody together: not the mean of the groups, but the same sum over all of their items."""

    from_: date = field(name="from")
    to: date
    as_of: datetime
    by: By
    groups: Sequence[GroupOut]
    all: GroupOut


class WeekOut(Out, frozen=True, kw_only=True):
    """Of `due` bouts in the week of this Monday, `done` had something done in them; `ahead` are still to come.

    What is on hold, or what no reminder reached them for, is in none of the three.
    """

    monday: date
    done: int
    due: int
    ahead: int
    items: Sequence[ItemOut]


class ProgressOut(Out, frozen=True, kw_only=True):
    """`before` are up to three weeks with anything due, the latest first."""

    week: WeekOut
    before: Sequence[WeekOut]


@get(
    "/clinics/{clinic:str}/patients/{id:str}/adherence",
    doc=Doc(gives=PatientAdherenceOut, query=PatientQuery),
)
async def patient_adherence(request: ApiRequest) -> ASGIResponse:
    """A patient's adherence on their own local dates, with every item behind it if `items` is true."""
    call = await at_clinic(request)
    return await call.read(_of_patient, call.who, call.id(), call.query(PatientQuery), call.now)


@get("/clinics/{clinic:str}/adherence", doc=Doc(gives=ClinicAdherenceOut, query=ClinicQuery))
async def clinic_adherence(request: ApiRequest) -> ASGIResponse:
    """The clinic's adherence by clinician, program, ISO week or patient, each with what it stands on."""
    call = await at_clinic(request)
    return await call.read(_of_clinic, call.who, call.query(ClinicQuery), call.now)


@get("/me/progress", doc=Doc(gives=ProgressOut))
async def my_progress(request: ApiRequest) -> ASGIResponse:
    """A patient's own weeks: what went well and what is ahead."""
    call = await at_me(request)
    return await call.read(_mine, call.who, call.now)


def _mine(db: Connection, who: Who, now: Instant) -> ProgressOut:
    found = counting.my_weeks(db, who.clinic, who.id, now)
    return ProgressOut(week=_week(found.this), before=[_week(it) for it in found.before])


def _week(it: MyWeek) -> WeekOut:
    way = it.progress
    items = [_item(one) for one in it.items]
    return WeekOut(monday=it.monday, done=way.done, due=way.due, ahead=way.ahead, items=items)


def _of_patient(db: Connection, who: Who, id: str, query: PatientQuery, now: Instant) -> PatientAdherenceOut:
    then, known = query.known(now)
    people.patient_of(db, who.clinic, id)
    today = day_of(people.moves_of(db, who.clinic, [id])[id].wall(then))
    first, last = query.days(today, USUAL)
    items = counting.patient_ledger(db, who.clinic, id, first, last, then, known)
    covered = adherence.coverage(items)
    return PatientAdherenceOut(
        patient_id=id,
        from_=first,
        to=last,
        as_of=stamp(then),
        logged_days=covered.logged,
        due_days=covered.due,
        groups=_apart(items, APART[query.by]) if query.by else None,
        items=[_item(one) for one in items] if query.items else None,
        **_number(adherence.sum_up(items)),
    )


def _apart(items: Sequence[Item], key: Callable[[Item], str]) -> list[ApartOut]:
    groups = adherence.grouped(items, key)
    return [ApartOut(key=name, **_number(adherence.sum_up(some))) for name, some in groups.items()]


def _of_clinic(db: Connection, who: Who, query: ClinicQuery, now: Instant) -> ClinicAdherenceOut:
    then, known = query.known(now)
    today = day_of(zone(people.clinic_of(db, who.clinic).zone).minutes(then))
    sight = sight_of(who, now)
    wanted = counting.weeks(*query.days(today, THREE_WEEKS), query.by, then, known, sight)
    *each, total = map(_group, counting.clinic_groups(db, who.clinic, wanted))
    first, last = wanted.dates
    return ClinicAdherenceOut(from_=first, to=last, as_of=stamp(then), by=query.by, groups=each, all=total)


def _group(it: Group) -> GroupOut:
    return GroupOut(key=it.key, name=it.name, patients=it.patients, **_number(it.adherence))


def _number(it: Adherence) -> dict[str, Any]:
    return {"percent": it.percent, "band": it.band, "n": it.n, "counts": it.counts}


def _item(it: Item) -> ItemOut:
    return ItemOut(
        plan_id=it.plan_id,
        revision=it.revision,
        exercise=it.exercise,
        date=day_of(it.wall),
        time=time_of(it.wall),
        state=it.state,
        sets=it.sets,
        sets_done=it.sets_done,
        reason=it.reason,
        completion_id=it.completion_id or None,
    )


ROUTES = (patient_adherence, clinic_adherence, my_progress)

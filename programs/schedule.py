"""schedule: plan + local dates -> the bouts due. Pure; knows no zone and no clock change.

A `wall` is a minute of the patient's local clock counted from year 1: `date.toordinal() * 1440 + minute of the day`.
"09:00 daily" is a wall, and stays one when the patient moves to another zone.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from functools import lru_cache
from itertools import accumulate

import msgspec

from programs.dosage import Prescription
from programs.phases import Phases, Spell, ease

DAY_MINUTES = 24 * 60


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one revision of a plan asks for. `times` are the patient's times of day; an exercise may have its own."""

    prescriptions: tuple[Prescription, ...]
    times: tuple[str, ...]
    starts_on: date
    ends_on: date | None = None
    note: str = ""
    phases: Phases | None = None  # None: nothing is held or lightened because of needling


class Revision(msgspec.Struct, frozen=True):
    """`spells` are worked out from the patient's needling sessions each time it is read; see phases.py."""

    number: int
    from_wall: int
    terms: Terms
    spells: tuple[Spell, ...] = ()


class Hold(msgspec.Struct, frozen=True):
    """Bouts in [from_wall, until_wall) are excused: all of the plan's, or those of the exercises named."""

    id: str
    from_wall: int
    until_wall: int | None
    exercises: tuple[str, ...]
    reason: str

    def covers(self, wall: int, exercise: str) -> bool:
        return (
            self.from_wall <= wall
            and (self.until_wall is None or wall < self.until_wall)
            and (not self.exercises or exercise in self.exercises)
        )


class Course(msgspec.Struct, frozen=True):
    """One plan with its whole history, revisions in order."""

    plan_id: str
    patient_id: str
    clinician_id: str
    title: str
    version: int
    ended_wall: int | None
    revisions: tuple[Revision, ...]
    holds: tuple[Hold, ...] = ()


class Bout(msgspec.Struct, gc=False):
    """Everything one plan asks for at one time of one local date; `held` names the exercises that a hold excuses."""

    plan_id: str
    revision: int
    wall: int
    due: tuple[Prescription, ...]
    held: dict[str, str]

    @property
    def wanted(self) -> tuple[Prescription, ...]:
        return tuple(item for item in self.due if item.exercise not in self.held)


Slots = list[tuple[int, tuple[Prescription, ...]]]


def bouts(course: Course, first_day: int, last_day: int) -> list[Bout]:
    """The bouts of [first_day, last_day], local date ordinals, both included, in order of time."""
    found: list[Bout] = []
    until = course.ended_wall if course.ended_wall is not None else (last_day + 1) * DAY_MINUTES
    for revision, start, end in _reigns(course.revisions, until):
        terms = revision.terms
        first = max(first_day, start // DAY_MINUTES, terms.starts_on.toordinal())
        last = min(last_day, (end - 1) // DAY_MINUTES, terms.ends_on.toordinal() if terms.ends_on else last_day)
        if first > last:
            continue
        week = _week(terms)
        for day in range(first, last + 1):
            midnight = day * DAY_MINUTES
            for minute, due in week[day % 7]:
                wall = midnight + minute
                if start <= wall < end:
                    held = _held(course.holds, wall, due) if course.holds else {}
                    found.append(Bout(course.plan_id, revision.number, wall, due, held))
        if revision.spells:
            _ease(found, revision)
    return found


def _ease(found: Sequence[Bout], revision: Revision) -> None:
    """What needling holds or lightens of this revision's bouts; a hold of the clinic keeps its own reason."""
    mine = [it for it in found if it.revision == revision.number]
    if not mine:
        return
    near = [it for it in revision.spells if it.until_wall is None or it.until_wall > mine[0].wall]
    for bout in mine:
        bout.due, eased = ease(near, bout.wall, bout.due)
        bout.held = eased | bout.held


def _reigns(revisions: Sequence[Revision], until: int) -> Iterator[tuple[Revision, int, int]]:
    """Each revision with the walls it rules: from its own until that of any later one.

    The next one may begin at an earlier wall: the patient flew west in between.
    """
    ends = [*accumulate((revision.from_wall for revision in reversed(revisions)), min, initial=until)]
    for revision, end in zip(revisions, reversed(ends[:-1]), strict=True):
        yield revision, revision.from_wall, end


@lru_cache(maxsize=4096)
def _week(terms: Terms) -> list[Slots]:
    """Minute of the day -> exercises, for each day of the week. `date.toordinal() % 7` is 0 on a Sunday."""
    week: list[dict[int, list[Prescription]]] = [{} for _ in range(7)]
    for item in terms.prescriptions:
        for weekday in item.dosage.days or range(1, 8):
            for time in times_of(item, terms):
                week[weekday % 7].setdefault(minute_of(time), []).append(item)
    return [sorted((minute, tuple(due)) for minute, due in day.items()) for day in week]


def times_of(item: Prescription, terms: Terms) -> tuple[str, ...]:
    """The exercise's own times, else the plan's: all of them, or the first `per_day`."""
    return item.times or terms.times[: item.dosage.per_day]


def _held(holds: Sequence[Hold], wall: int, due: Sequence[Prescription]) -> dict[str, str]:
    return {item.exercise: hold.reason for hold in reversed(holds) for item in due if hold.covers(wall, item.exercise)}


def minute_of(time: str) -> int:
    """ "08:30" -> 510"""
    return int(time[:2]) * 60 + int(time[3:])


def day_of(wall: int) -> date:
    return date.fromordinal(wall // DAY_MINUTES)


def time_of(wall: int) -> str:
    return f"{wall // 60 % 24:02}:{wall % 60:02}"


def week_of(wall: int) -> int:
    """Whole weeks since year 1, Monday to Sunday."""
    return (wall // DAY_MINUTES - 1) // 7


def days_of(week: int) -> tuple[int, int]:
    """Its Monday and Sunday, as ordinals of local dates."""
    return week * 7 + 1, week * 7 + 7


def last_day(course: Course) -> int | None:
    """The ordinal of the last local date that this plan may ask something for; None where there is no end in sight."""
    if course.ended_wall is not None:
        return (course.ended_wall - 1) // DAY_MINUTES
    ends_on = course.revisions[-1].terms.ends_on
    return ends_on.toordinal() if ends_on is not None else None


def wall_at(day: date, time: str) -> int:
    return day.toordinal() * DAY_MINUTES + minute_of(time)

"""How much of an exercise, as one value, and Prescription, which joins it to one; the exercises are in exercises.py."""

import re
from typing import Literal

import msgspec

from programs.errors import Invalid

Side = Literal["left", "right", "both", "none"]

BOUNDS = {
    "sets": (1, 10),
    "reps": (1, 50),
    "hold_seconds": (1, 300),
    "minutes": (1, 120),
    "per_day": (1, 6),
}
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_NOTE = 500  # characters: a remark beside an exercise, not a letter


class Dosage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A stretch held three times is sets=3 with hold_seconds and no reps; side "both" means the dose on each side."""

    sets: int = 1
    reps: int | None = None
    hold_seconds: int | None = None
    minutes: int | None = None
    side: Side = "none"
    per_day: int | None = None  # None is at each of the plan's times of day
    days: tuple[int, ...] = ()  # ISO weekdays, Monday is 1; empty is every day


class Prescription(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An exercise and how much of it: what a plan and a template are lists of."""

    exercise: str
    dosage: Dosage
    times: tuple[str, ...] | None = None  # "HH:MM" on the patient's wall clock; None is their usual time
    pain_limit: int = 5  # of 10 during the exercise; clinical.md 4.3, 5.6 [P]
    note: str = ""


def check(dosage: Dosage) -> None:
    """Raise Invalid for a dose nobody means; whether it suits the exercise is `exercises.unusual`."""
    for field, (low, high) in BOUNDS.items():
        value = getattr(dosage, field)
        if value is not None and not low <= value <= high:
            raise Invalid(field, f"must be from {low} to {high}")
    if dosage.reps is None and dosage.hold_seconds is None and dosage.minutes is None:
        raise Invalid("reps", "give reps, a hold or minutes")
    if dosage.minutes is not None and (dosage.reps is not None or dosage.hold_seconds is not None):
        raise Invalid("minutes", "cannot be given together with reps or a hold")
    if any(day not in range(1, 8) for day in dosage.days) or len(set(dosage.days)) != len(dosage.days):
        raise Invalid("days", "must be different weekdays from 1 (Monday) to 7 (Sunday)")


def check_prescription(prescription: Prescription) -> None:
    """Raise Invalid for what is wrong beside the exercise; whether that exists, `exercises.find` says."""
    check(prescription.dosage)
    if prescription.times is not None:
        _check_times(prescription.times, prescription.dosage.per_day)
    if not 0 <= prescription.pain_limit <= 10:
        raise Invalid("pain_limit", "must be from 0 to 10")
    if len(prescription.note) > _NOTE:
        raise Invalid("note", f"must be at most {_NOTE} characters")


def check_time(time: str, field: str = "times") -> None:
    """Raise Invalid unless it is a wall-clock time, "HH:MM"."""
    if not _CLOCK.fullmatch(time):
        raise Invalid(field, "must be written as HH:MM, from 00:00 to 23:59")


def _check_times(times: tuple[str, ...], per_day: int | None) -> None:
    for time in times:
        check_time(time)
    wanted = per_day or len(times)
    if not times or len(times) != wanted or len(set(times)) != wanted:
        raise Invalid("times", f"must be {wanted or 'some'} different times, one for each time a day")


def say(dosage: Dosage) -> str:
    """Plain words, e.g. "3 sets of 10, hold 5 seconds, each side, twice a day"."""
    parts = (_work(dosage), _side(dosage.side), _per_day(dosage.per_day), _days(dosage.days))
    return ", ".join(part for part in parts if part)


def _work(dosage: Dosage) -> str:
    if dosage.minutes is not None:
        time = _count(dosage.minutes, "minute")
        return time if dosage.sets == 1 else f"{time}, {_times(dosage.sets)}"
    hold = f"hold {_count(dosage.hold_seconds, 'second')}" if dosage.hold_seconds is not None else ""
    if dosage.reps is None:
        return f"{hold}, {_times(dosage.sets)}"
    work = _times(dosage.reps) if dosage.sets == 1 else f"{dosage.sets} sets of {dosage.reps}"
    return f"{work}, {hold}" if hold else work


def _side(side: Side) -> str:
    return {"left": "left side", "right": "right side", "both": "each side", "none": ""}[side]


def _per_day(per_day: int | None) -> str:
    return f"{_times(per_day)} a day" if per_day and per_day > 1 else ""


def _days(days: tuple[int, ...]) -> str:
    names = [_DAYS[day - 1] for day in sorted(days)]
    if not names or len(names) == len(_DAYS):
        return ""
    return "on " + " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _count(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def minutes_a_day(dosage: Dosage) -> float:
    """An estimate for planning a day [P]: 3 s to move for each rep, 20 s of rest after each set."""
    sides = 2 if dosage.side == "both" else 1
    if dosage.minutes is not None:
        return float(dosage.minutes * dosage.sets * sides * (dosage.per_day or 1))
    set_seconds = (dosage.reps or 1) * ((dosage.hold_seconds or 0) + 3) + 20
    return set_seconds * dosage.sets * sides * (dosage.per_day or 1) / 60

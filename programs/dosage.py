"""How much of an exercise, as one value, and Prescription, which joins it to one; the exercises are in exercises.py."""

import re
from typing import Literal

import msgspec

from programs.errors import Invalid
from programs.wording import DosageWords, words

Side = Literal["left", "right", "both", "none"]
Phase = Literal["A", "B", "C"]
PHASES: tuple[Phase, ...] = ("A", "B", "C")  # settle 0-24 h, light 24-48 h, full after 48 h: clinical.md 4.2 [P]

BOUNDS = {
    "sets": (1, 10),
    "reps": (1, 50),
    "hold_seconds": (1, 300),
    "minutes": (1, 120),
    "per_day": (1, 6),
}
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
    """An exercise and how much of it: what a plan and a template are lists of.

    The last three say how it goes on after needling, in a plan that follows phases (phases.py). What is left out is
    taken from the card when the plan is saved, and stays so: a card that changes later changes no plan.
    """

    exercise: str
    dosage: Dosage
    times: tuple[str, ...] | None = None  # "HH:MM" on the patient's wall clock; None is their usual time
    pain_limit: int = 5  # of 10 during the exercise; clinical.md 4.3, 5.6 [P]
    note: str = ""
    phase: Phase | None = None  # asked from this phase on, where something it works was needled
    works: tuple[str, ...] = ()  # muscles; of loaded work also regions
    lighter: Dosage | None = None  # until the last phase: sets, reps, hold or minutes in place of the dose's


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
    if prescription.lighter is not None:
        _check_lighter(prescription.dosage, prescription.lighter)


def _check_lighter(dosage: Dosage, lighter: Dosage) -> None:
    if (lighter.per_day, lighter.days, lighter.side) != (None, (), "none"):
        raise Invalid("lighter", "must be sets, reps, hold or minutes", "Side, days and times stay those of the dose.")
    check(lighter)
    if minutes_once(lightened(dosage, lighter)) > minutes_once(dosage):
        raise Invalid("lighter", "is more than the dose itself")


def lightened(dosage: Dosage, lighter: Dosage) -> Dosage:
    """The lighter work on the same side, days and times."""
    return msgspec.structs.replace(lighter, side=dosage.side, per_day=dosage.per_day, days=dosage.days)


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


def say(dosage: Dosage, language: str = "en") -> str:
    """Plain words, e.g. "3 sets of 10, hold 5 seconds, each side, twice a day"."""
    its = words(language).dosage
    parts = (_work(dosage, its), _side(dosage.side, its), _per_day(dosage.per_day, its), _days(dosage.days, its))
    return ", ".join(part for part in parts if part)


def _work(dosage: Dosage, its: DosageWords) -> str:
    if dosage.minutes is not None:
        time = its.minute if dosage.minutes == 1 else its.minutes.format(count=dosage.minutes)
        return time if dosage.sets == 1 else f"{time}, {_times(dosage.sets, its)}"
    hold = its.hold.format(time=_seconds(dosage.hold_seconds, its)) if dosage.hold_seconds is not None else ""
    if dosage.reps is None:
        return f"{hold}, {_times(dosage.sets, its)}"
    alone = dosage.sets == 1
    work = _times(dosage.reps, its) if alone else its.sets.format(sets=dosage.sets, reps=dosage.reps)
    return f"{work}, {hold}" if hold else work


def _side(side: Side, its: DosageWords) -> str:
    return {"left": its.left, "right": its.right, "both": its.both, "none": ""}[side]


def _per_day(per_day: int | None, its: DosageWords) -> str:
    return its.a_day.format(times=_times(per_day, its)) if per_day and per_day > 1 else ""


def _days(days: tuple[int, ...], its: DosageWords) -> str:
    names = [its.days[day - 1] for day in sorted(days)]
    if not names or len(names) == len(its.days):
        return ""
    both = f" {its.together} ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)
    return its.on.format(days=both)


def _times(count: int, its: DosageWords) -> str:
    return {1: its.once, 2: its.twice}.get(count) or its.times.format(count=count)


def _seconds(count: int, its: DosageWords) -> str:
    return its.second if count == 1 else its.seconds.format(count=count)


# How long a day will be is estimated [P]: nobody measured it. Shown as "about".
SECONDS_A_REP = 3  # to move there and back, beside what is held
SECONDS_OF_REST = 20  # after each set


def minutes_once(dosage: Dosage) -> float:
    """An estimate of one bout of it, both sides included where it is for both."""
    sides = 2 if dosage.side == "both" else 1
    if dosage.minutes is not None:
        return float(dosage.minutes * dosage.sets * sides)
    set_seconds = (dosage.reps or 1) * ((dosage.hold_seconds or 0) + SECONDS_A_REP) + SECONDS_OF_REST
    return set_seconds * dosage.sets * sides / 60


def minutes_a_day(prescription: Prescription, times: int = 1) -> float:
    """On a day on which it is due; `times` are those of its plan, for a dose that does not say how often."""
    often = len(prescription.times) if prescription.times else prescription.dosage.per_day or times
    return minutes_once(prescription.dosage) * often

"""escalation: a flag + what the clinic chose -> who is told when, and when nobody has acknowledged it. Pure.

Emergencies run on the clock of the wall at any hour. A same-day flag has its hours of the clinic's opening time, and
not past closing: whoever is on call then takes over. A next-visit flag waits on the list until the clinic closes on its
next open day. Times are proposals [P] after clinical.md 2.4; public holidays are not known here.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from notifications.timing import Zone
from programs.dosage import check_time
from programs.errors import Invalid
from programs.instants import DAY, MINUTE, Instant
from programs.people import Watch
from programs.schedule import minute_of

ON_CALL = "on-call"  # the person an on-call address belongs to
LONGEST = 1440  # minutes
MOST_STEPS = 8
LOOK_AHEAD = 15  # days; a clinic that does not open in two weeks has no opening hours to count by


class Rung(NamedTuple):
    """One person of the chain, and when they are told if nobody has acknowledged the flag by then."""

    person: str
    at: Instant


class Chain(NamedTuple):
    rungs: tuple[Rung, ...]
    acknowledge_by: Instant  # the clinician's own time is up
    nobody_at: Instant  # everybody's is


def chain(
    tier: str, raised_at: Instant, steps: Sequence[Sequence[str]], watch: Watch, zone: Zone, reachable: Collection[str]
) -> Chain:
    """`steps` are told one after the other, those of one step together; whom no address reaches is not waited for."""
    rungs: list[Rung] = []
    at, acknowledge_by = raised_at, deadline(tier, raised_at, watch, zone)
    for step in steps:
        told = {rung.person for rung in rungs}
        new = [person for person in dict.fromkeys(step) if person not in told]
        rungs += [Rung(person, at) for person in new]
        if new and (not reachable or any(person in reachable for person in new)):
            at = deadline(tier, at, watch, zone)
    return Chain(tuple(rungs), acknowledge_by, max(at, acknowledge_by))


def check(it: Watch, staff: Collection[str]) -> None:
    """Raise Invalid for a clock nobody could meet or a chain with somebody who is not there."""
    for name, minutes in (("emergency_minutes", it.emergency_minutes), ("same_day_minutes", it.same_day_minutes)):
        if not 1 <= minutes <= LONGEST:
            raise Invalid(name, f"must be from 1 to {LONGEST}")
    if len(it.opening) != 7:
        raise Invalid("opening", "must have seven days, Monday first", "null is a day on which you are closed.")
    for day in it.opening:
        if day is not None:
            check_time(day.opens, "opening")
            check_time(day.closes, "opening")
            if day.closes <= day.opens:
                raise Invalid("opening", "has a day that closes before it opens")
    if len(it.chain) > MOST_STEPS or len(set(it.chain)) != len(it.chain):
        raise Invalid("chain", f"must name at most {MOST_STEPS}, each once")
    for person in it.chain:
        if person != ON_CALL and person not in staff:
            raise Invalid("chain", "names somebody who does not work here", f"Or “{ON_CALL}”.")


def deadline(tier: str, start: Instant, watch: Watch, zone: Zone) -> Instant:
    """How long somebody told at `start` has to acknowledge."""
    if tier == "emergency":
        return start + watch.emergency_minutes * MINUTE
    if tier == "same_day":
        return _of_opening_time(start, watch, zone)
    return _end_of_next_day(start, watch, zone)


def _of_opening_time(start: Instant, watch: Watch, zone: Zone) -> Instant:
    needed = watch.same_day_minutes * MINUTE
    for opens, closes in _open(start, watch, zone):
        if closes > start:
            return min(max(opens, start) + needed, closes)
    return start + needed


def _end_of_next_day(start: Instant, watch: Watch, zone: Zone) -> Instant:
    today = zone.wall(start).day
    later = (closes for opens, closes in _open(start, watch, zone) if zone.wall(opens).day > today)
    return next(later, start + DAY)


def _open(start: Instant, watch: Watch, zone: Zone) -> list[tuple[Instant, Instant]]:
    """From the local day of `start` on. `day % 7` is 0 on a Sunday, and the list begins with Monday."""
    first = zone.wall(start).day
    found = []
    for day in range(first, first + LOOK_AHEAD):
        it = watch.opening[(day - 1) % 7] if watch.opening else None
        if it is not None:
            found.append((zone.instant(day, minute_of(it.opens)), zone.instant(day, minute_of(it.closes))))
    return found

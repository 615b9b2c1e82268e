"""Check-ins near every clock change of every zone from 2020 to 2037, against plain zoneinfo.

A case is a clock change, a needling session that ended so many hours before it, and allowed hours: all check-ins of the
protocol are placed, and a reminder at one clock time on the days around.
"""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise

from notifications.timing import AllowedHours, place, zone, zone_names
from programs.aftercare import PROTOCOL
from programs.instants import HOUR
from tests.clocks import HOURS, Change, changes, is_allowed, shown
from tests.torture.finding import LONG, Finding, say

# The evening check-in falls onto the change, or the 24 h check-in does; in the long form every second hour around that.
SHORT, ALL = (6, 25), tuple(range(0, 48, 2))
QUIET = HOURS[:4]
HALVES = 2


def clocks(into: Finding) -> None:
    into.figures["zones"], into.figures["clock changes"] = len(zone_names()), len(changes())
    if not LONG:
        cases, broken = half(0, 1)
        into.cases, into.broken = cases, broken
        return
    with ProcessPoolExecutor(HALVES, multiprocessing.get_context("spawn")) as processes:
        for cases, broken in processes.map(half, range(HALVES), [HALVES] * HALVES):
            into.cases += cases
            into.broken += broken


def half(first: int, of: int) -> tuple[int, list[str]]:
    """Every so many-th clock change, from this one on: how many cases, and what was broken."""
    os.environ.setdefault("TORTURE", "long" if of > 1 else "")
    broken: list[str] = []
    cases = 0
    for number, it in enumerate(changes()[first::of]):
        for before, hours in _turns(number, of > 1):
            cases += 1
            broken += [f"{it.zone} {it.at} {before} h before, {hours}: {why}" for why in _case(it, before, hours)]
        if of > 1 and number % 500 == 0:
            say(f"clocks, part {first}: {number:,} changes, {cases:,} cases")
    return cases, broken


def _turns(number: int, everything: bool) -> Sequence[tuple[int, AllowedHours]]:
    if everything:
        return [(before, hours) for before in ALL for hours in QUIET]
    return [(before, HOURS[(2 * number + turn) % len(HOURS)]) for turn, before in enumerate(SHORT)]


def _case(it: Change, before: int, hours: AllowedHours) -> Iterator[str]:
    here = zone(it.zone)
    last = 0
    for step in PROTOCOL:
        opens, target, closes = (it.at - before * HOUR + part for part in (step.opens, step.target, step.closes))
        placed = place(target, opens, closes, here, hours)
        if placed is None:
            yield f"{step.name} has no instant"
        elif not opens <= placed.at <= closes:
            yield f"{step.name} is outside its window"
        elif not is_allowed(it.zone, placed.at, hours):
            yield f"{step.name} is in quiet hours"
        elif placed.at <= last or (placed.moved == "") != (placed.at == target):
            yield f"{step.name} is at {placed}, after {last}"
        last = last if placed is None else placed.at
    # One reminder a local date, each on its own and later than the one before, also where the clock jumps over it.
    day, minute = shown(it.zone, it.at).day, (before * 60 + 30) % (24 * 60)
    instants = [here.instant(day + days, minute) for days in (-1, 0, 1)]
    if not all(20 * HOUR <= later - earlier <= 28 * HOUR for earlier, later in pairwise(instants)):
        yield f"reminders at minute {minute} are at {instants}"
    shows = [shown(it.zone, at) for at in instants]
    if len({wall.day for wall in shows}) != 3 or any(wall.minute < minute for wall in shows if wall.day <= day - 1):
        yield f"reminders at minute {minute} show {shows}"

"""Every clock change of every zone from 2020 to 2037, and what a local clock shows, asked of plain zoneinfo.

`astimezone` and nothing else: it knows no fold, no remembered offset and no bisecting of a day.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import NamedTuple
from zoneinfo import ZoneInfo

from notifications.timing import AllowedHours, Wall, zone_names
from programs.instants import DAY, SECOND, Instant, of

EVERY = 2 * DAY  # no zone changed its clocks twice within two days
FIRST, LAST = of(datetime(2020, 1, 1, tzinfo=UTC)), of(datetime(2038, 1, 1, tzinfo=UTC))
HOURS = tuple(
    AllowedHours(opens * 60, closes % 24 * 60) for opens, closes in ((8, 21), (9, 21), (12, 24), (20, 8), (0, 12))
)


class Change(NamedTuple):
    """A clock change: the first instant of the new offset."""

    zone: str
    at: Instant
    before: int
    after: int


@cache
def rules(name: str) -> ZoneInfo:
    with files("tzdata.zoneinfo").joinpath(name).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def clock(name: str, at: Instant) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC).astimezone(rules(name))


def offset(name: str, at: Instant) -> int:
    found = clock(name, at).utcoffset()
    assert found is not None
    return round(found.total_seconds()) * SECOND


def shown(name: str, at: Instant) -> Wall:
    here = clock(name, at)
    return Wall(here.toordinal(), here.hour * 60 + here.minute)


def is_allowed(name: str, at: Instant, hours: AllowedHours) -> bool:
    minute = shown(name, at).minute
    if hours.opens < hours.closes:
        return hours.opens <= minute < hours.closes
    return minute >= hours.opens or minute < hours.closes


# A million looks in all: the moments are made once.
_LOOKS = [(at, datetime.fromtimestamp(at / SECOND, UTC)) for at in range(FIRST, LAST + 1, EVERY)]


@cache
def changes() -> tuple[Change, ...]:
    """All of every zone from 2020 to 2037. Zones that are links to each other are scanned once."""
    of_rules: dict[bytes, list[Change]] = {}
    found = []
    for name in sorted(zone_names()):
        raw = files("tzdata.zoneinfo").joinpath(name).read_bytes()
        if raw not in of_rules:
            of_rules[raw] = list(_scan(name))
        found += [it._replace(zone=name) for it in of_rules[raw]]
    return tuple(found)


def _scan(name: str) -> Iterator[Change]:
    there = rules(name)
    before = _LOOKS[0][1].astimezone(there).utcoffset()
    for at, moment in _LOOKS[1:]:
        after = moment.astimezone(there).utcoffset()
        if after != before:
            now, then = offset(name, at), offset(name, at - EVERY)
            yield Change(name, _first_with(name, now, at - EVERY, at), then, now)
        before = after


def _first_with(name: str, wanted: int, low: Instant, high: Instant) -> Instant:
    while high - low > SECOND:
        middle = (low + high) // 2 // SECOND * SECOND
        low, high = (low, middle) if offset(name, middle) == wanted else (middle, high)
    return high

"""clocks: instant -> what a patient's clock showed then, also for one who moved. Pure; rules of the pinned tzdata.

Only this direction, in which every instant has one answer. What a clock time is in instants, with its gaps and
overlaps, is decided in notifications/timing.py alone.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import NamedTuple
from zoneinfo import ZoneInfo

from programs.instants import Instant


@cache
def zone_names() -> frozenset[str]:
    return frozenset(files("tzdata").joinpath("zones").read_text().split())


@cache
def rules(name: str) -> ZoneInfo:
    """From the pinned tzdata package, not from the machine, so that every server plans alike.

    Raises KeyError for a name that tzdata does not have.
    """
    # importlib would follow "../": the list of names is the gate.
    if name not in zone_names():
        raise KeyError(name)
    with files("tzdata.zoneinfo").joinpath(name).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def wall(zone: str, at: Instant) -> int:
    """`date.toordinal() * 1440 + minute of the day`, as in schedule.py."""
    local = datetime.fromtimestamp(at // 1000, UTC).astimezone(rules(zone))
    return local.toordinal() * 1440 + local.hour * 60 + local.minute


class Moves(NamedTuple):
    """Where a patient's clock stood: each zone with the instant until which, in order of time; then the one of now."""

    before: tuple[tuple[Instant, str], ...]
    zone: str

    def known_by(self, at: Instant) -> "Moves":
        """Without the moves of later: the zone of then is the one of now."""
        later = [zone for until, zone in self.before if until > at]
        return Moves(tuple(it for it in self.before if it[0] <= at), later[0] if later else self.zone)

    def wall(self, at: Instant) -> int:
        """What the clock showed, in the zone in which it stood then."""
        return wall(self.known_by(at).zone, at)

    def walls(self, from_at: Instant, until_at: Instant | None) -> Iterator[tuple[int, int | None]]:
        """What the clock showed in [from_at, until_at), a piece for each zone it stood in.

        Flown east, the hours the clock skipped belong to the later piece: they were never lived, and nothing of them
        may look as if it had been asked for. Flown west, the pieces overlap.
        """
        start, reached = from_at, 0
        for change, zone in (*self.before, (None, self.zone)):
            if change is not None and change <= start:
                continue
            last = change is None or (until_at is not None and until_at <= change)
            end = until_at if last else change
            first = wall(zone, start)
            until = None if end is None else wall(zone, end)
            yield min(first, reached) if reached else first, until
            if last or end is None or until is None:
                return
            start, reached = end, until

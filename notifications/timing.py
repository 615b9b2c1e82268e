"""timing: window + allowed hours + zone -> one instant. Pure, and the only place that knows clock changes.

Elapsed time (24 h after a needling session) is arithmetic on instants. Clock time ("09:00 daily", allowed hours) is a
minute of the local clock and becomes an instant here: inside a gap it is the first instant after the gap, inside an
overlap the first of the two. The bounds of allowed hours are read the strict way round, so that the patient's clock
shows an allowed time at every instant that is called allowed.
"""

import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from typing import NamedTuple, Protocol, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from programs.clocks import rules
from programs.clocks import zone_names as zone_names
from programs.instants import DAY, MINUTE, SECOND, Instant

DAY_MINUTES = 24 * 60
EPOCH_DAY = date(1970, 1, 1).toordinal()
# A local day lies between 14 hours before and 12 hours after the UTC day of the same name, rounded out by an hour.
REACH = 15 * 60 * MINUTE


class AllowedHours(msgspec.Struct, frozen=True):
    """When a patient may be sent a prompt: minutes of the local day, [opens, closes). May run past midnight."""

    opens: int = 8 * 60
    closes: int = 21 * 60

    @property
    def length(self) -> int:
        return (self.closes - self.opens) % DAY_MINUTES or DAY_MINUTES

    def include(self, minute: int) -> bool:
        """`minute` of the local day."""
        if self.opens < self.closes:
            return self.opens <= minute < self.closes
        return minute >= self.opens or minute < self.closes


# The last minutes of allowed hours are kept for retries: what is planned for 20:59 would be handed over at 21:01.
LEEWAY = 10 * MINUTE

SPREAD_SECONDS = 5 * 60

# With quiet hours of at most 12 h (13 over a clock change) every check-in window, 16 h or more, has an allowed instant.
SHORTEST_ALLOWED = 12 * 60


class Wall(NamedTuple):
    """What the clock on the wall shows: the ordinal of the local date, and the minute of that day."""

    day: int
    minute: int


class HasInstant(Protocol):
    @property
    def at(self) -> Instant: ...


Timed = TypeVar("Timed", bound=HasInstant)


class Zone:
    """One IANA zone with its offsets remembered a day at a time, which is ten times quicker than asking zoneinfo."""

    def __init__(self, name: str, rules: ZoneInfo) -> None:
        self.name = name
        self.rules = rules
        self._steady: dict[int, int | None] = {}

    def instant(self, day: int, minute: int) -> Instant:
        """The instant at which the local clock shows `minute` of `day`; see the module's word on gaps and overlaps."""
        offset = self._offset(day)
        if offset is None:
            return self.both(day, minute)[0]
        return (day - EPOCH_DAY) * DAY + minute * MINUTE - offset

    def wall(self, at: Instant) -> Wall:
        # The UTC day's offset serves while steady: REACH covers the whole UTC day as well as the local one.
        offset = self._offset(at // DAY + EPOCH_DAY)
        if offset is None:
            offset = self._offset_at(at)
        day, rest = divmod(at + offset, DAY)
        return Wall(day + EPOCH_DAY, rest // MINUTE)

    def minute(self, at: Instant) -> int:
        """The minute of the local day: `wall(at).minute`, without the day."""
        offset = self._offset(at // DAY + EPOCH_DAY)
        if offset is None:
            offset = self._offset_at(at)
        return (at + offset) % DAY // MINUTE

    def minutes(self, at: Instant) -> int:
        """The local clock as one number, `day * 1440 + minute`: how programs count time (see schedule.py)."""
        day, minute = self.wall(at)
        return day * DAY_MINUTES + minute

    def midnight(self, day: int) -> Instant | None:
        """The start of a local date on which, and near which, the clock does not change; None for any other."""
        offset = self._offset(day)
        return None if offset is None else (day - EPOCH_DAY) * DAY - offset

    def by_day(self, timed: Sequence[Timed]) -> Iterator[tuple[int, Sequence[Timed]]]:
        """What ascends in time, cut at local midnights: one look at the zone a day instead of one each."""
        start, day, end = 0, -1, -1
        for index, it in enumerate(timed):
            if it.at < end:
                continue
            today, ends = self._day(it.at)
            if index > 0 and today != day:
                yield day, timed[start:index]
                start = index
            day, end = today, ends
        if timed:
            yield day, timed[start:]

    def _day(self, at: Instant) -> tuple[int, Instant]:
        """The local date and its end; -1 for the end where the clock changes on or near it."""
        utc_day = at // DAY + EPOCH_DAY
        offset = self._offset(utc_day)
        if offset is None:
            return self.wall(at).day, -1
        day = (at + offset) // DAY + EPOCH_DAY
        steady = offset if day == utc_day else self._offset(day)
        return day, -1 if steady is None else (day + 1 - EPOCH_DAY) * DAY - steady

    def _offset(self, day: int) -> int | None:
        """Milliseconds east of UTC all through the local day, or None when the clock changes on or near that day."""
        try:
            return self._steady[day]
        except KeyError:
            start = (day - EPOCH_DAY) * DAY
            before, after = self._offset_at(start - REACH), self._offset_at(start + DAY + REACH)
            found = self._steady[day] = before if before == after else None
            return found

    def _offset_at(self, at: Instant) -> int:
        offset = datetime.fromtimestamp(at / 1000, UTC).astimezone(self.rules).utcoffset()
        assert offset is not None
        return round(offset.total_seconds() * 1000)

    def both(self, day: int, minute: int) -> tuple[Instant, Instant]:
        """First and last instant showing this clock time; inside a gap, twice the first instant after it."""
        naive = (day - EPOCH_DAY) * DAY + minute * MINUTE
        clock = datetime.fromordinal(day) + timedelta(minutes=minute)
        first, last = sorted(naive - self._offset_of(clock.replace(fold=fold)) for fold in (0, 1))
        if first + self._offset_at(first) == naive:
            return first, last if last + self._offset_at(last) == naive else first
        after = self._change(first, last)
        return after, after

    def _offset_of(self, clock: datetime) -> int:
        offset = clock.replace(tzinfo=self.rules).utcoffset()
        assert offset is not None
        return round(offset.total_seconds() * 1000)

    def _change(self, before: Instant, after: Instant) -> Instant:
        """The first instant in (before, after] with the offset that holds at `after`."""
        offset = self._offset_at(after)
        while after - before > 1:
            middle = (before + after) // 2
            if self._offset_at(middle) == offset:
                after = middle
            else:
                before = middle
        return after

    def span(self, day: int, hours: AllowedHours) -> tuple[Instant, Instant] | None:
        """[start, end) of the allowed hours that begin on this date; None where it has none (Apia, 2011)."""
        closing_day = day + (hours.opens >= hours.closes)
        midnight, closing = self.midnight(day), self.midnight(closing_day)
        if midnight is not None and closing is not None:
            return midnight + hours.opens * MINUTE, closing + hours.closes * MINUTE
        start = self.both(day, hours.opens)[1]
        end = self.both(closing_day, hours.closes)[0]
        return (start, end) if start < end else None


@cache
def zone(name: str) -> Zone:
    """Raises KeyError for a name that the pinned tzdata does not have."""
    return Zone(name, rules(name))


class Placed(NamedTuple):
    at: Instant
    moved: str  # "" when it stands at its target, else why it could not


def allowed(at: Instant, zone: Zone, hours: AllowedHours) -> bool:
    return hours.include(zone.minute(at))


def allowed_until(at: Instant, zone: Zone, hours: AllowedHours) -> Instant:
    """When the allowed hours end that `at` lies in; `at` itself where it lies in none, as `allowed` sees it: also in an
    hour that the clock shows twice."""
    day, minute = zone.wall(at)
    if not hours.include(minute):
        return at
    overnight = hours.opens >= hours.closes and minute >= hours.opens
    first, last = _closing(zone, day + overnight, hours.closes)
    return first if at < first else last


@lru_cache(maxsize=1024)  # few zones, few choices of hours, one day
def _closing(zone: Zone, day: int, minute: int) -> tuple[Instant, Instant]:
    return zone.both(day, minute)


def spread(who: str, at: Instant, closes: Instant, zone: Zone, hours: AllowedHours) -> Instant:
    """When to wake for what stands at a time of the day: a few minutes after it, the same for this person every day, so
    that not all who chose eight o'clock are told in its first second. Where that would be too late, at that time."""
    later = at + zlib.crc32(who.encode()) % SPREAD_SECONDS * SECOND
    return later if later < closes and allowed(later, zone, hours) else at


def place(target: Instant, opens: Instant, closes: Instant, zone: Zone, hours: AllowedHours) -> Placed | None:
    """The allowed instant nearest to `target` inside [opens, closes]; None when the window has none.

    Of two equally near, the earlier. What is at its target is left alone, also in the leeway; so is what is due as its
    window opens, since a worker claims a moment after the target, and the window then opens now.
    """
    inside = min(max(target, opens), closes)
    well = allowed(inside, zone, hours)
    at_target = well if inside == target else allowed(target, zone, hours)
    if well:
        return Placed(inside, "" if inside == target else "window" if at_target else "allowed_hours")
    day, minute = zone.wall(inside)
    # The allowed hours that ended last, and those that begin next: all others lie behind one of these.
    last = day - 1 if minute < hours.opens else day
    nearest: Instant | None = None
    for span in (zone.span(last, hours), zone.span(last + 1, hours)):
        if span is None:
            continue
        start = max(span[0], opens)
        at = min(max(inside, start), span[1] - LEEWAY, closes)
        if at >= start and (nearest is None or abs(at - inside) < abs(nearest - inside)):
            nearest = at
    if nearest is None:
        return None
    return Placed(nearest, "window" if at_target else "allowed_hours")

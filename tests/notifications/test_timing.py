"""Local clocks against plain zoneinfo (tests/clocks.py): every clock change of every zone, and the days with a name.

That check-ins near every clock change are placed well is in tests/torture/clocks.py, in a short and a long form.
"""

from collections import Counter
from datetime import UTC, date, datetime
from itertools import islice

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from notifications.timing import (
    DAY_MINUTES,
    LEEWAY,
    SPREAD_SECONDS,
    AllowedHours,
    Placed,
    allowed,
    allowed_until,
    place,
    spread,
    zone,
    zone_names,
)
from programs.aftercare import PROTOCOL
from programs.instants import DAY, HOUR, MINUTE, SECOND, Instant, of
from tests.clocks import FIRST, HOURS, LAST, Change, changes, clock, is_allowed, offset, shown


def first_showing(it: Change, naive: Instant) -> Instant:
    """What a local clock time near a change means, said without fold. `naive` is the clock read as if it were UTC."""
    times = [naive - around for around in (it.before, it.after) if offset(it.zone, naive - around) == around]
    return min(times) if times else it.at


def test_every_zone_with_clock_changes_is_among_those_tested() -> None:
    assert len(zone_names()) > 590
    assert len({it.zone for it in changes()}) > 220
    assert len(changes()) > 7_000


def test_a_clock_time_becomes_the_first_instant_that_shows_it_or_the_first_after_the_gap() -> None:
    for it in changes():
        here = zone(it.zone)
        middle = it.at + (it.before + it.after) // 2
        for naive in range((middle - 4 * HOUR) // MINUTE * MINUTE, middle + 4 * HOUR, 30 * MINUTE):
            day, minute = divmod(naive // MINUTE, DAY_MINUTES)
            at = here.instant(day + date(1970, 1, 1).toordinal(), minute)
            assert at == first_showing(it, naive), (it, minute)


def test_allowed_hours_last_until_the_clock_first_shows_their_end_also_in_an_hour_it_shows_twice() -> None:
    some = [AllowedHours(opens, (opens + 720) % DAY_MINUTES) for opens in range(0, DAY_MINUTES, 90)]
    for it in changes()[::40]:
        here = zone(it.zone)
        for hours in some:
            for at in range(it.at - 2 * HOUR, it.at + 2 * HOUR, 10 * MINUTE):
                until = allowed_until(at, here, hours)
                assert (until > at) == allowed(at, here, hours) == is_allowed(it.zone, at, hours), (it, hours, at)
                if until > at:
                    assert allowed(until - 1, here, hours), (it, hours, at)
                    assert not allowed(until, here, hours), (it, hours, at)


def test_an_instant_becomes_what_the_clock_shows_and_comes_back_unless_shown_before() -> None:
    for it in changes():
        here = zone(it.zone)
        near = (*range(it.at - 3 * HOUR, it.at + 3 * HOUR, 30 * MINUTE), it.at - 1, it.at - DAY, it.at + DAY)
        for at in near:
            wall = here.wall(at)
            assert wall == shown(it.zone, at), (it, at)
            assert here.minutes(at) == wall.day * DAY_MINUTES + wall.minute
            second_time = it.after < it.before and it.at <= at < it.at + it.before - it.after
            back = here.instant(*wall) + at % MINUTE
            assert back == (at - (it.before - it.after) if second_time else at), (it, at)


def in_leeway(name: str, at: Instant, hours: AllowedHours) -> bool:
    """The last ten minutes are kept for retries, and an hour that the clock shows twice counts where both do."""
    twice = not is_allowed(name, at - HOUR, hours) or not is_allowed(name, at + HOUR, hours)
    changing = offset(name, at - 4 * HOUR) != offset(name, at + 4 * HOUR)
    return not is_allowed(name, at + LEEWAY - 1, hours) or (changing and twice)


@pytest.mark.parametrize("hours", HOURS)
def test_no_other_allowed_instant_is_nearer_to_the_target(hours: AllowedHours) -> None:
    for it in islice(changes(), 7, None, 331):
        for step in PROTOCOL[:3]:
            opens, target, closes = (it.at - 20 * HOUR + part for part in (step.opens, step.target, step.closes))
            placed = place(target, opens, closes, zone(it.zone), hours)
            assert placed is not None
            for at in range(opens, closes, 5 * MINUTE):
                if abs(at - target) < abs(placed.at - target) and is_allowed(it.zone, at, hours):
                    assert in_leeway(it.zone, at, hours), (it, step, placed, at)


zones = st.sampled_from(sorted(zone_names()))
minutes = st.integers(FIRST // MINUTE, LAST // MINUTE).map(lambda minute: minute * MINUTE)
wide_enough = st.builds(
    lambda opens, length: AllowedHours(opens, (opens + length) % DAY_MINUTES),
    st.integers(0, DAY_MINUTES - 1),
    st.integers(12 * 60, DAY_MINUTES),
)


@given(zones, minutes, wide_enough)
@example("Antarctica/Casey", of(datetime(2023, 3, 8, 12, tzinfo=UTC)), AllowedHours(20 * 60, 8 * 60))
@example("Antarctica/Troll", of(datetime(2026, 3, 28, 7, tzinfo=UTC)), AllowedHours(9 * 60, 21 * 60))
def test_allowed_hours_of_12_hours_or_more_leave_every_step_an_instant(
    name: str, ended_at: Instant, hours: AllowedHours
) -> None:
    for step in PROTOCOL:
        opens, target, closes = (ended_at + part for part in (step.opens, step.target, step.closes))
        placed = place(target, opens, closes, zone(name), hours)
        assert placed is not None
        assert opens <= placed.at <= closes
        assert is_allowed(name, placed.at, hours)


@given(zones, minutes, st.integers(0, 20 * HOUR), st.integers(0, 20 * HOUR), wide_enough, st.data())
def test_what_is_placed_is_allowed_and_inside_any_window(
    name: str, opens: Instant, width: Instant, ahead: Instant, hours: AllowedHours, data: st.DataObject
) -> None:
    closes, target = opens + width, opens + ahead - 5 * HOUR
    placed = place(target, opens, closes, zone(name), hours)
    if placed is None:
        at = opens + data.draw(st.integers(0, width))
        assert not is_allowed(name, at, hours) or in_leeway(name, at, hours)
    else:
        assert opens <= placed.at <= closes
        assert is_allowed(name, placed.at, hours)
        assert allowed(placed.at, zone(name), hours)


@given(zones, minutes, wide_enough, st.integers(1, 20), st.integers(0, 90 * SECOND))
def test_what_is_due_now_is_still_due_a_moment_later_while_the_hour_is_allowed(
    name: str, about: Instant, hours: AllowedHours, last: int, late: Instant
) -> None:
    """A worker always claims a little after the instant; also in the last minutes of the allowed hours."""
    here = zone(name)
    target = here.instant(here.wall(about).day, (hours.closes - last) % DAY_MINUTES)
    now = target + late
    assume(is_allowed(name, target, hours) and is_allowed(name, now, hours))
    assert place(target, now, target + 3 * HOUR, here, hours) == Placed(now, "window" if late else "")


# Days with a name. A session that ended at the first time has its check-ins at the others, in local time.
NAMED = {
    "New York, the hour that comes twice": (
        ("America/New_York", (8, 21), "2026-10-31T14:00-04:00"),
        ("2026-10-31T20:00-04:00", "2026-11-01T13:00-05:00", "2026-11-02T13:00-05:00", "2026-11-07T13:00-05:00"),
    ),
    "New York, the hour that is missing": (
        ("America/New_York", (8, 21), "2027-03-13T20:30-05:00"),
        ("2027-03-14T08:00-04:00", "2027-03-15T08:00-04:00", "2027-03-15T20:50-04:00", "2027-03-20T20:50-04:00"),
    ),
    "New York, at night, for somebody who works at night": (
        ("America/New_York", (20, 8), "2026-10-31T20:30-04:00"),
        ("2026-11-01T01:30-05:00", "2026-11-01T20:00-05:00", "2026-11-02T20:00-05:00", "2026-11-07T20:00-05:00"),
    ),
    "Madrid, the hour that comes twice": (
        ("Europe/Madrid", (9, 21), "2026-10-24T21:30+02:00"),
        ("2026-10-25T09:00+01:00", "2026-10-25T20:30+01:00", "2026-10-26T20:30+01:00", "2026-10-31T20:30+01:00"),
    ),
    "Lord Howe, half an hour twice": (
        ("Australia/Lord_Howe", (8, 21), "2026-04-04T20:10+11:00"),
        ("2026-04-05T08:00+10:30", "2026-04-05T19:40+10:30", "2026-04-06T19:40+10:30", "2026-04-11T19:40+10:30"),
    ),
    "Lord Howe, half an hour missing": (
        ("Australia/Lord_Howe", (8, 21), "2026-10-03T20:10+10:30"),
        ("2026-10-04T08:00+11:00", "2026-10-04T20:40+11:00", "2026-10-05T20:40+11:00", "2026-10-10T20:40+11:00"),
    ),
    "St John's, an offset of half hours": (
        ("America/St_Johns", (8, 21), "2026-03-07T17:15-03:30"),
        ("2026-03-07T20:50-03:30", "2026-03-08T18:15-02:30", "2026-03-09T18:15-02:30", "2026-03-14T18:15-02:30"),
    ),
    "Casablanca, as Ramadan begins": (
        ("Africa/Casablanca", (8, 21), "2026-02-14T11:00+01:00"),
        ("2026-02-14T17:00+01:00", "2026-02-15T10:00+00:00", "2026-02-16T10:00+00:00", "2026-02-21T10:00+00:00"),
    ),
    "Casablanca, as Ramadan ends": (
        ("Africa/Casablanca", (8, 21), "2026-03-21T11:00+00:00"),
        ("2026-03-21T17:00+00:00", "2026-03-22T12:00+01:00", "2026-03-23T12:00+01:00", "2026-03-28T12:00+01:00"),
    ),
    "Nuuk, an evening without its last hour": (
        ("America/Nuuk", (12, 24), "2024-03-30T17:30-02:00"),
        ("2024-03-30T22:50-02:00", "2024-03-31T18:30-01:00", "2024-04-01T18:30-01:00", "2024-04-06T18:30-01:00"),
    ),
    "Apia, the day that never was": (
        ("Pacific/Apia", (8, 21), "2011-12-29T10:00-10:00"),
        ("2011-12-29T16:00-10:00", "2011-12-31T10:00+14:00", "2012-01-01T10:00+14:00", "2012-01-06T10:00+14:00"),
    ),
    "Dublin, where winter is the exception": (
        ("Europe/Dublin", (8, 21), "2026-03-28T14:00+00:00"),
        ("2026-03-28T20:00+00:00", "2026-03-29T15:00+01:00", "2026-03-30T15:00+01:00", "2026-04-04T15:00+01:00"),
    ),
    "Troll, two hours at once": (
        ("Antarctica/Troll", (9, 21), "2026-03-28T19:00+00:00"),
        ("2026-03-29T09:00+02:00", "2026-03-30T09:00+02:00", "2026-03-30T20:50+02:00", "2026-04-04T20:50+02:00"),
    ),
    "Beirut, a midnight that is missing": (
        ("Asia/Beirut", (0, 12), "2026-03-28T18:00+02:00"),
        ("2026-03-29T01:00+03:00", "2026-03-30T00:00+03:00", "2026-03-31T00:00+03:00", "2026-04-05T00:00+03:00"),
    ),
    "Beirut, the hour before midnight twice": (
        ("Asia/Beirut", (12, 24), "2026-10-24T18:30+03:00"),
        ("2026-10-24T23:30+02:00", "2026-10-25T17:30+02:00", "2026-10-26T17:30+02:00", "2026-10-31T17:30+02:00"),
    ),
}


@pytest.mark.parametrize("day", NAMED)
def test_a_named_day_has_its_check_ins_at_the_local_times_written_down(day: str) -> None:
    (name, (first, last), ended), expected = NAMED[day]
    hours = AllowedHours(first * 60, last % 24 * 60)
    ended_at = of(datetime.fromisoformat(ended))
    found = []
    for step in PROTOCOL:
        if not step.conditional:
            opens, target, closes = (ended_at + part for part in (step.opens, step.target, step.closes))
            placed = place(target, opens, closes, zone(name), hours)
            assert placed is not None
            found.append(clock(name, placed.at).isoformat(timespec="minutes"))
    assert tuple(found) == expected


def local(name: str, day: str, time: str) -> str:
    """The instant of a local clock time, written in that zone."""
    at = zone(name).instant(date.fromisoformat(day).toordinal(), int(time[:2]) * 60 + int(time[3:]))
    return clock(name, at).isoformat(timespec="minutes")


@pytest.mark.parametrize(
    ("name", "day", "time", "expected"),
    [
        ("America/New_York", "2026-11-01", "01:30", "2026-11-01T01:30-04:00"),  # the first of the two
        ("America/New_York", "2027-03-14", "02:30", "2027-03-14T03:00-04:00"),
        ("Europe/Madrid", "2026-10-25", "02:59", "2026-10-25T02:59+02:00"),
        ("Australia/Lord_Howe", "2026-04-05", "01:45", "2026-04-05T01:45+11:00"),
        ("Australia/Lord_Howe", "2026-10-04", "02:10", "2026-10-04T02:30+11:00"),
        ("America/St_Johns", "2026-03-08", "02:15", "2026-03-08T03:00-02:30"),
        ("Africa/Casablanca", "2026-02-15", "02:30", "2026-02-15T02:30+01:00"),
        ("Africa/Casablanca", "2026-03-22", "02:30", "2026-03-22T03:00+01:00"),
        ("America/Nuuk", "2024-03-30", "23:30", "2024-03-31T00:00-01:00"),  # the gap reaches into the next day
        ("Pacific/Apia", "2011-12-30", "09:00", "2011-12-31T00:00+14:00"),
        ("Europe/Dublin", "2026-03-29", "01:30", "2026-03-29T02:00+01:00"),
        ("Antarctica/Troll", "2026-03-29", "01:01", "2026-03-29T03:00+02:00"),
        ("Antarctica/Troll", "2026-10-25", "01:30", "2026-10-25T01:30+02:00"),
        ("Asia/Beirut", "2026-03-29", "00:00", "2026-03-29T01:00+03:00"),
        ("Asia/Beirut", "2026-10-24", "23:30", "2026-10-24T23:30+03:00"),
    ],
)
def test_a_clock_time_that_is_missing_or_comes_twice(name: str, day: str, time: str, expected: str) -> None:
    assert local(name, day, time) == expected


def test_a_day_that_never_was_has_no_allowed_hours() -> None:
    missing = date(2011, 12, 30).toordinal()
    assert zone("Pacific/Apia").span(missing, AllowedHours()) is None
    assert zone("Pacific/Apia").span(missing + 1, AllowedHours()) is not None


def test_a_target_in_the_last_minutes_stands_but_nothing_is_moved_there() -> None:
    here, hours = zone("Europe/Madrid"), AllowedHours()
    last_minute = of(datetime.fromisoformat("2026-06-01T20:55+02:00"))
    assert place(last_minute, last_minute - HOUR, last_minute + HOUR, here, hours) == Placed(last_minute, "")
    too_late = last_minute + HOUR
    moved = place(too_late, last_minute - HOUR, too_late + HOUR, here, hours)
    assert moved == Placed(last_minute - 5 * MINUTE, "allowed_hours")


def test_a_zone_that_tzdata_does_not_have_is_refused_also_as_a_path() -> None:
    for name in ("Europe/Atlantis", "", "../tzdata/zones", "/etc/localtime", "europe/madrid"):
        with pytest.raises(KeyError):
            zone(name)


def test_a_reminder_has_its_place_in_the_minutes_after_its_time_and_never_where_that_would_be_too_late() -> None:
    here, hours = zone("America/New_York"), AllowedHours()
    eight = here.instant(date(2026, 6, 1).toordinal(), 8 * 60)
    crowd = [f"p{number}" for number in range(3_000)]
    places = Counter(spread(who, eight, eight + 3 * HOUR, here, hours) - eight for who in crowd)
    assert (min(places), max(places)) == (0, (SPREAD_SECONDS - 1) * SECOND)
    assert max(places.values()) < 3 * len(crowd) / SPREAD_SECONDS  # no second is crowded
    # The same place every day, so that whoever chose eight knows when.
    today = spread("p1", eight, eight + HOUR, here, hours)
    assert spread("p1", eight + DAY, eight + DAY + HOUR, here, hours) == today + DAY
    last = here.instant(date(2026, 6, 1).toordinal(), 20 * 60 + 58)
    woken = [spread(who, last, last + 3 * HOUR, here, hours) for who in crowd]
    assert all(allowed(at, here, hours) for at in woken)
    assert {spread(who, eight, eight + 1, here, hours) for who in crowd} == {eight}

"""Who is told of a flag after how long: emergencies by the clock, the rest by the clinic's opening hours."""

from datetime import datetime

import msgspec
import pytest

from notifications.escalation import ON_CALL, Rung, chain, check, deadline
from notifications.timing import zone
from programs.errors import Invalid
from programs.instants import HOUR, MINUTE, Instant, of
from programs.people import Opening, Watch

NEW_YORK = zone("America/New_York")
USUAL = Watch()
SATURDAY_TOO = msgspec.structs.replace(USUAL, opening=(*USUAL.opening[:5], Opening("10:00", "12:30"), None))
NEVER_OPEN = msgspec.structs.replace(USUAL, opening=(None,) * 7)


def at(text: str) -> Instant:
    """On the wall in New York. June 1, 2026 is a Monday."""
    return of(datetime.fromisoformat(text).replace(tzinfo=NEW_YORK.rules))


def wall(instant: Instant) -> str:
    return datetime.fromtimestamp(instant / 1000, NEW_YORK.rules).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("tier", "start", "expected", "watch"),
    [
        ("emergency", "2026-06-01T03:00", "2026-06-01 03:15", USUAL),
        ("emergency", "2026-06-06T23:50", "2026-06-07 00:05", USUAL),
        ("same_day", "2026-06-01T09:00", "2026-06-01 13:00", USUAL),
        ("same_day", "2026-06-01T12:59", "2026-06-01 16:59", USUAL),
        ("same_day", "2026-06-01T13:01", "2026-06-01 17:00", USUAL),  # not past closing: whoever is on call takes over
        ("same_day", "2026-06-01T16:59", "2026-06-01 17:00", USUAL),
        ("same_day", "2026-06-01T17:00", "2026-06-02 13:00", USUAL),  # closed: from the next opening on
        ("same_day", "2026-06-01T06:00", "2026-06-01 13:00", USUAL),
        ("same_day", "2026-06-05T18:00", "2026-06-08 13:00", USUAL),  # over the weekend
        ("same_day", "2026-06-05T18:00", "2026-06-06 12:30", SATURDAY_TOO),
        ("same_day", "2026-06-01T18:00", "2026-06-01 22:00", NEVER_OPEN),
        ("next_visit", "2026-06-01T09:00", "2026-06-02 17:00", USUAL),
        ("next_visit", "2026-06-05T09:00", "2026-06-08 17:00", USUAL),
        ("next_visit", "2026-06-05T09:00", "2026-06-06 12:30", SATURDAY_TOO),
        ("next_visit", "2026-06-01T09:00", "2026-06-02 09:00", NEVER_OPEN),
        # The clock goes forward on Sunday 8 March 2026 at 02:00 and back on Sunday 1 November at 02:00.
        ("emergency", "2026-03-08T01:50", "2026-03-08 03:05", USUAL),
        ("emergency", "2026-11-01T01:50", "2026-11-01 01:05", USUAL),
        ("same_day", "2026-03-06T18:00", "2026-03-09 13:00", USUAL),
        ("same_day", "2026-10-30T18:00", "2026-11-02 13:00", USUAL),
        ("next_visit", "2026-03-06T09:00", "2026-03-09 17:00", USUAL),
    ],
)
def test_the_time_to_acknowledge(tier: str, start: str, expected: str, watch: Watch) -> None:
    assert wall(deadline(tier, at(start), watch, NEW_YORK)) == expected


@pytest.mark.parametrize("night", ["2026-03-08T01:50", "2026-11-01T01:50"])
def test_an_emergency_waits_a_quarter_of_an_hour_also_in_the_night_the_clock_changes(night: str) -> None:
    it = chain("emergency", at(night), [["ben"], ["cleo"], [ON_CALL]], USUAL, NEW_YORK, ["ben", "cleo", ON_CALL])
    assert [rung.at - at(night) for rung in it.rungs] == [0, 15 * MINUTE, 30 * MINUTE]
    assert (it.acknowledge_by - at(night), it.nobody_at - at(night)) == (15 * MINUTE, 45 * MINUTE)


def test_the_chain_goes_on_step_by_step_and_tells_nobody_twice() -> None:
    start = at("2026-06-01T09:00")
    it = chain("same_day", start, [["ben"], ["cleo", "ben", "fay"], ["ben"]], USUAL, NEW_YORK, ["ben", "cleo"])
    first, second = at("2026-06-01T13:00"), at("2026-06-01T17:00")
    assert it.rungs == (Rung("ben", start), Rung("cleo", first), Rung("fay", first))
    assert (it.acknowledge_by, it.nobody_at) == (first, second)


def test_whom_no_address_reaches_is_not_waited_for() -> None:
    start = at("2026-06-01T09:00")
    it = chain("emergency", start, [["ben"], ["cleo"]], USUAL, NEW_YORK, ["cleo"])
    assert it.rungs == (Rung("ben", start), Rung("cleo", start))
    assert it.nobody_at == start + 15 * MINUTE
    nobody = chain("emergency", start, [["ben"], ["cleo"]], USUAL, NEW_YORK, [])
    assert nobody.nobody_at == start + 30 * MINUTE


def test_without_a_fallback_the_clinicians_own_time_is_all_there_is() -> None:
    start = at("2026-06-01T09:00")
    it = chain("emergency", start, [["ben"]], USUAL, NEW_YORK, ["ben"])
    assert (it.rungs, it.acknowledge_by) == ((Rung("ben", start),), it.nobody_at)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"emergency_minutes": 0}, "emergency_minutes"),
        ({"same_day_minutes": 1441}, "same_day_minutes"),
        ({"opening": (None,)}, "opening"),
        ({"opening": (Opening("9", "17:00"),) * 7}, "opening"),
        ({"opening": (Opening("17:00", "09:00"),) * 7}, "opening"),
        ({"chain": ("dov",)}, "chain"),
        ({"chain": ("cleo", "cleo")}, "chain"),
    ],
)
def test_a_watch_that_cannot_be_kept_is_refused(changed: dict[str, object], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        check(msgspec.structs.replace(USUAL, **changed), {"ben", "cleo"})
    assert refused.value.field == field
    check(msgspec.structs.replace(USUAL, chain=("cleo", ON_CALL), emergency_minutes=1), {"ben", "cleo"})


def test_the_usual_watch_is_as_the_documentation_says() -> None:
    assert (USUAL.emergency_minutes * MINUTE, USUAL.same_day_minutes * MINUTE) == (15 * MINUTE, 4 * HOUR)
    assert [day is None for day in USUAL.opening] == [False] * 5 + [True] * 2

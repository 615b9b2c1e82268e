"""Remote-monitoring evidence at, below and above each threshold of clinical.md 6.4; no billing code in any text."""

import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import notifications
import programs
import service
from programs.clocks import Moves
from programs.instants import HOUR
from programs.monitoring import TIERS, Sent, Spent, Window, counted, month, windows
from programs.schedule import DAY_MINUTES
from tests.world import NOON

FIRST = date(2026, 6, 1).toordinal()


def sent(*days: int, late: int = 0) -> list[Sent]:
    return [Sent(FIRST + day, FIRST + day + late, "exercise", f"c{day}", 0) for day in days]


def spent(id: str, minutes: int, live: bool = False, day: int = 0, replaces: str | None = None) -> Spent:
    return Spent(id, "ada", FIRST + day, minutes, live, "", replaces, "clinician:ben", NOON)


@pytest.mark.parametrize(
    ("days", "tier"),
    [
        (1, None),
        (2, "device_days_2_15"),
        (15, "device_days_2_15"),
        (16, "device_days_16_30"),
        (30, "device_days_16_30"),
    ],
)
def test_6_4_tier_of_a_window_by_dates_with_data(days: int, tier: str | None) -> None:
    (window,) = windows(sent(*range(days)), FIRST + 29)
    assert (len(window.days), window.tier) == (days, tier)


def test_6_4_windows_are_consecutive_from_the_first_date_with_data() -> None:
    found = windows(sent(0, 29, 30, 59, 75), FIRST + 90)
    assert [(it.first - FIRST, it.last - FIRST, len(it.days), it.over) for it in found] == [
        (0, 29, 2, True),
        (30, 59, 2, True),
        (60, 89, 1, True),
        (90, 119, 0, False),
    ]
    assert windows([], FIRST) == []


def test_6_4_a_date_counts_once_however_much_was_sent_on_it() -> None:
    (window,) = windows(sent(0, 0, 0, 1), FIRST + 5)
    assert len(window.days) == 2


@pytest.mark.parametrize(
    ("late", "grace", "counts"), [(0, 0, True), (1, 0, False), (1, 1, True), (2, 1, False), (-1, 0, True)]
)
def test_6_4_data_counts_if_it_came_in_soon_enough(late: int, grace: int, counts: bool) -> None:
    (it,) = sent(0, late=late)
    assert counted(it, grace) == counts
    assert bool(windows([it], FIRST + 5, grace)) == counts


def test_a_date_counts_once_for_a_patient_who_flies() -> None:
    """RADAR-Appserver matched by raw offset. Noon in Auckland and, 20 h later, in Honolulu are the same date."""
    landed = NOON + 10 * HOUR
    moves = Moves(((landed, "Pacific/Auckland"),), "Pacific/Honolulu")
    days = [moves.wall(at) // DAY_MINUTES for at in (NOON, landed + 10 * HOUR)]
    assert days == [FIRST + 1, FIRST + 1]
    assert len(windows([Sent(day, day, "answer", "a", 0) for day in days], FIRST + 3)[0].days) == 1


def test_what_is_still_needed_for_the_upper_tier_is_said_only_while_it_can_be_had() -> None:
    window = Window(FIRST, FIRST + 29, tuple(range(FIRST, FIRST + 10)), False)
    assert window.still(FIRST + 9) == 6
    assert window.still(FIRST + 24) == 6  # the 25th to the 30th date, today included
    assert window.still(FIRST + 25) is None
    assert Window(FIRST, FIRST + 29, tuple(range(FIRST, FIRST + 16)), False).still(FIRST + 29) == 0


@pytest.mark.parametrize(
    ("minutes", "tier"),
    [
        (9, None),
        (10, "staff_minutes_10_19"),
        (19, "staff_minutes_10_19"),
        (20, "staff_minutes_20_39"),
        (39, "staff_minutes_20_39"),
        (40, "staff_minutes_40_59"),
        (60, "staff_minutes_60_up"),
    ],
)
def test_6_4_tier_of_a_month_by_minutes_and_only_with_a_live_contact(minutes: int, tier: str | None) -> None:
    talked, wrote = spent("a", 1, live=True), spent("b", minutes - 1)
    assert month([talked, wrote], FIRST, FIRST + 29).tier == tier
    assert month([spent("a", 1), wrote], FIRST, FIRST + 29).tier is None


def test_a_corrected_entry_counts_as_corrected_and_one_taken_back_not_at_all() -> None:
    entries = [
        spent("a", 30, live=True),
        spent("b", 20, live=True, replaces="a"),
        spent("c", 7),
        spent("d", 0, replaces="c"),
        spent("e", 5, day=40),
    ]
    found = month(entries, FIRST, FIRST + 29)
    assert (found.minutes, [it.id for it in found.entries]) == (20, ["b"])


@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(-1, 3)), max_size=80), st.integers(0, 220), st.integers(0, 3)
)
def test_windows_against_counting_on_the_fingers(raw: list[tuple[int, int]], today: int, grace: int) -> None:
    data = [Sent(FIRST + day, FIRST + day + late, "answer", "x", 0) for day, late in raw]
    good = {day for day, late in raw if late <= grace and day <= today}
    found = windows(data, FIRST + today, grace)
    if not good:
        assert found == []
        return
    start = min(good)
    assert [it.first - FIRST for it in found] == list(range(start, today + 1, 30))
    for it in found:
        inside = {day for day in good if it.first <= FIRST + day <= it.last}
        assert [day - FIRST for day in it.days] == sorted(inside)
        assert it.over == (today > it.last - FIRST)


# codes: five digits that begin with 9 (CPT I), and a letter with four digits (CPT II and III end in one, HCPCS II)
CODE = re.compile(r"(?<![\w.#-])(?:9[89]\d{3}|9[0-7]\d{3}|2056[01]|[A-CEGHJ-MP-V]\d{4})(?![\w.-])")
SHIPPED = (".md", ".html", ".toml", ".py", ".txt", ".json", ".css", ".js")


def test_no_billing_code_text_is_shipped() -> None:
    rooms = [Path(str(room.__file__)).parent for room in (programs, notifications, service)]
    files = [it for room in rooms for it in room.rglob("*") if it.suffix in SHIPPED and "__pycache__" not in it.parts]
    assert len(files) > 100
    assert {(it.name, code) for it in files for code in CODE.findall(it.read_text("utf-8"))} == set()
    for text in ("98975", "code 98980,", "G0023"):
        assert CODE.search(text), text
    assert not any(CODE.search(tier) for tier in TIERS)

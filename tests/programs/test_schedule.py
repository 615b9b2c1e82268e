"""What is due when: weekdays, times of day, which revision rules, holds and ends. Clock changes are timing's."""

from datetime import date, timedelta
from typing import Any

import msgspec

from programs.dosage import Dosage, Prescription
from programs.schedule import Course, Hold, Revision, Terms, bouts, day_of, minute_of, time_of, wall_at

MONDAY = date(2026, 6, 1)
FIRST = MONDAY.toordinal()
BRIDGE, WALK = Prescription("hip_bridge", Dosage(sets=3, reps=10)), Prescription("walking", Dosage(minutes=10))


def terms(*prescriptions: Prescription, times: tuple[str, ...] = ("09:00",), **changed: Any) -> Terms:
    return msgspec.structs.replace(Terms(prescriptions or (BRIDGE,), times, MONDAY), **changed)


def course(*revisions: tuple[int, Terms], **changed: Any) -> Course:
    numbered = tuple(Revision(number, wall, it) for number, (wall, it) in enumerate(revisions, 1))
    return msgspec.structs.replace(Course("plan", "ada", "ben", "Hip", 1, None, numbered), **changed)


def at(day: int, time: str) -> int:
    return wall_at(MONDAY + timedelta(days=day), time)


def due(it: Course, days: int = 7) -> list[tuple[str, str, int]]:
    """(weekday and time, exercises, revision) of the first days."""
    return [
        (f"{day_of(bout.wall):%a} {time_of(bout.wall)}", " ".join(item.exercise for item in bout.due), bout.revision)
        for bout in bouts(it, FIRST, FIRST + days - 1)
    ]


def test_a_wall_is_a_date_and_a_time_and_back() -> None:
    for time in ("00:00", "08:30", "23:59"):
        wall = wall_at(MONDAY, time)
        assert (day_of(wall), time_of(wall), minute_of(time)) == (MONDAY, time, wall % 1440)


def test_exercises_at_one_time_are_one_bout_and_bouts_come_in_order_of_time() -> None:
    own = Prescription("clamshell", Dosage(sets=2, reps=8), times=("07:15",))
    assert due(course((at(0, "00:00"), terms(BRIDGE, WALK, own, times=("18:00", "09:00")))), 1) == [
        ("Mon 07:15", "clamshell", 1),
        ("Mon 09:00", "hip_bridge walking", 1),
        ("Mon 18:00", "hip_bridge walking", 1),
    ]


def test_some_times_a_day_are_the_first_of_the_plans_times() -> None:
    twice = Prescription("walking", Dosage(minutes=10, per_day=2))
    assert [when for when, *_ in due(course((0, terms(twice, times=("08:00", "12:00", "20:00")))), 1)] == [
        "Mon 08:00",
        "Mon 12:00",
    ]


def test_weekdays_are_iso_with_sunday_the_seventh() -> None:
    weekend = Prescription("walking", Dosage(minutes=10, days=(6, 7)))
    monday = Prescription("hip_bridge", Dosage(sets=3, reps=10, days=(1,)))
    assert due(course((0, terms(weekend, monday)))) == [
        ("Mon 09:00", "hip_bridge", 1),
        ("Sat 09:00", "walking", 1),
        ("Sun 09:00", "walking", 1),
    ]


def test_the_first_and_the_last_day_are_both_in_it() -> None:
    it = terms(starts_on=MONDAY + timedelta(days=2), ends_on=MONDAY + timedelta(days=3))
    assert [when for when, *_ in due(course((0, it)))] == ["Wed 09:00", "Thu 09:00"]


def test_assigned_at_noon_this_morning_is_not_due() -> None:
    it = terms(times=("09:00", "12:00", "18:00"))
    assert [when for when, *_ in due(course((at(0, "12:00"), it)), 1)] == ["Mon 12:00", "Mon 18:00"]


def test_a_revision_rules_from_its_own_minute_on_also_twice_on_one_day() -> None:
    times = ("09:00", "12:00", "18:00")
    it = course(
        (at(0, "00:00"), terms(BRIDGE, times=times)),
        (at(1, "09:01"), terms(WALK, times=times)),
        (at(1, "12:00"), terms(BRIDGE, WALK, times=times)),
    )
    assert due(it, 2)[2:] == [
        ("Mon 18:00", "hip_bridge", 1),
        ("Tue 09:00", "hip_bridge", 1),
        ("Tue 12:00", "hip_bridge walking", 3),
        ("Tue 18:00", "hip_bridge walking", 3),
    ]


def test_two_revisions_in_one_minute_leave_the_last() -> None:
    assert due(course((0, terms(BRIDGE)), (at(0, "08:00"), terms(WALK)), (at(0, "08:00"), terms(BRIDGE, WALK))), 1) == [
        ("Mon 09:00", "hip_bridge walking", 3)
    ]


def test_a_plan_revised_before_it_begins_never_ran_on_its_first_terms() -> None:
    it = course((at(3, "00:00"), terms(BRIDGE)), (at(1, "12:00"), terms(WALK, starts_on=MONDAY + timedelta(days=2))))
    assert due(it, 4) == [("Wed 09:00", "walking", 2), ("Thu 09:00", "walking", 2)]


def test_nothing_is_due_twice_when_a_patient_flew_west_and_the_plan_was_revised_there() -> None:
    """Revised on Tuesday at 10:00, and soon after once more where it is 05:30: the last terms rule from then."""
    it = course((0, terms(BRIDGE)), (at(1, "10:00"), terms(BRIDGE)), (at(1, "05:30"), terms(WALK)))
    assert due(it, 3) == [("Mon 09:00", "hip_bridge", 1), ("Tue 09:00", "walking", 3), ("Wed 09:00", "walking", 3)]


def test_an_ended_plan_asks_for_nothing_from_its_end_on() -> None:
    it = course((0, terms(times=("09:00", "18:00"))), ended_wall=at(1, "18:00"))
    assert [when for when, *_ in due(it)] == ["Mon 09:00", "Mon 18:00", "Tue 09:00"]


def test_a_hold_excuses_the_bouts_inside_it_and_only_the_exercises_it_names() -> None:
    some = Hold("h1", at(1, "09:00"), at(3, "09:00"), ("hip_bridge",), "flare")
    everything = Hold("h2", at(5, "00:00"), None, (), "travel")
    found = bouts(course((0, terms(BRIDGE, WALK)), holds=(some, everything)), FIRST, FIRST + 7)
    assert [bout.held for bout in found] == [
        {},
        {"hip_bridge": "flare"},
        {"hip_bridge": "flare"},
        {},
        {},
        *[{"hip_bridge": "travel", "walking": "travel"}] * 3,
    ]
    assert [[item.exercise for item in bout.wanted] for bout in found[:2]] == [["hip_bridge", "walking"], ["walking"]]
    assert found[6].wanted == ()


def test_of_two_holds_the_first_gives_the_reason() -> None:
    both = (Hold("h1", 0, None, (), "flare"), Hold("h2", 0, None, ("hip_bridge",), "travel"))
    assert bouts(course((0, terms()), holds=both), FIRST, FIRST)[0].held == {"hip_bridge": "flare"}


def test_a_window_that_crosses_a_month_and_a_year_holds_every_day_once() -> None:
    it = course((0, terms()))
    last = date(2027, 3, 1).toordinal()
    assert [bout.wall // 1440 for bout in bouts(it, FIRST, last)] == list(range(FIRST, last + 1))


def test_days_before_the_plan_and_an_empty_window_hold_nothing() -> None:
    it = course((at(0, "00:00"), terms()))
    assert bouts(it, FIRST - 30, FIRST - 1) == []
    assert bouts(it, FIRST + 1, FIRST) == []

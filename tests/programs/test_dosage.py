"""A dose is one value: checked at its bounds and said in plain words."""

import msgspec
import pytest

from programs.dosage import (
    BOUNDS,
    Dosage,
    Prescription,
    check,
    check_prescription,
    check_time,
    lightened,
    minutes_a_day,
    minutes_once,
    say,
)
from programs.errors import Invalid


def dose(field: str, value: int) -> Dosage:
    """A valid dose but for this field."""
    whole = Dosage(reps=None if field in ("minutes", "hold_seconds") else 10)
    return msgspec.structs.replace(whole, **{field: value})


@pytest.mark.parametrize("field", BOUNDS)
def test_each_part_is_taken_at_its_bounds_and_refused_beyond_them(field: str) -> None:
    low, high = BOUNDS[field]
    check(dose(field, low))
    check(dose(field, high))
    for value in (low - 1, high + 1):
        with pytest.raises(Invalid, match=f"{field}: must be from {low} to {high}"):
            check(dose(field, value))


def test_a_dose_without_reps_hold_or_minutes_is_refused() -> None:
    with pytest.raises(Invalid, match="reps"):
        check(Dosage(sets=3))


@pytest.mark.parametrize("other", [Dosage(minutes=5, reps=3), Dosage(minutes=5, hold_seconds=3)])
def test_minutes_do_not_mix_with_reps_or_a_hold(other: Dosage) -> None:
    with pytest.raises(Invalid, match="minutes"):
        check(other)


@pytest.mark.parametrize("days", [(0,), (8,), (1, 1)])
def test_days_are_different_iso_weekdays(days: tuple[int, ...]) -> None:
    check(Dosage(reps=1, days=(1, 7)))
    with pytest.raises(Invalid, match="days"):
        check(Dosage(reps=1, days=days))


@pytest.mark.parametrize(
    ("dosage", "words"),
    [
        (Dosage(sets=3, reps=10, hold_seconds=5), "3 sets of 10, hold 5 seconds"),
        (Dosage(reps=10), "10 times"),
        (Dosage(sets=2, hold_seconds=30, side="both"), "hold 30 seconds, twice, each side"),
        (Dosage(sets=3, hold_seconds=1, side="left"), "hold 1 second, 3 times, left side"),
        (Dosage(minutes=10, per_day=2), "10 minutes, twice a day"),
        (Dosage(minutes=1, sets=3), "1 minute, 3 times"),
        (Dosage(reps=8, side="right", per_day=3), "8 times, right side, 3 times a day"),
        (Dosage(reps=1, days=(5, 1, 3)), "once, on Monday, Wednesday and Friday"),
        (Dosage(reps=2, days=(7,)), "twice, on Sunday"),
        (Dosage(reps=2, days=(1, 2, 3, 4, 5, 6, 7)), "twice"),
    ],
)
def test_a_dose_is_said_in_plain_words(dosage: Dosage, words: str) -> None:
    assert say(dosage) == words


@pytest.mark.parametrize(
    ("dosage", "words"),
    [
        (Dosage(sets=3, reps=10, hold_seconds=5, side="both"), "3 series de 10, aguanta 5 segundos, cada lado"),
        (Dosage(minutes=10, per_day=2, days=(6, 1)), "10 minutos, dos veces al día, los lunes y sábados"),
        (Dosage(reps=1, hold_seconds=1, per_day=3), "una vez, aguanta 1 segundo, 3 veces al día"),
    ],
)
def test_and_in_spanish(dosage: Dosage, words: str) -> None:
    assert say(dosage, "es") == words


def test_a_dose_and_a_prescription_are_one_json_value() -> None:
    prescription = Prescription("walking", Dosage(minutes=10, per_day=2, days=(1, 3)), times=("08:30", "18:30"))
    assert msgspec.json.decode(msgspec.json.encode(prescription), type=Prescription) == prescription


def test_a_misspelt_part_of_a_dose_is_refused_rather_than_dropped() -> None:
    with pytest.raises(msgspec.ValidationError, match="rep"):
        msgspec.json.decode(b'{"rep": 10}', type=Dosage)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("sets", {"dosage": Dosage(sets=11, reps=1)}),
        ("pain_limit", {"pain_limit": -1}),
        ("pain_limit", {"pain_limit": 11}),
        ("note", {"note": "x" * 501}),
        ("times", {"times": ("8:30",)}),
        ("times", {"times": ("24:00",)}),
        ("times", {"times": ("08:30\n",)}),
        ("times", {"times": ()}),
        ("times", {"times": ("08:30", "12:30"), "dosage": Dosage(reps=1, per_day=1)}),
        ("times", {"times": ("08:30", "08:30"), "dosage": Dosage(reps=1, per_day=2)}),
    ],
)
def test_a_prescription_says_which_part_is_wrong(field: str, wrong: dict[str, object]) -> None:
    right = Prescription("walking", Dosage(reps=1), times=("08:30",), pain_limit=10, note="x" * 500)
    check_prescription(right)
    with pytest.raises(Invalid) as refused:
        check_prescription(msgspec.structs.replace(right, **wrong))
    assert refused.value.field == field


def test_a_time_of_day_is_hours_and_minutes_and_the_field_is_named() -> None:
    check_time("00:00")
    check_time("23:59")
    with pytest.raises(Invalid) as refused:
        check_time("7:00", "allowed_from")
    assert refused.value.field == "allowed_from"


def test_minutes_once_count_sets_sides_holds_and_rests() -> None:
    once = minutes_once(Dosage(sets=1, reps=10, hold_seconds=5))
    assert once == pytest.approx((10 * (5 + 3) + 20) / 60)
    assert minutes_once(Dosage(sets=3, reps=10, hold_seconds=5, side="both")) == pytest.approx(once * 6)
    assert minutes_once(Dosage(sets=2, hold_seconds=30)) == pytest.approx(2 * (33 + 20) / 60)
    assert minutes_once(Dosage(minutes=10)) == 10


def test_minutes_a_day_count_the_exercises_own_times_then_how_often_then_the_plans_times() -> None:
    walk = Prescription("walking", Dosage(minutes=10))
    assert [minutes_a_day(walk), minutes_a_day(walk, 3)] == [10, 30]
    assert minutes_a_day(msgspec.structs.replace(walk, dosage=Dosage(minutes=10, per_day=2)), 3) == 20
    assert minutes_a_day(msgspec.structs.replace(walk, times=("08:30",)), 3) == 10


@pytest.mark.parametrize(
    ("lighter", "problem"),
    [
        (Dosage(sets=3, reps=11), "is more than the dose itself"),
        (Dosage(minutes=5, per_day=1), "must be sets, reps, hold or minutes"),
        (Dosage(reps=5, days=(1,)), "must be sets, reps, hold or minutes"),
        (Dosage(reps=5, side="left"), "must be sets, reps, hold or minutes"),
        (Dosage(reps=5, sets=0), "must be from 1 to 10"),
    ],
)
def test_what_is_lighter_is_less_of_the_same_work(lighter: Dosage, problem: str) -> None:
    check_prescription(Prescription("hip_bridge", Dosage(sets=3, reps=10), lighter=Dosage(sets=3, reps=10)))
    with pytest.raises(Invalid) as refused:
        check_prescription(Prescription("hip_bridge", Dosage(sets=3, reps=10), lighter=lighter))
    assert refused.value.problem == problem


def test_lightened_work_keeps_its_side_days_and_times() -> None:
    full = Dosage(sets=3, reps=10, side="left", per_day=2, days=(1, 3))
    assert lightened(full, Dosage(sets=1, reps=5)) == Dosage(sets=1, reps=5, side="left", per_day=2, days=(1, 3))

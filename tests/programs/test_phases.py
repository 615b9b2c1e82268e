"""Phases after needling: every gate at, below and above its number; holds against a recomputation time by time."""

from datetime import date
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from programs import phases
from programs.clocks import Moves, wall
from programs.dosage import Dosage, Phase, Prescription
from programs.errors import Invalid
from programs.exercises import find
from programs.instants import DAY, HOUR, MINUTE, Instant
from programs.phases import AFTER_NEEDLING, STOPPED, Entry, Needled, Phases, Told, settled, spells, standing
from programs.schedule import Course, Hold, Revision, Terms, bouts
from tests.world import NOON

USUAL = Phases()
NEW_YORK = Moves((), "America/New_York")
EVENING, DAY1, DAY2 = (hours * HOUR for hours in (6, 24, 48))  # after NOON


def needled(*told: tuple[int, int], hours: int = 0, **changed: Any) -> Needled:
    """Ended at NOON; `told` are (hours of the check-in, soreness), each heard an hour after it was due."""
    it = Needled(
        session_id="s",
        recorded_at=NOON + hours * HOUR,
        entries=(Entry(None, NOON, ("gluteus maximus",), "left", changed.pop("before", None)),),
        asked=(EVENING, DAY1, DAY2),
        told=tuple(Told(NOON + (at + 1) * HOUR, at * HOUR, sore) for at, sore in told),
    )
    return msgspec.structs.replace(it, **changed)


def stage(it: Needled, hours: float, chosen: Phases = USUAL) -> tuple[str, str | None]:
    found = standing(chosen, it, NOON + round(hours * HOUR))
    assert found is not None
    return found.stage, found.why


# clinical.md 4.2, phase B: soreness at most 5, and not rising


@pytest.mark.parametrize(
    ("evening", "day1", "expected"),
    [
        (6, 4, ("B", "silence")),
        (6, 5, ("B", "silence")),
        (6, 6, ("A", "soreness")),
        (4, 4, ("B", "silence")),
        (4, 5, ("A", "rising")),
        (None, 5, ("B", "silence")),
        (4, None, ("A", "silence")),
        (None, None, ("A", "silence")),
    ],
)
def test_4_2_phase_b_begins_at_24_h_with_soreness_at_most_5_and_not_rising(
    evening: int | None, day1: int | None, expected: tuple[str, str]
) -> None:
    told = [(at, sore) for at, sore in ((6, evening), (24, day1)) if sore is not None]
    it = needled(*told)
    assert stage(it, 23.9) == ("A", "time")
    assert stage(it, 49) == expected


# clinical.md 4.2, phase C: soreness at most 3, or within 1 of before the visit


@pytest.mark.parametrize(
    ("before", "sore", "expected"),
    [
        (None, 2, ("C", None)),
        (None, 3, ("C", None)),
        (None, 4, ("B", "soreness")),
        (4, 4, ("C", None)),
        (4, 5, ("C", None)),
        (4, 6, ("B", "soreness")),
        (0, 3, ("C", None)),
    ],
)
def test_4_2_phase_c_begins_at_48_h_with_soreness_at_most_3_or_within_1_of_before(
    before: int | None, sore: int, expected: tuple[str, str | None]
) -> None:
    it = needled((24, 5), (48, sore), before=before)
    assert stage(it, 48) == ("B", "silence")
    assert stage(it, 49) == expected


@pytest.mark.parametrize("at", [24, 48, 7 * 24])
def test_4_2_phase_a_a_red_or_orange_answer_stops_the_plan_until_the_clinic_lets_it_go_on(at: int) -> None:
    alarm = NOON + at * HOUR
    calm = needled((24, 2), (48, 2))
    it = msgspec.structs.replace(calm, alarms=(alarm,))
    assert stage(it, at - 0.1) == stage(calm, at - 0.1)
    assert stage(it, at) == stage(it, at + 300) == ("stop", "alarm")
    released = msgspec.structs.replace(it, releases=((alarm + HOUR, "A"),))
    assert stage(released, at + 1) == stage(calm, at + 1)
    again = msgspec.structs.replace(released, alarms=(alarm, alarm + 2 * HOUR))
    assert stage(again, at + 2) == ("stop", "alarm")


def test_silence_never_opens_a_gate_and_a_late_answer_opens_it_when_it_is_heard() -> None:
    assert stage(needled((24, 1)), 13 * 24) == ("B", "silence")
    late = needled((24, 1), told=(Told(NOON + 100 * HOUR, DAY2, 1),))
    assert [stage(late, hours)[0] for hours in (99.9, 100)] == ["A", "C"]


def test_the_gate_reads_the_check_in_due_by_then_and_no_earlier_one() -> None:
    assert stage(needled((6, 0)), 30) == ("A", "silence")
    # With 36 hours instead of 24, the 24 h answer is the one due by then.
    assert stage(needled((24, 2)), 35.9, Phases(light_after=36)) == ("A", "time")
    assert stage(needled((24, 2)), 36, Phases(light_after=36))[0] == "B"


def test_an_evening_answer_that_comes_after_the_next_days_is_not_the_latest() -> None:
    late = (Told(NOON + DAY1 + HOUR, DAY1, 2), Told(NOON + DAY1 + 2 * HOUR, EVENING, 9))
    assert stage(needled(told=late), 30)[0] == "B"


def test_a_gate_of_none_opens_by_time_alone() -> None:
    open_ones = Phases(light_at_most=None, full_at_most=None)
    assert [stage(needled(), hours, open_ones)[0] for hours in (23.9, 24, 47.9, 48)] == ["A", "B", "B", "C"]


def test_who_was_recorded_too_late_to_be_asked_is_held_by_time_alone() -> None:
    assert stage(needled(hours=60, asked=()), 60) == ("C", None)
    assert stage(needled(hours=30, asked=(DAY2,)), 40) == ("A", "silence")
    assert stage(needled(asked=()), 60) == ("A", "silence")


def test_a_phase_does_not_go_back_when_soreness_rises_by_a_little() -> None:
    assert stage(needled((24, 2), (48, 3)), 60) == ("C", None)
    assert stage(needled((24, 3), (48, 4)), 60) == ("B", "soreness")


@pytest.mark.parametrize(("phase", "expected"), [("A", "A"), ("B", "B"), ("C", "C")])
def test_a_clinicians_release_begins_the_phase_it_names(phase: Phase, expected: str) -> None:
    it = needled((6, 2), releases=((NOON + 30 * HOUR, phase),))
    assert [stage(it, hours)[0] for hours in (29, 30)] == ["A", expected]


def test_the_next_visit_four_days_later_settles_a_gate_that_was_left_shut_but_no_alarm() -> None:
    def two(days: float, alarm: bool) -> str:
        first = needled(alarms=(NOON + DAY1,) if alarm else ())
        ended_at = NOON + round(days * DAY)
        entry = first.entries[0]._replace(ended_at=ended_at)
        second = msgspec.structs.replace(first, session_id="t", entries=(entry,), alarms=(), recorded_at=ended_at)
        found = standing(USUAL, phases.followed([first, second])[0], NOON + 10 * DAY)
        assert found is not None
        return found.stage

    assert [two(3.9, False), two(4, False), two(4, True)] == ["A", "C", "stop"]


def test_which_answer_is_told_to_the_clinic() -> None:
    def told(target: Instant, *answers: tuple[int, int], **changed: Any) -> str | None:
        it = needled(*answers, **changed)
        found = phases.failed(USUAL, it, target, max(one.at for one in it.told))
        return None if found is None else f"{found.next} {found.why}"

    assert told(EVENING, (6, 9)) is None
    assert told(DAY1, (6, 6), (24, 5)) is None
    assert told(DAY1, (6, 6), (24, 6)) == "B soreness"
    assert told(DAY1, (6, 1), (24, 2)) == "B rising"
    assert told(DAY2, (24, 5), (48, 3)) is None
    assert told(DAY2, (24, 5), (48, 4)) == "C soreness"
    assert told(DAY2, (24, 5), (48, 4), before=3) is None
    assert told(DAY2, (24, 5), (48, 4), releases=((NOON + DAY2, "C"),)) is None


# what an exercise has to do with it


@pytest.mark.parametrize(
    ("exercise", "muscle", "side", "touched"),
    [
        ("hip_bridge", "gluteus maximus", "left", True),
        ("hip_bridge", "gluteus medius", "left", True),  # loaded: the whole region
        ("hip_bridge", "quadratus lumborum", "left", True),  # it loads the trunk
        ("hip_bridge", "upper trapezius", "left", False),
        ("figure_four_stretch", "piriformis", "left", True),
        ("figure_four_stretch", "gluteus medius", "left", False),  # a stretch: the muscle itself
        ("supine_hamstring_stretch_strap", "biceps femoris", "left", True),
        ("walking", "gluteus maximus", "left", False),
        ("hip_bridge", "gluteus maximus", "right", False),
        ("hip_bridge", "gluteus maximus", "both", True),
    ],
)
def test_loaded_work_is_held_by_region_and_a_stretch_by_muscle_on_the_needled_side(
    exercise: str, muscle: str, side: str, touched: bool
) -> None:
    item = settled(Prescription(exercise, Dosage(reps=10, side="left")), find(exercise))
    assert phases.touches(item, (muscle,), side) is touched


def test_what_is_left_out_is_the_cards_and_what_is_said_stays() -> None:
    card = find("hip_bridge")
    it = settled(Prescription("hip_bridge", Dosage(reps=10)), card)
    assert (it.phase, it.works) == ("B", ("gluteus maximus", "hamstrings", "low back", "abdomen", "hip", "thigh"))
    own = Prescription("hip_bridge", Dosage(reps=10), phase="C", works=("glute max", "thigh"))
    assert settled(own, card) == msgspec.structs.replace(own, works=("gluteus maximus", "thigh"))
    with pytest.raises(Invalid):
        settled(msgspec.structs.replace(own, works=("gluteus maximuss",)), card)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (Phases(light_after=-1), "light_after"),
        (Phases(light_after=49), "light_after"),
        (Phases(full_after=14 * 24 + 1), "full_after"),
        (Phases(light_at_most=11), "light_at_most"),
        (Phases(full_at_most=-1), "full_at_most"),
    ],
)
def test_phases_that_cannot_be_are_refused(wrong: Phases, field: str) -> None:
    phases.checked(Phases(0, 14 * 24, 10, None))
    with pytest.raises(Invalid) as refused:
        phases.checked(wrong)
    assert refused.value.field == field


def test_our_reasons_have_words_in_every_language_and_a_clinicians_stay_their_own() -> None:
    for reason in (AFTER_NEEDLING, STOPPED):
        assert len({phases.say_held(reason, language) for language in ("en", "es")}) == 2
        assert phases.say_held(reason, "xx") == phases.say_held(reason)
    assert phases.say_held("On holiday") == "On holiday"


# what is due, against a recomputation that knows no stretches


ZONES = ("America/New_York", "America/Los_Angeles", "Asia/Tokyo", "Europe/Madrid")
ITEMS = tuple(
    settled(it, find(it.exercise))
    for it in (
        Prescription("walking", Dosage(minutes=10)),
        Prescription("hip_bridge", Dosage(sets=3, reps=10), lighter=Dosage(sets=1, reps=5)),
        Prescription("single_leg_bridge", Dosage(sets=2, reps=8, side="left")),
        Prescription("wall_sit", Dosage(hold_seconds=20, days=(1, 3, 5)), times=("07:00", "19:30")),
    )
)
TIMES = ("07:00", "08:00", "09:00", "19:30", "20:00")  # all that the terms below name
MUSCLES = ("gluteus maximus", "quadriceps", "upper trapezius")


class Past(NamedTuple):
    """A history of one patient; what is due of it must not depend on how it is worked out."""

    moves: Moves
    sessions: list[Needled]
    course: Course


# On the hour, as bouts are, so that edges meet.
instants = st.integers(0, 9 * 24).map(lambda hour: NOON + hour * HOUR)


@st.composite
def sessions(draw: st.DrawFn, number: int) -> Needled:
    ended_at = draw(instants)
    first = Entry(None, ended_at, (draw(st.sampled_from(MUSCLES)),), draw(st.sampled_from(("left", "both"))), None)
    entries = [first]
    for _ in range(draw(st.integers(0, 2))):
        until = max(one.until or ended_at for one in entries) + draw(st.integers(1, 60)) * HOUR
        if draw(st.booleans()):
            shift = draw(st.sampled_from((0, -HOUR, 20 * HOUR)))
            entries[-1] = entries[-1]._replace(until=until)
            entries.append(first._replace(ended_at=ended_at + shift, muscles=(draw(st.sampled_from(MUSCLES)),)))
    if entries[-1].until is None and draw(st.booleans()):
        until = max(one.until or ended_at for one in entries) + draw(st.integers(1, 60)) * HOUR
        entries[-1] = entries[-1]._replace(until=until)
    targets = [EVENING, DAY1, DAY2]
    told = draw(st.lists(st.builds(Told, instants, st.sampled_from(targets), st.integers(0, 10)), max_size=4))
    return Needled(
        session_id=f"s{number}",
        recorded_at=ended_at + draw(st.sampled_from((0, 30 * HOUR, 80 * HOUR))),
        entries=tuple(entries),
        asked=tuple(draw(st.sampled_from(((), (targets[1],), targets)))),
        told=tuple(sorted(told, key=lambda it: (it.at, it.due))),
        alarms=tuple(sorted(draw(st.lists(instants, max_size=1)))),
        releases=tuple(sorted(draw(st.lists(st.tuples(instants, st.sampled_from(("A", "B", "C"))), max_size=2)))),
    )


@st.composite
def pasts(draw: st.DrawFn) -> Past:
    changes = sorted(draw(st.lists(instants, max_size=2, unique=True)))
    moves = Moves(tuple((at, draw(st.sampled_from(ZONES))) for at in changes), draw(st.sampled_from(ZONES)))
    found = phases.followed([draw(sessions(number)) for number in range(draw(st.integers(1, 3)))])
    walls = st.integers(0, 9 * 1440).map(lambda minute: wall(ZONES[0], NOON) + minute)
    terms = st.builds(
        Terms,
        st.sampled_from((ITEMS, ITEMS[1:], ITEMS[:2])),
        st.sampled_from((("09:00",), ("08:00", "20:00"))),
        st.just(date(2026, 6, 1)),
        st.none(),
        st.just(""),
        st.sampled_from((Phases(), Phases(12, 60, 7, None), None)),
    )
    revisions = [
        Revision(number, at, it, () if it.phases is None else spells(it.phases, found, moves))
        for number, (at, it) in enumerate([(0, draw(terms)), *draw(st.lists(st.tuples(walls, terms), max_size=2))], 1)
    ]
    held = st.builds(
        Hold, st.just("h"), walls, st.none() | walls, st.sampled_from(((), ("hip_bridge",))), st.just("trip")
    )
    course = Course("plan", "ada", "ben", "Hip", 1, None, tuple(revisions), tuple(draw(st.lists(held, max_size=2))))
    return Past(moves, found, course)


def naive(past: Past, day: int) -> list[tuple[int, int, str, Dosage, str]]:
    """(wall, revision, exercise, dose, held), each time of a local date asked for by itself."""
    found = []
    for time in TIMES:
        now = day * 1440 + int(time[:2]) * 60 + int(time[3:])
        ruling = [it for it in past.course.revisions if it.from_wall <= now]
        # Of two revisions the later rules, though the clock may have stood earlier when it was made.
        if not ruling:
            continue
        revision = ruling[-1]
        for item in revision.terms.prescriptions:
            weekday = date.fromordinal(day).isoweekday()
            times = item.times or revision.terms.times
            if time not in times or (item.dosage.days and weekday not in item.dosage.days):
                continue
            held = next((it.reason for it in past.course.holds if it.covers(now, item.exercise)), "")
            dose, reason = _naively_eased(past, revision, now, item)
            found.append((now, revision.number, item.exercise, dose, held or reason))
    return found


def _naively_eased(past: Past, revision: Revision, now: int, item: Prescription) -> tuple[Dosage, str]:
    """Asks of every instant at which the patient's clock may have shown this minute how things stood then."""
    reasons, dose = set(), item.dosage
    chosen = revision.terms.phases
    for it in past.sessions if chosen else ():
        assert chosen is not None
        for at in _lived(past.moves, now):
            entry = next((one for one in it.entries if one.until is None or at < one.until), None)
            if entry is None or at < entry.ended_at:
                continue
            then = msgspec.structs.replace(it, entries=(entry._replace(until=None),))
            found = standing(chosen, then, at)
            if found is None or found.stage == "C":
                continue
            touched = phases.touches(item, entry.muscles, entry.side)
            if found.stage == "stop":
                reasons.add(STOPPED)
            elif touched and item.phase is not None and item.phase > found.stage:
                reasons.add(AFTER_NEEDLING)
            if touched and item.lighter is not None:
                dose = msgspec.structs.replace(item.lighter, side=dose.side, days=dose.days, per_day=dose.per_day)
    return dose, STOPPED if STOPPED in reasons else "".join(reasons)


def _lived(moves: Moves, now: int) -> list[Instant]:
    """The instants at which the clock showed this minute; where it skipped it, the instant of the skip."""
    found = []
    start: Instant = 0
    reached = 0
    for until, zone in (*moves.before, (2**53, moves.zone)):
        # No clock changes in this fortnight: each zone has one offset.
        at = (now - wall(zone, NOON)) * MINUTE + NOON
        if start <= at < until:
            found.append(at)
        if start and reached <= now < wall(zone, start):
            found.append(start)
        start, reached = until, wall(zone, until) if until < 2**53 else 0
    return found


@given(pasts())
def test_what_is_due_held_and_lightened_equals_a_recomputation_time_by_time(past: Past) -> None:
    first = date(2026, 6, 1).toordinal()
    found = [
        (bout.wall, bout.revision, item.exercise, item.dosage, bout.held.get(item.exercise, ""))
        for bout in bouts(past.course, first, first + 9)
        for item in bout.due
    ]
    expected = [line for day in range(first, first + 10) for line in naive(past, day)]
    assert sorted(found, key=str) == sorted(expected, key=str)

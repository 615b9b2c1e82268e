"""Where the nearest systems lose or double a patient's days (features.md 4.2, 4.5), as plans that do neither."""

from datetime import date, timedelta

from programs.aftercare import check_ins
from programs.dosage import Dosage, Prescription
from programs.instants import DAY, HOUR
from programs.schedule import Course, Revision, Terms, bouts, wall_at
from tests.world import NOON

MONDAY = date(2026, 6, 1)
FIRST = MONDAY.toordinal()
BRIDGE, WALK = Prescription("hip_bridge", Dosage(sets=3, reps=10)), Prescription("walking", Dosage(minutes=10))


def plan(*revisions: tuple[int, Terms]) -> Course:
    numbered = tuple(Revision(number, wall, it) for number, (wall, it) in enumerate(revisions, 1))
    return Course("plan", "ada", "ben", "Hip", 1, None, numbered)


def terms(*items: Prescription, times: tuple[str, ...] = ("09:00",)) -> Terms:
    return Terms(items or (BRIDGE,), times, MONDAY)


def names(it: Course, days: int = 14) -> list[tuple[int, str]]:
    """What a completion names of a bout: its wall and its exercise."""
    return [(bout.wall, due.exercise) for bout in bouts(it, FIRST, FIRST + days - 1) for due in bout.due]


def test_carekit_index_shift_an_earlier_time_or_another_exercise_renames_no_bout_that_was() -> None:
    """CareKit keys an outcome by the number of its occurrence: what is put in before shifts all after it."""
    before = plan((0, terms(times=("09:00",))))
    wednesday = wall_at(MONDAY + timedelta(days=2), "00:00")
    after = plan((0, terms(times=("09:00",))), (wednesday, terms(WALK, BRIDGE, times=("07:00", "09:00"))))
    kept = [it for it in names(before) if it[0] < wednesday]
    assert names(after)[: len(kept)] == kept
    assert set(names(before)) <= set(names(after))


def test_opentelerehab_lost_history_a_revision_keeps_every_bout_that_was_asked_for() -> None:
    """There, editing a plan deletes its completed activities."""
    change = wall_at(MONDAY + timedelta(days=3), "12:00")
    after = plan((0, terms(BRIDGE, WALK)), (change, terms(WALK, times=("18:00",))))
    past = [it for it in names(after) if it[0] < change]
    assert past == [it for it in names(plan((0, terms(BRIDGE, WALK)))) if it[0] < change]
    assert len(past) == 8


def test_wger_random_calendar_ids_the_same_plan_is_named_alike_each_time_it_is_read() -> None:
    """There, an event gets a new random id at each download, and calendars fill with copies."""
    ids = [[(it.plan_id, it.wall) for it in bouts(plan((0, terms())), FIRST, FIRST + 6)] for _ in range(2)]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 7
    visits = [[it.id for it in check_ins("ada", "s", NOON)] for _ in range(2)]
    assert visits[0] == visits[1]


def test_radar_doubled_instants_two_exercises_or_two_visits_at_one_instant_are_one_bout_and_two_check_ins() -> None:
    """There, two anchors with the same instant are one key twice, and `repeat: 2` is the same instant twice."""
    found = bouts(plan((0, terms(BRIDGE, WALK, times=("09:00", "18:00")))), FIRST, FIRST + 6)
    walls = [it.wall for it in found]
    assert len(set(walls)) == len(walls) == 14
    both = [*check_ins("ada", "s", NOON), *check_ins("ada", "t", NOON), *check_ins("ada", "u", NOON - DAY + HOUR)]
    assert len({it.id for it in both}) == len(both) == 15

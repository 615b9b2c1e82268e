"""The ledger and its number, over random histories, against a slow recomputation that shares no code with them."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from programs import adherence
from programs.adherence import COUNTED, ITEM_STATES, Adherence, Item, Progress, coverage, ledger, progress, sum_up
from programs.completions import Completion, Kept
from programs.dosage import Dosage, Prescription, check_prescription
from programs.errors import Invalid
from programs.schedule import Course, Hold, Revision, Terms, wall_at

MONDAY = date(2026, 6, 1)
NAMES = ("hip_bridge", "walking", "clamshell")
START = datetime.combine(date.min, time.min)  # walls count from year 1 and know no zone
TIMES = ("00:00", "07:00", "09:00", "12:30", "23:59")


def clock(wall: int) -> datetime:
    return START + timedelta(minutes=wall - 1440)


def minutes(of: datetime) -> int:
    return int((of - START).total_seconds()) // 60 + 1440


# random histories

days = st.integers(0, 20).map(lambda after: MONDAY + timedelta(days=after))
walls = st.builds(lambda day, minute: minutes(datetime.combine(day, time.min)) + minute, days, st.integers(0, 1439))
dosages = st.builds(
    Dosage,
    sets=st.integers(1, 4),
    reps=st.just(10),
    per_day=st.sampled_from((None, None, 1, 2)),
    days=st.lists(st.integers(1, 7), max_size=5, unique=True).map(tuple),
)
prescriptions = st.lists(
    st.builds(
        Prescription,
        exercise=st.sampled_from(NAMES),
        dosage=dosages,
        times=st.none() | st.lists(st.sampled_from(TIMES), min_size=1, max_size=3, unique=True).map(tuple),
    ),
    min_size=1,
    unique_by=lambda it: it.exercise,
)
all_terms = st.builds(
    Terms,
    prescriptions=prescriptions.map(tuple),
    times=st.lists(st.sampled_from(TIMES), min_size=1, max_size=3, unique=True).map(tuple),
    starts_on=days,
    ends_on=st.none() | days,
)
holds = st.builds(
    Hold,
    id=st.uuids().map(str),
    from_wall=walls,
    until_wall=st.none() | walls,
    exercises=st.lists(st.sampled_from(NAMES), max_size=2, unique=True).map(tuple),
    reason=st.sampled_from(("flare", "travel")),
)


@st.composite
def courses(draw: st.DrawFn) -> Course:
    """Revised in mid-week and on the same day; a patient who flies west is revised at an earlier wall than before."""
    since = draw(st.lists(walls, min_size=1, max_size=4))
    revisions = [Revision(number, wall, draw(all_terms)) for number, wall in enumerate(since, 1)]
    ended = draw(st.none() | walls)
    return Course("plan", "ada", "ben", "Hip", 1, ended, tuple(revisions), tuple(draw(st.lists(holds, max_size=3))))


@st.composite
def logged(draw: st.DrawFn, course: Course) -> list[Kept]:
    """Mostly of this plan and of what it asks for, in the order in which it was done; also corrected and late."""
    likely = [(wall, name) for wall, name, *_ in slow_items(course, MONDAY, MONDAY + timedelta(days=20))]
    which = st.tuples(walls, st.sampled_from(NAMES))
    found = []
    for number in range(draw(st.integers(0, 25))):
        wall, name = draw(st.sampled_from(likely) | which if likely else which)
        outcome: Any = draw(st.sampled_from(("done", "partly", "skipped")))
        value = Completion(
            f"c{number}",
            draw(st.sampled_from(("plan", "plan", "plan", "another"))),
            name,
            clock(wall).date(),
            f"{clock(wall):%H:%M}",
            outcome,
            number,
            sets=draw(st.none() | st.integers(0, 6)),
            reason=draw(st.sampled_from((None, "too_sore"))) if outcome == "skipped" else None,
        )
        found.append(Kept(wall, wall + draw(st.integers(-60, 4000)), number, value))
    return found


# the same once more, one question at a time


def slow_items(course: Course, first: date, last: date) -> list[tuple[int, str, int, int, str | None]]:
    """(wall, exercise, sets, revision, reason if held) of all that was asked for, minute by minute it could be."""
    found = []
    day = first
    while day <= last:
        for clock_time in TIMES:
            at = datetime.combine(day, time.fromisoformat(clock_time))
            ruling = [it for it in course.revisions if clock(it.from_wall) <= at]
            if not ruling or (course.ended_wall is not None and at >= clock(course.ended_wall)):
                continue
            terms = ruling[-1].terms
            if day < terms.starts_on or (terms.ends_on is not None and day > terms.ends_on):
                continue
            for it in terms.prescriptions:
                usual = terms.times if it.dosage.per_day is None else terms.times[: it.dosage.per_day]
                if clock_time not in (it.times or usual) or (it.dosage.days and day.isoweekday() not in it.dosage.days):
                    continue
                reasons = [hold.reason for hold in course.holds if slow_held(hold, at, it.exercise)]
                row = (minutes(at), it.exercise, it.dosage.sets, ruling[-1].number, reasons[0] if reasons else None)
                found.append(row)
        day += timedelta(days=1)
    return found


def slow_held(hold: Hold, at: datetime, exercise: str) -> bool:
    if hold.exercises and exercise not in hold.exercises:
        return False
    return clock(hold.from_wall) <= at and (hold.until_wall is None or at < clock(hold.until_wall))


def slow_state(
    wall: int, exercise: str, sets: int, held: str | None, kept: Sequence[Kept], unreached: set[int], here: int
) -> tuple[str, Fraction]:
    said = [it for it in kept if (it.value.plan_id, it.wall, it.value.exercise) == ("plan", wall, exercise)]
    if said and said[-1].value.outcome == "partly":
        given = said[-1].value.sets
        return "partly", Fraction(sets, 2) if given is None else Fraction(min(given, sets))
    if said and said[-1].value.outcome == "done":
        given = said[-1].value.sets
        late = clock(said[-1].done_wall).date() > clock(wall).date()
        return "late" if late else "done", Fraction(sets if given is None else given)
    if held is not None:
        return "excused", Fraction(0)
    if said:
        return "skipped", Fraction(0)
    if clock(here).date() <= clock(wall).date():
        return "open", Fraction(0)
    there = any((it.value.plan_id, it.wall) == ("plan", wall) for it in kept)
    return "not_reached" if wall in unreached and not there else "missed", Fraction(0)


def slow_percent(items: Sequence[tuple[date, str, int, str, Fraction]]) -> tuple[float | None, int]:
    counted = [it for it in items if it[3] not in ("excused", "not_reached", "open")]
    slots = {it[:2] for it in counted}
    shares = []
    for slot in slots:
        mine = [it for it in counted if it[:2] == slot]
        shares.append(min(Fraction(1), Fraction(sum(it[4] for it in mine)) / sum(it[2] for it in mine)))
    return (float(sum(shares) * 100 / len(shares)), len(slots)) if len(shares) >= 3 else (None, len(slots))


@given(st.data())
def test_the_ledger_and_its_number_are_what_a_slow_recomputation_finds(data: st.DataObject) -> None:
    course = data.draw(courses())
    kept = data.draw(logged(course))
    here = data.draw(walls)
    due = slow_items(course, MONDAY, MONDAY + timedelta(days=20))
    unreached = set(data.draw(st.lists(st.sampled_from([it[0] for it in due]), max_size=8))) if due else set()
    first, last = sorted((data.draw(days), data.draw(days)))
    found = ledger(course, kept, unreached, first.toordinal(), last.toordinal(), here)
    slow = [
        (wall, name, number, sets, *slow_state(wall, name, sets, held, kept, unreached, here))
        for wall, name, sets, number, held in due
        if first <= clock(wall).date() <= last
    ]
    rows = [(it.wall, it.exercise, it.revision, it.sets, it.state, Fraction(it.sets_done)) for it in found]
    assert sorted(rows) == sorted(slow)
    assert [it.wall for it in found] == sorted(it.wall for it in found)
    summed = sum_up(found)
    percent, n = slow_percent(
        [(clock(wall).date(), name, sets, state, done) for wall, name, _, sets, state, done in slow]
    )
    assert summed.n == n
    assert summed.percent == (None if percent is None else pytest.approx(percent, abs=0.051))
    assert summed.counts == Counter(it[4] for it in slow)


# named cases


def course(*times: str, **changed: Any) -> Course:
    """Bridges of 3 sets, at the times given, from Monday on."""
    prescription = Prescription("hip_bridge", Dosage(sets=3, reps=10))
    terms = Terms((prescription,), times or ("09:00",), MONDAY)
    start = wall_at(MONDAY, "00:00")
    return msgspec.structs.replace(
        Course("plan", "ada", "ben", "Hip", 1, None, (Revision(1, start, terms),)), **changed
    )


def did(day: int, outcome: Any = "done", at: str = "09:00", **more: Any) -> Kept:
    on = MONDAY + timedelta(days=day)
    wall, after = wall_at(on, at), more.pop("days_late", 0)
    value = Completion(f"c{day}{at}", "plan", "hip_bridge", on, at, outcome, 0, **more)
    return Kept(wall, wall + 5 + after * 1440, 0, value)


def week(it: Course, *kept: Kept, unreached: Sequence[int] = (), days: int = 7, now: int = 7) -> list[Item]:
    """The first `days` days, as of the midnight with which day `now` begins."""
    here = wall_at(MONDAY + timedelta(days=now), "00:00")
    return ledger(it, kept, unreached, MONDAY.toordinal(), MONDAY.toordinal() + days - 1, here)


def states(items: Sequence[Item]) -> list[str]:
    return [it.state for it in items]


def test_extra_work_on_monday_cannot_hide_a_missed_tuesday() -> None:
    items = week(course(), did(0, sets=6), did(2), days=3)
    assert [(it.state, it.sets_done) for it in items] == [("done", 6), ("missed", 0), ("done", 3)]
    assert sum_up(items).percent == 66.7


def test_the_sets_of_one_day_count_together_and_are_capped_together() -> None:
    items = week(course("09:00", "18:00"), did(0, sets=6), did(1), did(2), did(2, at="18:00"), days=3)
    assert (sum_up(items).percent, sum_up(items).n) == (83.3, 3)  # Monday's six in the morning are its six


def test_under_three_slots_there_is_no_number() -> None:
    assert (sum_up(week(course(), did(0), did(1), days=2)).percent, sum_up(week(course(), did(0), days=3)).percent) == (
        None,
        33.3,
    )


@pytest.mark.parametrize("outside", ["excused", "not_reached", "open"])
def test_what_is_excused_not_reached_or_open_is_in_no_denominator(outside: str) -> None:
    tuesday = wall_at(MONDAY + timedelta(days=1), "09:00")
    hold = Hold("h", tuesday, None, (), "flare")
    items = {
        "excused": week(course(holds=(hold,)), did(0), days=5),
        "not_reached": week(course(), did(0), unreached=[tuesday + day * 1440 for day in range(4)], days=5),
        "open": week(course(), did(0), days=5, now=1),
    }[outside]
    assert states(items) == ["done", *[outside] * 4]
    assert (sum_up(items).n, sum_up(items).percent, sum_up(items).counts) == (1, None, {"done": 1, outside: 4})


def test_what_was_skipped_stays_in_with_its_reason() -> None:
    items = week(course(), did(0), did(1), did(2, "skipped", reason="too_sore"), did(3, "skipped"), days=4)
    assert [it.reason for it in items[2:]] == ["too_sore", "no reason given"]
    assert (sum_up(items).percent, sum_up(items).n) == (50.0, 4)


def test_what_was_done_while_held_or_unreached_counts() -> None:
    hold = Hold("h", wall_at(MONDAY, "00:00"), None, (), "flare")
    unreached = [wall_at(MONDAY, "09:00")]
    assert states(week(course(holds=(hold,)), did(0), did(1, "skipped"), days=2)) == ["done", "excused"]
    assert states(week(course(), did(0), unreached=unreached, days=1)) == ["done"]


def test_done_on_a_later_date_is_late_and_counts_in_full() -> None:
    items = week(course(), did(0, days_late=1), did(1, days_late=3), did(2), days=3)
    assert states(items) == ["late", "late", "done"]
    assert sum_up(items).percent == 100


def test_partly_is_the_sets_done_or_half() -> None:
    items = week(course(), did(0, "partly"), did(1, "partly", sets=1), did(2, "partly", sets=9), days=3)
    assert [it.sets_done for it in items] == [1.5, 1, 3]


def test_the_last_word_of_a_patient_counts() -> None:
    items = week(course(), did(0, "skipped"), did(0, "done"), did(1, "done"), did(1, "skipped"), days=2)
    assert states(items) == ["done", "skipped"]


def test_an_item_created_today_is_not_missed_yesterday() -> None:
    """SparkyFitness#1915: days before the item existed were counted."""
    friday = wall_at(MONDAY + timedelta(days=4), "12:00")
    terms = course().revisions[0].terms
    late = course(revisions=(Revision(1, friday, terms),))
    assert [it.wall for it in week(late)] == [friday + 1440 - 180, friday + 2 * 1440 - 180]


def test_a_window_that_crosses_a_month_holds_every_day_of_it() -> None:
    """OpenTeleRehab's Calculator.php takes the day of the month for the number of days."""
    first = date(2026, 6, 20)
    here = wall_at(date(2026, 8, 10), "00:00")
    items = ledger(course(), (), (), first.toordinal(), date(2026, 8, 9).toordinal(), here)
    assert len(items) == 51
    assert sum_up(items) == Adherence(0.0, 51, {"missed": 51})


def test_days_with_nothing_due_are_neither_nothing_nor_all_done() -> None:
    """carekit#279, malaria-app-android#11: a day without items is no number, and changes no other day's."""
    assert sum_up(week(course(ended_wall=wall_at(MONDAY, "00:00")))) == Adherence(None, 0, {})
    some = Prescription("hip_bridge", Dosage(sets=3, reps=10, days=(1, 3, 5)))
    terms = Terms((some,), ("09:00",), MONDAY)
    items = week(course(revisions=(Revision(1, 0, terms),)), did(0), did(2), did(4))
    assert sum_up(items) == Adherence(100.0, 3, {"done": 3})


def test_today_is_open_until_the_date_is_over_and_never_shown_as_yesterdays() -> None:
    """carekit#699: yesterday's task shown today."""
    midnight = wall_at(MONDAY + timedelta(days=1), "00:00")
    first = MONDAY.toordinal()
    assert states(ledger(course(), (), (), first, first, midnight - 1)) == ["open"]
    assert states(ledger(course(), (), (), first, first, midnight)) == ["missed"]


def test_a_number_never_sinks_because_a_plan_is_long() -> None:
    """OpenTeleRehab counts all activities so far against three days of work."""
    for days in (3, 30, 90):
        items = week(course(), *(did(day) for day in range(days)), days=days, now=days)
        assert sum_up(items).percent == 100


@pytest.mark.parametrize(
    ("percent", "band"),
    [(None, "not enough data"), (80.0, "on track"), (79.9, "partial"), (50.0, "partial"), (49.9, "low")],
)
def test_a_number_has_a_band(percent: float | None, band: str) -> None:
    assert Adherence(percent, 5, {}).band == band


def test_every_state_counts_or_is_left_out_on_purpose() -> None:
    assert set(ITEM_STATES) - COUNTED == {"excused", "not_reached", "open"}


def test_the_example_of_the_documentation_is_what_is_counted() -> None:
    """docs/adherence.md, word for word: its table of what was logged, its table of slots, its number."""
    page = (Path(adherence.__file__).parent / "docs" / "adherence.md").read_text("utf-8")
    walk = Prescription("walking", Dosage(minutes=10))
    bridges = Prescription("hip_bridge", Dosage(sets=3, reps=10))
    thursday = wall_at(MONDAY + timedelta(days=3), "00:00")
    hold = Hold("h", thursday, thursday + 1440, ("walking",), "flare")
    it = course(revisions=(Revision(1, 0, Terms((bridges, walk), ("09:00",), MONDAY)),), holds=(hold,))
    walks = [(0, "done"), (2, "partly")]
    kept = [did(0, sets=6), did(1, "skipped", reason="too_sore"), did(2, "partly", sets=1), did(3, days_late=1)]
    kept += [
        msgspec.structs.replace(one, value=msgspec.structs.replace(one.value, exercise="walking"))
        for one in (did(day, outcome) for day, outcome in walks)
    ]
    items = week(it, *kept, days=4)
    names = {"hip_bridge": "bridges", "walking": "walking"}
    for item in items:
        assert f"| {names[item.exercise]}, {clock(item.wall):%A} | {item.state} |" in page
    found = sum_up(items)
    assert f"**{found.percent} %, {found.band}, n = {found.n}**" in page
    covered = coverage(items)
    assert f"logged on {covered.logged} of {covered.due} days" in page


def test_the_same_instant_twice_is_one_item() -> None:
    """RADAR-Appserver: an unused index made `repeat: 2` the same instant twice. Here no time can be named twice, and
    one bout logged by two phones is one item."""
    with pytest.raises(Invalid, match="different"):
        check_prescription(Prescription("hip_bridge", Dosage(sets=3, reps=10), times=("09:00", "09:00")))
    other_phone = did(0)
    value = msgspec.structs.replace(other_phone.value, id="other")
    items = week(course(), did(0), msgspec.structs.replace(other_phone, value=value), days=1)
    assert [(it.state, it.sets_done) for it in items] == [("done", 3)]


def test_a_changed_plan_does_not_move_what_was_done_to_another_item() -> None:
    """CareKit finds an outcome by its index in the schedule: one more time of day earlier, and it is another bout's."""
    start, wednesday = wall_at(MONDAY, "00:00"), wall_at(MONDAY + timedelta(days=2), "00:00")
    once, twice = (course(*times).revisions[0].terms for times in (("18:00",), ("07:00", "18:00")))
    plan = course(revisions=(Revision(1, start, once), Revision(2, wednesday, twice)))
    items = week(plan, did(0, at="18:00"), did(2, at="18:00"), days=3)
    assert [(clock(it.wall).hour, it.revision, it.state) for it in items] == [
        (18, 1, "done"),
        (18, 1, "missed"),
        (7, 2, "missed"),
        (18, 2, "done"),
    ]


def test_an_edited_plan_keeps_what_was_done_before() -> None:
    """OpenTeleRehab deletes completed activities when a plan is edited."""
    start, thursday = wall_at(MONDAY, "00:00"), wall_at(MONDAY + timedelta(days=3), "12:00")
    other = Terms((Prescription("walking", Dosage(minutes=10)),), ("09:00",), MONDAY)
    plan = course(revisions=(Revision(1, start, course().revisions[0].terms), Revision(2, thursday, other)))
    items = week(plan, did(0), did(1), did(3))
    assert [it.state for it in items if it.exercise == "hip_bridge"] == ["done", "done", "missed", "done"]
    assert len([it for it in items if it.exercise == "walking"]) == 3


@pytest.mark.parametrize("parts", [2, 3, 7])
def test_tallies_of_parts_add_up_to_the_whole(parts: int) -> None:
    """A third, a half and two thirds: exact, in whatever order."""
    items = week(course(), did(0, sets=1), did(1, sets=2), did(2, "partly"), did(3), did(5, sets=1))
    cut = [adherence.tally(it for it in items if it.day % parts == part) for part in range(parts)]
    assert sum(reversed(cut), adherence.Tally()) == adherence.tally(items)


def test_a_patient_reads_of_what_they_did_and_what_is_ahead() -> None:
    hold = Hold("h", wall_at(MONDAY + timedelta(days=4), "00:00"), None, (), "flare")
    items = week(course("09:00", "18:00", holds=(hold,)), did(0), did(1, "skipped"), did(2, "partly"), now=3)
    assert progress(items) == Progress(done=2, due=8, ahead=2)

"""The agenda, told facts and a time: who is told what when, and why not. No database here, and no clock.

`world` draws what one patient's record may look like; the rules below hold for every one of them.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from notifications.agenda import (
    BACK_OFF,
    BOUT_WINDOW,
    NUDGE_AFTER,
    Agenda,
    Facts,
    Omitted,
    Planned,
    Reason,
    Told,
    agenda,
)
from notifications.preferences import Preferences
from notifications.timing import zone
from programs.aftercare import CheckIn, check_ins
from programs.dosage import Dosage, Prescription
from programs.instants import DAY, HOUR, MINUTE, Instant, of
from programs.schedule import DAY_MINUTES, Course, Hold, Revision, Terms, bouts, wall_at
from tests.notifications.test_timing import clock, is_allowed, shown

ZONES = (
    "America/New_York",
    "America/Los_Angeles",
    "America/St_Johns",
    "America/Nuuk",
    "Europe/London",
    "Europe/Madrid",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "Antarctica/Troll",
)
HORIZON = 3 * DAY
NOON = of(datetime.fromisoformat("2026-06-01T12:00:00-04:00"))
BRIDGE = Prescription("hip_bridge", Dosage(sets=3, reps=10))
WALK = Prescription("walking", Dosage(minutes=10))


def course(
    plan: str = "p1", times: Sequence[str] = ("09:00",), holds: tuple[Hold, ...] = (), starts: str = "2026-01-01"
) -> Course:
    terms = Terms((BRIDGE, WALK), tuple(times), date.fromisoformat(starts))
    first = Revision(1, terms.starts_on.toordinal() * DAY_MINUTES, terms)
    return Course(plan, "ada", "ben", "Hip program", 1, None, (first,), holds)


def facts(**known: object) -> Facts:
    known = {"zone": "America/New_York", "preferences": Preferences(), "silent": "", "reacted_at": NOON} | known
    return Facts("ada", **known)  # type: ignore[arg-type]


def local(at: Instant, name: str = "America/New_York") -> str:
    return clock(name, at).strftime("%a %H:%M")


def said(found: Agenda, name: str = "America/New_York") -> list[tuple[str, str]]:
    return [(local(it.at, name), " ".join(it.subjects)) for it in found.messages]


def codes(found: Agenda) -> dict[str, str]:
    return {it.subject: it.reason.code for it in found.omitted}


def opened(session: str, ended_at: Instant) -> list[CheckIn]:
    """A session's check-ins with the conditional one left out."""
    return [it for it in check_ins("ada", session, ended_at) if it.state == "open"]


# what holds for every patient


@st.composite
def world(draw: st.DrawFn) -> tuple[Facts, Instant]:
    """What one patient's record may say, and now. Nothing is known of the time after now."""
    now = of(datetime(2026, 10, 20, tzinfo=clock("UTC", 0).tzinfo)) + draw(st.integers(0, 20 * 24 * 12)) * 5 * MINUTE
    times = st.lists(
        st.integers(0, 95).map(lambda q: f"{q // 4:02}:{q % 4 * 15:02}"), min_size=1, max_size=4, unique=True
    )
    since = draw(st.integers(0, 60)) * HOUR
    aftercare = []
    for number, hours in enumerate(draw(st.lists(st.integers(0, 8 * 24 * 2), max_size=3))):
        aftercare += [_lived(draw, it, now) for it in check_ins("ada", f"s{number}", now - hours * HOUR // 2)]
    plans = [course(f"p{number}", draw(times)) for number in range(draw(st.integers(0, 2)))]
    today = zone("UTC").wall(now).day
    held = draw(st.booleans())
    if plans and held:
        start = today * DAY_MINUTES + draw(st.integers(-2000, 4000))
        it = Hold("h", start, start + draw(st.integers(1, 3000)), draw(st.sampled_from([(), ("hip_bridge",)])), "sore")
        plans[0] = msgspec.structs.replace(plans[0], holds=(it,))
    known = facts(
        zone=draw(st.sampled_from(ZONES)),
        preferences=Preferences(
            allowed_from=draw(st.sampled_from(("08:00", "09:00", "20:00", "00:00"))),
            allowed_until=draw(st.sampled_from(("21:00", "08:00", "12:00"))),
            most_a_day=draw(st.integers(1, 4)),
        ),
        reacted_at=now - since,
        check_ins=aftercare,
        courses=plans,
    )
    assume(known.preferences.hours.length >= 12 * 60)
    walls = [(it.plan_id, it.wall) for plan in plans for it in bouts(plan, today - 1, today + 1)]
    if walls:
        logged = draw(st.lists(st.sampled_from(walls), max_size=3))
        known.logged = frozenset((*it, exercise) for it in logged for exercise in ("hip_bridge", "walking"))
        told = draw(st.lists(st.sampled_from(walls), max_size=2, unique=True))
        known.told = [Told(now - number * HOUR, (f"bout:{plan}:{wall}",)) for number, (plan, wall) in enumerate(told)]
    return known, now


def _lived(draw: st.DrawFn, it: CheckIn, now: Instant) -> CheckIn:
    """A check-in as it may stand by now: asked or answered only if it was open before."""
    states = ("open",) if it.opens >= now else ("open", "open", "asked", "answered")
    match draw(st.sampled_from(states)):
        case "asked":
            return msgspec.structs.replace(it, state="open", asked_at=min(it.target, now))
        case "answered":
            return msgspec.structs.replace(it, state="answered", answered_at=min(it.target, now))
    return it


def subjects(found: Agenda) -> list[str]:
    return [subject for it in found.messages for subject in it.subjects]


@given(world())
def test_every_message_is_inside_its_windows_and_the_allowed_hours(drawn: tuple[Facts, Instant]) -> None:
    known, now = drawn
    by_id = {it.id: it for it in known.check_ins}
    for it in agenda(known, now, now + HORIZON).messages:
        assert now <= it.at < now + HORIZON
        assert it.at <= it.closes
        assert is_allowed(known.zone, it.at, known.preferences.hours)
        for subject in it.subjects:
            kind, _, rest = subject.partition(":")
            if kind == "check_in":
                assert by_id[rest].opens <= it.at <= by_id[rest].closes
            elif kind == "nudge":
                assert by_id[rest].opens + NUDGE_AFTER // 2 <= it.at <= by_id[rest].closes
            else:
                day, minute = divmod(int(rest.rpartition(":")[2]), DAY_MINUTES)
                at = zone(known.zone).instant(day, minute)
                assert at <= it.at <= at + BOUT_WINDOW


@given(world())
def test_no_subject_is_planned_twice_and_each_message_has_its_own_key(drawn: tuple[Facts, Instant]) -> None:
    known, now = drawn
    found = agenda(known, now, now + HORIZON)
    assert max(Counter(subjects(found)).values(), default=1) == 1
    assert max(Counter(it.key for it in found.messages).values(), default=1) == 1
    assert all(it.key == it.subjects[0] and it.key.startswith(it.kind) for it in found.messages)
    assert not {subject for it in known.told for subject in it.subjects} & set(subjects(found))


@given(world())
def test_what_might_be_expected_is_planned_or_omitted_with_a_reason(drawn: tuple[Facts, Instant]) -> None:
    known, now = drawn
    until = now + HORIZON
    found = agenda(known, now, until)
    omitted = codes(found)
    assert len(omitted) == len(found.omitted)
    assert all(omitted.values())
    assert not set(omitted) & set(subjects(found))
    expected = {f"check_in:{it.id}" for it in known.check_ins if it.closes < until}
    clocks = zone(known.zone)
    for plan in known.courses:
        for it in bouts(plan, clocks.wall(now).day - 1, clocks.wall(until).day):
            at = clocks.instant(*divmod(it.wall, DAY_MINUTES))
            if now < at + BOUT_WINDOW and at + BOUT_WINDOW < until:
                expected.add(f"bout:{it.plan_id}:{it.wall}")
    assert expected <= set(omitted) | set(subjects(found))


@given(world())
def test_nothing_that_was_answered_logged_told_or_held_is_planned(drawn: tuple[Facts, Instant]) -> None:
    known, now = drawn
    found = agenda(known, now, now + HORIZON)
    planned = set(subjects(found))
    for it in known.check_ins:
        if it.state != "open" or it.asked_at is not None:
            assert f"check_in:{it.id}" not in planned
        if it.state != "open":
            assert f"nudge:{it.id}" not in planned
    for id, wall, _ in known.logged:
        assert f"bout:{id}:{wall}" not in planned
    for plan in known.courses:
        for hold in plan.holds:
            if not hold.exercises and hold.until_wall is not None:
                walls = range(hold.from_wall, hold.until_wall)
                assert not {f"bout:{plan.plan_id}:{wall}" for wall in walls} & planned


@given(world())
def test_reminders_and_nudges_never_exceed_the_day_s_limit(drawn: tuple[Facts, Instant]) -> None:
    known, now = drawn
    found = agenda(known, now, now + HORIZON)
    told = Counter(shown(known.zone, it.at).day for it in known.told)
    asked = Counter(shown(known.zone, it.at).day for it in found.messages if it.kind == "check_in")
    others = Counter(shown(known.zone, it.at).day for it in found.messages if it.kind != "check_in")
    for day, count in others.items():
        assert count <= max(0, known.preferences.most_a_day - told[day] - asked[day])


@given(world())
def test_two_messages_are_an_hour_apart_unless_late_or_a_window_closes_in_between(
    drawn: tuple[Facts, Instant],
) -> None:
    known, now = drawn
    found = agenda(known, now, now + HORIZON).messages
    for it, following in pairwise(found):
        assert following.at - it.at > HOUR or following.at >= it.closes or it.due < it.at
        assert following.at > it.at


@given(world(), st.randoms(use_true_random=False))
def test_the_same_facts_in_any_order_give_the_same_agenda(drawn: tuple[Facts, Instant], chance: object) -> None:
    known, now = drawn
    first = agenda(known, now, now + HORIZON)
    again = msgspec.structs.replace(known)
    for field in ("check_ins", "courses", "told"):
        shuffled = list(getattr(known, field))
        chance.shuffle(shuffled)  # type: ignore[attr-defined]
        setattr(again, field, shuffled)
    second = agenda(again, now, now + HORIZON)
    assert first.messages == second.messages
    assert sorted(first.omitted, key=repr) == sorted(second.omitted, key=repr)


@given(world(), st.sampled_from(["no_consent", "discharged"]))
def test_a_silent_patient_is_sent_nothing_and_the_reason_is_said(drawn: tuple[Facts, Instant], why: str) -> None:
    known, now = drawn
    wanted = agenda(known, now, now + HORIZON)
    known.silent = why
    found = agenda(known, now, now + HORIZON)
    assert found.messages == []
    silenced = {it.subject for it in found.omitted if it.reason.code == why}
    assert set(subjects(wanted)) <= silenced
    # What would not have been sent anyway keeps its own reason.
    assert {it.reason.code for it in found.omitted} <= {why} | {it.reason.code for it in wanted.omitted}


# As time passes. Reminders thin out with time, and a day's limit may delay what nobody knew of when it was planned:
# `calm` has neither, and one needling session, since a prompt merged with another one's nudge moves its own.


@st.composite
def calm(draw: st.DrawFn) -> tuple[Facts, Instant]:
    known, now = draw(world())
    known.reacted_at = now
    known.preferences = msgspec.structs.replace(known.preferences, most_a_day=6)
    known.check_ins = known.check_ins[:5]
    return known, now


def _shape(plan: Sequence[Planned]) -> list[tuple[Instant, str, frozenset[str]]]:
    return [(it.at, it.key, frozenset(it.subjects)) for it in plan]


@given(calm(), st.integers(0, HORIZON // MINUTE))
def test_waiting_changes_nothing_until_the_next_message_is_due(drawn: tuple[Facts, Instant], wait: int) -> None:
    known, now = drawn
    plan = agenda(known, now, now + HORIZON).messages
    later = min(now + wait * MINUTE, plan[0].at if plan else now + HORIZON - 1)
    assert _shape(agenda(known, later, now + HORIZON).messages) == _shape(plan)


@given(calm())
def test_what_is_planned_is_what_is_sent_when_nothing_happens(drawn: tuple[Facts, Instant]) -> None:
    """Each message is claimed at its instant by a worker that asks the agenda again, as delivery does."""
    known, now = drawn
    plan = agenda(known, now, now + HORIZON).messages
    assert _shape(_lived_through(known, now, now + HORIZON)) == _shape(plan)


@given(world())
def test_whatever_is_merged_or_left_out_each_check_in_is_asked_once_and_the_limit_holds(
    drawn: tuple[Facts, Instant],
) -> None:
    known, now = drawn
    before = Counter(shown(known.zone, it.at).day for it in known.told)
    standing = {it.id for it in known.check_ins if it.state == "open" and it.asked_at is None}
    sent = _lived_through(known, now, now + HORIZON)
    told = Counter(subject for it in sent for subject in it.subjects)
    assert max(told.values(), default=1) == 1
    day_of = [shown(known.zone, it.at).day for it in sent]
    for number, it in enumerate(sent):
        if it.kind != "check_in":
            so_far = before[day_of[number]] + day_of[:number].count(day_of[number])
            assert so_far < known.preferences.most_a_day
    for open_one in known.check_ins:
        if open_one.id in standing and open_one.closes < now + HORIZON and open_one.closes - now > 16 * HOUR:
            assert told[f"check_in:{open_one.id}"] == 1


def _lived_through(known: Facts, now: Instant, until: Instant) -> list[Planned]:
    """What was sent in the end, each message at its instant."""
    sent = []
    while following := agenda(known, now, until).messages:
        now = following[0].at
        _send(known, following[0])
        sent.append(following[0])
    return sent


def _send(known: Facts, it: Planned) -> None:
    known.told = [*known.told, Told(it.at, it.subjects)]
    asked = {subject.removeprefix("check_in:") for subject in it.subjects}
    known.check_ins = [
        msgspec.structs.replace(one, asked_at=it.at) if one.id in asked and one.asked_at is None else one
        for one in known.check_ins
    ]


# a patient moves


@pytest.mark.parametrize("old", ZONES)
@pytest.mark.parametrize("new", ZONES)
def test_moving_to_another_zone_neither_repeats_a_reminder_nor_loses_one_of_a_time_still_to_come(
    old: str, new: str
) -> None:
    start = of(datetime.fromisoformat("2026-10-24T00:00:00+00:00"))  # clocks change in many of them within the days
    often = Preferences(most_a_day=6)
    known = facts(zone=old, courses=[course(times=("08:30", "18:00"))], reacted_at=start, preferences=often)
    for moves_at in range(start + 30 * HOUR, start + 54 * HOUR, 5 * HOUR):
        known.zone, known.told = old, []
        _follow(known, start, moves_at)
        known.zone = new
        _follow(known, moves_at, moves_at + 2 * DAY)
        told = [subject for it in known.told for subject in it.subjects]
        assert len(told) == len(set(told))
        to_come = _reminders_between(known, moves_at, moves_at + 2 * DAY - BOUT_WINDOW)
        assert to_come <= set(told)


def _follow(known: Facts, now: Instant, until: Instant) -> None:
    while plan := agenda(known, now, until).messages:
        now = plan[0].at
        known.told = [*known.told, Told(now, plan[0].subjects)]
        known.reacted_at = now


def _reminders_between(known: Facts, now: Instant, until: Instant) -> set[str]:
    clocks = zone(known.zone)
    found = set()
    for it in bouts(known.courses[0], clocks.wall(now).day, clocks.wall(until).day):
        if now <= clocks.instant(*divmod(it.wall, DAY_MINUTES)) < until:
            found.add(f"bout:{it.plan_id}:{it.wall}")
    return found


# days written out


def test_two_needling_sessions_30_hours_apart_share_one_prompt_and_keep_their_own_check_ins() -> None:
    first, second = NOON - 2 * HOUR, NOON + 28 * HOUR
    known = facts(check_ins=[*opened("s1", first), *opened("s2", second)], preferences=Preferences(most_a_day=6))
    shared = [it for it in agenda(known, NOON, NOON + 4 * DAY).messages if len(it.subjects) > 1]
    assert [(local(it.at), it.subjects) for it in shared] == [
        ("Wed 16:00", ("check_in:s1-day2", "check_in:s2-day1")),
        ("Wed 20:00", ("nudge:s1-day2", "nudge:s2-day1")),
    ]
    assert shared[0].reasons == (
        Reason("step_day2"),
        Reason("merged", second + 24 * HOUR, "check_in:s2-day1"),
    )


def test_a_check_in_and_a_reminder_of_the_same_hour_are_one_message_at_the_later_time() -> None:
    known = facts(check_ins=opened("s1", NOON - 30 * MINUTE), courses=[course(times=("12:00",))])
    found = agenda(known, NOON + HOUR, NOON + 2 * DAY)
    tuesday = [it for it in said(found) if it[0].startswith("Tue")]
    assert tuesday == [
        ("Tue 12:00", f"check_in:s1-day1 bout:p1:{wall_at(date(2026, 6, 2), '12:00')}"),
        ("Tue 16:00", "nudge:s1-day1"),
    ]


def test_two_plans_at_the_same_instant_are_one_message_about_both() -> None:
    known = facts(courses=[course("p1"), course("p2")])
    found = agenda(known, NOON, NOON + DAY)
    wall = wall_at(date(2026, 6, 2), "09:00")
    assert said(found) == [("Tue 09:00", f"bout:p1:{wall} bout:p2:{wall}")]


def test_what_is_left_out_says_why() -> None:
    nine, noon, three, six = (wall_at(date(2026, 6, 2), time) for time in ("09:00", "12:00", "15:00", "18:00"))
    known = facts(
        preferences=Preferences(most_a_day=1),
        courses=[course(times=("09:00", "12:00", "15:00", "18:00"), holds=(Hold("h", nine, nine + 1, (), "sore"),))],
        logged=frozenset({("p1", noon, "hip_bridge"), ("p1", noon, "walking")}),
        told=[Told(NOON, (f"bout:p1:{three}",)), Told(NOON, ("check_in:s1-day1",), "no_address")],
        check_ins=[
            msgspec.structs.replace(it, state="answered") if it.step == "evening" else it
            for it in check_ins("ada", "s1", NOON - 4 * HOUR)
        ],
    )
    found = agenda(known, NOON + 13 * HOUR, NOON + 2 * DAY)
    assert codes(found) == {
        "check_in:s1-evening": "answered",
        "check_in:s1-day1": "no_address",
        f"bout:p1:{nine}": "held",
        f"bout:p1:{noon}": "logged",
        f"bout:p1:{three}": "already_sent",
        "nudge:s1-day2": "daily_limit",
    }
    assert said(found) == [
        ("Tue 18:00", f"bout:p1:{six}"),
        ("Wed 09:00", f"check_in:s1-day2 bout:p1:{wall_at(date(2026, 6, 3), '09:00')}"),
    ]


def test_a_held_exercise_leaves_the_reminder_of_the_others_and_a_log_of_those_is_enough() -> None:
    nine = wall_at(date(2026, 6, 2), "09:00")
    known = facts(courses=[course(holds=(Hold("h", nine, nine + 1, ("hip_bridge",), "sore"),))])
    assert said(agenda(known, NOON, NOON + DAY)) == [("Tue 09:00", f"bout:p1:{nine}")]
    known.logged = frozenset({("p1", nine, "walking")})
    found = agenda(known, NOON, NOON + DAY)
    assert found.messages == []
    assert codes(found) == {f"bout:p1:{nine}": "logged"}


def test_reminders_that_are_switched_off_leave_the_check_ins() -> None:
    known = facts(
        check_ins=opened("s1", NOON - HOUR), courses=[course()], preferences=Preferences(bout_reminders=False)
    )
    found = agenda(known, NOON, NOON + DAY)
    assert [it.kind for it in found.messages] == ["check_in", "nudge", "check_in"]
    assert set(codes(found).values()) == {"reminders_off"}


@pytest.mark.parametrize(
    ("days", "reminded"),
    [(0, 28), (2, 28), (3, 14), (9, 14), (10, 4), (29, 4), (30, 2), (90, 2)],
)
def test_reminders_thin_out_with_the_days_without_a_sign_of_life(days: int, reminded: int) -> None:
    known = facts(courses=[course()], reacted_at=NOON - days * DAY)
    found = agenda(known, NOON, NOON + 28 * DAY)
    assert len(found.messages) == reminded
    assert len(found.omitted) == 28 - reminded
    assert set(codes(found).values()) <= {"thinned_out"}
    each = next(every for since, every in BACK_OFF if days >= since)
    assert {after.at - it.at for it, after in zip(found.messages, found.messages[1:], strict=False)} == {each * DAY}


def test_check_ins_do_not_thin_out() -> None:
    known = facts(check_ins=opened("s1", NOON - HOUR), reacted_at=NOON - 90 * DAY)
    asked = [it.key for it in agenda(known, NOON, NOON + 9 * DAY).messages if it.kind == "check_in"]
    assert asked == ["check_in:s1-evening", "check_in:s1-day1", "check_in:s1-day2", "check_in:s1-day7"]


def test_above_the_limit_reminders_go_first_then_nudges_and_check_ins_share_a_prompt() -> None:
    known = facts(
        check_ins=[*opened("s1", NOON - 2 * HOUR), *opened("s2", NOON - 26 * HOUR)],
        courses=[course(times=("09:00", "18:30"))],
        preferences=Preferences(most_a_day=1),
    )
    found = agenda(known, NOON, NOON + DAY)
    assert said(found) == [
        ("Mon 16:00", "check_in:s1-evening check_in:s2-day1"),
        ("Tue 10:00", f"check_in:s1-day1 check_in:s2-day2 bout:p1:{wall_at(date(2026, 6, 2), '09:00')}"),
    ]
    assert codes(found)[f"bout:p1:{wall_at(date(2026, 6, 1), '18:30')}"] == "daily_limit"


@pytest.mark.parametrize(
    ("name", "times", "start", "expected"),
    [
        # 09:00 stays 09:00 over a clock change; "two days" are 49 or 47 hours there.
        ("America/New_York", ("09:00",), "2026-10-31T13:00-04:00", ["Sun 09:00", "Mon 09:00"]),
        ("America/New_York", ("09:00",), "2027-03-13T13:00-05:00", ["Sun 09:00", "Mon 09:00"]),
        ("Europe/Madrid", ("09:00",), "2026-10-24T13:00+02:00", ["Sun 09:00", "Mon 09:00"]),
        ("Australia/Lord_Howe", ("09:00",), "2026-10-03T13:00+10:30", ["Sun 09:00", "Mon 09:00"]),
        # The hour that comes twice reminds once; the one that is missing, as soon as it is over.
        ("America/New_York", ("01:30",), "2026-10-31T13:00-04:00", ["Sun 01:30", "Mon 01:30"]),
        ("America/New_York", ("02:30",), "2027-03-13T13:00-05:00", ["Sun 03:00", "Mon 02:30"]),
        ("America/Nuuk", ("23:30",), "2024-03-30T03:00-02:00", ["Sun 00:00", "Sun 23:30"]),
    ],
)
def test_a_time_of_day_keeps_to_the_clock_on_the_wall(
    name: str, times: tuple[str, ...], start: str, expected: list[str]
) -> None:
    now = of(datetime.fromisoformat(start))
    always = Preferences(allowed_from="00:00", allowed_until="00:00")
    plan = course(times=times, starts="2024-01-01")
    found = agenda(facts(zone=name, courses=[plan], preferences=always, reacted_at=now), now, now + 2 * DAY)
    assert [when for when, _ in said(found, name)] == expected


def test_a_day_that_never_was_reminds_of_nothing() -> None:
    now = of(datetime.fromisoformat("2011-12-29T13:00-10:00"))
    plan = course(starts="2011-12-01")
    found = agenda(facts(zone="Pacific/Apia", courses=[plan], reacted_at=now), now, now + 2 * DAY)
    assert [clock("Pacific/Apia", it.at).isoformat(timespec="minutes") for it in found.messages] == [
        "2011-12-31T09:00+14:00",
        "2012-01-01T09:00+14:00",
    ]
    assert codes(found) == {f"bout:p1:{wall_at(date(2011, 12, 30), '09:00')}": "no_allowed_hour"}


def test_a_reminder_in_the_last_minutes_of_the_allowed_hours_is_sent_though_a_worker_is_always_a_little_late() -> None:
    known = facts(courses=[course(times=("20:55",))])
    due = of(datetime.fromisoformat("2026-06-01T20:55-04:00"))
    (it,) = agenda(known, due + 40, due + HOUR).messages
    assert it.at == due + 40


def test_after_an_outage_what_is_late_goes_out_together_and_what_is_over_says_so() -> None:
    known = facts(check_ins=opened("s1", NOON - 24 * HOUR), courses=[course(times=("13:00", "15:00"))])
    (it, *_), omitted = agenda(known, NOON + 4 * HOUR, NOON + 5 * HOUR)
    assert it.at == NOON + 4 * HOUR
    assert it.subjects == ("check_in:s1-day1", f"bout:p1:{wall_at(date(2026, 6, 1), '15:00')}")
    assert ("check_in:s1-evening", "window_over") in [(left.subject, left.reason.code) for left in omitted]


def test_an_agenda_is_the_same_object_of_facts_whatever_is_beyond_the_horizon() -> None:
    far = [*opened("s1", NOON - HOUR), *opened("s9", NOON + 400 * DAY)]
    near = agenda(facts(check_ins=far[:4]), NOON, NOON + 3 * DAY)
    assert agenda(facts(check_ins=far), NOON, NOON + 3 * DAY) == near
    assert all(isinstance(it, Omitted) for it in near.omitted)
    assert timedelta(milliseconds=near.messages[0].at - NOON) == timedelta(hours=5)

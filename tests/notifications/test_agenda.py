"""The agenda, told facts and a time: who is told what when, and why not. No database here, and no clock.

`world` draws what one patient's record may look like; the rules below hold for every one of them.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from itertools import pairwise

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from notifications.agenda import (
    BOUT_WINDOW,
    NUDGE_AFTER,
    Agenda,
    Facts,
    Planned,
    Told,
    agenda,
)
from notifications.preferences import Preferences
from notifications.timing import zone
from programs.aftercare import CheckIn, check_ins
from programs.dosage import Dosage, Prescription
from programs.instants import DAY, HOUR, MINUTE, Instant, of
from programs.schedule import DAY_MINUTES, Course, Hold, Revision, Terms, bouts
from tests.clocks import clock, is_allowed, shown

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
CALM = 2 * DAY
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


# As time passes. Reminders thin out after two days, and a day's limit may delay what nobody knew of when it was
# planned: `calm` has neither, and one needling session, since a prompt merged with another one's nudge moves its own.


@st.composite
def calm(draw: st.DrawFn) -> tuple[Facts, Instant]:
    known, now = draw(world())
    known.reacted_at = now
    known.preferences = msgspec.structs.replace(known.preferences, most_a_day=6)
    known.check_ins = known.check_ins[:5]
    return known, now


def _shape(plan: Sequence[Planned]) -> list[tuple[Instant, str, frozenset[str]]]:
    return [(it.at, it.key, frozenset(it.subjects)) for it in plan]


@given(calm(), st.integers(0, CALM // MINUTE))
def test_waiting_changes_nothing_until_the_next_message_is_due(drawn: tuple[Facts, Instant], wait: int) -> None:
    known, now = drawn
    plan = agenda(known, now, now + CALM).messages
    later = min(now + wait * MINUTE, plan[0].at if plan else now + CALM - 1)
    assert _shape(agenda(known, later, now + CALM).messages) == _shape(plan)


@given(calm())
def test_what_is_planned_is_what_is_sent_when_nothing_happens(drawn: tuple[Facts, Instant]) -> None:
    """Each message is claimed at its instant by a worker that asks the agenda again, as delivery does."""
    known, now = drawn
    plan = agenda(known, now, now + CALM).messages
    assert _shape(_lived_through(known, now, now + CALM)) == _shape(plan)


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

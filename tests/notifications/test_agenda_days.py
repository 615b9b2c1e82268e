"""The agenda on days written out: merged prompts, limits, reasons, thinning out, clocks that change, outages.

What holds for every patient on any day is in test_agenda.py.
"""

from datetime import date, datetime, timedelta
from typing import Any

import msgspec
import pytest

from notifications.agenda import (
    BACK_OFF,
    Omitted,
    Reason,
    Told,
    agenda,
)
from notifications.preferences import Preferences
from programs.aftercare import LATEST, check_ins, is_to_be_shifted, shifted
from programs.instants import DAY, HOUR, MINUTE, of
from programs.schedule import Hold, wall_at
from tests.clocks import clock
from tests.notifications.test_agenda import NOON, codes, course, facts, local, opened, said


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
    [(0, 28), (1, 28), (2, 14), (9, 14), (10, 4), (29, 4), (30, 2), (90, 2)],
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


# late


def test_a_late_check_in_follows_its_steps_policy_and_says_which() -> None:
    late = NOON + 8 * HOUR  # its evening check-in was due at 17:00, and its window is open until 05:00
    for policy, asked, why in (("catch_up", True, "caught_up"), ("skip", False, "skipped_late")):
        evening = msgspec.structs.replace(opened("s1", NOON - HOUR)[0], late=policy)
        found = agenda(facts(check_ins=[evening]), late, late + HOUR)
        assert [it.key for it in found.messages] == (["check_in:s1-evening"] if asked else [])
        reasons = found.messages[0].reasons if asked else [it.reason for it in found.omitted]
        assert [(it.code, it.at) for it in reasons][-1] == (why, NOON + 5 * HOUR)


def test_half_an_hour_late_is_not_late() -> None:
    evening = msgspec.structs.replace(opened("s1", NOON - HOUR)[0], late="skip")
    at = NOON + 5 * HOUR + 30 * MINUTE
    [message] = agenda(facts(check_ins=[evening]), at, at + HOUR).messages
    assert message.reasons[0].code == "step_evening"


def test_what_was_shifted_says_from_when() -> None:
    day7 = opened("s1", NOON - 9 * DAY)[-1]
    assert is_to_be_shifted(day7, NOON)
    moved = shifted(day7, NOON)
    assert (moved.opens, moved.target, moved.closes - moved.opens) == (NOON, NOON, day7.closes - day7.opens)
    [message] = agenda(facts(check_ins=[moved]), NOON, NOON + HOUR).messages
    assert [(it.code, it.at) for it in message.reasons] == [("step_day7", 0), ("shifted", day7.target)]
    assert not is_to_be_shifted(moved, moved.closes)  # once
    assert not is_to_be_shifted(day7, day7.closes + LATEST)


@pytest.mark.parametrize("changed", [{"asked_at": NOON}, {"state": "answered"}, {"late": "catch_up"}])
def test_what_was_asked_or_answered_is_not_shifted(changed: dict[str, Any]) -> None:
    assert not is_to_be_shifted(msgspec.structs.replace(opened("s1", NOON - 9 * DAY)[-1], **changed), NOON)

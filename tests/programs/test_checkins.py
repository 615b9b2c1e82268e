"""Answers to check-ins: they merge, raise each flag once, open the third day or close it, and may come late."""

from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, select

from programs import checkins
from programs.aftercare import ANSWERABLE
from programs.errors import Conflict, Invalid, NoSuchRecord
from programs.instants import DAY, HOUR, MINUTE, Instant
from programs.tables import answer
from service import care
from service.care import Reply, Who
from service.database import Database
from tests.world import ADA, BEN, CLEO, CLINIC, EVE, NOON, OTHER, populate, session

ENDED = NOON - HOUR


@pytest.fixture
async def clinic(database: Database) -> Database:
    """Ada's back was needled an hour ago: next to the pleura, so that the red questions are asked."""
    await database.write(populate)
    await database.write(care.record_session, BEN, "s1", session(ENDED, muscles=("rhomboids",)), NOON)
    return database


async def say(clinic: Database, step: str, hours: float, received: float | None = None, **answers: Any) -> Reply:
    """Ada answers so many hours after the needling session ended; we may hear of it later."""
    at, now = ENDED + int(hours * HOUR), ENDED + int((received or hours) * HOUR)
    found: Reply = await clinic.write(care.answer, ADA, f"s1-{step}", answers, at, now)
    return found


async def states(clinic: Database, visit: str = "s1") -> dict[str, str]:
    return {it.step: it.state for it in await clinic.read(checkins.session_check_ins, CLINIC, visit)}


def kept(db: Connection) -> list[tuple[str, int, dict[str, Any], Instant, Instant]]:
    """(check-in, version, answers, hours when answered and when received), first received first."""
    return [
        (
            row.check_in_id,
            row.version,
            msgspec.json.decode(row.answers),
            row.answered_at - ENDED,
            row.received_at - ENDED,
        )
        for row in db.execute(select(answer).order_by(answer.c.received_at, answer.c.version))
    ]


async def test_answers_merge_over_earlier_ones_and_every_answer_is_kept(clinic: Database) -> None:
    first = await say(clinic, "day1", 24, q_sore=6, rf_breath=False)
    second = await say(clinic, "day1", 25, q_sore=4, q_usual=2)
    assert (first.answered.version, second.answered.version) == (1, 2)
    merged = {"q_sore": 4, "rf_breath": False, "q_usual": 2}
    assert (await clinic.read(checkins.answers_of, CLINIC, "s1")) == {"s1-day1": merged}
    assert await clinic.read(kept) == [
        ("s1-day1", 1, {"q_sore": 6, "rf_breath": False}, 24 * HOUR, 24 * HOUR),
        ("s1-day1", 2, merged, 25 * HOUR, 25 * HOUR),
    ]


async def test_the_first_time_of_answering_stays(clinic: Database) -> None:
    await say(clinic, "day1", 24, q_sore=6)
    await say(clinic, "day1", 30, q_sore=4)
    it = await clinic.read(checkins.check_in_of, CLINIC, "ada", "s1-day1")
    assert (it.state, it.answered_at) == ("answered", ENDED + 24 * HOUR)


async def test_an_emergency_is_answered_first_flagged_once_and_stays_when_the_rest_follows(clinic: Database) -> None:
    first = await say(clinic, "evening", 3, rf_breath=True)
    assert (first.tier, len(first.answered.flags)) == ("emergency", 1)
    assert "911" in first.safety
    second = await say(clinic, "evening", 4, q_sore=3, q_usual=2)
    assert (second.tier, second.answered.flags) == ("emergency", ())
    assert second.safety == first.safety
    third = await say(clinic, "evening", 5, rf_chest=True)
    assert len(third.answered.flags) == 1
    flags = await clinic.read(checkins.flags_of, CLINIC)
    assert sorted(it.finding.rule for it in flags) == ["rf_breath", "rf_chest"]
    assert {(it.patient_id, it.patient_name, it.clinician_id, it.tier) for it in flags} == {
        ("ada", "Ada", "ben", "emergency")
    }


async def test_a_flag_is_not_lowered_by_taking_the_answer_back(clinic: Database) -> None:
    await say(clinic, "evening", 3, rf_breath=True)
    assert (await say(clinic, "evening", 4, rf_breath=False)).tier == ""
    assert len(await clinic.read(checkins.flags_of, CLINIC)) == 1


async def test_an_acknowledged_flag_is_not_raised_again_and_the_first_to_acknowledge_stands(clinic: Database) -> None:
    [id] = (await say(clinic, "evening", 3, rf_breath=True)).answered.flags
    await clinic.write(care.acknowledge, BEN, id, ENDED + 4 * HOUR)
    assert (await say(clinic, "evening", 5, rf_breath=True)).answered.flags == ()
    await clinic.write(care.acknowledge, CLEO, id, ENDED + 6 * HOUR)
    [it] = await clinic.read(checkins.flags_of, CLINIC)
    assert (it.acknowledged_by, it.acknowledged_at) == ("clinician:ben", ENDED + 4 * HOUR)
    assert await clinic.read(lambda db: checkins.flags_of(db, CLINIC, open_only=True)) == []


async def test_the_same_sign_at_another_check_in_is_another_flag(clinic: Database) -> None:
    await say(clinic, "evening", 3, rf_breath=True)
    assert len((await say(clinic, "day1", 24, rf_breath=True)).answered.flags) == 1


async def test_the_third_day_is_asked_if_the_second_says_so(clinic: Database) -> None:
    said: list[tuple[dict[str, Any], str]] = [
        ({"q_sore": 3}, "open"),
        ({"q_sore": 2}, "not_needed"),
        ({"q_usual": 1}, "open"),  # no score is not "well"
        ({"q_sore": 0, "rf_nerve": True}, "open"),
        ({"q_sore": 0, "q_free": "all fine"}, "not_needed"),
    ]
    for number, (answers, after) in enumerate(said):
        id, at = f"visit{number}", ENDED + 48 * HOUR
        await clinic.write(care.record_session, BEN, id, session(ENDED), NOON)
        assert (await states(clinic, id))["day3"] == "conditional"
        await clinic.write(care.answer, ADA, f"{id}-day2", answers, at, at)
        assert (await states(clinic, id))["day3"] == after, answers


async def test_a_second_answer_to_the_second_day_opens_the_third_and_never_closes_it(clinic: Database) -> None:
    await say(clinic, "day2", 48, q_sore=1)
    await say(clinic, "day2", 49, q_sore=5)
    assert (await states(clinic))["day3"] == "open"
    await say(clinic, "day2", 50, q_sore=0)
    assert (await states(clinic))["day3"] == "open"


async def test_other_days_do_not_open_the_third(clinic: Database) -> None:
    for step, hours in (("evening", 6), ("day1", 24), ("day7", 168)):
        answers = {"rf_infect": False} if step == "day7" else {"q_sore": 9}
        await say(clinic, step, hours, **answers)
    assert (await states(clinic))["day3"] == "conditional"


async def test_a_third_day_that_is_not_asked_takes_no_answer(clinic: Database) -> None:
    with pytest.raises(Conflict):
        await say(clinic, "day3", 72, q_sore=3)


async def test_an_answer_long_after_its_window_is_taken_and_keeps_its_own_time(clinic: Database) -> None:
    reply = await say(clinic, "evening", 5, received=6 + 13 * 24, rf_breath=True)
    assert reply.tier == "emergency"
    assert [(it[3], it[4]) for it in await clinic.read(kept)] == [(5 * HOUR, (6 + 13 * 24) * HOUR)]


async def test_two_weeks_after_its_target_a_check_in_is_closed(clinic: Database) -> None:
    target = ENDED + 6 * HOUR
    await clinic.write(care.answer, ADA, "s1-evening", {"q_sore": 1}, target, target + ANSWERABLE)
    with pytest.raises(Conflict):
        await clinic.write(care.answer, ADA, "s1-evening", {"q_sore": 2}, target, target + ANSWERABLE + 1)


async def test_a_phone_whose_clock_is_ahead_answered_when_we_heard(clinic: Database) -> None:
    await say(clinic, "evening", 60, received=6, q_sore=2)
    assert [(it[3], it[4]) for it in await clinic.read(kept)] == [(6 * HOUR, 6 * HOUR)]


async def test_nothing_is_answered_before_the_session_ended(clinic: Database) -> None:
    with pytest.raises(Invalid) as refused:
        await say(clinic, "evening", -1 / 60, received=1, q_sore=2)
    assert refused.value.field == "answered_at"


async def test_soreness_that_rises_from_the_first_day_to_the_second_is_flagged(clinic: Database) -> None:
    await say(clinic, "day1", 24, q_sore=3)
    reply = await say(clinic, "day2", 48, q_sore=5)
    assert [it.rule for it in reply.answered.findings] == ["sore_rising"]


async def test_a_first_day_answered_after_the_second_is_compared_with_nothing_later(clinic: Database) -> None:
    """Usual pain that went down from 6 to 2 did not get worse, in whichever order the answers arrive."""
    await say(clinic, "day2", 48, q_usual=2)
    assert (await say(clinic, "day1", 25, received=50, q_usual=6)).answered.findings == ()
    assert await clinic.read(checkins.flags_of, CLINIC) == []


async def test_a_wrong_answer_is_refused_and_nothing_of_it_is_kept(clinic: Database) -> None:
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("q_sore", {"q_sore": 11, "rf_breath": True}),
        ("q_sore", {"q_sore": True, "rf_breath": True}),
        ("answers", {"q_what": 1, "rf_breath": True}),
        ("answers", {}),
    ]
    for field, answers in wrong:
        with pytest.raises(Invalid) as refused:
            await say(clinic, "evening", 6, **answers)
        assert refused.value.field == field
    assert await clinic.read(kept) == []
    assert await clinic.read(checkins.flags_of, CLINIC) == []


async def test_a_stranger_finds_no_such_check_in(clinic: Database) -> None:
    for who in (EVE, Who(OTHER, "patient", "ada"), Who(CLINIC, "patient", "eve"), BEN):
        with pytest.raises(NoSuchRecord):
            await clinic.write(care.answer, who, "s1-evening", {"q_sore": 1}, NOON, NOON + HOUR)


async def test_another_clinic_sees_and_acknowledges_no_flag(clinic: Database) -> None:
    [id] = (await say(clinic, "evening", 3, rf_breath=True)).answered.flags
    assert await clinic.read(checkins.flags_of, OTHER) == []
    with pytest.raises(NoSuchRecord):
        await clinic.write(checkins.acknowledge, OTHER, id, "clinician:dov", NOON)
    assert (await clinic.read(checkins.flag_of, CLINIC, id)).acknowledged_at is None


async def test_flags_are_read_a_page_at_a_time_latest_first(clinic: Database) -> None:
    await say(clinic, "evening", 3, rf_breath=True, rf_chest=True, q_sore=9)
    await say(clinic, "day1", 24, rf_breath=True)
    everything = await clinic.read(checkins.flags_of, CLINIC)
    assert [it.raised_at for it in everything] == [ENDED + 24 * HOUR, *[ENDED + 3 * HOUR] * 3]
    pages, last = [], None
    while page := await clinic.read(lambda db, at: checkins.flags_of(db, CLINIC, before=at, count=2), last):
        pages += page
        last = page[-1].raised_at, page[-1].id
    assert pages == everything
    assert await clinic.read(lambda db: checkins.flags_of(db, CLINIC, patient="eve")) == []


async def test_a_cancelled_session_asks_and_takes_nothing_more(clinic: Database) -> None:
    await say(clinic, "evening", 3, q_sore=1)
    await clinic.write(care.cancel_session, BEN, "s1", 1, NOON + DAY)
    with pytest.raises(Conflict):
        await say(clinic, "day1", 26, q_sore=1)
    assert set(await clinic.read(checkins.answers_of, CLINIC, "s1")) == {"s1-evening"}


async def test_asked_is_asked_once(clinic: Database) -> None:
    for at in (NOON, NOON + MINUTE):
        await clinic.write(checkins.asked, CLINIC, ["s1-evening"], at)
    assert (await clinic.read(checkins.check_in_of, CLINIC, "ada", "s1-evening")).asked_at == NOON

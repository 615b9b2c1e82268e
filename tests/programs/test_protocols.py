"""Aftercare protocols: what may be changed and what not, who approved it, and which one a needling session follows."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.timing import AllowedHours, place, zone, zone_names
from programs import checkins, needling, protocols
from programs.aftercare import DEFAULT, PROTOCOL, STEPS, TARGETS, Protocol, Step, check_ins, checked
from programs.errors import Conflict, Invalid, NoSuchRecord
from programs.instants import DAY, HOUR, MINUTE, Instant
from programs.protocols import Version
from service import care
from service.database import Database
from tests.world import ADA, BEN, CLEO, CLINIC, DOV, NOON, OTHER, populate, session

WHY = "We phone every patient on that day."
EVENING, DAY1, DAY2, DAY3, DAY7 = PROTOCOL


def changed(step: Step, **what: Any) -> Protocol:
    """The default with one step changed."""
    return Protocol(tuple(msgspec.structs.replace(it, **what) if it is step else it for it in PROTOCOL))


def without(*names: str, why: str = WHY) -> Protocol:
    return Protocol(tuple(it for it in PROTOCOL if it.name not in names), dict.fromkeys(names, why))


def test_the_default_is_clinical_md_1_2_and_passes_its_own_checks() -> None:
    assert checked(DEFAULT) == DEFAULT
    assert [(it.name, it.target // HOUR, it.conditional) for it in DEFAULT.steps] == [
        ("evening", 6, False),
        ("day1", 24, False),
        ("day2", 48, False),
        ("day3", 72, True),
        ("day7", 168, False),
    ]


@pytest.mark.parametrize(
    ("it", "field"),
    [
        (changed(EVENING, target=2 * HOUR), ""),
        (changed(EVENING, target=2 * HOUR - MINUTE), "steps/0/target"),
        (changed(EVENING, target=12 * HOUR), ""),
        (changed(EVENING, target=12 * HOUR + MINUTE), "steps/0/target"),
        (changed(DAY1, opens=24 * HOUR + MINUTE), "steps/1/opens"),
        (changed(DAY1, opens=-1), "steps/1/opens"),
        (changed(DAY2, closes=58 * HOUR), ""),
        (changed(DAY2, closes=58 * HOUR - MINUTE), "steps/2/closes"),
        (changed(DAY2, closes=48 * HOUR - MINUTE), "steps/2/closes"),
        (changed(DAY2, closes=96 * HOUR), ""),
        (changed(DAY2, closes=96 * HOUR + MINUTE), "steps/2/closes"),
        (changed(DAY3, conditional=False), ""),
        (changed(DAY2, conditional=True), "steps/2/conditional"),
        (changed(DAY1, without=("q_usual", "q_move", "q_free")), ""),
        (changed(DAY1, without=("rf_nerve",)), "steps/1/without"),
        (changed(DAY1, without=("q_sore",)), "steps/1/without"),
        (changed(DAY3, also=("rf_infect",)), ""),
        (changed(DAY2, late="skip"), ""),
        (changed(DAY2, late="shift"), "steps/2/late"),
        (changed(DAY7, closes=9 * DAY, late="shift"), ""),
        (changed(DAY2, late="wait"), "steps/2/late"),
        (changed(DAY3, also=("rf_infekt",)), "steps/3/also"),
        (changed(DAY3, name="day4"), "steps/3/name"),
        (changed(DAY3, name="day2", target=48 * HOUR, opens=42 * HOUR), "steps/3/name"),
        (without("evening"), ""),
        (without("day7"), ""),
        (without("day7", why="too short"), "left_out"),
        (without("day7", why=" " * 20), "left_out"),
        (Protocol(PROTOCOL[:4]), "left_out"),
        (Protocol(PROTOCOL, {"day7": WHY}), "left_out"),
        (Protocol(PROTOCOL, {"day9": WHY}), "left_out"),
        (without("day2"), "steps/2/conditional"),
        (without("day2", "day3"), ""),
        (without(*STEPS), "steps"),
    ],
)
def test_what_may_be_changed_and_what_not(it: Protocol, field: str) -> None:
    if not field:
        assert checked(it) == it
        return
    with pytest.raises(Invalid) as refused:
        checked(it)
    assert refused.value.field == field


def test_steps_come_in_the_order_of_their_targets() -> None:
    assert checked(Protocol(PROTOCOL[::-1])) == DEFAULT


@st.composite
def narrowest(draw: st.DrawFn) -> Step:
    """Any step with the narrowest window that passes."""
    name = draw(st.sampled_from(STEPS))
    low, high = TARGETS[name]
    target = draw(st.integers(low * 60, high * 60)) * MINUTE
    opens = draw(st.integers(max(0, target // MINUTE - 16 * 60), target // MINUTE)) * MINUTE
    return Step(name, opens, target, opens + 16 * HOUR)


minutes = st.integers(NOON // MINUTE, (NOON + 730 * DAY) // MINUTE).map(lambda minute: minute * MINUTE)


@given(narrowest(), st.sampled_from(sorted(zone_names())), minutes, st.integers(0, 1439))
def test_every_step_that_passes_has_an_instant_to_be_asked_at(
    step: Step, name: str, ended_at: Instant, opens: int
) -> None:
    rest = [it for it in STEPS if it != step.name]
    checked(Protocol((step,), dict.fromkeys(rest, WHY)))
    hours = AllowedHours(opens, (opens + 12 * 60) % 1440)
    placed = place(ended_at + step.target, ended_at + step.opens, ended_at + step.closes, zone(name), hours)
    assert placed is not None


# kept, approved, in force


@pytest.fixture
async def clinic(database: Database) -> Database:
    await database.write(populate)
    return database


async def save(clinic: Database, it: Protocol = DEFAULT, now: Instant = NOON) -> int:
    saved: Version = await clinic.write(care.save_protocol, BEN, it, now)
    return saved.number


async def test_until_a_clinician_approves_one_the_default_is_in_force_and_says_so(clinic: Database) -> None:
    shipped = await clinic.read(protocols.in_force, CLINIC)
    assert (shipped.number, shipped.protocol, shipped.approved_by) == (0, DEFAULT, None)
    assert await save(clinic, without("day7")) == 1
    assert await clinic.read(protocols.in_force, CLINIC) == shipped
    approved = await clinic.write(care.approve_protocol, CLEO, 1, NOON + DAY)
    assert (approved.approved_by, approved.approved_at) == ("clinician:cleo", NOON + DAY)
    assert await clinic.read(protocols.in_force, CLINIC) == approved
    assert await clinic.write(care.approve_protocol, BEN, 1, NOON + 2 * DAY) == approved
    assert (await clinic.read(protocols.in_force, OTHER)).number == 0


async def test_the_default_can_be_approved_as_it_is(clinic: Database) -> None:
    approved = await clinic.write(care.approve_protocol, BEN, 0, NOON)
    assert (approved.number, approved.protocol, approved.approved_by) == (1, DEFAULT, "clinician:ben")
    assert [it.number for it in await clinic.read(protocols.versions_of, CLINIC)] == [1, 0]


async def test_an_older_draft_does_not_replace_a_later_one_by_approval(clinic: Database) -> None:
    await save(clinic)
    await save(clinic)
    await clinic.write(care.approve_protocol, BEN, 2, NOON)
    with pytest.raises(Conflict):
        await clinic.write(care.approve_protocol, BEN, 1, NOON)
    for number in (3, -1):
        with pytest.raises(NoSuchRecord):
            await clinic.write(care.approve_protocol, BEN, number, NOON)
    with pytest.raises(NoSuchRecord):
        await clinic.write(care.approve_protocol, DOV, 2, NOON)


async def test_a_session_keeps_the_protocol_it_was_recorded_under_whatever_is_approved_or_corrected_later(
    clinic: Database,
) -> None:
    early = changed(EVENING, target=4 * HOUR)
    await clinic.write(care.record_session, BEN, "old", session(), NOON)
    await save(clinic, early)
    await clinic.write(care.approve_protocol, BEN, 1, NOON)
    await clinic.write(care.record_session, BEN, "new", session(), NOON)
    ended_at = session().ended_at
    await save(clinic, without("evening"), NOON + 1)
    await clinic.write(care.approve_protocol, BEN, 2, NOON + 1)
    for id, it in (("old", DEFAULT), ("new", early)):
        wanted = check_ins("ada", id, ended_at, it.steps)
        assert await clinic.read(checkins.session_check_ins, CLINIC, id) == wanted
        moved = session(ended_at - HOUR)
        await clinic.write(care.correct_session, BEN, id, 1, moved, NOON + 2)
        wanted = check_ins("ada", id, ended_at - HOUR, it.steps)
        assert await clinic.read(checkins.session_check_ins, CLINIC, id) == wanted
    versions = [it.protocol_version for it in await clinic.read(needling.sessions_of, CLINIC, "ada")]
    assert sorted(versions) == [0, 1]


async def test_a_step_asks_what_its_protocol_says(clinic: Database) -> None:
    own = Protocol(
        tuple(
            msgspec.structs.replace(it, also=("rf_infect",), without=("q_move", "q_free")) if it.name == "day1" else it
            for it in PROTOCOL
        )
    )
    await save(clinic, own)
    await clinic.write(care.approve_protocol, BEN, 1, NOON)
    usual = await clinic.write(care.record_session, DOV, "e", session(patient_id="eve", clinician_id="dov"), NOON)
    ours = await clinic.write(care.record_session, BEN, "s", session(), NOON)
    before = {it.id for it in checkins.questions_of(usual.recorded, "day1")}
    after = {it.id for it in checkins.questions_of(ours.recorded, "day1")}
    assert after == before - {"q_move", "q_free"} | {"rf_infect"}
    reply = await clinic.write(care.answer, ADA, "s-day1", {"rf_infect": True}, NOON + DAY, NOON + DAY)
    assert reply.tier == "same_day"
    with pytest.raises(Invalid):
        await clinic.write(care.answer, ADA, "s-day1", {"q_move": "yes"}, NOON + DAY, NOON + DAY)


async def test_a_third_day_that_is_asked_of_everybody_waits_for_no_answer(clinic: Database) -> None:
    await save(clinic, changed(DAY3, conditional=False))
    await clinic.write(care.approve_protocol, BEN, 1, NOON)
    made = await clinic.write(care.record_session, BEN, "s", session(), NOON)
    assert [it.state for it in made.check_ins] == ["open"] * 5
    await clinic.write(care.answer, ADA, "s-day2", {"q_sore": 0}, NOON + 2 * DAY, NOON + 2 * DAY)
    assert [it.state for it in await clinic.read(checkins.session_check_ins, CLINIC, "s")][3] == "open"

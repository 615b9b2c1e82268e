"""The two minutes after a visit: record, see what is usual, assign with phases, see what the patient gets; and later
what waits for the clinic, the programs it keeps and the protocol it approves."""

from programs import offers, plans, protocols
from programs.instants import DAY, HOUR
from programs.phases import Phases
from programs.schedule import Course
from service import care
from service.clock import SetClock
from service.database import Database
from tests.service.console.conftest import Browser
from tests.service.console.reader import Reader
from tests.world import ADA, BEN, CLEO, CLINIC, NOON, assignment, session

ADAS = "/clinic/patients/ada"
PLANS = f"{ADAS}/plans"
USUAL = {"phases": "yes", "light_after": "24", "full_after": "48", "light_at_most": "5", "full_at_most": "3"}
PLAN = {
    "id": "once",
    "template": "",
    "title": "",
    "times": ["12:00"],
    "starts_on": "2026-06-01",
    "ends_on": "",
    **USUAL,
}


async def needle(world: Database) -> None:
    await world.write(care.record_session, BEN, "s", session(), NOON)


async def test_suggestions_are_shown_for_the_muscles_needled_and_only_what_is_ticked_is_assigned(
    browser: Browser, world: Database
) -> None:
    await needle(world)
    ben = browser(BEN)
    shown = await ben.get(PLANS)
    assert "Gluteus medius" in shown.text
    assert "Nothing is chosen for you." in shown.text
    assert Reader(shown.text).form(PLANS).fields.get("suggested") is None
    row = {
        "exercise_1": "hip_bridge",
        "days_1": ["1", "3", "5"],
        "times_1": "07:30",
        "pain_limit_1": "3",
        "note_1": "Slowly.",
        "lighter_sets_1": "1",
        "lighter_reps_1": "8",
    }
    form = {**PLAN, **row, "suggested": ["clamshell", "walking"]}
    preview = await ben.post(PLANS, data={**form, "do": "preview"})
    for words in (
        "Hip bridge: 3 sets of 10, hold 5 seconds, on Monday, Wednesday and Friday, at 07:30; pain at most 3 of 10",
        "Slowly.",
        "from phase B; until phase C 8 times",
        "The plan is on hold then.",
    ):
        assert words in preview.text, words
    await ben.post(PLANS, data={**form, "do": "save"})
    (course,) = (await world.read(plans.courses_of, CLINIC, ["ada"]))["ada"]
    terms = course.revisions[-1].terms
    assert terms.phases == Phases()
    assert [it.exercise for it in terms.prescriptions] == ["hip_bridge", "clamshell", "walking"]
    bridge = terms.prescriptions[0]
    assert (bridge.dosage.days, bridge.times, bridge.pain_limit, bridge.note) == ((1, 3, 5), ("07:30",), 3, "Slowly.")
    assert bridge.lighter is not None
    assert (bridge.lighter.sets, bridge.lighter.reps) == (1, 8)


async def test_a_phase_that_waits_is_on_the_list_and_on_the_page_until_a_clinician_begins_it(
    browser: Browser, world: Database, clock: SetClock
) -> None:
    await world.write(care.assign_plan, BEN, "p", assignment(phases=Phases()), NOON)
    await needle(world)
    await world.write(care.answer, ADA, "s-day1", {"q_sore": 6}, NOON + DAY, NOON + DAY)
    clock.move_to(NOON + DAY + HOUR)
    cleo = browser(CLEO)
    assert "Plans that wait for you (1)" in (await cleo.get("/clinic")).text
    shown = await cleo.get(ADAS)
    assert "Phase B waits: the last answer was 6 of 10." in shown.text
    await cleo.post(f"{ADAS}/needling-sessions/s/release", data={"phase": "C"})
    assert "Plans that wait for you" not in (await cleo.get("/clinic")).text
    course: Course = await world.read(plans.course_of, CLINIC, "ada", "p")
    assert course.revisions[-1].spells[-1].until_wall is not None
    refused = await cleo.post("/clinic/patients/nobody/needling-sessions/s/release", data={"phase": "C"})
    assert refused.status_code == 404


async def test_a_plan_is_kept_as_a_program_of_the_clinics_own_and_retired(browser: Browser, world: Database) -> None:
    await world.write(care.assign_plan, BEN, "p", assignment(), NOON)
    ben = browser(BEN)
    for _ in range(2):
        kept = await ben.post(f"{PLANS}/p/keep", data={"id": "made-once", "title": "Hips after needling"})
        assert kept.url.path == "/clinic/programs"
    assert "Hips after needling" in kept.text
    (own,) = [it for it in (await world.read(offers.offer_of, CLINIC)).templates.values() if it.version]
    assert "Hips after needling" in (await ben.get(PLANS)).text
    gone = await ben.post(f"/clinic/programs/{own.id}/retire")
    assert "Hips after needling" not in gone.text
    assert (await ben.post(f"/clinic/programs/{own.id}/retire")).status_code == 200


async def test_the_protocol_says_that_nobody_approved_it_until_somebody_did(browser: Browser, world: Database) -> None:
    ben = browser(BEN)
    shown = await ben.get("/clinic/protocol")
    assert "No clinician of Riverside has approved it." in shown.text
    form = {
        "asked_evening": "yes",
        "opens_evening": "2",
        "target_evening": "5",
        "closes_evening": "18.5",
        "without_evening": ["q_free"],
        "approve": "yes",
    }
    refused = await ben.post("/clinic/protocol", data=form)
    assert refused.status_code == 422
    assert (
        "Says no reason for leaving out day1" in refused.text or "says no reason for leaving out day1" in refused.text
    )
    assert 'value="18.5"' in refused.text
    why = {f"why_{name}": "We phone everybody." for name in ("day1", "day2", "day3", "day7")}
    for _ in range(2):
        saved = await ben.post("/clinic/protocol", data={**form, **why})
    assert "version 1, approved by Ben" in saved.text
    standing = await world.read(protocols.in_force, CLINIC)
    assert (standing.number, standing.protocol.steps[0].without) == (1, ("q_free",))

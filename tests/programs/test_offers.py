"""A clinic's own programs: versions, retirement, strangers; and what is suggested after a needling session."""

from collections.abc import Mapping

import msgspec
import pytest

from programs import offers, plans
from programs.dosage import Dosage, Prescription
from programs.errors import Conflict, Invalid, NoSuchRecord, Stale
from programs.instants import DAY, HOUR
from programs.templates import Template, templates
from service import care
from service.database import Database
from tests.world import BEN, CLINIC, DOV, NOON, OTHER, assignment, populate, session

BRIDGE = Prescription("hip_bridge", Dosage(sets=3, reps=10), times=("07:30",), note="slowly")
WALK = Prescription("walking", Dosage(minutes=10))
HIPS = Template("hips", "Hips", (BRIDGE,))


@pytest.fixture
async def clinic(database: Database) -> Database:
    await database.write(populate)
    return database


async def test_an_edited_program_is_a_new_version_the_old_one_is_kept_and_no_plan_changes(clinic: Database) -> None:
    first = await clinic.write(care.save_program, BEN, HIPS, NOON)
    assert first == msgspec.structs.replace(HIPS, version=1)
    before = await clinic.write(care.assign_plan, BEN, "p", assignment(prescriptions=first.prescriptions), NOON)
    wanted = msgspec.structs.replace(first, title="  Hips   and walking ", prescriptions=(BRIDGE, WALK))
    second = await clinic.write(care.save_program, BEN, wanted, NOON + DAY)
    assert (second.title, second.version) == ("Hips and walking", 2)
    assert await clinic.read(offers.versions_of, CLINIC, "hips") == [first, second]
    offer = await clinic.read(offers.offer_of, CLINIC)
    assert offer.templates["hips"] == second
    assert next(iter(offer.templates)) == "hips"
    assert offer.templates.keys() == {"hips", *templates()}
    assert await clinic.read(plans.course_of, CLINIC, "ada", "p") == before


async def test_a_retired_program_is_offered_no_more_and_stays_readable(clinic: Database) -> None:
    first = await clinic.write(care.save_program, BEN, HIPS, NOON)
    await clinic.write(care.retire_program, BEN, "hips", 1, NOON)
    assert "hips" not in (await clinic.read(offers.offer_of, CLINIC)).templates
    assert await clinic.read(offers.versions_of, CLINIC, "hips") == [first]
    for verb, *arguments in ((care.retire_program, "hips", 1, NOON), (care.save_program, first, NOON)):
        with pytest.raises(Conflict) as refused:
            await clinic.write(verb, BEN, *arguments)
        assert not isinstance(refused.value, Stale)


async def test_a_program_changed_meanwhile_is_not_overwritten_and_a_strangers_is_not_there(clinic: Database) -> None:
    first = await clinic.write(care.save_program, BEN, HIPS, NOON)
    await clinic.write(care.save_program, BEN, first, NOON)
    with pytest.raises(Stale):
        await clinic.write(care.save_program, BEN, first, NOON)
    with pytest.raises(NoSuchRecord):
        await clinic.write(care.save_program, DOV, first, NOON)
    with pytest.raises(NoSuchRecord):
        await clinic.write(care.retire_program, DOV, "hips", 2, NOON)
    assert "hips" not in (await clinic.read(offers.offer_of, OTHER)).templates


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"title": " "}, "title"),
        ({"title": "t" * 201}, "title"),
        ({"prescriptions": ()}, "prescriptions"),
        ({"prescriptions": (WALK, WALK)}, "prescriptions"),
        ({"prescriptions": (msgspec.structs.replace(WALK, exercise="wolking"),)}, "exercise"),
        ({"prescriptions": (msgspec.structs.replace(WALK, pain_limit=11),)}, "pain_limit"),
    ],
)
async def test_a_program_that_cannot_be_is_refused(clinic: Database, wrong: Mapping[str, object], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        await clinic.write(care.save_program, BEN, msgspec.structs.replace(HIPS, **wrong), NOON)
    assert refused.value.field == field
    ours = msgspec.structs.replace(HIPS, id="general_hip")
    with pytest.raises(Conflict):
        await clinic.write(care.save_program, BEN, ours, NOON)


async def test_suggestions_are_for_the_muscles_of_the_latest_session_that_stands(clinic: Database) -> None:
    assert await clinic.read(offers.suggestions_of, CLINIC, "ada") == []
    await clinic.write(care.record_session, BEN, "s", session(muscles=("TFL",)), NOON)
    await clinic.write(care.record_session, BEN, "t", session(NOON - HOUR // 2, muscles=("piriformis", "soleus")), NOON)
    found = await clinic.read(offers.suggestions_of, CLINIC, "ada")
    assert [it.muscle for it in found] == ["piriformis", "soleus"]
    listed = {phase: [one.exercise for one in some] for phase, some in found[0].by_phase.items()}
    assert listed == {
        "A": ["walking", "figure_four_stretch"],
        "B": ["clamshell", "figure_four_stretch"],
        "C": ["side_lying_hip_abduction", "single_leg_bridge"],
    }
    assert not any(found[1].by_phase.values())
    await clinic.write(care.cancel_session, BEN, "t", 1, NOON)
    assert [it.muscle for it in await clinic.read(offers.suggestions_of, CLINIC, "ada")] == ["tensor fasciae latae"]
    assert await clinic.read(plans.courses_of, CLINIC, ["ada"]) == {}


async def test_the_clinics_own_budget_decides_what_is_warned_of(clinic: Database) -> None:
    def warned(offer: offers.Offer) -> list[str]:
        return offer.warnings((WALK,), 2)

    assert warned(await clinic.read(offers.offer_of, CLINIC)) == []
    await clinic.write(care.change_settings, BEN, {"minutes_a_day": 19}, NOON)
    assert warned(await clinic.read(offers.offer_of, CLINIC)) == [
        "About 20 minutes on the longest day; the budget is 19."
    ]
    assert warned(await clinic.read(offers.offer_of, OTHER)) == []

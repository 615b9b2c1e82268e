"""People of a clinic: roles, who has left, and what the clinic decided for itself."""

from typing import Any

import pytest
from sqlalchemy import Connection

from programs import people
from programs.errors import Conflict, NoSuchRecord
from programs.people import Clinic, ClinicSettings
from service import care
from service.auth import tokens
from service.care import Who
from service.database import Database
from tests.world import BEN, CLEO, CLINIC, NOON, OTHER, assignment, patient, populate

ADMIN = {"role": "admin"}
LEFT = {"ended_at": NOON}


@pytest.fixture
async def world(database: Database) -> Database:
    await database.write(populate)
    return database


async def test_a_clinic_that_has_decided_nothing_has_the_defaults_and_keeps_what_it_decides(world: Database) -> None:
    assert (await world.read(people.clinic_of, CLINIC)).settings == ClinicSettings()
    await world.write(people.change_settings, CLINIC, {"clinicians_see_all": False})
    assert await world.write(people.change_settings, CLINIC, {}) == ClinicSettings(clinicians_see_all=False)
    assert (await world.read(people.clinic_of, CLINIC)).settings == ClinicSettings(clinicians_see_all=False)
    assert (await world.read(people.clinic_of, OTHER)).settings == ClinicSettings()
    with pytest.raises(NoSuchRecord):
        await world.write(people.change_settings, "nowhere", {})


async def test_settings_come_with_a_clinic_that_is_added(database: Database) -> None:
    it = Clinic("quay", "Quay", "Europe/Lisbon", "PT", "", ClinicSettings(clinicians_see_all=False))
    await database.write(people.add_clinic, it, NOON)
    assert await database.read(people.clinic_of, "quay") == it


async def test_a_clinic_is_never_left_without_anybody_who_runs_it(world: Database) -> None:
    change: Any = people.change_clinician
    await world.write(change, CLINIC, "ben", ADMIN)
    for last in ({"role": "clinician"}, LEFT):
        with pytest.raises(Conflict, match="last admin"):
            await world.write(change, CLINIC, "ben", last)
    await world.write(change, CLINIC, "cleo", ADMIN)
    assert (await world.write(change, CLINIC, "ben", LEFT)).ended_at == NOON
    staff = await world.read(people.staff_of, CLINIC)
    assert [(it.id, it.role, it.ended_at) for it in staff] == [("ben", "admin", NOON), ("cleo", "admin", None)]
    with pytest.raises(NoSuchRecord):
        await world.write(change, CLINIC, "dov", ADMIN)


async def test_whoever_has_left_is_given_nobody_more_to_treat(world: Database) -> None:
    await world.write(people.change_clinician, CLINIC, "cleo", LEFT)
    away = "no longer works here"
    for verb, *args in (
        (care.enrol, patient("fay", "cleo"), None, NOON),
        (care.change_patient, "ada", 1, {"clinician_id": "cleo"}, NOON),
        (care.assign_plan, "p1", assignment(clinician_id="cleo"), NOON),
    ):
        with pytest.raises(Conflict) as refused:
            await world.write(verb, BEN, *args)
        assert away in refused.value.person
    assert await world.read(people.clinician_of, CLINIC, "cleo") == "Cleo"  # the name stays in what she did


def seen_by(db: Connection, who: Who) -> Who | None:
    """Whom a token made for this person stands for now."""
    held = tokens.find_token(db, tokens.make_token(db, who, NOON), NOON)
    return None if held is None else held.who


async def test_a_token_stands_for_the_role_its_holder_has_now(world: Database) -> None:
    assert await world.write(seen_by, CLEO) == CLEO
    await world.write(people.change_settings, CLINIC, {"clinicians_see_all": False})
    assert await world.write(seen_by, CLEO) == Who(CLINIC, "clinician", "cleo")
    await world.write(people.change_clinician, CLINIC, "ben", ADMIN)
    admin = Who(CLINIC, "admin", "ben", sees_all=True)
    assert await world.write(seen_by, BEN) == admin
    assert await world.write(seen_by, admin) == admin
    await world.write(people.change_clinician, CLINIC, "cleo", LEFT)
    assert await world.write(seen_by, CLEO) is None
    assert await world.write(seen_by, Who(OTHER, "clinician", "cleo")) is None

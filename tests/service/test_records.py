"""The copy of a record for people: whole, their own alone, escaped, needing nothing from anywhere, in each language."""

import re
from datetime import date
from typing import get_args

import pytest
from sqlalchemy import Connection, update

from notifications import tables
from notifications.preferences import Preferences
from programs.completions import Completion, Outcome, Reason
from programs.questions import STEPS
from programs.tables import flag, patient
from programs.triage import TIERS
from service import care
from service.audit import Asked, links_of
from service.database import Database
from service.records import languages
from service.records.sheet import PARTS, readable
from tests.service.matrix.canaries import EVENING, canary, private
from tests.service.matrix.world import furnish
from tests.world import ADA, BEN, CLINIC

EVIL = "<script>alert(1)</script>"
STATES = {*tables.STATES, "pending", "in_flight", "check_in", "nudge", "bout", "shown", "opened", "answered"}
ANSWERED = {*get_args(Outcome), *get_args(Reason), *STEPS, *TIERS, "open", "conditional", "not_needed"}


@pytest.fixture
async def clinic(database: Database) -> Database:
    def arrange(db: Connection) -> None:
        furnish(db)
        db.execute(update(patient).where(patient.c.id == "ada").values(name=f"{canary('ada')} {EVIL}"))
        db.execute(update(flag).where(flag.c.patient_id == "ada").values(note="told her to rest"))
        done = Completion("c1", "p-ada", "hip_bridge", date(2026, 6, 2), "09:00", "skipped", EVENING, reason="too_sore")
        care.complete(db, ADA, [done], EVENING)

    await database.write(arrange)
    return database


async def test_a_copy_to_read_is_whole_and_of_one_person_and_loads_nothing(clinic: Database) -> None:
    page: str = await clinic.read(readable, CLINIC, "ada", EVENING, True)
    for said in (canary("ada"), private("ada"), "told her to rest", "Is any spot still bleeding", "Hip bridge"):
        assert said in page
    assert "skipped, too sore" in page
    assert "My clinic may send me reminders" in page
    assert EVIL not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r"https?:|//|<script|<link|<img|url\(|@import", page)
    assert not [it for it in ("fay", "eve", "old") if canary(it) in page]
    assert page.count("<section") == len(PARTS)
    seen = await clinic.read(links_of, CLINIC, "ada", Asked(1_000))
    assert page.rpartition("<section")[2].count("<tr>") == len(seen) + 1


async def test_a_patients_own_is_in_their_language_and_without_what_clinicians_write_for_each_other(
    clinic: Database,
) -> None:
    spanish = {"preferences": Preferences(language="es")}
    await clinic.write(care.change_patient, BEN, "ada", 2, spanish, EVENING)
    page: str = await clinic.read(readable, CLINIC, "ada", EVENING, False)
    assert '<html lang="es">' in page
    assert "no hecho, dolía demasiado" in page
    assert "Puente" in page
    assert "Mi clínica puede enviarme" in page
    assert private("ada") not in page
    assert "told her to rest" not in page


def test_every_state_a_record_can_be_in_is_said_in_every_language() -> None:
    for language, its in languages().items():
        assert not (STATES | ANSWERED) - its.said.keys(), language
        assert its.parts.keys() == PARTS.keys()

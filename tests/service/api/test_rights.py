"""A patient gets a copy of all that is kept, and is told who looked."""

import re
from pathlib import Path

from sqlalchemy import Connection

import service
from notifications.preferences import Preferences
from programs.instants import MINUTE, say
from programs.people import change_settings
from service import audit, care
from service.audit import Note
from service.auth import keys
from service.care import Who
from service.records import languages, words
from tests.service.api.conftest import EVENING, Api
from tests.world import ADA, BEN, CLEO, CLINIC, EVE

ANA = Who(CLINIC, "admin", "ana", sees_all=True)
ROOM = Path(service.__file__).parent
# A note of a deed in quotes, with the patient's id behind it: what is noted of nobody has "" there.
NOTED = re.compile(r'(?:note\(db, [\w.]+, str\(who\)|_follow\(db, who), "([^"]+)", (?!"")')
NOT_OF_A_PATIENT = set[str]()

PATH = "/clinics/riverside/patients/ada"


async def test_a_patient_is_told_who_looked_and_who_was_refused(api: Api) -> None:
    await api("GET", f"{PATH}/plans", BEN)
    await api("GET", PATH, CLEO)
    await api("GET", "/clinics/riverside/patients", BEN)
    await api("GET", "/clinics/riverside/keys", BEN)  # refused, and nothing of hers
    items = (await api("GET", "/me/access?limit=3", ADA)).json()["items"]
    assert [it["text"] for it in items] == [
        "Ben, therapist, opened a list or numbers of the whole clinic, in which you may stand.",
        "Cleo, therapist, looked at your record.",
        "Ben, therapist, looked at your home program.",
    ]
    assert [it["of_everybody"] for it in items] == [True, False, False]


async def test_who_looked_is_named_in_the_patients_language_also_a_key_that_ended_and_who_broke_the_glass(
    api: Api,
) -> None:
    def happened(db: Connection) -> None:
        change_settings(db, CLINIC, {"clinicians_see_all": False})
        care.change_patient(db, BEN, "ada", 1, {"preferences": Preferences(language="es")}, EVENING)
        key = keys.make_key(db, ANA, keys.Wanted("Practice system", ("read plans",)), EVENING).key
        keys.end_key(db, ANA, key.id, EVENING)
        looked = Note(
            CLINIC, f"key:{key.id}", "GET /api/v1/clinics/{clinic}/patients/{patient}/plans", "ada", "", EVENING
        )
        audit.append(db, CLINIC, [looked])

    await api.db.write(happened)
    api.clock.move_to(EVENING + MINUTE)
    assert (await api("POST", f"{PATH}/break-glass", CLEO, {"reason": "She fainted just now."})).status_code == 201
    api.clock.move_to(EVENING + 2 * MINUTE)
    await api("GET", f"{PATH}/plans", CLEO)
    await api("DELETE", f"{PATH}/devices/none", CLEO)
    items = (await api("GET", f"/me/access?since={say(EVENING)}", ADA)).json()["items"]
    assert [(it["text"], it["emergency"]) for it in items] == [
        ("Cleo, terapeuta, pidió tu historial y no se le mostró.", True),
        ("Cleo, terapeuta, miró tu programa para casa, por acceso de emergencia.", True),
        ("Cleo, terapeuta, abrió tu historial por acceso de emergencia y dijo por qué.", True),
        ("Practice system, otro programa de tu clínica, miró tu programa para casa.", False),
        ("Ben, terapeuta, cambió tus datos o ajustes.", False),
    ]
    until = f"/me/access?since={say(EVENING)}&until={say(EVENING + MINUTE)}"
    assert len((await api("GET", until, ADA)).json()["items"]) == 2
    assert await api.problem("GET", "/me/access?since=yesterday", ADA) == (
        422,
        [("since", "is not a time", "For example 2026-06-01T12:00:00-04:00.")],
    )


def test_every_deed_that_is_noted_of_a_patient_is_said_in_every_language() -> None:
    """Whoever notes a new one says in service/records/wording what a patient reads of it."""
    noted = {found for file in ROOM.rglob("*.py") for found in NOTED.findall(file.read_text("utf-8"))}
    assert noted > {"answer check-in", "break glass", "put address"}
    for language, its in languages().items():
        assert noted - set(its.deeds) <= NOT_OF_A_PATIENT, language
        assert its.deeds.keys() == words("en").deeds.keys()
        assert its.seen.keys() == words("en").seen.keys()
        assert its.parts.keys() == words("en").parts.keys()
        assert [len(it.columns) for it in its.parts.values()] == [len(it.columns) for it in words("en").parts.values()]


async def test_a_copy_holds_ones_own_record_and_is_not_given_without_end(api: Api) -> None:
    found = (await api("GET", "/me/export", ADA)).json()
    assert found["patient_id"] == "ada"
    assert found["records"]["needling_session"][0]["value"]["side"] == "left"
    assert "eve-phone" not in str(found["records"])
    for _ in range(9):
        assert (await api("GET", "/me/export", ADA)).status_code == 200
    assert (await api("GET", "/me/export", ADA)).status_code == 429
    assert (await api("GET", "/me/export", EVE)).status_code == 200


async def test_the_log_of_a_patient_is_for_who_runs_the_clinic(api: Api) -> None:
    for what in ("export", "access"):
        assert (await api("GET", f"{PATH}/{what}", BEN)).status_code == 403

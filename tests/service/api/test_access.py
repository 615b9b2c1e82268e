"""Who sees whom inside a clinic: those they treat, or everybody where the clinic decided so; and break-glass."""

from typing import Any

import pytest
from sqlalchemy import Connection, select

from notifications.channels.console import Console
from programs import people, treating
from programs.instants import HOUR, MINUTE
from programs.tables import break_glass
from service import access, care, settings, tables
from service.access import LINES, VERBS, Line, Unlisted
from service.app import build
from service.auth import tokens
from service.auth.tokens import KEY
from service.care import Who
from service.clock import SetClock
from service.database import Database
from service.jobs import Worker
from tests.service.api.conftest import EVENING, Api
from tests.world import ADA, BEN, CLEO, CLINIC, NOON, assignment, let_in, patient

FAY = Who(CLINIC, "patient", "fay")
ANA = Who(CLINIC, "admin", "ana", sees_all=True)
PLAN = {"prescriptions": [{"exercise": "hip_bridge", "dosage": {"sets": 3, "reps": 10}}], "times": ["09:00"]}
WHY = "She fainted in the waiting room."
BEN_ALONE, CLEO_ALONE = Who(CLINIC, "clinician", "ben"), Who(CLINIC, "clinician", "cleo")


@pytest.fixture
async def clinic(api: Api) -> Api:
    """Ben treats Ada and Cleo treats Fay; their clinic lets each see their own, and Ana runs it."""

    def others(db: Connection) -> None:
        people.add_clinician(db, CLINIC, "ana", "Ana", "admin")
        care.put_address(db, ANA, "ana", "ana-desk", "console", {"label": "ana's desk"}, NOON)
        let_in(db, ANA)
        care.enrol(db, CLEO, patient("fay", "cleo"), None, NOON)
        people.change_settings(db, CLINIC, {"clinicians_see_all": False})

    await api.db.write(others)
    return api


async def names(api: Api, who: Who) -> list[str]:
    return sorted(it["id"] for it in (await api("GET", f"/clinics/{CLINIC}/patients", who)).json()["items"])


async def status(api: Api, method: str, path: str, who: Who, body: Any = None, **headers: str) -> int:
    return (await api(method, f"/clinics/{CLINIC}{path}", who, body, **headers)).status_code


async def test_a_clinician_sees_whom_they_treat_and_an_admin_everybody(clinic: Api) -> None:
    assert await names(clinic, BEN) == ["ada"]
    assert await names(clinic, CLEO) == ["fay"]
    assert await names(clinic, ANA) == ["ada", "fay"]
    assert await status(clinic, "GET", "/patients/ada", CLEO) == 404
    assert await status(clinic, "GET", "/patients/ada", ANA) == 200


async def test_an_admin_lets_clinicians_see_all_and_it_holds_for_the_next_request(clinic: Api) -> None:
    path = f"/clinics/{CLINIC}/settings"
    assert (await clinic("PATCH", path, BEN, {"clinicians_see_all": True})).status_code == 403
    assert (await clinic("PATCH", path, ANA, {"clinicians_see_all": True})).json() == {
        "clinicians_see_all": True,
        "minutes_a_day": 30,
        "link_factor": "spoken",
    }
    assert await names(clinic, CLEO) == ["ada", "fay"]
    await clinic("PATCH", path, ANA, {"clinicians_see_all": False})
    assert await names(clinic, CLEO) == ["fay"]


async def test_a_colleague_is_brought_in_by_a_running_plan_in_their_name_and_out_by_its_end(clinic: Api) -> None:
    await clinic.db.write(care.assign_plan, BEN, "p9", assignment(clinician_id="cleo"), EVENING)
    assert await names(clinic, CLEO) == ["ada", "fay"]
    assert await status(clinic, "GET", "/needling-sessions/s1", CLEO) == 200
    await clinic.db.write(care.end_plan, BEN, "ada", "p9", None, EVENING)
    assert await names(clinic, CLEO) == ["fay"]


async def test_to_have_recorded_a_visit_opens_no_record(clinic: Api) -> None:
    seen = {"patient_id": "fay", "ended_at": "2026-06-01T11:00:00-04:00", "muscles": ["TFL"], "side": "left"}
    assert await status(clinic, "POST", "/needling-sessions", BEN, seen) == 404
    assert await status(clinic, "POST", "/needling-sessions", CLEO, {**seen, "clinician_id": "ben"}) == 201
    assert await names(clinic, BEN) == ["ada"]


async def test_lists_and_numbers_count_only_whom_one_sees(clinic: Api) -> None:
    await clinic.db.write(care.answer, ADA, "s1-evening", {"rf_bleed": True}, EVENING, EVENING)
    path = f"/clinics/{CLINIC}"
    for who, count in ((BEN, 1), (CLEO, 0), (ANA, 1)):
        assert len((await clinic("GET", f"{path}/flags", who)).json()["items"]) == count
    clinic.clock.move_to(EVENING + 24 * HOUR)
    for who, count in ((BEN, 1), (CLEO, 0), (ANA, 1)):
        assert (await clinic("GET", f"{path}/adherence", who)).json()["all"]["patients"] == count


# break-glass


async def test_broken_glass_opens_one_record_for_an_hour_and_the_admins_are_told(clinic: Api) -> None:
    opened = await clinic("POST", f"/clinics/{CLINIC}/patients/ada/break-glass", CLEO, {"reason": WHY})
    assert opened.status_code == 201
    assert (opened.json()["patient_name"], opened.json()["clinician_id"]) == ("Ada", "cleo")
    assert await names(clinic, CLEO) == ["ada", "fay"]
    assert await status(clinic, "GET", "/needling-sessions/s1", CLEO) == 200
    assert await status(clinic, "POST", "/patients/ada/plans/p1/hold", CLEO, {"reason": "fainted"}) == 200
    seen = await clinic("GET", f"/clinics/{CLINIC}/break-glass", ANA)
    assert [(it["patient_id"], it["clinician_id"], it["reason"]) for it in seen.json()["items"]] == [
        ("ada", "cleo", WHY)
    ]
    assert await status(clinic, "GET", "/break-glass", CLEO) == 403
    said: list[str] = []
    await Worker(clinic.db, {"console": Console("https://here.example", said.append)}, clinic.clock).turn()
    [told] = [it for it in said if "ana's desk" in it]
    assert "Emergency access was used at your clinic." in told
    assert not any(word in told.lower() for word in ("ada", "cleo", "faint"))
    clinic.clock.move_to(EVENING + 60 * MINUTE - 1)
    assert await status(clinic, "GET", "/patients/ada", CLEO) == 200
    clinic.clock.move_to(EVENING + 60 * MINUTE)
    assert await status(clinic, "GET", "/patients/ada", CLEO) == 404
    assert await names(clinic, CLEO) == ["fay"]


async def test_broken_glass_does_not_let_one_stay(clinic: Api) -> None:
    """An hour cannot be made into for ever: whoever has the record open by it does not decide who treats."""
    await clinic("POST", f"/clinics/{CLINIC}/patients/ada/break-glass", CLEO, {"reason": WHY})
    taken = await clinic("PATCH", f"/clinics/{CLINIC}/patients/ada", CLEO, {"clinician_id": "cleo"}, if_match='"1"')
    assert taken.status_code == 404
    assert await status(clinic, "POST", "/patients/ada/plans", CLEO, {"title": "Mine", **PLAN}) == 404


async def test_it_takes_a_reason_and_a_patient_and_is_on_record(clinic: Api) -> None:
    path = f"/clinics/{CLINIC}/patients"
    for reason in ("", "emergency", "x" * 501):
        assert (await clinic("POST", f"{path}/ada/break-glass", CLEO, {"reason": reason})).status_code == 422
    for nobody in ("eve", "zed"):
        assert (await clinic("POST", f"{path}/{nobody}/break-glass", CLEO, {"reason": WHY})).status_code == 404
    assert (await clinic("POST", f"{path}/ada/break-glass", ANA, {"reason": WHY})).status_code == 409
    assert (await clinic("POST", f"{path}/ada/break-glass", ADA, {"reason": WHY})).status_code == 403
    nothing = await clinic.db.read(lambda db: db.execute(select(break_glass.c.id)).first())
    assert nothing is None
    opened = (await clinic("POST", f"{path}/ada/break-glass", CLEO, {"reason": WHY})).json()
    noted = select(tables.audit.c.what, tables.audit.c.patient_id, tables.audit.c.record_id)
    rows = await clinic.db.read(lambda db: db.execute(noted.where(tables.audit.c.who == str(CLEO))).all())
    assert ("break glass", "ada", opened["id"]) in [tuple(row) for row in rows]
    assert await clinic.db.read(treating.open_for, CLINIC, "ben", EVENING) == []


# integrations


async def test_a_key_may_what_its_verbs_say_at_its_clinic_and_nothing_else(clinic: Api) -> None:
    key = Who(CLINIC, "key", "scheduler", sees_all=True, verbs=frozenset({"read patients", "write needling sessions"}))
    grant = tokens.Grant("key", verbs=tuple(sorted(key.verbs)))
    await clinic.db.write(tokens.make_token, key, NOON, "scheduler", grant)
    assert await names(clinic, key) == ["ada", "fay"]
    assert await status(clinic, "GET", "/flags", key) == 403
    assert await status(clinic, "GET", "/break-glass", key) == 403
    assert (await clinic("GET", "/clinics/harbour/patients", key)).status_code == 404
    assert (await clinic("GET", "/me/today", key)).status_code == 403
    visit = {"patient_id": "ada", "ended_at": "2026-06-01T11:00:00-04:00", "muscles": ["TFL"], "side": "left"}
    assert await status(clinic, "POST", "/needling-sessions", key, visit) == 422
    assert await status(clinic, "POST", "/needling-sessions", key, {**visit, "clinician_id": "ben"}) == 201
    assert set(key.verbs) <= set(VERBS)
    assert KEY.verbs == ()


# the table


def test_the_application_is_not_built_with_a_route_that_no_line_decides_about(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def built() -> None:
        build(settings.Settings(), database, SetClock(NOON), None)

    fewer = {key: line for key, line in LINES.items() if key != "GET /api/v1/me/today"}
    monkeypatch.setattr(access, "LINES", fewer)
    with pytest.raises(Unlisted, match="no line says who may GET /api/v1/me/today: add one to LINES"):
        built()
    monkeypatch.setattr(access, "LINES", {**LINES, "GET /nowhere": Line(("patient",))})
    with pytest.raises(Unlisted, match="there is no route GET /nowhere"):
        built()


def test_whoever_is_of_a_kind_no_line_names_is_let_in_nowhere() -> None:
    operator = Who(CLINIC, "operator", "root", sees_all=True)
    for line in LINES.values():
        if line.who:
            with pytest.raises(Exception, match="not-for-you"):
                access.admit(line, operator)

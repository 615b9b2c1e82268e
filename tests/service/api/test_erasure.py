"""Messages and phones end when a patient says so; a record goes when somebody who runs the clinic says so."""

import pytest
from sqlalchemy import Connection

from programs import people
from service import audit
from service.care import Who
from service.database import Database
from tests.service.api.conftest import Api
from tests.service.test_rights import rows_of
from tests.world import ADA, BEN, CLINIC, let_in

PATH = "/clinics/riverside/patients/ada"
ANA = Who(CLINIC, "admin", "ana", sees_all=True)


@pytest.fixture
async def riverside(api: Api) -> Api:
    """Somebody runs the clinic, and Ada's phone was just seen by the gate."""

    def arrive(db: Connection) -> None:
        people.add_clinician(db, CLINIC, ANA.id, "Ana", "admin")
        let_in(db, ANA)

    await api.db.write(arrive)
    assert (await api("GET", "/me/today", ADA)).status_code == 200
    return api


async def test_whoever_wants_no_more_is_out_at_once_and_what_was_agreed_is_on_record(riverside: Api) -> None:
    assert (await riverside("POST", "/me/unenrol", ADA)).status_code == 200
    assert (await riverside("GET", "/me/today", ADA)).status_code == 401
    left = await riverside.db.read(rows_of, ADA)
    assert not any(left[name] for name in ("due", "address", "token", "enrolment"))
    said = (await riverside("GET", f"{PATH}/consents", BEN)).json()["items"]
    assert [(it["given"], it["recorded_by"]) for it in said] == [(True, "clinician:ben"), (False, "patient:ada")]
    assert "My clinic may send me reminders" in said[0]["text"]
    assert (await riverside("GET", PATH, BEN)).json()["consent"] is False


async def test_what_a_patient_asks_is_answered_and_a_refusal_says_why(riverside: Api) -> None:
    await riverside("POST", "/me/erasure", ADA)
    waiting = (await riverside("GET", "/clinics/riverside/erasures", ANA)).json()["items"]
    assert [(it["patient_name"], it["asked_by"], it["legal_hold"]) for it in waiting] == [("Ada", "patient:ada", False)]
    why = "The law has us keep it for ten years."
    await riverside("POST", f"{PATH}/erasure/refuse", ANA, {"reason": why})
    (told,) = (await riverside("GET", "/me/erasure", ADA)).json()["requests"]
    assert (told["refused_by"], told["refused_why"]) == ("admin:ana", why)
    assert (await riverside("GET", "/clinics/riverside/erasures", ANA)).json()["items"] == []
    assert (await riverside("POST", f"{PATH}/erasure/refuse", ANA, {"reason": why})).status_code == 409
    riverside.clock.move_to(riverside.clock.now() + 1)
    asked = (await riverside("POST", f"{PATH}/erasure", BEN)).json()["requests"]
    assert [it["refused_at"] is None for it in asked] == [True, False]


async def test_a_record_is_erased_when_no_legal_hold_stands_and_its_phones_end_at_once(riverside: Api) -> None:
    await riverside("POST", "/me/erasure", ADA)
    await riverside("POST", f"{PATH}/legal-hold", ANA, {"reason": "A claim of 3 May."})
    assert (await riverside("GET", "/me/erasure", ADA)).json()["legal_hold"] is None
    assert (await riverside("GET", f"{PATH}/erasure", ANA)).json()["legal_hold"]["reason"] == "A claim of 3 May."
    refused = await riverside("POST", f"{PATH}/erasure/approve", ANA, {"ground": "asked"})
    assert (refused.status_code, "Release the hold first" in refused.json()["detail"]) == (409, True)
    await riverside("POST", f"{PATH}/legal-hold/release", ANA, {"reason": "It was settled."})
    done = await riverside("POST", f"{PATH}/erasure/approve", ANA, {"ground": "asked"})
    assert done.json()["patient_id"] == "ada"
    assert (await riverside("GET", "/me/today", ADA)).status_code == 401
    assert (await riverside("GET", PATH, ANA)).status_code == 404
    assert (await riverside("POST", f"{PATH}/erasure/approve", ANA, {"ground": "asked"})).status_code == 404
    assert (await riverside("GET", "/clinics/riverside/erasures", ANA)).json()["items"] == []
    assert "erase record: asked" in await deeds(riverside.db)


async def deeds(db: Database) -> list[str]:
    return [it.note.what for it in await db.read(audit.links, CLINIC, 0, 1_000)]

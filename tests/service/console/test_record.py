"""A record on its pages: the clinic's and the patient's own; who looked, copies, no more messages, erasing."""

import pytest
from sqlalchemy import Connection

from programs import people
from programs.instants import DAY, MINUTE
from service import care
from service.auth.tokens import SESSION, make_token
from service.care import Who
from service.clock import SetClock
from service.console.cookies import COOKIE
from service.database import Database
from tests.service.console.conftest import Browser
from tests.world import ADA, BEN, CLINIC, DOV, NOON, let_in, session

ANA = Who(CLINIC, "admin", "ana", sees_all=True)
PAGE = "/clinic/patients/ada/record"
MEANT = {"confirmed": "yes"}


@pytest.fixture
async def clinic(world: Database) -> Database:
    def arrange(db: Connection) -> None:
        people.add_clinician(db, CLINIC, ANA.id, "Ana", "admin")
        let_in(db, ANA)
        care.record_session(db, BEN, "s1", session(note="Not for her eyes."), NOON)

    await world.write(arrange)
    return world


async def test_a_patient_sees_who_looked_takes_a_copy_and_asks_and_reads_the_answer(
    clinic: Database, browser: Browser
) -> None:
    ada, ana = browser(ADA), browser(ANA)
    assert 'href="/record"' in (await ada.get("/today")).text
    await browser(BEN).get("/clinic/patients/ada")
    await browser(BEN).get("/clinic")
    others, everything = [(await ada.get(f"/record/access{asked}")).text for asked in ("", "?whole=yes")]
    assert "Ben, therapist, looked at your record." in others
    assert ["You gave an address for messages." in text for text in (others, everything)] == [False, True]
    assert ["in which you may stand" in text for text in (others, everything)] == [False, True]
    copy = await ada.get("/record/copy.html")
    assert copy.headers["content-disposition"] == 'attachment; filename="record-2026-06-01.html"'
    assert ("gluteus medius" in copy.text, "Not for her eyes" in copy.text) == (True, False)
    assert (await ada.get("/record/copy.json")).json()["patient_id"] == "ada"
    assert "Not for her eyes" in (await ana.get(f"{PAGE}/copy.html")).text
    assert "tick the box" in (await ada.post("/record/erasure")).text
    assert "has not answered yet" in (await ada.post("/record/erasure", data=MEANT)).text
    assert "1 patient asks to have their record erased" in (await ana.get("/clinic")).text
    assert f'href="{PAGE}#erase"' in (await ana.get("/clinic/requests")).text
    refused = await ana.post(f"{PAGE}/erasure/refuse", data={**MEANT, "reason": "The law: ten years."})
    assert "Refused" in refused.text
    assert "Their answer: The law: ten years." in (await ada.get("/record")).text


async def test_whoever_ends_the_messages_is_out_with_every_phone(clinic: Database, browser: Browser) -> None:
    ada = browser(ADA)
    ended = await ada.post("/record/unenrol", data=MEANT)
    assert "Messages have ended" in ended.text
    assert "Riverside keeps your record" in ended.text
    assert (await browser(ADA).get("/today")).url.path == "/sign-in"
    page = (await browser(BEN).get(PAGE)).text
    assert "not agreed, or withdrawn" in page
    assert "Who saw and changed it" not in page, "for those who run the clinic"


async def test_the_clinic_erases_after_a_fresh_sign_in_and_never_under_a_legal_hold(
    clinic: Database, browser: Browser, clock: SetClock
) -> None:
    ana, erase = browser(ANA), f"{PAGE}/erasure/approve"
    await ana.post(f"{PAGE}/legal-hold", data={**MEANT, "reason": "A claim of 3 May."})
    assert "A claim of 3 May." in (await ana.get(PAGE)).text
    assert "A claim of 3 May." not in (await browser(BEN).get(PAGE)).text
    held = await ana.post(erase, data={**MEANT, "ground": "asked"})
    assert (held.status_code, "Release the hold first" in held.text) == (409, True)
    await ana.post(f"{PAGE}/legal-hold/release", data={**MEANT, "reason": "It was settled."})
    clock.move_to(clock.now() + 11 * MINUTE)
    assert (await ana.post(erase, data={**MEANT, "ground": "asked"})).url.path == "/sign-in"
    await clinic.write(make_token, ANA, clock.now(), "fresh", SESSION)
    ana.cookies.set(COOKIE, "fresh", domain="pages.test", path="/")
    ana.cookies.delete(COOKIE, domain="", path="/")
    assert "tick the box" in (await ana.post(erase, data={"ground": "asked"})).text
    assert (await ana.post(erase, data={**MEANT, "ground": "whim"})).status_code == 422
    assert (await ana.post(erase, data={**MEANT, "ground": "asked"})).url.path == "/clinic/requests"
    assert (await ana.get(PAGE)).status_code == 404
    assert (await browser(ADA).get("/today")).url.path == "/sign-in"


async def test_who_runs_the_clinic_reads_the_log_of_a_patient_by_days_and_pages(
    clinic: Database, browser: Browser, clock: SetClock
) -> None:
    ana, ben = browser(ANA), browser(BEN)
    for _ in range(60):
        await ben.get(PAGE)
    clock.move_to(NOON + 2 * DAY)
    text = (await ana.get(f"{PAGE}/access?first=2026-06-01&last=2026-06-01")).text
    assert text.count("Ben, therapist") == 50
    older = text.partition("access?before=")[2].partition('"')[0].replace("&amp;", "&")
    assert "enrolled you" in (await ana.get(f"{PAGE}/access?before={older}")).text
    assert "Nobody, in this time." in (await ana.get(f"{PAGE}/access?first=2026-06-02&last=2026-06-02")).text
    assert (await ana.get(f"{PAGE}/access?first=soon")).status_code == 422
    assert (await ben.get(f"{PAGE}/access")).status_code == 403
    assert (await browser(DOV).get(PAGE)).status_code == 404

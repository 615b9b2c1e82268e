"""Who comes in, where they are sent, and what a form from elsewhere gets."""

from itertools import product

import pytest
from sqlalchemy import Connection, func, select

from programs.needling import sessions_of
from programs.tables import needling_session, patient, plan
from service.console.doors import COOKIE, DEMO
from service.database import Database
from service.demo import TOKENS
from service.settings import Settings
from service.tables import audit
from tests.service.console.conftest import ORIGIN, Browser
from tests.world import ADA, BEN, CLINIC, DOV, EVE

CLINICIAN_PAGES = (
    "/clinic",
    "/clinic/adherence",
    "/clinic/patients/ada",
    "/clinic/patients/ada/needling-sessions",
    "/clinic/patients/ada/plans",
    "/clinic/patients/ada/phones",
)
POSTS = (
    "/today/check-ins/s1-evening",
    "/today/completions",
    "/clinic/flags/f1/acknowledge",
    "/clinic/patients/ada/needling-sessions",
    "/clinic/patients/ada/plans",
    "/clinic/patients/ada/plans/p1/hold",
    "/clinic/patients/ada/plans/p1/end",
    "/clinic/patients/ada/consent",
    "/clinic/patients/ada/discharge",
    "/clinic/patients/ada/phones",
    "/clinic/patients/ada/phones/d1/end",
    "/phones/d1/end",
)


async def test_nobody_is_asked_to_sign_in(browser: Browser) -> None:
    nobody = browser(None)
    for path in ("/", "/today", *CLINICIAN_PAGES):
        reply = await nobody.get(path)
        assert reply.url.path == "/sign-in"
        assert "Your sign-in code" in reply.text
    for path in POSTS:
        assert (await nobody.post(path, data={"do": "save"})).url.path == "/sign-in"


async def test_whoever_is_at_the_wrong_page_is_sent_to_their_own(browser: Browser) -> None:
    for path in CLINICIAN_PAGES:
        assert (await browser(ADA).get(path)).url.path == "/today"
    assert (await browser(BEN).get("/today")).url.path == "/clinic"


async def test_a_patient_of_another_clinic_looks_like_one_that_never_was(browser: Browser) -> None:
    dov = browser(DOV)
    for path in (it for it in CLINICIAN_PAGES if "ada" in it):
        stranger, missing = await dov.get(path), await dov.get(path.replace("ada", "nobody"))
        assert stranger.status_code == missing.status_code == 404
        assert stranger.text == missing.text
        assert "Ada" not in stranger.text


async def test_a_stranger_changes_nothing_of_a_patient(browser: Browser, world: Database) -> None:
    def everything(db: Connection) -> list[list[tuple[object, ...]]]:
        return [[tuple(row) for row in db.execute(select(table))] for table in (needling_session, plan, patient, audit)]

    before = await world.read(everything)
    form = {"do": "save", "confirmed": "yes", "given": "no", "muscles": "QL", "side": "left", "reason": "x", "id": "1"}
    form |= {
        "ended_at": "2026-06-01T11:00",
        "template": "general_hip",
        "way": "link",
        "times": "09:00",
        "starts_on": "2026-06-01",
    }
    for path in (it for it in POSTS if "ada" in it):
        assert (await browser(DOV).post(path, data=form)).status_code == 404
    assert await world.read(everything) == before


async def test_a_code_signs_in_and_the_cookie_is_kept_from_scripts(browser: Browser) -> None:
    somebody = browser(None)
    reply = await somebody.post("/sign-in", data={"token": "ada"}, follow_redirects=False)
    assert reply.status_code == 303
    cookie = reply.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert "Path=/" in cookie
    assert "Secure" not in cookie
    assert "Hello Ada" in (await somebody.get("/")).text


async def test_a_wrong_code_is_said_and_sets_no_cookie(browser: Browser) -> None:
    reply = await browser(None).post("/sign-in", data={"token": "wrong"})
    assert reply.status_code == 403
    assert "We do not know this code" in reply.text
    assert "set-cookie" not in reply.headers


async def test_signing_out_forgets_the_code(browser: Browser) -> None:
    ada = browser(ADA)
    ada.cookies.clear()
    await ada.post("/sign-in", data={"token": "ada"})
    assert "Your sign-in code" in (await ada.post("/sign-out")).text
    assert (await ada.get("/today")).url.path == "/sign-in"


ELSEWHERE: tuple[dict[str, str], ...] = (
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "cross-site", "origin": ORIGIN},
    {"origin": "http://evil.test"},
    {"origin": "null"},
    {},
)


async def test_a_form_from_elsewhere_is_refused(browser: Browser) -> None:
    for who in (BEN, ADA):
        one = browser(who)
        del one.headers["sec-fetch-site"]
        for path, headers in product(POSTS, ELSEWHERE):
            form = {"do": "save", "confirmed": "yes", "token": who.id}
            reply = await one.post(path, data=form, headers=headers)
            assert reply.status_code == 403
            assert "not sent from our own pages" in reply.text


async def test_an_older_browser_is_known_by_its_origin(browser: Browser) -> None:
    """Behind a proxy the host may be another than the public one: either is ours."""
    for origin in (ORIGIN, "http://inside.test"):
        one = browser(None)
        del one.headers["sec-fetch-site"]
        reply = await one.post("/sign-in", data={"token": "ada"}, headers={"origin": origin, "host": "inside.test"})
        assert "Hello Ada" in reply.text


async def test_a_browser_with_a_code_that_ended_is_nobody(browser: Browser) -> None:
    nobody = browser(None)
    nobody.cookies.set(COOKIE, "ended long ago")
    assert (await nobody.get("/clinic")).url.path == "/sign-in"


class TestOverHttps:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(public_url="https://pages.test", demo=True)

    async def test_the_cookie_never_travels_in_the_clear(self, browser: Browser) -> None:
        reply = await browser(None).post("/sign-in", data={"token": "ada"}, follow_redirects=False)
        assert "Secure" in reply.headers["set-cookie"]

    async def test_the_demo_offers_a_patient_and_a_clinician(self, browser: Browser) -> None:
        text = (await browser(None).get("/sign-in")).text
        for name, token in DEMO:
            assert name in text
            assert f'value="{token}"' in text
            assert TOKENS[token].kind in name


async def test_without_a_demo_no_demo_is_offered(browser: Browser) -> None:
    text = (await browser(None).get("/sign-in")).text
    assert "demo" not in text


async def test_a_form_that_is_too_large_is_refused_and_not_read(browser: Browser, world: Database) -> None:
    path = "/clinic/patients/ada/needling-sessions"
    reply = await browser(BEN).post(path, data={"do": "save", "note": "x" * 1_100_000})
    assert reply.status_code == 413
    assert await world.read(sessions_of, CLINIC, "ada") == []


async def test_what_is_no_form_is_refused(browser: Browser, world: Database) -> None:
    path = "/clinic/patients/ada/needling-sessions"
    for content, kind, status in (
        (b"{", "application/json", 422),
        (b"--x\r\n", "multipart/form-data; boundary=x", 422),
        (b"a=1&" * 5000, "application/x-www-form-urlencoded", 422),
        (b"\xff\x00%zz", "application/x-www-form-urlencoded", 422),
    ):
        reply = await browser(BEN).post(path, content=content, headers={"content-type": kind})
        assert reply.status_code == status
        assert "<h1>" in reply.text

    def count(db: Connection) -> int:
        return int(db.execute(select(func.count()).select_from(needling_session)).scalar_one())

    assert await world.read(count) == 0


async def test_ids_and_codes_that_cannot_be_are_not_there(browser: Browser) -> None:
    for id in ("%00", "%ED%A0%80", "a%20b", "x" * 65, "%F0%9F%98%80"):
        for path in (f"/clinic/patients/{id}", f"/clinic/patients/{id}/plans"):
            assert (await browser(BEN).get(path)).status_code == 404
        assert (await browser(ADA).get(f"/today/check-ins/{id}")).status_code == 404
        coded = {"content-type": "application/x-www-form-urlencoded"}
        assert (await browser(None).post("/sign-in", content=f"token={id}", headers=coded)).status_code == 403


async def test_eve_of_the_other_clinic_reads_her_own_page_only(browser: Browser) -> None:
    text = (await browser(EVE).get("/")).text
    assert "Hello Eve" in text
    assert "Ada" not in text

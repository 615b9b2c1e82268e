"""Who comes in, where they are sent, and what a form from elsewhere gets."""

import pytest
from sqlalchemy import Connection, func, select

from programs.needling import sessions_of
from programs.tables import needling_session, patient, plan
from service.auth.tokens import DEVICE, KEY, make_token
from service.console.cookies import COOKIE
from service.console.sign_in import DEMO
from service.database import Database
from service.demo import TOKENS
from service.settings import Settings
from service.tables import audit
from tests.service.console.conftest import ORIGIN, Browser
from tests.service.console.staff import employ_ben, sign_in
from tests.world import ADA, BEN, CLEO, CLINIC, DOV, EVE, NOON

CLINICIAN_PAGES = (
    "/clinic",
    "/clinic/adherence",
    "/clinic/patients/ada",
    "/clinic/patients/ada/needling-sessions",
    "/clinic/patients/ada/plans",
    "/clinic/patients/ada/phones",
    "/clinic/patients/ada/messages",
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
        assert "<h1>Sign in</h1>" in reply.text
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
        return [[tuple(row) for row in db.execute(select(table))] for table in (needling_session, plan, patient)]

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

    def refused(db: Connection) -> list[str]:
        mine = (audit.c.clinic_id == DOV.clinic) & (audit.c.outcome == "refused")
        return list(db.execute(select(audit.c.patient_id).where(mine)).scalars())

    assert await world.read(refused) == ["ada"] * sum("ada" in it for it in POSTS)


async def test_signing_out_lets_a_patients_browser_in_no_more(browser: Browser) -> None:
    ada = browser(ADA)
    reply = await ada.post("/sign-out", follow_redirects=False)
    [cookie] = [it for it in reply.headers.get_list("set-cookie") if it.startswith(f"{COOKIE}=")]
    assert "max-age=0" in cookie.lower()
    assert "Hello Ada" not in (await browser(ADA).get("/")).text, "whoever kept the cookie is out too"


async def test_an_older_browser_is_known_by_its_origin(browser: Browser) -> None:
    """Behind a proxy the host may be another than the public one: either is ours."""
    for origin, status in ((ORIGIN, 303), ("http://inside.test", 303), ("http://outside.test", 403)):
        one = browser(None)
        del one.headers["sec-fetch-site"]
        headers = {"origin": origin, "host": "inside.test"}
        assert (await one.post("/sign-out", headers=headers, follow_redirects=False)).status_code == status


async def test_a_browser_with_a_code_that_ended_is_nobody(browser: Browser) -> None:
    nobody = browser(None)
    nobody.cookies.set(COOKIE, "ended long ago")
    assert (await nobody.get("/clinic")).url.path == "/sign-in"


class TestOverHttps:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(public_url="https://pages.test", demo=True)

    async def test_the_cookie_never_travels_in_the_clear(self, browser: Browser, world: Database) -> None:
        await world.write(employ_ben)
        reply = await sign_in(browser(None), NOON)
        [cookie] = [it for it in reply.history[0].headers.get_list("set-cookie") if it.startswith(f"__Host-{COOKIE}=")]
        said = {part.strip().lower().partition("=")[0] for part in cookie.split(";")[1:]}
        assert said == {"path", "max-age", "httponly", "secure", "samesite"}
        assert "path=/;" in cookie.lower()
        assert "samesite=lax" in cookie.lower()

    async def test_a_cookie_another_host_could_have_set_opens_nothing(self, browser: Browser) -> None:
        assert (await browser(ADA).get("/today")).url.path == "/sign-in"  # its cookie has no __Host- before its name

    async def test_the_demo_offers_a_patient_and_a_clinician(self, browser: Browser) -> None:
        text = (await browser(None).get("/sign-in")).text
        for name, token in DEMO:
            assert name in text
            assert f'value="{token}"' in text
            assert TOKENS[token].kind in name

    async def test_the_demo_signs_in_anew_each_time(self, browser: Browser, world: Database) -> None:
        await world.write(tokens_of_demo)
        for (_, given), path in zip(DEMO, ("/today", "/clinic", "/clinic"), strict=True):
            one = browser(None)
            seen = set()
            for _ in range(2):
                reply = await one.post("/sign-in/demo", data={"token": given})
                assert reply.url.path == path
                seen |= {it.value for it in one.cookies.jar if it.name.endswith(COOKIE)}
            assert len(seen) == 2
            assert given not in seen
        for wrong in ("ada", "", "demo-nobody"):
            assert (await browser(None).post("/sign-in/demo", data={"token": wrong})).status_code == 403

    async def test_over_https_a_form_of_the_same_host_in_the_clear_is_not_ours(self, browser: Browser) -> None:
        for origin, status in (("https://pages.test", 303), ("http://pages.test", 403)):
            one = browser(None)
            del one.headers["sec-fetch-site"]
            reply = await one.post("/sign-out", headers={"origin": origin}, follow_redirects=False)
            assert reply.status_code == status


def tokens_of_demo(db: Connection) -> None:
    """As service/demo.py makes them, for people of this world."""
    make_token(db, ADA, NOON, "demo-ada", DEVICE)
    make_token(db, BEN, NOON, "demo-ben", KEY)
    make_token(db, CLEO, NOON, "demo-clinic", KEY)


async def test_where_there_is_no_demo_its_codes_open_nothing(browser: Browser, world: Database) -> None:
    await world.write(tokens_of_demo)
    for _, given in DEMO:
        assert (await browser(None).post("/sign-in/demo", data={"token": given})).status_code == 403


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


async def test_ids_that_cannot_be_are_not_there(browser: Browser) -> None:
    for id in ("%00", "%ED%A0%80", "a%20b", "x" * 65, "%F0%9F%98%80"):
        for path in (f"/clinic/patients/{id}", f"/clinic/patients/{id}/plans"):
            assert (await browser(BEN).get(path)).status_code == 404
        assert (await browser(ADA).get(f"/today/check-ins/{id}")).status_code == 404


async def test_eve_of_the_other_clinic_reads_her_own_page_only(browser: Browser) -> None:
    text = (await browser(EVE).get("/")).text
    assert "Hello Eve" in text
    assert "Ada" not in text

"""Letting a phone in, as it looks: a QR code or a link for the clinic, one button for the patient."""

import html
import re

import httpx

from programs.instants import DAY, MINUTE
from programs.people import change_settings
from service.clock import SetClock
from service.console.cookies import COOKIE
from service.database import Database
from tests.service.console.conftest import ORIGIN, Browser
from tests.service.console.reader import Reader
from tests.world import ADA, BEN, CLINIC, DOV, EVE

PAGE = "/clinic/patients/ada/phones"
LINK = re.compile(rf'value="({ORIGIN}/enrol#([^"]+))"')


async def made(browser: Browser, **form: str) -> tuple[str, httpx.Response]:
    reply = await browser(BEN).post(PAGE, data=form)
    found = LINK.search(reply.text)
    assert found, reply.text
    return html.unescape(found[2]), reply


async def test_the_clinic_shows_a_code_and_the_patient_is_in(browser: Browser) -> None:
    assert f'href="{PAGE}"' in (await browser(BEN).get("/clinic/patients/ada")).text
    code, reply = await made(browser, way="screen")
    assert "<svg" in reply.text
    assert "style=" not in reply.text, "the policy would drop it"
    phone = browser(None)
    assert (await phone.get("/enrol")).status_code == 200
    arrived = await phone.post("/enrol", data={"code": code}, headers={"user-agent": "Linux; Android 15 Chrome/142"})
    assert arrived.url.path == "/today"
    assert "Hello Ada" in arrived.text
    text = (await browser(BEN).get(PAGE)).text
    assert "Chrome on Android" in text
    assert "The last code was used" in text
    assert code not in text


async def test_a_link_comes_with_six_digits_to_say_or_asks_for_the_year_of_birth(
    browser: Browser, world: Database
) -> None:
    assert 'name="birth_year"' not in (await browser(BEN).get(PAGE)).text
    code, reply = await made(browser, way="link")
    digits = re.search(r'class="spoken">(\d{3} \d{3})<', reply.text)
    assert digits
    wrong = await browser(None).post("/enrol", data={"code": code, "second": "1984"})
    assert wrong.status_code == 422
    assert "That is not right: 4 tries are left." in wrong.text
    assert Reader(wrong.text).form("/enrol").fields["code"] == code, "not to be typed again"
    assert "Hello Ada" in (await browser(None).post("/enrol", data={"code": code, "second": digits[1]})).text
    await world.write(change_settings, CLINIC, {"link_factor": "birth_year"})
    assert 'name="birth_year"' in (await browser(BEN).get(PAGE)).text
    code, reply = await made(browser, way="link", birth_year="1984")
    assert "spoken" not in reply.text
    assert "1984" not in reply.text
    assert "Hello Ada" in (await browser(None).post("/enrol", data={"code": code, "second": "1984"})).text


async def test_whatever_else_is_typed_is_said(browser: Browser, world: Database) -> None:
    await world.write(change_settings, CLINIC, {"link_factor": "birth_year"})
    for form, said in (
        ({"way": "pigeon"}, "way: must be one of: screen, link."),
        ({"way": "link", "birth_year": "84"}, "birth year: must be from 1906 to 2026."),
        ({"way": "link", "birth_year": ""}, "birth year: must be given."),
        ({"way": "link", "birth_year": "MCM"}, "birth year: must be a whole number."),
    ):
        reply = await browser(BEN).post(PAGE, data=form)
        assert reply.status_code == 422
        assert said in reply.text


async def test_a_code_that_does_not_work_is_said_and_changes_nothing(browser: Browser, clock: SetClock) -> None:
    code, _ = await made(browser, way="screen")
    clock.move_to(clock.now() + 10 * MINUTE)
    for tried in (code, "", "x" * 5000, "\0"):
        reply = await browser(None).post("/enrol", data={"code": tried})
        assert (reply.status_code, "set-cookie" in reply.headers) == (404, False)
        assert "does not open anything, or no longer does" in reply.text
    assert "was not used and is void" in (await browser(BEN).get(PAGE)).text


async def test_the_page_of_the_code_sends_it_nowhere_by_itself(browser: Browser) -> None:
    reply = await browser(None).get("/enrol")
    policy = reply.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "; script-src 'nonce-" in policy
    assert "unsafe" not in policy
    assert reply.headers["referrer-policy"] == "same-origin"
    assert {it.action for it in Reader(reply.text).forms} == {"/enrol"}
    script = (await browser(None).get("/console/enrol.js")).text
    assert "replaceState" in script
    for sending in ("fetch", "submit", "XMLHttp", "sendBeacon", "click", "location =", "innerHTML"):
        assert sending not in script
    others = await browser(ADA).get("/today")
    assert "script-src" not in others.headers["content-security-policy"]


async def test_a_phone_that_is_passed_on_is_nobodys_who_had_it(browser: Browser) -> None:
    """Eve lets herself in with the browser that Ada used: what Ada's token opened there, it opens no more."""
    shared = browser(ADA)
    assert "Hello Ada" in (await shared.get("/")).text
    reply = await browser(DOV).post("/clinic/patients/eve/phones", data={"way": "screen"})
    found = LINK.search(reply.text)
    assert found
    assert "Hello Eve" in (await shared.post("/enrol", data={"code": found[2]})).text
    assert (await browser(ADA).get("/today")).url.path == "/sign-in"


async def test_a_patient_sees_their_phones_and_ends_them(browser: Browser) -> None:
    code, _ = await made(browser, way="screen")
    phone = browser(None)
    await phone.post("/enrol", data={"code": code}, headers={"user-agent": "iPhone Safari"})
    text = (await phone.get("/phones")).text
    ends = [it.action for it in Reader(text).forms if it.action.endswith("/end")]
    assert len(ends) == 2
    here = next(it for it in ends if "Sign out here" in text.split(it)[1][:80])
    assert 'href="/phones"' in (await phone.get("/today")).text
    assert (await browser(EVE).post(here)).status_code == 404
    await phone.post(next(it for it in ends if it != here))
    assert (await browser(ADA).get("/today")).url.path == "/sign-in"
    assert (await phone.post(here)).url.path == "/sign-in"


async def test_the_phones_there_were_are_told_of_a_new_one(browser: Browser, clock: SetClock) -> None:
    """For a week, on the page their owner sees first; the new one is not told of the old."""
    said = "Another phone was let in for you"
    ada = browser(ADA)
    assert said not in (await ada.get("/today")).text
    clock.move_to(clock.now() + MINUTE)
    code, _ = await made(browser, way="screen")
    phone = browser(None)
    assert said not in (await phone.post("/enrol", data={"code": code}, headers={"user-agent": "iPhone Safari"})).text
    text = (await ada.get("/today")).text
    assert said in text
    assert "Safari on iPhone" in text
    assert 'href="/phones"' in text
    assert said not in (await phone.get("/today")).text
    clock.move_to(clock.now() + 7 * DAY)
    assert said not in (await ada.get("/today")).text


async def test_a_cookie_that_somebody_else_put_there_opens_nothing_afterwards(browser: Browser) -> None:
    """Session fixation: the token is always a new one, made by us, after the code was right."""
    code, _ = await made(browser, way="screen")
    phone = browser(None)
    phone.cookies.set(COOKIE, "chosen-by-somebody-else", domain="pages.test", path="/")
    assert "Hello Ada" in (await phone.post("/enrol", data={"code": code})).text
    assert [it.value for it in phone.cookies.jar if it.name == COOKIE] != ["chosen-by-somebody-else"]
    other = browser(None)
    other.cookies.set(COOKIE, "chosen-by-somebody-else", domain="pages.test", path="/")
    assert (await other.get("/today")).url.path == "/sign-in"


async def test_signing_out_ends_what_let_this_browser_in_and_nothing_else(browser: Browser) -> None:
    code, _ = await made(browser, way="screen")
    phone, ada = browser(None), browser(ADA)
    await phone.post("/enrol", data={"code": code})
    token = next(it.value for it in phone.cookies.jar if it.name == COOKIE)
    assert (await phone.post("/sign-out")).url.path == "/sign-in"
    kept = browser(None)
    kept.cookies.set(COOKIE, str(token), domain="pages.test", path="/")
    assert (await kept.get("/today")).url.path == "/sign-in"
    assert (await ada.get("/today")).url.path == "/today"


async def test_the_clinic_ends_a_phone(browser: Browser) -> None:
    ada = browser(ADA)
    assert "Hello Ada" in (await ada.get("/today")).text
    ends = [it.action for it in Reader((await browser(BEN).get(PAGE)).text).forms if it.action.endswith("/end")]
    assert len(ends) == 1
    assert (await browser(DOV).post(ends[0])).status_code == 404
    assert "No phone yet" in (await browser(BEN).post(ends[0])).text
    assert (await ada.get("/today")).url.path == "/sign-in"


async def test_a_form_of_another_page_lets_nobody_in(browser: Browser) -> None:
    """Else somebody could sign a visitor in as themselves, and read what the visitor then tells."""
    code, _ = await made(browser, way="screen")
    reply = await browser(None).post("/enrol", data={"code": code}, headers={"sec-fetch-site": "cross-site"})
    assert reply.status_code == 403
    assert "set-cookie" not in reply.headers


async def test_the_cookie_is_kept_from_scripts(browser: Browser) -> None:
    code, _ = await made(browser, way="screen")
    reply = await browser(None).post("/enrol", data={"code": code}, follow_redirects=False)
    cookie = reply.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()

"""What somebody of staff changes of how they sign in: after a fresh sign-in only, and what it ends elsewhere."""

import pytest

from programs.instants import MINUTE
from service.auth import staff
from service.auth.tokens import tokens_of
from service.clock import SetClock
from service.database import Database
from tests.service.console.conftest import Browser
from tests.service.console.staff import (
    RECOVERY,
    code_at,
    employ_ben,
    form_of,
    give_password,
    is_in,
    session_of,
    sign_in,
)
from tests.world import ADA, BEN, NOON

ANOTHER = "seven copper kettles sing"
CHANGES = ("/account/password", "/account/recovery-codes", "/account/one-time-codes", "/account/one-time-codes/finish")
CHANGES_OF_PASSKEYS = ("/account/passkeys", "/account/passkeys/finish", "/account/passkeys/any/remove")


@pytest.fixture
async def clinic(world: Database) -> Database:
    await world.write(employ_ben)
    return world


async def test_a_change_asks_for_a_sign_in_of_the_last_ten_minutes(
    browser: Browser, clinic: Database, clock: SetClock
) -> None:
    ben = browser(None)
    await sign_in(ben, clock.now())
    before = session_of(ben)
    clock.move_to(NOON + 10 * MINUTE)
    assert "sign in again" in (await ben.get("/account")).text
    for path in (*CHANGES, *CHANGES_OF_PASSKEYS):
        reply = await ben.post(path, data={"password": ANOTHER, "code": "x", "one_time_code": "1"})
        assert (reply.url.path, reply.url.query) == ("/sign-in", b"to=account")
        assert "Is it still you?" in reply.text
    assert (await clinic.read(staff.recovery_codes_left, BEN)) == len(RECOVERY)
    assert (await sign_in(ben, clock.now(), to="account")).url.path == "/account"
    assert session_of(ben) != before
    assert "recovery codes" in (await ben.post("/account/recovery-codes")).text


async def test_a_new_password_ends_every_other_session_at_once(
    browser: Browser, clinic: Database, clock: SetClock
) -> None:
    ben, elsewhere, on_the_way = browser(None), browser(None), browser(None)
    await sign_in(elsewhere, clock.now())
    clock.move_to(NOON + MINUTE)
    await sign_in(ben, clock.now())
    clock.move_to(NOON + 2 * MINUTE)
    await give_password(on_the_way)
    before = session_of(ben)
    assert "easy to guess" in (await ben.post("/account/password", data={"password": "Ben-Riverside-2026"})).text
    assert await is_in(elsewhere)
    assert (await ben.post("/account/password", data={"password": ANOTHER})).url.path == "/account"
    assert await is_in(ben)
    assert session_of(ben) != before
    assert not await is_in(elsewhere)
    assert "took too long" in (await on_the_way.post("/sign-in/second", data={"code": code_at(clock.now())})).text
    assert (await give_password(browser(None))).status_code == 403
    assert (await give_password(browser(None), ANOTHER)).url.path == "/sign-in/second"


async def test_one_sees_where_one_is_signed_in_and_ends_the_others(
    browser: Browser, clinic: Database, clock: SetClock
) -> None:
    ben, other = browser(None), browser(None)
    other.headers["user-agent"] = "Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0"
    await sign_in(other, clock.now())
    clock.move_to(NOON + MINUTE)
    await sign_in(ben, clock.now())
    text = (await ben.get("/account")).text
    assert "Firefox on Windows" in text
    assert "(this one)" in text
    assert (await ben.post("/account/sessions/end-others")).url.path == "/account"
    assert await is_in(ben)
    assert not await is_in(other)
    assert len(await clinic.read(tokens_of, BEN, clock.now())) == 1


async def test_another_app_takes_the_place_of_the_one_before(
    browser: Browser, clinic: Database, clock: SetClock
) -> None:
    ben = browser(None)
    await sign_in(ben, clock.now())
    reply = await ben.post("/account/one-time-codes")
    secret = reply.text.partition('class="secret">')[2].partition("<")[0].replace(" ", "")
    form = form_of(reply, "/account/one-time-codes/finish")
    wrong = await ben.post("/account/one-time-codes/finish", data={**form, "one_time_code": "000000"})
    assert wrong.status_code == 422
    assert secret in wrong.text.replace(" ", "")
    form["one_time_code"] = code_at(clock.now(), secret)
    assert (await ben.post("/account/one-time-codes/finish", data=form)).url.path == "/account"
    assert "too late" in (await ben.post("/account/one-time-codes/finish", data=form)).text, "it is used"
    clock.move_to(NOON + 2 * MINUTE)
    for key, fits in (("", False), (secret, True)):
        again = browser(None)
        await give_password(again)
        code = code_at(clock.now(), key) if key else code_at(clock.now())
        await again.post("/sign-in/second", data={"code": code})
        assert await is_in(again) is fits


async def test_new_recovery_codes_take_the_place_of_the_old(
    browser: Browser, clinic: Database, clock: SetClock
) -> None:
    ben = browser(None)
    await sign_in(ben, clock.now())
    reply = await ben.post("/account/recovery-codes")
    codes = [it.partition("<")[0] for it in reply.text.split("<code>")[1:]]
    for code, fits in ((RECOVERY[0], False), (codes[9], True)):
        again = browser(None)
        await give_password(again)
        await again.post("/sign-in/second", data={"code": code})
        assert await is_in(again) is fits
    assert "9 of 10 left" in (await ben.get("/account")).text


async def test_a_patient_has_no_such_account(browser: Browser, clinic: Database) -> None:
    ada = browser(ADA)
    assert (await ada.get("/account")).url.path == "/today"
    for path in (*CHANGES, *CHANGES_OF_PASSKEYS):
        assert (await ada.post(path)).url.path == "/today"

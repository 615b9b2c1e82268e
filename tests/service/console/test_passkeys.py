"""A passkey joins, signs in alone or after a password, and is taken from nobody but whom it is of, for us, now."""

import json
from collections.abc import Callable
from html import unescape

import httpx
import pytest

from programs.instants import MINUTE
from service.auth import staff
from service.clock import SetClock
from service.database import Database
from service.settings import Settings
from tests.peers.authenticator import Authenticator
from tests.service.console.conftest import Browser
from tests.service.console.reader import Reader
from tests.service.console.staff import (
    PASSWORD,
    employ_ben,
    failures,
    form_of,
    give_password,
    invite_ben,
    is_in,
    sign_in,
)
from tests.world import BEN, NOON

ORIGIN = "https://pages.test"


@pytest.fixture
def settings() -> Settings:
    return Settings(public_url=ORIGIN)


def options_of(reply: httpx.Response) -> str:
    return next(unescape(it["data-options"]) for _, it in Reader(reply.text).tags if "data-options" in it)


async def join_with(one: httpx.AsyncClient, code: str, device: Authenticator) -> httpx.Response:
    reply = await one.post("/join", data={"code": code})
    answer = device.make(options_of(reply))
    form = form_of(reply, "/join/finish", password=PASSWORD, passkey=answer)
    return await one.post("/join/finish", data=form)


async def sign_in_with(one: httpx.AsyncClient, device: Authenticator) -> httpx.Response:
    options = await one.post("/sign-in/passkey/options")
    return await one.post("/sign-in/passkey", data={"passkey": device.sign(options.text)})


@pytest.fixture
async def bens(browser: Browser, world: Database) -> Authenticator:
    """Ben joined with this one, and has no one-time codes."""
    device = Authenticator()
    assert "recovery codes" in (await join_with(browser(None), await world.write(invite_ben), device)).text
    return device


async def test_a_passkey_signs_in_alone_and_after_a_password(
    browser: Browser, world: Database, bens: Authenticator, clock: SetClock
) -> None:
    alone, after = browser(None), browser(None)
    assert (await sign_in_with(alone, bens)).url.path == "/clinic"
    reply = await give_password(after)
    assert "Use a passkey" in reply.text
    assert json.loads(options_of(reply))["userVerification"] == "required"
    assert (await after.post("/sign-in/second", data={"passkey": bens.sign(options_of(reply))})).url.path == "/clinic"
    assert await is_in(alone)
    [kept] = await world.read(staff.passkeys_of, BEN)
    assert kept.key.sign_count == bens.device.sign_count == 2


async def test_what_the_browser_is_asked_names_nobody(browser: Browser, bens: Authenticator) -> None:
    asked = json.loads((await browser(None).post("/sign-in/passkey/options")).text)
    assert set(asked) <= {"challenge", "timeout", "rpId", "allowCredentials", "userVerification"}
    assert (asked["rpId"], asked.get("allowCredentials") or [], asked["userVerification"]) == (
        "pages.test",
        [],
        "required",
    )


def elsewhere(device: Authenticator, options: str) -> str:
    device.origin = "https://pages.test.evil.example"
    return device.sign(options)


def unverified(device: Authenticator, options: str) -> str:
    device.verifies = False
    return device.sign(options)


def copied(device: Authenticator, options: str) -> str:
    """Whoever copied the key counts from where it was then."""
    device.device.sign_count = 0
    return device.sign(options)


def of_another_key(device: Authenticator, options: str) -> str:
    other = Authenticator()
    other.device.cred_init("pages.test", b"")
    other.device.credential_id = device.device.credential_id
    other.device.sign_count = 50
    return other.sign(options)


def of_another_challenge(device: Authenticator, options: str) -> str:
    return device.sign(json.dumps({**json.loads(options), "challenge": "A" * 43}))


def nonsense(device: Authenticator, options: str) -> str:
    return '{"rawId": ' + "[" * 10_000


ATTACKS = (elsewhere, unverified, copied, of_another_key, of_another_challenge, nonsense)


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_an_answer_that_is_not_ours_lets_nobody_in(
    browser: Browser, world: Database, bens: Authenticator, attack: Callable[[Authenticator, str], str]
) -> None:
    await sign_in_with(browser(None), bens)
    one, other = browser(None), browser(None)
    options = await one.post("/sign-in/passkey/options")
    bens_count = bens.device.sign_count
    reply = await one.post("/sign-in/passkey", data={"passkey": attack(bens, options.text)})
    assert reply.status_code == 403
    asked = options_of(await give_password(other))
    bens.device.sign_count = bens_count
    reply = await other.post("/sign-in/second", data={"passkey": attack(bens, asked)})
    assert reply.status_code == 403
    assert not await is_in(one)
    assert not await is_in(other)
    assert ("sign in by second factor", "ben", "127.0.0.1") in await failures(world)


async def test_an_answer_is_good_once_and_in_the_browser_it_was_asked_of(
    browser: Browser, bens: Authenticator, clock: SetClock
) -> None:
    one, thief = browser(None), browser(None)
    answer = bens.sign((await one.post("/sign-in/passkey/options")).text)
    await thief.post("/sign-in/passkey/options")
    assert (await thief.post("/sign-in/passkey", data={"passkey": answer})).status_code == 403
    entering = {it.name: it.value or "" for it in one.cookies.jar}
    assert (await one.post("/sign-in/passkey", data={"passkey": answer})).url.path == "/clinic"
    again = browser(None)
    again.cookies.update(entering)
    assert (await again.post("/sign-in/passkey", data={"passkey": answer})).status_code == 403
    late = browser(None)
    answer = bens.sign((await late.post("/sign-in/passkey/options")).text)
    clock.move_to(NOON + 5 * MINUTE)
    assert "took too long" in (await late.post("/sign-in/passkey", data={"passkey": answer})).text


async def test_a_passkey_that_verifies_nobody_is_not_taken_on(browser: Browser, world: Database) -> None:
    code = await world.write(invite_ben)
    for device in (Authenticator(verifies=False), Authenticator("https://evil.example")):
        reply = await join_with(browser(None), code, device)
        assert reply.status_code == 422
    assert await world.read(staff.passkeys_of, BEN) == []


async def test_passkeys_are_added_and_removed_but_never_the_last_second_factor(
    browser: Browser, world: Database, bens: Authenticator, clock: SetClock
) -> None:
    ben, second = browser(None), Authenticator()
    await sign_in_with(ben, bens)

    async def add(device: Authenticator, label: str) -> httpx.Response:
        reply = await ben.post("/account/passkeys")
        form = form_of(reply, "/account/passkeys/finish", label=label)
        return await ben.post("/account/passkeys/finish", data={**form, "passkey": device.make(options_of(reply))})

    [first] = await world.read(staff.passkeys_of, BEN)
    assert "only second factor" in (await ben.post(f"/account/passkeys/{first.key.id}/remove")).text
    assert "Key on my ring" in (await add(second, " Key on my ring ")).text
    assert (await ben.post(f"/account/passkeys/{first.key.id}/remove")).url.path == "/account"
    assert [it.label for it in await world.read(staff.passkeys_of, BEN)] == ["Key on my ring"]
    assert (await sign_in_with(browser(None), bens)).status_code == 403
    assert (await sign_in_with(browser(None), second)).url.path == "/clinic"
    assert (await ben.post("/account/passkeys/nobodys/remove")).status_code == 422


async def test_a_passkey_of_a_colleague_is_no_second_factor_of_mine(
    browser: Browser, world: Database, bens: Authenticator
) -> None:
    code = await world.write(staff.invite, BEN.clinic, "gil@riverside.example", "Gil", "clinician", "operator", NOON)
    gils, gil = Authenticator(), browser(None)
    await join_with(browser(None), code, gils)
    reply = await gil.post("/sign-in", data={"email": "gil@riverside.example", "password": PASSWORD})
    asked = options_of(reply)
    assert (await gil.post("/sign-in/second", data={"passkey": bens.sign(asked)})).status_code == 403
    assert (await gil.post("/sign-in/second", data={"passkey": gils.sign(asked)})).url.path == "/clinic"


class TestByAnAddress:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(public_url="http://127.0.0.1:8000")

    async def test_where_no_browser_would_make_a_passkey_none_is_offered(
        self, browser: Browser, world: Database, clock: SetClock
    ) -> None:
        await world.write(employ_ben)
        ben = browser(None)
        assert "passkey" not in (await ben.get("/sign-in")).text.replace("passkeys.js", "")
        assert (await ben.post("/sign-in/passkey/options")).status_code == 403
        reply = await sign_in(ben, clock.now())
        assert reply.url.path == "/clinic"
        assert "Passkeys need this server to have a name" in (await ben.get("/account")).text

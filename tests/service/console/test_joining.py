"""An invitation works once, for who is invited; looking at it uses up nothing; the first admin needs one as well."""

import asyncio

import httpx
import pytest
from sqlalchemy import Connection

from programs import people
from programs.errors import Conflict, Invalid
from programs.instants import HOUR
from service.auth import staff, tickets
from service.auth.tickets import LASTS, NOBODY, State, make_ticket
from service.auth.tokens import tokens_of
from service.clock import SetClock
from service.database import Database
from service.tables import ticket
from tests.service.console.conftest import Browser
from tests.service.console.reader import Reader
from tests.service.console.staff import (
    EMAIL,
    PASSWORD,
    code_at,
    form_of,
    give_password,
    invite_ben,
    is_in,
    session_of,
)
from tests.world import BEN, CLINIC, NOON

VOID = "We do not know this code"


@pytest.fixture
async def code(world: Database) -> str:
    made: str = await world.write(invite_ben)
    return made


async def open_form(one: httpx.AsyncClient, code: str) -> tuple[httpx.Response, str]:
    """The form, and the secret as it stands there to be typed by hand."""
    reply = await one.post("/join", data={"code": code})
    return reply, reply.text.partition('class="secret">')[2].partition("<")[0].replace(" ", "")


async def join(one: httpx.AsyncClient, code: str, clock: SetClock, **typed: str) -> httpx.Response:
    reply, secret = await open_form(one, code)
    form = form_of(reply, "/join/finish", password=PASSWORD, one_time_code=code_at(clock.now(), secret))
    return await one.post("/join/finish", data={**form, **typed})


async def test_who_is_invited_joins_and_signs_in_from_then_on(
    browser: Browser, world: Database, code: str, clock: SetClock
) -> None:
    ben = browser(None)
    reply, secret = await open_form(ben, code)
    assert "Welcome, Ben" in reply.text
    assert "<svg" in reply.text
    assert len(secret) == 32
    reply = await join(ben, code, clock)
    codes = [it.partition("<")[0] for it in reply.text.split("<code>")[1:]]
    assert len(set(codes)) == 10
    assert await is_in(ben)
    clock.move_to(NOON + HOUR)
    for one_code in (code_at(clock.now(), secret), codes[3]):
        again = browser(None)
        await give_password(again)
        assert (await again.post("/sign-in/second", data={"code": one_code})).url.path == "/clinic"


async def test_looking_uses_up_nothing(browser: Browser, code: str, clock: SetClock) -> None:
    """Mail scanners follow every link; a # is sent by nobody, and a form that is opened again is the same."""
    scanner = browser(None)
    for _ in range(20):
        assert (await scanner.get(f"/join?code={code}")).status_code == 200
    secrets = {(await open_form(scanner, code))[1] for _ in range(3)}
    assert len(secrets) == 1
    assert "recovery codes" in (await join(browser(None), code, clock)).text


async def test_it_works_once_however_many_try(browser: Browser, world: Database, code: str, clock: SetClock) -> None:
    some = [browser(None) for _ in range(8)]
    replies = await asyncio.gather(*(join(one, code, clock) for one in some))
    assert sorted(it.status_code for it in replies) == [200] + [403] * 7
    assert sum([await is_in(one) for one in some]) == 1
    assert len(await world.read(tokens_of, BEN, clock.now())) == 1
    assert VOID in (await open_form(browser(None), code))[0].text


async def test_used_old_foreign_and_invented_codes_get_the_same_answer(
    browser: Browser, world: Database, code: str, clock: SetClock
) -> None:
    used = await world.write(staff.reset, BEN, "operator", NOON)
    await world.write(staff.reset, BEN, "operator", NOON)  # voids the one before, and the invitation
    other_use = await world.write(make_ticket, "password", BEN, State(), NOON)
    old = await world.write(make_ticket, "invitation", BEN, State(), NOON - LASTS["invitation"])
    answers = set()
    for wrong in (code, used, other_use, old, "invented", "", "x" * 500):
        for path in ("/join", "/join/finish"):
            reply = await browser(None).post(path, data={"code": wrong, "password": PASSWORD})
            answers.add((reply.status_code, VOID in reply.text, "Ben" in reply.text))
    assert answers == {(403, True, False)}


async def test_a_mistake_is_said_at_its_field_and_the_code_stays_good(
    browser: Browser, code: str, clock: SetClock
) -> None:
    ben = browser(None)
    for typed, said in (
        ({"password": "short"}, "fewer than 12 characters"),
        ({"password": "Ben at Riverside 2026"}, "easy to guess"),
        ({"one_time_code": "000000"}, "Does not fit"),
    ):
        reply = await join(ben, code, clock, **typed)
        assert reply.status_code == 422
        assert said in reply.text
        assert PASSWORD not in reply.text
        assert [it["aria-invalid"] for _, it in Reader(reply.text).tags if "aria-invalid" in it] == ["true"]
        assert not await is_in(ben)
    assert "passkey: was not accepted" in (await join(ben, code, clock, passkey="{}")).text.lower()
    assert (await join(ben, code, clock)).status_code == 200


async def test_a_reset_lets_in_anew_and_nothing_of_before(
    browser: Browser, world: Database, code: str, clock: SetClock
) -> None:
    ben, again = browser(None), browser(None)
    await join(ben, code, clock)
    await world.write(staff.disable, BEN, "operator", clock.now())
    assert not await is_in(ben)
    anew = await world.write(staff.reset, BEN, "operator", clock.now())
    assert (await give_password(again)).status_code == 403
    assert (await join(again, anew, clock)).status_code == 200
    assert await is_in(again)
    assert not await is_in(ben)


# the first of all


FOUNDING = {
    "clinic": "  Harbour   Street Physio ",
    "zone": "Europe/Dublin",
    "country": "ie",
    "phone": "+353 1 555 0100",
    "name": "Nora Byrne",
    "email": "Nora@Harbour.example",
}


async def test_the_first_admin_founds_the_clinic(browser: Browser, world: Database, clock: SetClock) -> None:
    code = await world.write(make_ticket, "first", NOBODY, State(), NOON)
    nora = browser(None)
    for field, wrong in (("zone", "Dublin"), ("country", "Ireland"), ("phone", " "), ("clinic", ""), ("email", "nora")):
        reply = await join(nora, code, clock, **{**FOUNDING, field: wrong})
        assert (reply.status_code, f'id="{field}-problem"' in reply.text) == (422, True)
    assert (await join(nora, code, clock, **FOUNDING)).status_code == 200
    assert "Harbour Street Physio" in (await nora.get("/clinic")).text
    it = await world.read(staff.by_email, "nora@harbour.example")
    assert (it.name, it.role, it.totp is not None) == ("Nora Byrne", "admin", True)
    found = await world.read(people.clinic_of, it.who.clinic)
    assert (found.name, found.zone, found.country) == ("Harbour Street Physio", "Europe/Dublin", "IE")
    assert (await open_form(browser(None), code))[0].status_code == 403


async def test_who_comes_second_founds_nothing(browser: Browser, world: Database, clock: SetClock) -> None:
    code = await world.write(make_ticket, "first", NOBODY, State(), NOON)
    await world.write(invite_ben)
    clinics = await world.read(people.clinics_of)
    reply = await join(browser(None), code, clock, **FOUNDING)
    assert "Somebody was here before you" in reply.text
    assert await world.read(people.clinics_of) == clinics


async def test_a_code_is_kept_as_a_hash_and_forgotten_when_it_is_old(world: Database, code: str) -> None:
    def kept(db: Connection) -> list[str]:
        return [str(value) for row in db.execute(ticket.select()) for value in row]

    assert code not in await world.read(kept)
    await world.write(tickets.forget_tickets, NOON + LASTS["invitation"] + 25 * HOUR)
    assert await world.read(kept) == []


async def test_an_e_mail_is_one_persons_in_the_whole_installation(world: Database, code: str) -> None:
    for taken in (EMAIL, EMAIL.upper(), f" {EMAIL} "):
        with pytest.raises(Conflict):
            await world.write(staff.invite, "harbour", taken, "Ben of Harbour", "clinician", "operator", NOON)
    for wrong in ("ben", "ben@riverside", "@riverside.example", "b en@riverside.example", f"{'x' * 250}@example.org"):
        with pytest.raises(Invalid):
            await world.write(staff.invite, "harbour", wrong, "Ben of Harbour", "clinician", "operator", NOON)
    count = len(await world.read(people.staff_of, CLINIC))
    await world.write(staff.invite, CLINIC, "new@riverside.example", "Gil", "admin", "operator", NOON)
    assert len(await world.read(people.staff_of, CLINIC)) == count + 1


async def test_what_stands_in_a_browser_before_is_not_what_it_holds_after(
    browser: Browser, world: Database, code: str, clock: SetClock
) -> None:
    ben = browser(None)
    ben.cookies.set("homestretch", "attackerchosen", domain="pages.test", path="/")
    await join(ben, code, clock)
    assert session_of(ben) != "attackerchosen"
    assert await is_in(ben)
    clock.move_to(NOON + HOUR)
    assert not await is_in(ben)

"""Whoever runs a clinic decides who of it signs in; nobody else does, and nobody of another clinic is touched."""

import re

import httpx
import pytest

from programs.instants import DAY, MINUTE
from programs.people import change_clinician
from service.auth import staff
from service.clock import SetClock
from service.database import Database
from tests.service.console.conftest import Browser
from tests.service.console.staff import employ_ben, failures, give_password, sign_in
from tests.world import BEN, CLEO, CLINIC, DOV, NOON, OTHER

LINK = re.compile(r'value="http://pages\.test/join#([A-Za-z0-9_-]{43})"')
GIL = {"name": "Gil", "email": "gil@riverside.example", "role": "clinician"}


@pytest.fixture
async def admin(browser: Browser, world: Database, clock: SetClock) -> httpx.AsyncClient:
    """Ben, who runs Riverside, signed in just now."""
    await world.write(employ_ben)
    await world.write(change_clinician, CLINIC, BEN.id, {"role": "admin"})
    ben = browser(None)
    await sign_in(ben, clock.now())
    return ben


async def test_an_admin_invites_puts_out_and_lets_in_again(
    browser: Browser, world: Database, admin: httpx.AsyncClient
) -> None:
    reply = await admin.post("/clinic/staff", data=GIL)
    link = LINK.search(reply.text)
    assert link
    assert "Welcome, Gil" in (await browser(None).post("/join", data={"code": link[1]})).text
    assert link[1] not in (await admin.get("/clinic/staff")).text, "it is shown once"
    it = await world.read(staff.by_email, "gil@riverside.example")
    assert "nothing, since" in (await admin.post(f"/clinic/staff/{it.who.id}/disable")).text
    assert (await browser(None).post("/join", data={"code": link[1]})).status_code == 403
    assert LINK.search((await admin.post(f"/clinic/staff/{it.who.id}/reset")).text)
    assert (await world.read(staff.by_email, "gil@riverside.example")).ended_at is None


async def test_who_failed_to_sign_in_as_a_colleague_is_shown_for_thirty_days(
    browser: Browser, world: Database, admin: httpx.AsyncClient, clock: SetClock
) -> None:
    said = "Sign-ins that failed in the last 30 days"
    assert said not in (await admin.get("/clinic/staff")).text
    await give_password(browser(None), "not this one either")
    assert await failures(world) == [("sign in by password", "ben", "127.0.0.1")]
    page = (await admin.get("/clinic/staff")).text
    assert f"{said} (1)" in page
    assert "<td>password</td><td>127.0.0.1</td>" in page
    clock.move_to(clock.now() + 30 * DAY + MINUTE)
    again = browser(None)
    await sign_in(again, clock.now())
    assert said not in (await again.get("/clinic/staff")).text


async def test_what_cannot_be_is_said(world: Database, admin: httpx.AsyncClient) -> None:
    await world.write(staff.add, OTHER, "dov@harbour.example", "Dov", "clinician", NOON)
    for changed, said in (
        ({"email": "gil"}, "not an e-mail address"),
        ({"email": "dov@harbour.example"}, "already"),  # of another clinic: an address is one person's
        ({"name": " "}, "1 to 100 characters"),
        ({"role": "operator"}, "must be one of"),
    ):
        reply = await admin.post("/clinic/staff", data={**GIL, **changed})
        assert (reply.status_code, said in reply.text) == (422, True)
    assert "Nobody else runs" in (await admin.post(f"/clinic/staff/{BEN.id}/disable")).text


async def test_nobody_of_another_clinic_is_seen_or_touched(world: Database, admin: httpx.AsyncClient) -> None:
    await world.write(staff.add, OTHER, "dov@harbour.example", "Dov", "clinician", NOON)
    assert "Dov" not in (await admin.get("/clinic/staff")).text
    for way in ("disable", "reset"):
        replies = [await admin.post(f"/clinic/staff/{id}/{way}") for id in (DOV.id, "nobody")]
        assert [it.status_code for it in replies] == [422, 422]
        assert replies[0].text == replies[1].text
    assert (await world.read(staff.by_email, "dov@harbour.example")).ended_at is None


async def test_it_is_for_admins_who_signed_in_just_now(
    browser: Browser, world: Database, admin: httpx.AsyncClient, clock: SetClock
) -> None:
    cleo = browser(CLEO)
    assert (await cleo.get("/clinic/staff")).status_code == 403
    assert (await cleo.post("/clinic/staff", data=GIL)).status_code == 403
    clock.move_to(NOON + 10 * MINUTE)
    assert "sign in again" in (await admin.get("/clinic/staff")).text
    reply = await admin.post("/clinic/staff", data=GIL)
    assert (reply.url.path, reply.url.query) == ("/sign-in", b"to=staff")
    assert await world.read(staff.by_email, GIL["email"]) is None

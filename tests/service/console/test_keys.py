"""The page of keys: for those who run the clinic; a key is shown once."""

import re

import httpx
import pytest
from sqlalchemy import Connection

from programs import people
from service.care import Who
from service.database import Database
from tests.service.console.conftest import Browser
from tests.service.console.reader import Reader
from tests.world import BEN, CLINIC, let_in

ANA = Who(CLINIC, "admin", "ana", sees_all=True)


@pytest.fixture
async def ana(world: Database, browser: Browser) -> httpx.AsyncClient:
    def admin(db: Connection) -> None:
        people.add_clinician(db, CLINIC, "ana", "Ana", "admin")
        let_in(db, ANA)

    await world.write(admin)
    return browser(ANA)


async def test_a_key_is_made_shown_once_and_ended(ana: httpx.AsyncClient) -> None:
    assert 'href="/clinic/keys"' in (await ana.get("/clinic/settings")).text
    assert "None." in (await ana.get("/clinic/keys")).text
    reply = await ana.post("/clinic/keys", data={"name": "Calendar <b>", "verbs": ["read patients", "read flags"]})
    found = re.search(r'value="(hs_([0-9a-f]+)_[^"]+)"', reply.text)
    assert found
    assert "Calendar &lt;b&gt;" in reply.text
    page = (await ana.get("/clinic/keys")).text
    assert found[1] not in page
    assert f"hs_{found[2]}" in page
    assert "never" in page
    (end,) = [it.action for it in Reader(page).forms if it.action.endswith("/end")]
    api = {"authorization": f"Bearer {found[1]}"}
    assert (await ana.get("/api/v1/clinics/riverside/patients", headers=api)).status_code == 200
    assert "None." in (await ana.post(end)).text
    assert (await ana.get("/api/v1/clinics/riverside/patients", headers=api)).status_code == 401


async def test_what_is_wrong_is_said_and_what_was_typed_stays(ana: httpx.AsyncClient) -> None:
    reply = await ana.post("/clinic/keys", data={"name": "Calendar", "days": "soon", "verbs": ["read flags"]})
    assert reply.status_code == 422
    assert "days: must be a whole number." in reply.text
    assert Reader(reply.text).form("/clinic/keys").fields["name"] == "Calendar"
    assert 'value="read flags" checked' in reply.text
    await ana.post("/clinic/keys", data={"name": "Calendar", "verbs": ["read flags"]})
    again = await ana.post("/clinic/keys", data={"name": "Calendar", "verbs": ["read flags"]})
    assert again.status_code == 409
    assert "There is a key of this name." in again.text


async def test_it_is_nobody_elses_page(ana: httpx.AsyncClient, browser: Browser) -> None:
    for method in ("GET", "POST"):
        reply = await browser(BEN).request(method, "/clinic/keys", data={"name": "x", "verbs": "read flags"})
        assert "Keys for other programs" not in reply.text
    assert "/clinic/keys" not in (await browser(BEN).get("/clinic")).text

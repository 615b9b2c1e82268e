"""A phone is let in over the API, and ended; a stranger with many addresses, or a program that tries links, is not."""

import logging
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from sqlalchemy import Connection, select

from notifications import addresses
from programs.instants import MINUTE
from programs.people import change_settings
from programs.tables import metadata
from service import audit
from service.auth import limits
from service.care import Who
from service.errors import Problem
from tests.service.api.conftest import Api
from tests.world import ADA, BEN, CLEO, CLINIC, DOV, EVE

ENROLMENT = "/clinics/riverside/patients/ada/enrolment"
DEVICES = "/clinics/riverside/patients/ada/devices"
REDEEM = "/enrolments/redeem"


async def code_of(api: Api, way: str = "screen", **more: Any) -> tuple[str, str]:
    """The code as a phone gets it, and what is said at the desk."""
    made = (await api("POST", ENROLMENT, BEN, {"way": way, **more})).json()
    url = urlsplit(made["url"])
    assert (url.scheme, url.netloc, url.path, url.query) == ("https", "aftercare.example.org", "/enrol", "")
    return url.fragment, made["spoken"] or ""


async def let_in(api: Api, label: str = "") -> tuple[Who, str]:
    """Somebody whose token is that of a new phone of Ada's, as the API fixture takes it, and the phone's id."""
    code, _ = await code_of(api)
    done = (await api("POST", REDEEM, None, {"code": code, "label": label})).json()
    assert (done["clinic_id"], done["patient_id"]) == (CLINIC, "ada")
    return Who(CLINIC, "patient", done["token"]), done["device_id"]


async def test_a_phone_is_let_in_and_sees_todays_page(api: Api) -> None:
    phone, device = await let_in(api, "Ada’s new phone")
    assert (await api("GET", "/me/today", phone)).status_code == 200
    mine = (await api("GET", "/me/devices", phone)).json()["items"]
    assert [(it["id"], it["label"], it["this"]) for it in mine] == [
        (device, "Ada’s new phone", True),
        (mine[1]["id"], "", False),
    ]
    theirs = (await api("GET", DEVICES, BEN)).json()["items"]
    assert [it | {"this": False} for it in mine] == theirs
    state = (await api("GET", ENROLMENT, BEN)).json()
    assert (state["open"], state["way"], state["factor"]) == (False, "screen", "none")
    assert state["used_at"] is not None


async def test_a_link_needs_the_second_thing_and_says_how_many_tries_are_left(api: Api) -> None:
    code, spoken = await code_of(api, "link")
    problem = await api.problem("POST", REDEEM, None, {"code": code, "second": "x"})
    assert problem == (422, [("/second", "is not right: 4 tries are left", "")])
    assert (await api("POST", REDEEM, None, {"code": code, "second": spoken})).status_code == 200
    await api.db.write(change_settings, CLINIC, {"link_factor": "birth_year"})
    code, _ = await code_of(api, "link", birth_year=1984)
    last = [await api.problem("POST", REDEEM, None, {"code": code, "second": "1985"}) for _ in range(5)][-1]
    assert "is void now" in last[1][0][1]
    assert (await api("POST", REDEEM, None, {"code": code, "second": "1984"})).status_code == 404


async def test_from_where_a_code_was_tried_is_noted(api: Api) -> None:
    code, spoken = await code_of(api, "link")
    for second in ("wrong", spoken):
        await api("POST", REDEEM, None, {"code": code, "second": second})
    await api("POST", REDEEM, None, {"code": code, "second": spoken})  # used by now: nobody's
    await api.app.state.desk.watch.flush()
    links = await api.db.read(audit.links_of, CLINIC, "ada", audit.Asked(2))
    assert [(it.note.who, it.note.what, it.note.origin, it.note.outcome) for it in links] == [
        ("patient:ada", "let a phone in", "127.0.0.1", "ok"),
        ("nobody", "miss enrolment code", "127.0.0.1", "refused"),
    ]
    (strangers,) = await api.db.read(audit.links, audit.SERVER, 0, 10)
    assert (strangers.note.what, strangers.note.origin) == (f"POST /api/v1{REDEEM}", "127.0.0.1")


async def test_the_clinic_ends_a_phone_and_it_opens_nothing_at_once(api: Api) -> None:
    phone, device = await let_in(api)
    assert (await api("GET", "/me/today", phone)).status_code == 200
    left = (await api("DELETE", f"{DEVICES}/{device}", CLEO)).json()["items"]
    assert device not in [it["id"] for it in left]
    assert (await api("GET", "/me/today", phone)).status_code == 401
    assert (await api("GET", "/me/today", ADA)).status_code == 200
    assert (await api("DELETE", f"{DEVICES}/{device}", CLEO)).status_code == 404


async def test_a_patient_ends_an_old_phone_and_signs_out_of_this_one(api: Api) -> None:
    phone, _ = await let_in(api)
    old = next(it["id"] for it in (await api("GET", "/me/devices", phone)).json()["items"] if not it["this"])
    await api("DELETE", f"/me/devices/{old}", phone)
    assert (await api("GET", "/me/today", ADA)).status_code == 401
    assert (await api("DELETE", "/me/devices/this", phone)).json() == {"items": []}
    assert (await api("GET", "/me/today", phone)).status_code == 401


async def test_a_phone_that_is_ended_gets_no_message(api: Api) -> None:
    """Whichever of the two ends it, the address registered with it ends with it, and no other."""

    def living(db: Connection) -> list[str]:
        return [it.id for it in addresses.living(db, CLINIC, ["ada"])["ada"]]

    phone, device = await let_in(api)
    for id, who in (("of-phone", phone), ("of-old", ADA)):
        await api("PUT", f"/me/addresses/{id}", who, {"channel": "email", "mailbox": f"{id}@example.org"})
    assert await api.db.read(living) == ["ada-phone", "of-old", "of-phone"]
    await api("DELETE", f"{DEVICES}/{device}", BEN)
    assert await api.db.read(living) == ["ada-phone", "of-old"]
    await api("DELETE", "/me/devices/this", ADA)
    assert await api.db.read(living) == ["ada-phone"]


async def test_nobody_ends_the_phone_of_another(api: Api) -> None:
    _, device = await let_in(api)
    assert (await api("DELETE", f"/me/devices/{device}", EVE)).status_code == 404
    assert (await api("DELETE", f"/clinics/harbour/patients/eve/devices/{device}", DOV)).status_code == 404
    assert (await api("DELETE", f"/clinics/harbour/patients/ada/devices/{device}", DOV)).status_code == 404
    assert len((await api("GET", DEVICES, BEN)).json()["items"]) == 2


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_looking_at_it_uses_nothing_up(api: Api) -> None:
    """Mail programs and scanners try every link, some of them with GET and HEAD on whatever they find."""
    code, _ = await code_of(api)
    for number in range(100):
        method = ("GET", "HEAD", "OPTIONS")[number % 3]
        for path in ("/enrol", f"/enrol?code={code}", f"/api/v1{REDEEM}", f"/api/v1{REDEEM}?code={code}"):
            assert (await api.http.request(method, path)).status_code in (200, 204, 405)
    assert (await api("GET", ENROLMENT, BEN)).json()["open"] is True
    assert (await api("POST", REDEEM, None, {"code": code})).status_code == 200


async def test_a_code_is_in_no_log_no_row_and_no_address(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    def everything(db: Connection) -> str:
        return "".join(str(db.execute(select(table)).all()) for table in metadata.tables.values())

    with caplog.at_level(logging.DEBUG):
        code, spoken = await code_of(api, "link")
        reply = await api("POST", ENROLMENT, BEN, {"way": "link"}, idempotency_key="again")
        kept = [code, spoken, urlsplit(reply.json()["url"]).fragment, reply.json()["spoken"]]
        await api("POST", REDEEM, None, {"code": code, "second": "wrong"})
        await api("POST", REDEEM, None, {"code": kept[2], "second": "wrong"})
        done = await api("POST", REDEEM, None, {"code": kept[2], "second": kept[3]}, idempotency_key="mine")
        kept.append(done.json()["token"])
        await api("POST", REDEEM, None, {"code": code, "other": code})
    ours = [it.getMessage() for it in caplog.records if it.name.startswith("homestretch")]
    assert len(ours) >= 6
    rows = await api.db.read(everything)
    for secret in kept:
        assert secret not in rows
        assert not [line for line in ours if secret in line]
    assert done.headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in done.headers


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_guessing_is_stopped_whatever_addresses_it_says_to_come_from(api: Api) -> None:
    """Litestar's CVE-2025-59152, at the door that is open to everybody."""
    said = set()
    for number in range(1000):
        headers = {"x_forwarded_for": f"198.51.{number // 250}.{number % 250}", "x_forwarded_host": f"h{number}.test"}
        reply = await api.http.post(
            f"/api/v1{REDEEM}",
            json={"code": f"q{number}"},
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )
        said.add((number < limits.REDEEM_BY_ADDRESS.tries, reply.status_code))
    assert said == {(True, 404), (False, 429)}
    assert int(reply.headers["retry-after"]) == 20
    code, _ = await code_of(api)
    assert (await api("POST", REDEEM, None, {"code": code})).status_code == 429
    api.clock.move_to(api.clock.now() + MINUTE)
    assert (await api("POST", REDEEM, None, {"code": code})).status_code == 200


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_full_waiting_room_is_no_attack(api: Api) -> None:
    """Each of them is let in over the clinic's own network, one after the other."""
    for _ in range(limits.REDEEM_BY_ADDRESS.tries + 5):
        code, _ = await code_of(api)
        assert (await api("POST", REDEEM, None, {"code": code})).status_code == 200


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("body", "status", "where"),
    [
        ({}, 422, "/code"),
        ({"code": 5}, 422, "/code"),
        ({"code": "q" * 201}, 422, "/code"),
        ({"code": "q", "second": "1" * 41}, 422, "/second"),
        ({"code": "q", "label": "a\nb"}, 422, "/label"),
        ({"code": "q", "label": "x" * 61}, 422, "/label"),
        ({"code": "q", "clinic_id": "riverside"}, 422, "/clinic_id"),
        (b"{" * 5000, 400, ""),
    ],
)
async def test_what_is_no_redeeming_is_said_to_be_none(api: Api, body: Any, status: int, where: str) -> None:
    found, errors = await api.problem("POST", REDEEM, None, body)
    assert (found, [it[0] for it in errors]) == (status, [where] if where else [])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_year_nobody_was_born_in_makes_no_link(api: Api) -> None:
    await api.db.write(change_settings, CLINIC, {"link_factor": "birth_year"})
    for year, status in ((1890, 422), (1905, 422), (2027, 422), (1984, 200)):
        reply = await api("POST", ENROLMENT, BEN, {"way": "link", "birth_year": year})
        assert reply.status_code == status, year
        if status == 422:
            assert msgspec.json.decode(reply.content, type=Problem).errors[0].pointer == "/birth_year"

"""A program of the clinic comes in by a key: where its verbs let it, at its clinic, until somebody ends it."""

from typing import Any

import pytest
from sqlalchemy import Connection, select

from programs import people
from programs.instants import DAY, HOUR
from service.access import LINES, VERBS
from service.care import Who
from service.tables import audit, token
from tests.service.api.conftest import Api
from tests.service.api.test_routes import Case, requests, send
from tests.world import ADA, BEN, CLEO, CLINIC, DOV, let_in

KEYS = "/clinics/riverside/keys"
PATIENTS = "/clinics/riverside/patients"
ANA = Who(CLINIC, "admin", "ana", sees_all=True)
NEEDLED = {"patient_id": "ada", "ended_at": "2026-06-01T10:00:00-04:00", "muscles": ["TFL"], "side": "left"}


@pytest.fixture
async def clinic(api: Api) -> Api:
    def admin(db: Connection) -> None:
        people.add_clinician(db, CLINIC, "ana", "Ana", "admin")
        let_in(db, ANA)

    await api.db.write(admin)
    return api


async def made(api: Api, *verbs: str, name: str = "Calendar", **more: Any) -> tuple[Who, str]:
    """Somebody whose token is the key, as the API fixture takes it, and the key's id."""
    reply = await api("POST", KEYS, ANA, {"name": name, "verbs": verbs, **more})
    assert reply.status_code == 200, reply.text
    done = reply.json()
    assert done["token"].startswith(f"hs_{done['key']['id']}_")
    return Who(CLINIC, "key", done["token"]), done["key"]["id"]


async def test_a_key_does_what_its_verbs_say_and_nothing_else(clinic: Api) -> None:
    key, _ = await made(clinic, "read patients")
    assert [it["id"] for it in (await clinic("GET", PATIENTS, key)).json()["items"]] == ["ada"]
    reply = await clinic("POST", "/clinics/riverside/needling-sessions", key, NEEDLED)
    assert reply.status_code == 403
    assert "write needling sessions" in reply.json()["detail"]
    for path in (KEYS, "/clinics/riverside/break-glass", "/me/today", "/me/devices"):
        assert (await clinic("GET", path, key)).status_code == 403
    assert (await clinic("POST", KEYS, key, {"name": "x", "verbs": list(VERBS)})).status_code == 403


async def test_a_key_opens_one_clinic(clinic: Api) -> None:
    key, _ = await made(clinic, *VERBS)
    theirs, missing = [await clinic("GET", f"/clinics/{id}/patients", key) for id in ("harbour", "nowhere")]
    assert theirs.status_code == missing.status_code == 404
    assert theirs.content == missing.content
    assert (await clinic("GET", f"{PATIENTS}/eve", key)).status_code == 404


def _line_of(case: Case) -> str:
    """The verb of the line in access.py that this request stands under."""
    parts = f"/api/v1{case.path.partition('?')[0]}".split("/")
    for key, line in LINES.items():
        method, _, template = key.partition(" ")
        wanted = template.split("/")
        same = len(parts) == len(wanted) and all(a == b or b[:1] == "{" for a, b in zip(parts, wanted, strict=True))
        if method == case.method and same:
            return line.verb
    raise AssertionError(case)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_each_route_asks_for_its_own_verb(api: Api) -> None:
    """Every case of test_routes: with all verbs but the one of its line it is shut, with that one alone it is open."""
    asked = set()
    for case in [it for it in await requests(api) if it.path.startswith("/clinics")]:
        verb = _line_of(case)
        name = f"{case.method} {case.path}"[:60]
        if not verb:
            key, _ = await made(api, *VERBS, name=name)
            assert (await send(api, case, key)).status_code == 403, case
            continue
        asked.add(verb)
        others = [it for it in VERBS if it != verb]
        lacking, _ = await made(api, *others, name=f"-{name}"[:60])
        assert (await send(api, case, lacking)).status_code == 403, case
        holding, _ = await made(api, verb, name=f"+{name}"[:60])
        assert (await send(api, case, holding)).status_code not in (401, 403), case
    assert asked == set(VERBS)


async def test_what_a_key_did_is_noted_under_its_id(clinic: Api) -> None:
    def noted(db: Connection) -> list[tuple[str, str, str]]:
        rows = db.execute(select(audit.c.who, audit.c.what, audit.c.record_id)).all()
        return [tuple(row) for row in rows if "key" in row.who or "key" in row.what]

    key, id = await made(clinic, "write needling sessions")
    body = NEEDLED | {"clinician_id": "ben"}
    recorded = (await clinic("POST", "/clinics/riverside/needling-sessions", key, body)).json()["id"]
    await clinic("DELETE", f"{KEYS}/{id}", ANA)
    assert sorted(await clinic.db.read(noted)) == [
        ("admin:ana", "end key", id),
        ("admin:ana", "make key", id),
        (f"key:{id}", "record needling session", recorded),
    ]


async def test_a_key_that_has_ended_opens_nothing_and_is_on_no_list(clinic: Api) -> None:
    key, id = await made(clinic, "read patients")
    short, _ = await made(clinic, "read patients", name="For a day", days=1)
    for one in (key, short):
        assert (await clinic("GET", PATIENTS, one)).status_code == 200
    left = (await clinic("DELETE", f"{KEYS}/{id}", ANA)).json()["items"]
    assert [it["name"] for it in left] == ["For a day"]
    assert (await clinic("GET", PATIENTS, key)).status_code == 401
    clinic.clock.move_to(clinic.clock.now() + DAY)
    assert (await clinic("GET", PATIENTS, short)).status_code == 401
    assert (await clinic("GET", KEYS, ANA)).json()["items"] == []
    assert (await clinic("DELETE", f"{KEYS}/{id}", ANA)).status_code == 404


async def test_the_list_says_by_what_to_know_a_key_and_when_it_was_used(clinic: Api) -> None:
    key, id = await made(clinic, "read patients", "read flags")
    (listed,) = (await clinic("GET", KEYS, ANA)).json()["items"]
    assert (listed["id"], listed["name"], listed["verbs"]) == (id, "Calendar", ["read flags", "read patients"])
    assert (listed["seen_at"], listed["expires_at"]) == (None, None)
    clinic.clock.move_to(clinic.clock.now() + HOUR)
    await clinic("GET", PATIENTS, key)
    reply = await clinic("GET", KEYS, ANA)
    assert reply.json()["items"][0]["seen_at"] is not None
    secret = key.id.removeprefix(f"hs_{id}_")  # it may have a line below in it
    assert len(secret) >= 43, "256 bits"
    rows = await clinic.db.read(lambda db: str(db.execute(select(token)).all()))
    assert secret not in rows + reply.text


async def test_only_who_runs_the_clinic_makes_and_ends_keys(clinic: Api) -> None:
    _, id = await made(clinic, "read patients")
    for who in (BEN, CLEO, ADA):
        assert (await clinic("GET", KEYS, who)).status_code == 403
        assert (await clinic("POST", KEYS, who, {"name": "x", "verbs": ["read patients"]})).status_code == 403
        assert (await clinic("DELETE", f"{KEYS}/{id}", who)).status_code == 403
    assert (await clinic("GET", KEYS, DOV)).status_code in (403, 404)


@pytest.mark.parametrize(
    ("body", "where", "hint"),
    [
        ({"name": "x", "verbs": []}, "/verbs", "Of: "),
        ({"name": "x", "verbs": ["read patient"]}, "/verbs", "Did you mean “read patients”?"),
        ({"name": " ", "verbs": ["read patients"]}, "/name", ""),
        ({"name": "x" * 61, "verbs": ["read patients"]}, "/name", ""),
        ({"name": "x", "verbs": ["read patients"], "days": 0}, "/days", ""),
        ({"name": "x", "verbs": ["read patients"], "clinic_id": "harbour"}, "/clinic_id", ""),
    ],
)
async def test_what_is_no_key_is_said(clinic: Api, body: Any, where: str, hint: str) -> None:
    status, errors = await clinic.problem("POST", KEYS, ANA, body)
    assert (status, errors[0][0]) == (422, where)
    assert errors[0][2].startswith(hint)


async def test_two_keys_of_one_name_would_be_one_in_the_record(clinic: Api) -> None:
    _, id = await made(clinic, "read patients")
    assert (await clinic("POST", KEYS, ANA, {"name": "calendar", "verbs": ["read patients"]})).status_code == 409
    await clinic("DELETE", f"{KEYS}/{id}", ANA)
    await made(clinic, "read patients")


def test_a_verb_says_whether_it_reads_or_writes() -> None:
    """Whoever adds a route gives it a verb, or none where no program should."""
    assert len(VERBS) > 10
    assert all(line.verb == "" or line.who for line in LINES.values())

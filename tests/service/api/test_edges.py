"""What every route refuses in the same way: bodies that are none or too large, paths and methods there are not."""

import logging
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import ProgrammingError

from programs.tables import patient
from service.app import LARGEST_BODY, POLICY
from service.auth.tokens import end_tokens
from service.care import Who
from service.errors import KINDS
from tests.service.api.conftest import Api
from tests.world import ADA, BEN, NOON

PATIENTS = "/clinics/riverside/patients"
SECRET = "Zoë Geheim"
STATEMENT = "INSERT INTO patient"


@pytest.fixture
def database_url(sqlite_original: Path, tmp_path: Path) -> str:
    """One database will do: nothing here reaches it."""
    return f"sqlite:///{shutil.copy(sqlite_original, tmp_path / 'homestretch.db')}"


async def patients(api: Api) -> int:
    def count(db: Connection) -> int:
        return db.execute(select(func.count()).select_from(patient)).scalar_one()

    return await api.db.read(count)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"not json",
        b'{"name": NaN}',
        b'{"name": Infinity}',
        b'{"name": "\xff"}',
        b'{"name": "\\ud800"}',
        b"\x00",
        b"name=Ada",
    ],
)
async def test_what_is_no_json_is_said_to_be_none(empty: Api, body: bytes) -> None:
    before = await patients(empty)
    status, _ = await empty.problem("POST", PATIENTS, BEN, body)
    assert status == 400
    assert await patients(empty) == before


async def test_what_is_nested_without_end_is_refused(empty: Api) -> None:
    for deep in (b'{"a":' * 100_000, b"[" * 1_000_000, b'{"preferences":' * 60_000):
        assert (await empty("POST", PATIENTS, BEN, deep)).status_code in (400, 422)


async def test_nan_is_no_json(empty: Api) -> None:
    reply = await empty("POST", "/me/check-ins/x/answers", ADA, b'{"answers": {"q_sore": NaN}}')
    assert reply.status_code == 400
    assert "byte" in reply.json()["detail"]


async def test_a_body_may_be_a_mebibyte_and_not_a_byte_more(empty: Api) -> None:
    body = b'{"name": "' + b"x" * (LARGEST_BODY - 12) + b'"}'
    assert (await empty("POST", PATIENTS, BEN, body)).status_code == 422
    assert len(body) == LARGEST_BODY
    reply = await empty("POST", PATIENTS, BEN, body + b" ")
    assert (reply.status_code, reply.json()["detail"]) == (413, "Send at most 1 MiB.")


async def test_a_body_that_does_not_say_its_length_is_cut_off_too(empty: Api) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 65536

    reply = await empty.http.post(f"/api/v1{PATIENTS}", content=endless(), headers={"authorization": "Bearer ben"})
    assert reply.status_code == 413


async def test_who_is_asked_before_what(empty: Api) -> None:
    assert (await empty("POST", PATIENTS, None, b"{")).status_code == 401
    assert (await empty("POST", PATIENTS, ADA, b"{")).status_code == 403
    assert (await empty("POST", "/clinics/harbour/patients", BEN, b"{")).status_code == 404


async def test_a_path_there_is_not_is_not_found_by_anybody(empty: Api) -> None:
    for path in ("/nothing", "/clinics", "/clinics/riverside/patient", "/me", "/nowhere/at/all"):
        for who in (None, BEN):
            assert (await empty("GET", path, who)).status_code == 404


async def test_a_method_there_is_not_says_which_there_are(empty: Api) -> None:
    reply = await empty("DELETE", PATIENTS)
    assert reply.status_code == 405
    assert set(reply.headers["allow"].split(", ")) == {"GET", "OPTIONS", "POST"}


async def test_the_unexpected_tells_nothing_to_whoever_asked_nor_to_the_log(
    empty: Api, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object) -> None:
        raise ProgrammingError(STATEMENT, {"name": SECRET}, Exception(f"row contains {SECRET}"))

    monkeypatch.setattr("service.api.patients.care.enrol", broken)
    body = {"name": SECRET, "zone": "Europe/Madrid", "clinician_id": "ben", "consent": True}
    with caplog.at_level(logging.INFO):
        reply = await empty("POST", PATIENTS, BEN, body)
    assert reply.status_code == 500
    assert STATEMENT not in reply.text
    assert SECRET not in reply.text
    assert "sqlalchemy.exc.ProgrammingError" in caplog.text
    assert "in _enrol" in caplog.text
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name == "homestretch.api")
    for private in (SECRET, STATEMENT, "riverside", "Bearer"):
        assert private not in ours


async def test_a_line_in_the_log_names_no_person(empty: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "homestretch.api"):
        await empty("GET", f"{PATIENTS}/ada?x=Ada")
        await empty("GET", "/nothing/ada", None)
    lines = [record.getMessage() for record in caplog.records if record.name == "homestretch.api"]
    assert lines[0].startswith("GET /api/v1/clinics/{clinic}/patients/{id} 200 ")
    assert lines[1].startswith("GET (no route) 404 ")
    assert not any("ada" in line.lower() for line in lines)


async def test_every_reply_is_safe_to_a_browser_and_kept_by_no_cache(empty: Api) -> None:
    for reply in (await empty("GET", PATIENTS), await empty("GET", "/nothing"), await empty("GET", PATIENTS, None)):
        assert reply.headers["content-security-policy"] == POLICY[1].decode()
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
        assert reply.headers["referrer-policy"] == "no-referrer"


# sign-in


async def test_a_token_is_sent_as_one(empty: Api) -> None:
    for value in (b"", b"ben", b"Basic YmVu", b"Bearer", b"Bearer ", b"Bearer \xff", b"Bearer " + b"x" * 600):
        reply = await empty.http.get(f"/api/v1{PATIENTS}", headers={b"authorization": value})
        assert reply.status_code == 401, value
    assert (await empty.http.get(f"/api/v1{PATIENTS}", headers={"authorization": "bearer ben"})).status_code == 200


async def test_an_ended_token_opens_nothing_from_then_on(empty: Api) -> None:
    assert (await empty("GET", PATIENTS)).status_code == 200
    await empty.db.write(end_tokens, BEN, NOON)
    assert (await empty("GET", PATIENTS)).status_code == 401
    assert (await empty("GET", PATIENTS, Who("riverside", "clinician", "cleo"))).status_code == 200


def test_kinds_of_problems_are_each_their_own() -> None:
    assert len({kind.type for kind in KINDS}) == len({kind.status for kind in KINDS}) == len(KINDS)

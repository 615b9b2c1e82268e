"""Every route leaves a note of whoever was let in: what they saw, changed or were refused, of whom, from where."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from litestar import Litestar
from sqlalchemy import Connection

from programs.instants import HOUR, MINUTE, SECOND
from service import audit, witness
from service.api.routes import PREFIX
from service.audit import SERVER, Note
from service.clock import SetClock
from service.database import Database
from service.vault import Vault
from service.witness import NOTHING_OF_A_PATIENT, Watch
from tests.service.api.conftest import Api
from tests.service.api.conftest import api as api
from tests.service.api.conftest import clock as clock
from tests.service.api.conftest import settings as settings
from tests.service.api.test_routes import UNSIGNED, requests, send
from tests.world import ADA, BEN, CLEO, CLINIC, DOV, EVE, OTHER


async def noted(api: Api, clinic: str = CLINIC) -> list[Note]:
    watch: Watch = api.app.state.desk.watch
    await watch.flush()
    return [it.note for it in await api.db.read(audit.links, clinic, 0, 10_000)]


async def test_every_route_that_shows_or_changes_something_of_a_patient_leaves_a_note(api: Api) -> None:
    """Driven by the list of routes: one that is added is held to it, unless it is named as showing nothing."""
    tried = 0
    for case in await requests(api):
        before = len(await noted(api))
        watch: Watch = api.app.state.desk.watch
        watch._seen.clear()  # or a patient's second read in an hour is summed up with the first
        reply = await send(api, case, case.who)
        assert reply.status_code == case.status, case
        fresh = (await noted(api))[before:]
        if (
            case.status == 409
            or case.path in UNSIGNED
            or route_of(api.app, case.method, case.path) in NOTHING_OF_A_PATIENT
        ):
            assert case.path != "/healthz" or fresh == [], case
            continue
        tried += 1
        assert fresh, f"{case.method} {case.path} shows or changes something of a patient and notes nothing"
        assert {(it.clinic, it.who, it.origin, it.outcome) for it in fresh} == {
            (CLINIC, str(case.who), "127.0.0.1", "ok")
        }
        if case.who is ADA or "/patients/ada" in case.path or "/needling-sessions/s1" in case.path:
            assert {it.patient for it in fresh} == {"ada"}, case
    assert tried >= 20


async def test_where_only_staff_work_the_chains_are_anchored_once_an_hour_too(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witness, "FLUSH_AFTER", 0)
    vault: Vault = api.db.carried["vault"]
    await api("GET", "/clinics/riverside/patients/ada", BEN)
    assert vault.anchors.read_text() == ""
    api.clock.move_to(api.clock.now() + HOUR)
    await api("GET", "/clinics/riverside/patients/ada", BEN)
    flushing = api.app.state.desk.watch._flushing
    assert flushing is not None
    await flushing
    (line,) = vault.anchors.read_text().splitlines()
    assert f'"clinic":"{CLINIC}"' in line


def route_of(app: Litestar, method: str, path: str) -> str:
    found = app.asgi_router.handle_routing(path=f"{PREFIX}{path.partition('?')[0]}", method=method)
    return found[4].replace(":str", "")


def test_what_is_said_to_show_nothing_is_a_route_there_is(api: Api) -> None:
    known = {path for route in api.app.routes for path in [route.path_format]}
    assert known >= NOTHING_OF_A_PATIENT


async def test_a_refusal_is_noted_with_whom_it_was_about(api: Api) -> None:
    await api("GET", "/clinics/riverside/patients/ada", ADA)
    await api("GET", "/clinics/riverside/patients/ada", DOV)
    await api("GET", "/me/today", BEN)
    mine = [it for it in await noted(api) if it.outcome == "refused"]
    theirs = [it for it in await noted(api, OTHER) if it.outcome == "refused"]
    assert [(it.who, it.what, it.patient) for it in mine] == [
        ("patient:ada", "GET /api/v1/clinics/{clinic}/patients/{id}", "ada"),
        ("clinician:ben", "GET /api/v1/me/today", ""),
    ]
    assert [(it.who, it.patient) for it in theirs] == [("clinician:dov", "ada")]


async def test_an_id_that_cannot_be_is_refused_and_forges_nothing(api: Api) -> None:
    for id in ("%00", "a%0Ab", "x" * 300, "%1B%5B2K", "%F0%9F%A6%B5"):
        assert (await api("GET", f"/clinics/riverside/patients/{id}")).status_code == 404
    refused = [it.patient for it in await noted(api) if it.outcome == "refused"]
    assert refused == ["?", "a?b", "x" * 64, "?[2K", "?"]


async def test_a_strangers_tries_are_summed_up_by_the_hour_in_a_chain_of_no_clinic(api: Api) -> None:
    for _ in range(3):
        await api("GET", "/clinics/riverside/patients/ada", None)
        await api("GET", "/me/today", None)
    found = await noted(api, SERVER)
    assert [(it.who, it.what, it.patient, it.outcome) for it in found] == [
        ("nobody", "GET /api/v1/clinics/{clinic}/patients/{id}", "", "refused"),
        ("nobody", "GET /api/v1/me/today", "", "refused"),
    ]
    api.clock.move_to(api.clock.now() + HOUR)
    await api("GET", "/me/today", None)
    assert len(await noted(api, SERVER)) == 3


async def test_a_patients_reads_of_their_own_record_are_one_row_an_hour(api: Api) -> None:
    before = len(await noted(api))
    for _ in range(4):
        for path in ("/me/today", "/me/check-ins"):
            assert (await api("GET", path, ADA)).status_code == 200
    await api("GET", "/me/today", EVE)
    api.clock.move_to(api.clock.now() + HOUR)
    await api("GET", "/me/today", ADA)
    fresh = (await noted(api))[before:]
    assert [(it.who, it.what, it.patient) for it in fresh] == [("patient:ada", "read own record", "ada")] * 2
    assert sum(it.what == "read own record" for it in await noted(api, OTHER)) == 1


async def test_each_read_of_staff_is_on_the_disk_before_it_is_answered(api: Api) -> None:
    for who in (BEN, CLEO, BEN):
        await api("GET", "/clinics/riverside/patients/ada", who)
    rows = await api.db.read(audit.links, CLINIC, 0, 10_000)  # nothing was flushed
    assert [it.note.who for it in rows][-3:] == ["clinician:ben", "clinician:cleo", "clinician:ben"]


async def test_what_cannot_be_noted_is_not_shown(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    with failing(monkeypatch):
        reply = await api("GET", "/clinics/riverside/patients/ada", BEN)
    assert reply.status_code == 500
    assert b"Ada" not in reply.content


@contextmanager
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def full(*_: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(audit, "append", full)
        yield


async def test_a_change_and_its_note_are_one_transaction(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (await api("GET", "/clinics/riverside/patients/ada", BEN)).json()
    with failing(monkeypatch):
        reply = await api("PATCH", "/clinics/riverside/patients/ada", BEN, {"zone": "Europe/Madrid"}, if_match='"1"')
    assert reply.status_code == 500
    assert (await api("GET", "/clinics/riverside/patients/ada", BEN)).json() == before


async def test_a_reply_that_is_given_again_is_noted_again(api: Api) -> None:
    body = {"name": "Zoë", "zone": "Europe/Madrid", "clinician_id": "ben", "consent": True}
    for _ in range(2):
        await api("POST", "/clinics/riverside/patients", BEN, body, idempotency_key="k1")
    whats = [it.what for it in await noted(api)][-2:]
    assert whats == ["enrol patient", "POST /api/v1/clinics/{clinic}/patients"]


async def test_what_is_held_for_a_moment_is_written_at_the_latest_when_the_database_closes(database: Database) -> None:
    def some(db: Connection) -> int:
        return audit.head(db, CLINIC).number

    clock_ = SetClock(0)
    watch = Watch(database, clock_, ())
    watch._hold(Note(CLINIC, "patient:ada", "read own record", "ada", "", SECOND))
    await watch.close()
    assert await database.read(some) == 1
    clock_.move_to(MINUTE)
    await watch.close()
    assert await database.read(some) == 1

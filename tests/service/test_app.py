"""The application as a whole: it starts and stops, it is healthy or says why not, and everything is in it."""

from pathlib import Path

import httpx
import pytest

from programs.instants import DAY, HOUR, MINUTE
from service import care, console
from service.api.docs import Documentation
from service.app import build
from service.clock import SetClock
from service.database import Database, connect
from service.jobs import Worker
from service.settings import Settings
from tests.notifications.test_delivery import Wire
from tests.world import BEN, NOON, populate, session


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOON)


async def health(app: object) -> tuple[int, list[str]]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as http:  # type: ignore[arg-type]
        reply = await http.get("/healthz")
    assert reply.headers["content-type"] == "application/json"
    return reply.status_code, reply.json()["problems"]


async def test_it_starts_and_stops(database: Database, clock: SetClock) -> None:
    app = build(Settings(), database, clock, None)
    async with app.lifespan():
        assert await health(app) == (200, [])


async def test_it_is_well_while_the_worker_turns_and_nothing_is_overdue(database: Database, clock: SetClock) -> None:
    await database.write(populate)
    await database.write(care.record_session, BEN, "s1", session(), NOON)
    worker = Worker(database, {"console": Wire()}, clock)
    app = build(Settings(), database, clock, worker)
    await worker.turn()
    assert await health(app) == (200, [])
    clock.move_to(NOON + 2 * MINUTE)
    assert await health(app) == (503, ["the worker has not finished a turn"])
    clock.move_to(NOON + 6 * HOUR)
    assert await health(app) == (503, ["the worker has not finished a turn", "a message is overdue"])
    await worker.turn()
    assert await health(app) == (200, [])


async def test_without_a_worker_of_its_own_it_still_sees_what_is_overdue(database: Database, clock: SetClock) -> None:
    await database.write(populate)
    await database.write(care.record_session, BEN, "s1", session(), NOON)
    app = build(Settings(), database, clock, None)
    assert await health(app) == (200, [])
    clock.move_to(NOON + DAY)
    assert await health(app) == (503, ["a message is overdue"])


async def test_it_is_not_well_when_the_database_does_not_answer(tmp_path: Path, clock: SetClock) -> None:
    async with await connect(f"sqlite:///{tmp_path / 'empty.db'}", {}) as without_tables:
        app = build(Settings(), without_tables, clock, None)
        assert await health(app) == (503, ["the database does not answer"])


async def test_health_tells_nothing_of_anybody(database: Database, clock: SetClock) -> None:
    await database.write(populate)
    await database.write(care.record_session, BEN, "s1", session(), NOON)
    app = build(Settings(), database, clock, None)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as http:  # type: ignore[arg-type]
        reply = await http.get("/healthz")
    counts = {"failed_turns", "unaccounted", "quarantined", "waiting_after_restore", "unplanned", "uncounted"}
    assert set(reply.json()) == {"problems", "turned_at", "oldest_due_at", "flags_nobody_acknowledged"} | counts


async def test_what_the_pages_need_is_there(database: Database, clock: SetClock) -> None:
    settings = Settings()
    app = build(settings, database, clock, None)
    assert (app.state.database, app.state.clock, app.state.settings) == (database, clock, settings)
    assert isinstance(app.state.documentation, Documentation)
    paths = {route.path for route in app.routes}
    assert {"/", "/healthz", "/api/v1/me/today"} <= paths
    assert console.ROUTES


async def test_over_plain_http_no_browser_is_told_to_insist_on_https(database: Database, clock: SetClock) -> None:
    app = build(Settings(public_url="http://127.0.0.1:8000"), database, clock, None)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as http:  # type: ignore[arg-type]
        assert "strict-transport-security" not in (await http.get("/healthz")).headers

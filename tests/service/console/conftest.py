"""The pages in the application, and browsers of the people of tests/world.py, all in this process."""

from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import httpx
import pytest
from argon2 import Parameters, Type
from sqlalchemy import Connection

from service.auth import passwords
from service.care import Who
from service.clock import SetClock
from service.console.cookies import COOKIE
from service.database import Database
from service.settings import Settings
from tests.service.application import built
from tests.world import ADA, BEN, CLEO, DOV, EVE, NOON, let_in, populate

ORIGIN = "http://pages.test"
OURS = {"sec-fetch-site": "same-origin"}
Browser = Callable[[Who | None], httpx.AsyncClient]


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashed with next to no work: what is tested is who is asked, not how long it takes."""
    cheap = Parameters(Type.ID, version=19, salt_len=16, hash_len=32, time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "COST", cheap)


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOON)


@pytest.fixture
def settings() -> Settings:
    return Settings(public_url=ORIGIN)


@pytest.fixture
async def world(database: Database) -> Database:
    """Everybody of tests/world.py with a token of their own: their id."""

    def tokens_too(db: Connection) -> None:
        populate(db)
        for who in (ADA, BEN, CLEO, DOV, EVE):
            let_in(db, who)

    await database.write(tokens_too)
    return database


@pytest.fixture
async def browser(world: Database, clock: SetClock, settings: Settings) -> AsyncIterator[Browser]:
    """A browser that somebody is signed in with, or nobody; it says of itself that its forms are ours."""
    app = built(settings, world, clock)
    opened: list[httpx.AsyncClient] = []

    def open_one(who: Who | None) -> httpx.AsyncClient:
        cookies = {COOKIE: who.id} if who else {}
        one = httpx.AsyncClient(
            transport=httpx.ASGITransport(cast(Any, app)),
            base_url=settings.public_url,
            headers=OURS,
            cookies=cookies,
            follow_redirects=True,
        )
        opened.append(one)
        return one

    yield open_one
    for one in opened:
        await one.aclose()

"""The pages in the application, and browsers of the people of tests/world.py, all in this process."""

from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import httpx
import pytest
from argon2 import Parameters, Type

from service.auth import passwords
from service.care import Who
from service.clock import SetClock
from service.console.cookies import COOKIE
from service.database import Database
from service.settings import Settings
from tests.service.application import built
from tests.world import NOON, tokens_too

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

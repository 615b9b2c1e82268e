"""Somebody who asks without end: refused with the time to come back, and nobody else is."""

import pytest

from programs.instants import MINUTE, SECOND
from service.settings import Settings
from tests.service.api.conftest import Api
from tests.world import BEN, CLEO, OTHER

PROGRAMS = "/clinics/riverside/programs"


@pytest.fixture
def settings() -> Settings:
    return Settings(public_url="https://aftercare.example.org", api_requests_a_minute=50)


async def test_a_token_that_asks_without_end_is_told_when_to_come_back(api: Api) -> None:
    replies = [await api("GET", PROGRAMS, BEN) for _ in range(60)]
    assert [it.status_code for it in replies] == [200] * 55 + [429] * 5
    assert replies[-1].headers["retry-after"] == "6"
    assert replies[-1].json()["detail"] == "That was tried too often. Please wait 6 seconds, then try again."
    api.clock.move_to(api.clock.now() + 6 * SECOND)
    assert (await api("GET", PROGRAMS, BEN)).status_code == 200
    for _ in range(4):
        assert (await api("GET", PROGRAMS, BEN)).status_code == 200
    assert (await api("GET", PROGRAMS, BEN)).status_code == 429
    api.clock.move_to(api.clock.now() + MINUTE)
    assert (await api("GET", PROGRAMS, BEN)).status_code == 200


async def test_only_that_token_is_refused_whatever_else_the_request_says_of_itself(api: Api) -> None:
    for number in range(60):
        last = await api("GET", PROGRAMS, BEN, x_forwarded_for=f"198.51.100.{number}", x_forwarded_host="evil.test")
    assert last.status_code == 429
    assert OTHER not in last.text
    assert (await api("GET", PROGRAMS, CLEO)).status_code == 200

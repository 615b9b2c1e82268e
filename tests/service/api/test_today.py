"""GET /me/today: what waits, what is due; kept between requests, and never a moment longer than it is true."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from programs.instants import DAY, HOUR, MINUTE, SECOND
from service import care
from service.api.todays import KeptToday, Todays
from tests.service.api.conftest import Api
from tests.world import ADA, BEN, EVE, NOON, session

PATH = "/me/today"
TODAY = date(2026, 6, 1).toordinal()


async def test_today_holds_what_waits_and_what_is_due(api: Api) -> None:
    api.clock.move_to(NOON + DAY)
    it = (await api("GET", PATH, ADA)).json()
    assert (it["date"], it["zone"], it["name"], it["language"]) == ("2026-06-02", "America/New_York", "Ada", "en")
    assert it["if_unwell"] == "If you feel very unwell, call 911 now."
    assert [one["id"] for one in it["check_ins"]] == ["s1-day1"]
    questions = it["check_ins"][0]["questions"]
    assert questions[0]["text"].endswith("?")
    (move,) = [one for one in questions if one["id"] == "q_move"]
    assert move["options"][1] == {"value": "some", "label": "Some"}
    (bout,) = it["bouts"]
    assert (bout["plan_id"], bout["time"]) == ("p1", "09:00")
    bridge = bout["exercises"][0]
    assert (bridge["exercise"], bridge["how_much"]) == ("hip_bridge", "3 sets of 10, hold 5 seconds")
    assert bridge["steps"]
    assert bridge["stop"].startswith("Stop and contact your clinic")
    assert (bridge["held"], bridge["done"]) == (None, None)


async def test_what_is_held_says_why(api: Api) -> None:
    await api("POST", "/clinics/riverside/patients/ada/plans/p1/hold", BEN, {"reason": "too sore"})
    api.clock.move_to(NOON + DAY)
    (bout,) = (await api("GET", PATH, ADA)).json()["bouts"]
    assert [it["held"] for it in bout["exercises"]] == ["too sore", "too sore"]


async def test_everybody_sees_their_own(api: Api) -> None:
    assert [(await api("GET", PATH, who)).json()["name"] for who in (ADA, EVE, ADA)] == ["Ada", "Eve", "Ada"]


async def test_it_is_new_as_soon_as_anything_was_written(api: Api) -> None:
    assert [it["id"] for it in (await api("GET", PATH, ADA)).json()["check_ins"]] == ["s1-evening"]
    await api.db.write(care.record_session, BEN, "s9", session(api.clock.now() - 3 * HOUR), api.clock.now())
    assert [it["id"] for it in (await api("GET", PATH, ADA)).json()["check_ins"]] == ["s1-evening", "s9-evening"]


async def test_it_is_new_when_a_check_in_opens_or_closes_and_when_the_date_changes(api: Api) -> None:
    ended = NOON - HOUR
    for at, expected in (
        (ended + 18 * HOUR - 1, ["s1-evening"]),
        (ended + 18 * HOUR, []),
        (ended + 24 * HOUR - 1, []),
        (ended + 24 * HOUR, ["s1-day1"]),
    ):
        api.clock.move_to(at)
        assert [it["id"] for it in (await api("GET", PATH, ADA)).json()["check_ins"]] == expected
    midnight = NOON + 36 * HOUR
    for at, day in ((midnight - 1, "2026-06-02"), (midnight, "2026-06-03")):
        api.clock.move_to(at)
        assert (await api("GET", PATH, ADA)).json()["date"] == day


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_between_writes_it_is_read_once(api: Api) -> None:
    reads = []
    read = api.db.read

    async def counted(verb: Callable[..., Any], *args: Any) -> Any:
        reads.append(verb)
        return await read(verb, *args)

    api.db.read = counted  # type: ignore[method-assign]
    replies = [(await api("GET", PATH, ADA)).content for _ in range(5)]
    assert len(set(replies)) == 1
    assert [getattr(verb, "__name__", "") for verb in reads] == ["find_token", "_still"]


def test_nothing_is_kept_longer_than_it_holds() -> None:
    todays = Todays()
    kept = KeptToday(5, NOON, NOON + MINUTE, "America/New_York", TODAY, b"{}")
    todays.keep(ADA, kept)
    assert todays.find(ADA, 5, NOON) == b"{}"
    assert todays.find(ADA, 5, NOON + MINUTE - 1) == b"{}"
    assert todays.find(ADA, 6, NOON) is None
    assert todays.find(ADA, 5, NOON - 1) is None
    assert todays.find(ADA, 5, NOON + MINUTE) is None
    assert todays.find(EVE, 5, NOON) is None
    todays.keep(ADA, kept._replace(day=TODAY - 1))
    assert todays.find(ADA, 5, NOON + SECOND) is None
    todays.keep(EVE, kept._replace(commits=6))
    assert todays.find(ADA, 5, NOON) is None

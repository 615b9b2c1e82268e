"""Batches from a phone: own times kept, a verdict an item, one bad item spoils none, twice is once."""

from typing import Any

from programs.instants import DAY, HOUR, say
from tests.service.api.conftest import Api
from tests.world import ADA, NOON

PATH = "/me/completions"


def done(id: str = "c1", **changed: Any) -> dict[str, Any]:
    it = {"id": id, "plan_id": "p1", "exercise": "hip_bridge", "date": "2026-06-02", "time": "09:00"}
    return {**it, "outcome": "done", "done_at": say(NOON + HOUR), **changed}


async def verdicts(api: Api, *items: Any) -> list[tuple[str | None, str]]:
    reply = await api("POST", PATH, ADA, {"items": list(items)})
    assert reply.status_code == 200, reply.text
    assert [it["index"] for it in reply.json()["items"]] == list(range(len(items)))
    return [(it["id"], it["verdict"]) for it in reply.json()["items"]]


async def test_each_item_is_judged_alone(api: Api) -> None:
    bad: list[Any] = [
        done("b1", done_at="2026-06-01T10:00:00"),
        done("b2", time="9:00"),
        done("b3", pain=11),
        done("b4", outcome="perhaps"),
        done("b5", date="2026-13-01"),
        done("b6", sets=10**40),
        done("b7", done_at="9999-12-31T00:00:00Z"),
        done("b8", note="nul \u0000"),
        done("b9", feeling="good"),
        done("c 1"),
        {"id": "b10"},
        {"id": 5},
        17,
        None,
        [],
    ]
    found = await verdicts(api, done("c1"), *bad, done("c2", exercise="walking"), done("c3", plan_id="p2"))
    assert found[0] == ("c1", "accepted")
    assert [verdict for _, verdict in found[1 : len(bad) + 1]] == ["rejected"] * len(bad)
    assert [id for id, _ in found[1:12]] == ["b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8", "b9", "c 1", "b10"]
    assert [id for id, _ in found[12 : len(bad) + 1]] == [None] * 4
    assert found[-2:] == [("c2", "accepted"), ("c3", "rejected")]


async def test_a_rejected_item_says_what_is_wrong_with_it(api: Api) -> None:
    items = [done("b1", time="9:00"), done("b2", plan_id="nothing"), done("b3", done_at=say(NOON + 2 * DAY))]
    reply = (await api("POST", PATH, ADA, {"items": items})).json()["items"]
    assert reply[0]["problem"] == "time: is not written as it must be. A time of day as HH:MM."
    assert "plan" in reply[1]["problem"]
    assert "future" in reply[2]["problem"]


async def test_what_was_not_asked_for_is_kept_and_counts_for_nothing(api: Api) -> None:
    assert await verdicts(api, done("c1", exercise="clamshell"), done("c2", date="2020-01-01")) == [
        ("c1", "not_due"),
        ("c2", "not_due"),
    ]


async def test_sent_twice_it_is_once_also_within_a_batch_and_without_a_key(api: Api) -> None:
    assert await verdicts(api, done("c1"), done("c1")) == [("c1", "accepted"), ("c1", "duplicate")]
    assert await verdicts(api, done("c1", outcome="skipped")) == [("c1", "duplicate")]


async def test_an_old_time_is_kept_as_it_was(api: Api) -> None:
    api.clock.move_to(NOON + 20 * DAY)
    when = "2026-06-02T09:10:00-04:00"
    await api("POST", PATH, ADA, {"items": [done("c1", done_at=when, sets=3, pain=1)]})
    path = "/clinics/riverside/patients/ada/adherence?from=2026-06-02&to=2026-06-02&items=true"
    items = (await api("GET", path)).json()["items"]
    # No worker runs here, so nothing reminded her; but who logged one exercise of a bout knew of the others.
    assert {it["exercise"]: it["state"] for it in items} == {"hip_bridge": "done", "walking": "missed"}


async def test_a_batch_has_a_size(api: Api) -> None:
    for items, problem in (([], "must have at least 1 items"), ([done()] * 201, "must have at most 200 items")):
        status, errors = await api.problem("POST", PATH, ADA, {"items": items})
        assert (status, errors[0][:2]) == (422, ("/items", problem))
    assert len(await verdicts(api, *(done(f"c{at}") for at in range(200)))) == 200


async def test_what_was_recorded_shows_today(api: Api) -> None:
    api.clock.move_to(NOON + DAY)
    before = (await api("GET", "/me/today", ADA)).json()
    await api("POST", PATH, ADA, {"items": [done("c1", sets=2, outcome="partly", done_at=say(NOON + DAY - HOUR))]})
    after = (await api("GET", "/me/today", ADA)).json()
    assert [it["done"] for it in before["bouts"][0]["exercises"]] == [None, None]
    shown = after["bouts"][0]["exercises"][0]["done"]
    assert (shown["id"], shown["outcome"], shown["sets"]) == ("c1", "partly", 2)

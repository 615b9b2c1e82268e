"""Adherence over the API: the number, what it stands on, and nothing where there is too little."""

from typing import Any

from programs.instants import DAY, HOUR, say
from tests.service.api.conftest import Api
from tests.world import ADA, BEN, NOON

PATH = "/clinics/riverside"


async def do(api: Api, day: int, exercise: str = "hip_bridge", **changed: Any) -> None:
    api.clock.move_to(NOON + day * DAY)
    it = {"id": f"{exercise}-{day}", "plan_id": "p1", "exercise": exercise, "date": f"2026-06-{1 + day:02}"}
    it |= {"time": "09:00", "outcome": "done", "done_at": say(NOON + day * DAY - 2 * HOUR), **changed}
    reply = await api("POST", "/me/completions", ADA, {"items": [it]})
    assert reply.json()["items"][0]["verdict"] == "accepted", reply.text


async def test_a_number_comes_with_what_it_stands_on(api: Api) -> None:
    await do(api, 1)
    await do(api, 2, outcome="partly", sets=1)
    await do(api, 3, outcome="skipped", reason="too_sore")
    api.clock.move_to(NOON + 3 * DAY)
    it = (await api("GET", f"{PATH}/patients/ada/adherence?from=2026-06-02&to=2026-06-04&items=true")).json()
    bridges = [one for one in it["items"] if one["exercise"] == "hip_bridge"]
    assert [(one["date"], one["time"], one["state"], one["completion_id"]) for one in bridges] == [
        ("2026-06-02", "09:00", "done", "hip_bridge-1"),
        ("2026-06-03", "09:00", "partly", "hip_bridge-2"),
        ("2026-06-04", "09:00", "skipped", "hip_bridge-3"),
    ]
    assert bridges[2]["reason"] == "too_sore"
    assert sum(it["counts"].values()) == len(it["items"]) == 6
    # done, 1 of 3, skipped; she did not log the walks of bouts she was there for; today's is still open
    assert it["counts"] == {"done": 1, "partly": 1, "skipped": 1, "missed": 2, "open": 1}
    assert (it["percent"], it["n"], it["band"]) == (26.7, 5, "low")
    assert (it["logged_days"], it["due_days"]) == (3, 3)


async def test_too_little_is_no_number(api: Api) -> None:
    it = (await api("GET", f"{PATH}/patients/ada/adherence")).json()
    assert (it["percent"], it["band"], it["items"]) == (None, "not enough data", None)
    assert (it["from"], it["to"]) == ("2026-05-05", "2026-06-01")


async def test_a_clinic_is_seen_in_groups_and_together(api: Api) -> None:
    for day in (1, 2, 3):
        await do(api, day)
    for by, name in (("clinician", "Ben"), ("program", "Hip program"), ("week", "2026-W23")):
        it = (await api("GET", f"{PATH}/adherence?by={by}")).json()
        (group,) = it["groups"]
        assert (it["by"], group["name"], group["patients"]) == (by, name, 1)
        assert it["all"] == {**group, "name": "", "key": ""}


async def test_a_range_that_cannot_be_is_refused(api: Api) -> None:
    for path in (f"{PATH}/adherence", f"{PATH}/patients/ada/adherence"):
        for query, where in (
            ("from=2026-06-02&to=2026-06-01", "to"),
            ("from=2024-01-01&to=2026-01-01", "to"),
            ("from=0001-01-01&to=0001-01-02", "to"),
            ("from=yesterday", "from"),
            ("form=2026-06-01", "form"),
        ):
            status, errors = await api.problem("GET", f"{path}?{query}", BEN)
            assert (status, errors[0][0]) == (422, where), query
        assert (await api("GET", f"{path}?to=9999-12-31&from=9999-12-01")).status_code == 200
    assert (await api.problem("GET", f"{PATH}/adherence?by=month"))[1][0][
        2
    ] == "Allowed: clinician, patient, program, week."

"""Remote monitoring over the API: counted from what patients sent, with the evidence; minutes are never overwritten."""

from typing import Any

from sqlalchemy import Connection

from programs import people
from programs.instants import DAY, HOUR, say
from service.care import Who
from tests.service.api.conftest import Api
from tests.world import ADA, BEN, CLINIC, NOON, let_in

ANA = Who(CLINIC, "admin", "ana", sees_all=True)

PATH = "/clinics/riverside/patients/ada"


async def log(api: Api, day: int, received: int | None = None) -> None:
    api.clock.move_to(NOON + (day if received is None else received) * DAY)
    it = {"id": f"c{day}", "plan_id": "p1", "exercise": "hip_bridge", "date": f"2026-06-{1 + day:02}", "time": "09:00"}
    it |= {"outcome": "skipped", "reason": "no_time", "done_at": say(NOON + day * DAY - HOUR)}
    assert (await api("POST", "/me/completions", ADA, {"items": [it]})).json()["items"][0]["verdict"] == "accepted"


async def spend(api: Api, minutes: int, live: bool = False, **more: Any) -> Any:
    return await api(
        "POST", f"{PATH}/staff-time", BEN, {"date": "2026-06-02", "minutes": minutes, "live": live, **more}
    )


async def test_a_window_counts_dates_on_which_the_patient_sent_something(api: Api) -> None:
    await log(api, 1)
    await log(api, 2, received=3)  # a day late
    await log(api, 4)
    it = (await api("GET", f"{PATH}/monitoring?month=2026-06&evidence=true", BEN)).json()
    (window,) = it["windows"]
    assert (window["from"], window["to"], window["days"], window["last"]) == (
        "2026-06-02",
        "2026-07-01",
        2,
        "2026-06-05",
    )
    assert (window["tier"], window["label"], window["still_needed"]) == ("device_days_2_15", "", 14)
    assert [(one["id"], one["counts"]) for one in window["evidence"]] == [("c1", True), ("c2", False), ("c4", True)]
    late = (await api("GET", f"{PATH}/monitoring?month=2026-06&grace=1", BEN)).json()
    assert (late["windows"][0]["days"], late["windows"][0]["evidence"]) == (3, None)
    assert (await api.problem("GET", f"{PATH}/monitoring?month=2026-13", BEN))[0] == 422
    assert (await api.problem("GET", f"{PATH}/monitoring?grace=8", BEN))[0] == 422


async def test_minutes_are_corrected_by_a_new_entry_and_only_once(api: Api) -> None:
    api.clock.move_to(NOON + 2 * DAY)
    first = (await spend(api, 25, live=True, note="phoned")).json()
    second = (await spend(api, 12, live=True, replaces=first["id"])).json()
    await spend(api, 5)
    month = (await api("GET", f"{PATH}/monitoring", BEN)).json()["month"]
    assert (month["month"], month["minutes"], month["live"]) == ("2026-06", 17, True)
    assert month["tier"] == "staff_minutes_10_19"
    assert {one["minutes"]: one["id"] for one in month["entries"]}[12] == second["id"]
    assert (await spend(api, 1, replaces=first["id"])).status_code == 409
    assert (await spend(api, 1, replaces="nothing")).status_code == 404
    assert (await spend(api, 0, replaces=second["id"])).status_code == 201
    month = (await api("GET", f"{PATH}/monitoring", BEN)).json()["month"]
    assert (month["minutes"], month["live"], month["tier"]) == (5, False, None)


async def test_minutes_that_cannot_be_are_refused(api: Api) -> None:
    for body, where in (
        ({"minutes": 0}, "minutes"),
        ({"minutes": 601}, "/minutes"),
        ({"date": "2026-06-03"}, "date"),
        ({"date": "2024-06-03"}, "date"),
    ):
        given = {"date": "2026-06-01", "minutes": 5, "live": False, **body}
        status, errors = await api.problem("POST", f"{PATH}/staff-time", BEN, given)
        assert (status, errors[0][0].lstrip("/")) == (422, where.lstrip("/")), body
    assert (await api("GET", f"{PATH}/monitoring", BEN)).json()["month"]["entries"] == []


async def test_a_clinic_gives_the_tiers_its_own_names(api: Api) -> None:
    def with_ana(db: Connection) -> None:
        people.add_clinician(db, CLINIC, "ana", "Ana", "admin")
        let_in(db, ANA)

    await api.db.write(with_ana)

    async def label(**labels: str) -> Any:
        return await api("PUT", "/clinics/riverside/settings/monitoring-labels", ANA, {"labels": labels})

    assert (await label(device_days_2_15="our short one")).json()["labels"] == {"device_days_2_15": "our short one"}
    await log(api, 1)
    await log(api, 2)
    assert (await api("GET", f"{PATH}/monitoring", BEN)).json()["windows"][0]["label"] == "our short one"
    assert (await label(device_days_2_15="")).json()["labels"] == {}
    assert (await label(device_days_1="x")).status_code == 422
    assert (await label(device_days_2_15="x" * 81)).status_code == 422

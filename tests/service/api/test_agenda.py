"""Preview and explain: what would be sent, why, and that looking writes nothing."""

from typing import Any

from sqlalchemy import Connection, func, select

from programs.tables import metadata
from tests.service.api.conftest import Api
from tests.world import BEN

PATH = "/clinics/riverside/patients/ada/agenda"
SESSION = {"patient_id": "ada", "ended_at": "2026-06-01T11:00:00-04:00", "muscles": ["TFL"], "side": "left"}
PLAN = {"prescriptions": [{"exercise": "walking", "dosage": {"minutes": 10}}], "times": ["10:45"], "title": "Walk"}


def rows(db: Connection) -> dict[str, int]:
    """Of each table; that somebody looked is noted in the audit, and nothing else may be."""
    tables = (table for table in metadata.sorted_tables if table.name != "audit")
    return {table.name: db.execute(select(func.count()).select_from(table)).scalar_one() for table in tables}


async def test_every_message_says_when_about_what_and_why(api: Api) -> None:
    it = (await api("GET", f"{PATH}?days=4")).json()
    assert (it["zone"], it["starts_at"], it["ends_at"]) == (
        "America/New_York",
        "2026-06-01T19:00:00Z",
        "2026-06-05T19:00:00Z",
    )
    first = it["messages"][0]
    assert (first["kind"], first["at"], first["local"]) == ("check_in", "2026-06-01T21:00:00Z", "2026-06-01T17:00")
    assert first["subjects"] == [{"kind": "check_in", "check_in_id": "s1-evening"}]
    assert first["reasons"] == [
        {"code": "step_evening", "text": "The check-in of the same evening, about 6 hours after the needling session."}
    ]
    assert [one["reason"]["code"] for one in it["omissions"] if one["subject"].get("check_in_id") == "s1-day3"] == [
        "conditional"
    ]
    assert any(one["kind"] == "bout" and one["plan_id"] == "p1" for m in it["messages"] for one in m["subjects"])


async def test_a_preview_shows_what_saving_would_bring_and_saves_nothing(empty: Api) -> None:
    before = await empty.db.read(rows)
    reply = await empty("POST", f"{PATH}?days=3", BEN, {"needling_session": SESSION, "plan": PLAN})
    assert await empty.db.read(rows) == before
    await empty("POST", "/clinics/riverside/needling-sessions", BEN, SESSION)
    await empty("POST", "/clinics/riverside/patients/ada/plans", BEN, PLAN)
    saved = (await empty("GET", f"{PATH}?days=3")).json()
    shown = reply.json()
    assert [(it["at"], it["kind"], it["reasons"]) for it in shown["messages"]] == [
        (it["at"], it["kind"], it["reasons"]) for it in saved["messages"]
    ]
    assert any(it["reasons"][-1]["code"] == "merged" for it in shown["messages"])


async def test_a_preview_of_nothing_is_the_agenda(api: Api) -> None:
    nothing: tuple[dict[str, Any] | None, ...] = ({}, None)
    for body in nothing:
        assert (await api("POST", PATH, BEN, body)).json() == (await api("GET", PATH)).json()


async def test_what_could_not_be_saved_cannot_be_previewed(empty: Api) -> None:
    bad: tuple[tuple[dict[str, Any], str], ...] = (
        ({"needling_session": {**SESSION, "muscles": ["TFLL"]}}, "/needling_session/muscles/0"),
        ({"needling_session": {**SESSION, "ended_at": "2027-06-01T11:00:00Z"}}, "/needling_session/ended_at"),
        ({"needling_session": {**SESSION, "patient_id": "eve"}}, "/needling_session/patient_id"),
        ({"needling_session": {**SESSION, "sid": "left"}}, "/needling_session/sid"),
        ({"plan": {**PLAN, "times": []}}, "/plan/times"),
        ({"plan": {**PLAN, "template": "x"}}, "/plan/prescriptions"),
    )
    for body, where in bad:
        status, errors = await empty.problem("POST", PATH, BEN, body)
        assert (status, errors[0][0]) == (422, where), body


async def test_days_are_from_1_to_60(api: Api) -> None:
    assert (await api("GET", f"{PATH}?days=60")).status_code == 200
    for days in ("0", "61", "x", "14.5", ""):
        assert (await api("GET", f"{PATH}?days={days}")).status_code == 422

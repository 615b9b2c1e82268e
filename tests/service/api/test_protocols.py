"""Protocols over the API: drafts and approval; and one prompt for two visits, whose answers stay apart."""

from typing import Any

import msgspec
from sqlalchemy import Connection, select

from notifications.tables import message
from programs import checkins
from programs.instants import HOUR
from service import care
from tests.service.api.conftest import Api
from tests.world import ADA, BEN, CLEO, CLINIC, DOV, NOON, session

PATH = "/clinics/riverside/protocols"
EVENING = {"name": "evening", "opens": 1.5, "target": 4, "closes": 18}
DAY7 = {"name": "day7", "opens": 156, "target": 168, "closes": 204, "also": ["q_free"]}
WHY = "We phone every patient on that day."
OURS = {"steps": [DAY7, EVENING], "left_out": {"day1": WHY, "day2": WHY, "day3": WHY}}
PLAIN = {"conditional": False, "also": [], "without": [], "late": "catch_up"}


async def test_a_draft_comes_back_as_it_was_sent_and_is_in_force_once_approved(empty: Api) -> None:
    (shipped,) = (await empty("GET", PATH)).json()["items"]
    assert (shipped["id"], shipped["in_force"], shipped["made_by"]) == ("0", True, "homestretch")
    assert (shipped["approved_by"], shipped["approved_at"]) == (None, None)
    reply = await empty("POST", PATH, CLEO, OURS)
    it = reply.json()
    assert reply.headers["location"] == f"/api/v1{PATH}/1"
    assert it["steps"] == [{**PLAIN, **EVENING}, {**PLAIN, **DAY7}]
    assert (it["in_force"], it["approved_by"], it["left_out"]) == (False, None, OURS["left_out"])
    assert (await empty("GET", f"{PATH}/1")).json() == it
    approved = (await empty("POST", f"{PATH}/1/approve", BEN)).json()
    assert approved == {
        **it,
        "in_force": True,
        "approved_by": "clinician:ben",
        "approved_at": "2026-06-01T16:00:00Z",
    }
    assert [one["in_force"] for one in (await empty("GET", PATH)).json()["items"]] == [True, False]
    assert [one["id"] for one in (await empty("GET", "/clinics/harbour/protocols", DOV)).json()["items"]] == ["0"]
    for id in ("2", "x", "-1", "9" * 40):
        assert (await empty("GET", f"{PATH}/{id}")).status_code == 404


async def test_what_cannot_be_says_where_and_what_would_do(empty: Api) -> None:
    narrow = {**OURS, "steps": [EVENING, {**DAY7, "closes": 171}]}
    assert await empty.problem("POST", PATH, BEN, narrow) == (
        422,
        [
            (
                "/steps/1/closes",
                "must be at least 16 hours after it opens",
                "A patient's quiet hours may take 12 of them, and a clock change one more.",
            )
        ],
    )
    status, ((where, problem, hint),) = await empty.problem("POST", PATH, BEN, {"steps": [EVENING]})
    assert (status, where, problem) == (422, "/left_out", "says no reason for leaving out day1")
    assert "under left_out" in hint
    assert len((await empty("GET", PATH)).json()["items"]) == 1


async def test_two_visits_30_hours_apart_give_one_prompt_with_two_check_ins_and_answers_kept_apart(api: Api) -> None:
    """RADAR and EXACT drop one of them, others send both (features.md G2)."""
    second = NOON + 29 * HOUR  # "48 h" of s1 and "24 h" of the other are six hours apart
    await api.db.write(care.record_session, BEN, "sb", session(second, muscles=("upper trapezius",)), second)
    prompts = await api.db.read(_prompts)
    assert [it for it in prompts if "check_in:s1-day2" in it] == [{"check_in:s1-day2", "check_in:sb-day1"}]
    api.clock.move_to(second + 25 * HOUR)
    waiting = (await api("GET", "/me/today", ADA)).json()["check_ins"]
    assert [(it["id"], it["session_id"], it["needled_at"]) for it in waiting] == [
        ("s1-day2", "s1", "2026-06-01T15:00:00Z"),
        ("sb-day1", "sb", "2026-06-02T21:00:00Z"),
    ]
    assert "rf_breath" not in _asked(waiting[0])
    assert "rf_breath" in _asked(waiting[1])
    for it, sore in zip(waiting, (2, 5), strict=True):
        await api("POST", f"/me/check-ins/{it['id']}/answers", ADA, {"answers": {"q_sore": sore}})
    assert (await api("GET", "/me/today", ADA)).json()["check_ins"] == []
    for id, sore in (("s1", 2), ("sb", 5)):
        (said,) = (await api.db.read(checkins.answers_of, CLINIC, id)).values()
        assert said == {"q_sore": sore}


def _asked(it: dict[str, Any]) -> set[str]:
    return {question["id"] for question in it["questions"]}


def _prompts(db: Connection) -> list[set[str]]:
    """The check-ins of each of Ada's prompts."""
    rows = db.execute(select(message.c.subjects).where(message.c.person_id == "ada", message.c.kind == "check_in"))
    found = [msgspec.json.decode(row.subjects, type=list[str]) for row in rows]
    return [{it for it in subjects if it.startswith("check_in:")} for subjects in found]

"""Answers over the API: an emergency is answered in the same reply, and the clinic sees the flag."""

from typing import Any

import pytest
from sqlalchemy import Connection, select

from notifications.tables import message
from programs.instants import DAY, HOUR, say
from tests.service.api.conftest import EVENING, Api
from tests.world import ADA, BEN, CLEO, NOON

EVENING_PATH = "/me/check-ins/s1-evening/answers"
FLAGS = "/clinics/riverside/flags"


async def test_the_list_shows_what_was_what_is_and_what_comes(api: Api) -> None:
    await api("POST", EVENING_PATH, ADA, {"answers": {"q_sore": 4, "q_free": "ça va"}})
    items = (await api("GET", "/me/check-ins", ADA)).json()["items"]
    assert [(it["step"], it["state"], it["answerable"]) for it in items] == [
        ("day7", "upcoming", False),
        ("day2", "upcoming", False),
        ("day1", "upcoming", False),
        ("evening", "answered", True),
    ]
    assert (items[3]["answers"], items[3]["answered_at"]) == ({"q_sore": 4, "q_free": "ça va"}, say(EVENING))
    assert "q_sore" in [question["id"] for question in items[3]["questions"]]
    api.clock.move_to(NOON + 3 * DAY)
    states = {it["step"]: it["state"] for it in (await api("GET", "/me/check-ins", ADA)).json()["items"]}
    assert (states["day1"], states["day2"]) == ("closed", "closed")


async def test_the_list_is_paged_to_its_end(api: Api) -> None:
    seen, path = [], "/me/check-ins?limit=1"
    while path:
        reply = await api("GET", path, ADA)
        seen += [it["step"] for it in reply.json()["items"]]
        path = reply.links["next"]["url"].removeprefix("/api/v1") if "next" in reply.links else ""
    assert seen == ["day7", "day2", "day1", "evening"]


async def test_an_answer_without_cause_for_concern_brings_no_words(api: Api) -> None:
    it = (await api("POST", EVENING_PATH, ADA, {"answers": {"q_sore": 2}})).json()
    assert (it["tier"], it["safety_text"], it["answered_at"]) == (None, None, say(EVENING))
    assert it["if_unwell"] == "If you feel very unwell, call 911 now."


async def test_an_emergency_brings_its_words_at_once_and_alerts_the_clinician(api: Api) -> None:
    api.clock.move_to(NOON + 15 * HOUR)  # at three in the morning
    it = (await api("POST", EVENING_PATH, ADA, {"answers": {"rf_bleed": True}})).json()
    assert it["tier"] == "emergency"
    assert it["safety_text"].startswith("Call 911 now.")

    def alerts(db: Connection) -> list[tuple[str, int]]:
        rows = db.execute(select(message.c.person_id, message.c.planned_for).where(message.c.kind == "alert"))
        return [(row.person_id, row.planned_for) for row in rows]

    assert await api.db.read(alerts) == [("ben", api.clock.now())]


async def test_a_late_answer_keeps_its_own_time(api: Api) -> None:
    body = {"answers": {"q_sore": 2}, "answered_at": say(NOON + 2 * HOUR)}
    assert (await api("POST", EVENING_PATH, ADA, body)).json()["answered_at"] == say(NOON + 2 * HOUR)
    body = {"answers": {"q_sore": 2}, "answered_at": say(NOON + 9 * DAY)}  # a phone's clock that runs ahead
    assert (await api("POST", EVENING_PATH, ADA, body)).json()["answered_at"] == say(EVENING)


BAD: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({"answers": {"q_sore": 11}}, "/answers/q_sore", "must be a whole number from 0 to 10"),
    ({"answers": {"q_sore": "5"}}, "/answers/q_sore", "must be a whole number from 0 to 10"),
    ({"answers": {"q_sore": True}}, "/answers/q_sore", "must be a whole number from 0 to 10"),
    ({"answers": {"q_sore": 10**40}}, "/answers/q_sore", "must be a whole number from 0 to 10"),
    ({"answers": {"rf_bleed": "yes"}}, "/answers/rf_bleed", "must be true or false"),
    ({"answers": {"rf_collapse": "a bit"}}, "/answers/rf_collapse", "must be one of"),
    ({"answers": {"q_free": "x" * 2001}}, "/answers/q_free", "must be text of at most 2000 characters"),
    ({"answers": {"q_soar": 1}}, "/answers", "a question this check-in does not ask"),
    ({"answers": {"q_sore": 1.5}}, "/answers", "must be true or false or a whole number or text, not a number"),
    ({"answers": {"q_sore": None}}, "/answers", "not null"),
    ({"answers": {}}, "/answers", "must have at least 1 items"),
    ({"answers": {"q_free": "  "}}, "/answers", "give at least one answer"),
    ({"answers": [1]}, "/answers", "must be an object, not a list"),
    ({}, "/answers", "is missing"),
    ({"answers": {"q_sore": 1}, "answered_at": "2026-06-01T14:00:00"}, "/answered_at", "does not say its offset"),
    ({"answers": {"q_sore": 1}, "answered_at": say(NOON - DAY)}, "/answered_at", "is before the needling session"),
    ({"answers": {"q_sore": 1}, "at": say(NOON)}, "/at", "is not a field of this request"),
)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_an_answer_that_cannot_be_is_refused_by_its_question(api: Api) -> None:
    for body, where, problem in BAD:
        status, errors = await api.problem("POST", EVENING_PATH, ADA, body)
        assert status == 422, body
        assert errors[0][0] == where, (body, errors)
        assert problem in errors[0][1], (body, errors)
    assert (await api("GET", "/me/check-ins", ADA)).json()["items"][3]["state"] == "open"


async def test_what_looks_like_a_number_in_words_stays_words(api: Api) -> None:
    for text in ("1", "true", "null", "\u0000", "2026-06-01"):
        await api("POST", EVENING_PATH, ADA, {"answers": {"q_free": text, "q_sore": 1}})
        assert (await api("GET", "/me/check-ins", ADA)).json()["items"][3]["answers"]["q_free"] == text


async def test_what_is_not_asked_is_not_answered(api: Api) -> None:
    assert (await api("POST", "/me/check-ins/s1-day3/answers", ADA, {"answers": {"q_sore": 1}})).status_code == 409
    api.clock.move_to(NOON + 20 * DAY)
    assert (await api("POST", EVENING_PATH, ADA, {"answers": {"q_sore": 1}})).status_code == 409


async def test_an_answer_sent_again_with_its_key_is_one_answer(api: Api) -> None:
    body = {"answers": {"rf_bleed": True}}
    first = await api("POST", EVENING_PATH, ADA, body, idempotency_key="a1")
    again = await api("POST", EVENING_PATH, ADA, body, idempotency_key="a1")
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    assert len((await api("GET", FLAGS)).json()["items"]) == 1


# flags


async def test_a_flag_says_which_rule_fired_on_what_and_is_acknowledged_once(api: Api) -> None:
    await api("POST", EVENING_PATH, ADA, {"answers": {"rf_bleed": True}})
    (it,) = (await api("GET", f"{FLAGS}?open=true")).json()["items"]
    assert (it["tier"], it["rule"], it["inputs"]) == ("emergency", "rf_bleed", {"rf_bleed": True})
    assert (it["patient_id"], it["patient_name"], it["acknowledged_at"]) == ("ada", "Ada", None)
    assert it["source"]
    seen = (await api("POST", f"{FLAGS}/{it['id']}/acknowledge", CLEO)).json()
    assert (seen["acknowledged_by"], seen["acknowledged_at"]) == ("clinician:cleo", say(EVENING))
    api.clock.move_to(EVENING + HOUR)
    assert (await api("POST", f"{FLAGS}/{it['id']}/acknowledge", BEN, {})).json() == seen
    assert (await api("GET", f"{FLAGS}?open=true")).json()["items"] == []
    assert (await api("GET", FLAGS)).json()["items"] == [seen]


async def test_flags_are_paged_latest_first(api: Api) -> None:
    body = {"answers": {"rf_bleed": True, "rf_belly": True, "rf_collapse": "nearly", "q_sore": 9, "q_free": "hm"}}
    await api("POST", EVENING_PATH, ADA, body)
    seen, path = [], f"{FLAGS}?limit=2"
    while path:
        reply = await api("GET", path)
        seen += [it["rule"] for it in reply.json()["items"]]
        path = reply.links["next"]["url"].removeprefix("/api/v1") if "next" in reply.links else ""
    assert sorted(seen) == ["rf_belly", "rf_bleed", "rf_collapse", "sore_severe", "written"]

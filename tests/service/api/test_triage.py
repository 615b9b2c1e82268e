"""The clinic's hold on triage over the API: rules and approvals, the switch, who is told, history, and silence."""

from typing import Any

import pytest
from sqlalchemy import Connection

from notifications import alerts
from programs import people
from programs.instants import DAY, MINUTE, say
from programs.triage import NOT_APPROVED, RULES
from service import care
from service.care import Who
from tests.service.api.conftest import EVENING, Api
from tests.world import ADA, BEN, CLEO, CLINIC, DOV, NOON, let_in

AT = "/clinics/riverside"
FAY = Who(CLINIC, "admin", "fay", sees_all=True)


@pytest.fixture
async def run(api: Api) -> Api:
    """With an admin, Fay, whom an e-mail reaches."""

    def hire(db: Connection) -> None:
        people.add_clinician(db, CLINIC, "fay", "Fay", "admin")
        let_in(db, FAY)
        care.put_address(db, FAY, "fay", "fay-desk", "console", {"label": "fay's desk"}, NOON)

    await api.db.write(hire)
    return api


ANSWERS = "/me/check-ins/s1-evening/answers"


async def test_every_rule_is_listed_with_its_words_source_and_approval(api: Api) -> None:
    items = (await api("GET", f"{AT}/rules")).json()["items"]
    assert [it["id"] for it in items] == [rule.id for rule in RULES]
    assert {it["approved_by"] for it in items} == {NOT_APPROVED}
    approved = (await api("POST", f"{AT}/rules/rf_bleed/approve", BEN, {"rule_version": "1"})).json()
    assert (approved["approved_by"], approved["decided_by"]) == ("Ben, 2026-06-01", "Ben")
    await api("POST", ANSWERS, ADA, {"answers": {"rf_bleed": True}})
    (flag,) = (await api("GET", f"{AT}/flags")).json()["items"]
    assert (flag["rule"], flag["rule_version"], flag["approved_by"]) == ("rf_bleed", "1", "Ben, 2026-06-01")
    theirs = (await api("GET", "/clinics/harbour/rules", DOV)).json()["items"]
    assert {it["approved_by"] for it in theirs} == {NOT_APPROVED}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("rules/rf_bleed/approve", {"rule_version": "7"}, 409),
        ("rules/moon/approve", {"rule_version": "1"}, 404),
        ("rules/rf_bleed/switch", {"on": False, "reason": "noisy"}, 409),
        ("rules/written/switch", {"on": False}, 422),
        ("triage/switch", {"on": False, "reason": "  "}, 422),
    ],
)
async def test_a_decision_that_cannot_be_is_refused(run: Api, path: str, body: Any, status: int) -> None:
    api = run
    assert (await api("POST", f"{AT}/{path}", FAY, body)).status_code == status
    assert {it["decided_by"] for it in (await api("GET", f"{AT}/rules")).json()["items"]} == {None}


async def test_a_flag_has_a_clock_and_a_history(run: Api) -> None:
    api = run
    await api("POST", f"{AT}/triage/watch", FAY, {"emergency_minutes": 10, "chain": ["cleo", "on-call"]})
    await api("POST", f"{AT}/triage/on-call", FAY, {"mailbox": "oncall@example.org"})
    await api("POST", ANSWERS, ADA, {"answers": {"rf_bleed": True}})
    (flag,) = (await api("GET", f"{AT}/flags")).json()["items"]
    assert flag["acknowledge_by"] == say(EVENING + 10 * MINUTE)
    assert (flag["nobody_at"], flag["nobody_acknowledged"]) == (say(EVENING + 30 * MINUTE), False)
    api.clock.move_to(EVENING + 30 * MINUTE)
    assert (await api("GET", f"{AT}/flags/{flag['id']}")).json()["nobody_acknowledged"] is True
    said = (await api("POST", f"{AT}/flags/{flag['id']}/acknowledge", CLEO, {"note": "Phoned her."})).json()
    assert (said["acknowledged_by"], said["note"], said["nobody_acknowledged"]) == (
        "clinician:cleo",
        "Phoned her.",
        False,
    )
    told = (await api("GET", f"{AT}/flags/{flag['id']}")).json()["told"]
    assert [(it["person"], it["state"], it["reason"]) for it in told] == [
        (person, "cancelled", "acknowledged") for person in ("ben", "cleo", "on-call")
    ]
    assert await api.db.read(alerts.nobody, api.clock.now()) == 0


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"chain": ["dov"]}, "/chain"),
        ({"emergency_minutes": 0}, "/emergency_minutes"),
        ({"opening": []}, "/opening"),
        ({"opening": [{"opens": "9", "closes": "17:00"}] + [None] * 6}, "/opening"),
        ({"chains": []}, "/chains"),
    ],
)
async def test_a_watch_that_cannot_be_kept_is_refused(run: Api, body: Any, pointer: str) -> None:
    status, errors = await run.problem("POST", f"{AT}/triage/watch", FAY, body)
    assert (status, [where for where, _, _ in errors]) == (422, [pointer])


async def test_an_on_call_address_must_be_one(run: Api) -> None:
    api = run
    status, errors = await api.problem("POST", f"{AT}/triage/on-call", FAY, {"mailbox": "nobody"})
    assert (status, [where for where, _, _ in errors]) == (422, ["/mailbox"])


async def test_what_is_missing_before_a_clinic_relies_on_it_is_said(run: Api) -> None:
    api = run
    warnings = (await api("GET", f"{AT}/triage")).json()["warnings"]
    assert warnings == [
        "Some rules are not yet approved by a clinician.",
    ]
    for rule in RULES:
        await api("POST", f"{AT}/rules/{rule.id}/approve", BEN, {"rule_version": rule.version})
    await api("POST", f"{AT}/triage/watch", FAY, {"chain": ["cleo", "on-call"]})
    assert (await api("GET", f"{AT}/triage")).json()["warnings"] == [
        "No message about a flag reaches the on-call address."
    ]
    await api("POST", f"{AT}/triage/on-call", FAY, {"mailbox": "oncall@example.org"})
    it = (await api("GET", f"{AT}/triage")).json()
    assert (it["warnings"], it["on_call"]) == ([], "oncall@example.org")


async def test_switched_off_it_says_so_wherever_flags_are_shown(run: Api) -> None:
    api = run
    asked = (await api("GET", "/me/today", ADA)).json()
    assert asked["triage_off"] is None
    assert {it["beside"] for it in asked["check_ins"][0]["questions"] if it["kind"] != "free_text"} == {""}
    off = (await api("POST", f"{AT}/triage/switch", FAY, {"on": False, "reason": "Not assessed yet."})).json()["off"]
    assert off == {"reason": "Not assessed yet.", "by": "Fay", "since": say(EVENING)}
    assert (await api("GET", f"{AT}/flags")).json()["triage_off"] == off
    today = (await api("GET", "/me/today", ADA)).json()
    assert "nobody is told of it" in today["triage_off"]
    assert "call 911 now" in today["triage_off"]
    beside = {it["id"]: it["beside"] for it in today["check_ins"][0]["questions"]}
    assert beside["rf_bleed"] == "If yes, call 911 now."
    assert beside["q_sore"] == ""
    reply = (await api("POST", ANSWERS, ADA, {"answers": {"rf_bleed": True}})).json()
    assert (reply["tier"], reply["safety_text"], reply["triage_off"]) == (None, None, today["triage_off"])
    assert (await api("GET", f"{AT}/flags")).json()["items"] == []
    await api("POST", f"{AT}/triage/switch", FAY, {"on": True})
    assert (await api("GET", "/me/today", ADA)).json()["triage_off"] is None


async def test_ones_own_words_come_with_who_reads_them_and_when(api: Api) -> None:
    asked = (await api("GET", "/me/today", ADA)).json()["check_ins"][0]["questions"]
    beside = next(it["beside"] for it in asked if it["kind"] == "free_text")
    assert beside == ("A person at your clinic reads this, but not right away. If you feel very unwell, call 911 now.")


async def test_silence_is_listed_until_somebody_looks_after_it(api: Api) -> None:
    api.clock.move_to(NOON + 2 * DAY)
    items = (await api("GET", f"{AT}/unanswered")).json()["items"]
    assert [(it["check_in_id"], it["why"]) for it in items] == [
        ("s1-day1", "not_reached"),
        ("s1-evening", "not_reached"),
    ]
    body = {"note": "Phoned."}
    assert (await api("POST", f"{AT}/unanswered/s1-day1/follow-up", BEN, body)).json()["patient_id"] == "ada"
    await api("POST", ANSWERS, ADA, {"answers": {"q_sore": 1}})
    assert (await api("GET", f"{AT}/unanswered")).json()["items"] == []
    assert (await api("POST", f"{AT}/unanswered/s1-evening/follow-up", BEN, body)).status_code == 409

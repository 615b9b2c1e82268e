"""Every route: it works for whom it is for, and a stranger gets nothing. A route that is not on the list fails."""

from typing import Any, NamedTuple

import msgspec
from litestar.handlers import HTTPRouteHandler
from sqlalchemy import Connection, select

from notifications.tables import message
from programs import people
from programs.instants import HOUR, Instant, say
from programs.templates import Template
from service import care
from service.api.docs import ROUTES as DOCS
from service.api.routes import ARRIVING, OPEN, SIGNED_IN
from service.auth.devices import devices_of
from service.auth.enrolment import make_code
from service.auth.keys import Wanted, make_key
from service.auth.tokens import Grant, make_token
from service.care import Who
from tests.service.api.conftest import Api
from tests.service.api.test_exercises import CALF
from tests.world import ADA, BEN, CLEO, DOV, EVE, NOON, let_in, session, terms

CLINIC_PATH = "/clinics/riverside"
NEEDLED = {"patient_id": "ada", "ended_at": "2026-06-01T11:00:00-04:00", "muscles": ["TFL"], "side": "left"}
TERMS = {"prescriptions": [{"exercise": "hip_bridge", "dosage": {"sets": 3, "reps": 10}}], "times": ["09:00"]}
PROGRAM = {"title": "Hips", "prescriptions": TERMS["prescriptions"]}
PROTOCOL = {
    "steps": [{"name": "day7", "opens": 156, "target": 168, "closes": 204}],
    "left_out": dict.fromkeys(("evening", "day1", "day2", "day3"), "This clinic phones everybody itself."),
}
DONE = {
    "id": "c1",
    "plan_id": "p1",
    "exercise": "hip_bridge",
    "date": "2026-06-02",
    "time": "09:00",
    "outcome": "done",
    "done_at": "2026-06-01T14:00:00-04:00",
}

HIP_BRIDGE = "/exercises/hip_bridge.svg"


ANA = Who("riverside", "admin", "ana", sees_all=True)


class Case(NamedTuple):
    """A request that works; capitals in it (FLAG) stand for ids that only the database knows."""

    method: str
    path: str
    who: Who
    body: Any = None
    status: int = 200
    if_match: str = ""


CASES = (
    Case("GET", CLINIC_PATH, BEN),
    Case("GET", f"{CLINIC_PATH}/programs", BEN),
    Case("GET", f"{CLINIC_PATH}/exercises", BEN),
    Case("GET", f"{CLINIC_PATH}/exercises/hip_bridge", BEN),
    Case("PUT", f"{CLINIC_PATH}/exercises/calf_raise", BEN, CALF),
    Case("DELETE", f"{CLINIC_PATH}/exercises/calf_raise", BEN, if_match='"1"'),
    Case("PUT", f"{CLINIC_PATH}/exercises/walking/words", BEN, {"words": {}}),
    Case("PATCH", f"{CLINIC_PATH}/settings", ANA, {"clinicians_see_all": True}),
    Case("GET", f"{CLINIC_PATH}/break-glass", ANA),
    Case("GET", f"{CLINIC_PATH}/keys", ANA),
    Case("POST", f"{CLINIC_PATH}/keys", ANA, {"name": "Calendar", "verbs": ["read patients"]}),
    Case("DELETE", f"{CLINIC_PATH}/keys/KEY", ANA),
    Case("POST", f"{CLINIC_PATH}/patients/ada/break-glass", BEN, {"reason": "He fainted just now."}, 409),
    Case("PUT", f"{CLINIC_PATH}/addresses/ben-mail", BEN, {"channel": "email", "mailbox": "ben@example.org"}),
    Case("GET", f"{CLINIC_PATH}/patients", BEN),
    Case(
        "POST",
        f"{CLINIC_PATH}/patients",
        BEN,
        {"name": "Zoë", "zone": "Europe/Madrid", "clinician_id": "ben", "consent": True},
        201,
    ),
    Case("GET", f"{CLINIC_PATH}/patients/ada", CLEO),
    Case("PATCH", f"{CLINIC_PATH}/patients/ada", BEN, {"zone": "Europe/Madrid"}, if_match='"1"'),
    Case("POST", f"{CLINIC_PATH}/needling-sessions", BEN, NEEDLED, 201),
    Case("GET", f"{CLINIC_PATH}/needling-sessions/s1", CLEO),
    Case("PUT", f"{CLINIC_PATH}/needling-sessions/s1", BEN, NEEDLED, if_match='"1"'),
    Case("POST", f"{CLINIC_PATH}/needling-sessions/s1/release", BEN, {"phase": "B"}),
    Case("DELETE", f"{CLINIC_PATH}/needling-sessions/s1", BEN, if_match='"2"'),
    Case("POST", f"{CLINIC_PATH}/programs", BEN, PROGRAM, 201),
    Case("PUT", f"{CLINIC_PATH}/programs/kept", BEN, PROGRAM, if_match='"1"'),
    Case("DELETE", f"{CLINIC_PATH}/programs/kept", BEN, if_match='"2"'),
    Case("GET", f"{CLINIC_PATH}/patients/ada/suggestions", BEN),
    Case("GET", f"{CLINIC_PATH}/protocols", BEN),
    Case("POST", f"{CLINIC_PATH}/protocols", BEN, PROTOCOL, 201),
    Case("GET", f"{CLINIC_PATH}/protocols/1", BEN),
    Case("POST", f"{CLINIC_PATH}/protocols/1/approve", CLEO),
    Case("GET", f"{CLINIC_PATH}/patients/ada/plans", BEN),
    Case("POST", f"{CLINIC_PATH}/patients/ada/plans", BEN, {"title": "Hip", **TERMS}, 201),
    Case("PUT", f"{CLINIC_PATH}/patients/ada/plans/p1", BEN, TERMS, if_match='"1"'),
    Case("POST", f"{CLINIC_PATH}/patients/ada/plans/p1/hold", BEN, {"reason": "needled"}),
    Case("POST", f"{CLINIC_PATH}/patients/ada/plans/p1/end", BEN),
    Case("GET", f"{CLINIC_PATH}/patients/ada/phases", BEN),
    Case("GET", f"{CLINIC_PATH}/patients/ada/agenda?days=3", BEN),
    Case("POST", f"{CLINIC_PATH}/patients/ada/agenda", BEN, {"plan": {"template": "iliopsoas_b", "times": ["08:00"]}}),
    Case("GET", f"{CLINIC_PATH}/messages/MESSAGE", BEN),
    Case("GET", f"{CLINIC_PATH}/patients/ada/messages", BEN),
    Case("GET", f"{CLINIC_PATH}/patients/ada/adherence?items=true", BEN),
    Case("GET", f"{CLINIC_PATH}/adherence?by=program", BEN),
    Case("GET", f"{CLINIC_PATH}/patients/ada/monitoring?evidence=true", BEN),
    Case(
        "POST", f"{CLINIC_PATH}/patients/ada/staff-time", BEN, {"date": "2026-06-01", "minutes": 12, "live": True}, 201
    ),
    Case("PUT", f"{CLINIC_PATH}/settings/monitoring-labels", ANA, {"labels": {"device_days_2_15": "short"}}),
    Case("GET", f"{CLINIC_PATH}/flags", BEN),
    Case("GET", f"{CLINIC_PATH}/flags/FLAG", BEN),
    Case("POST", f"{CLINIC_PATH}/flags/FLAG/acknowledge", BEN, {"note": "phoned"}),
    Case("GET", f"{CLINIC_PATH}/unanswered", BEN),
    Case("POST", f"{CLINIC_PATH}/unanswered/s0-evening/follow-up", BEN, {"note": "phoned"}),
    Case("GET", f"{CLINIC_PATH}/rules", BEN),
    Case("POST", f"{CLINIC_PATH}/rules/written/approve", BEN, {"rule_version": "1"}),
    Case("POST", f"{CLINIC_PATH}/rules/written/switch", BEN, {"on": False, "reason": "we call everybody"}),
    Case("GET", f"{CLINIC_PATH}/triage", BEN),
    Case("POST", f"{CLINIC_PATH}/triage/watch", ANA, {"chain": ["cleo", "on-call"]}),
    Case("POST", f"{CLINIC_PATH}/triage/on-call", ANA, {"mailbox": "oncall@example.org"}),
    Case("POST", f"{CLINIC_PATH}/triage/switch", ANA, {"on": False, "reason": "not assessed yet"}),
    Case("POST", f"{CLINIC_PATH}/text-replies", ANA, {"number": "+34600111222", "text": "STOP"}),
    Case("GET", f"{CLINIC_PATH}/questions", BEN),
    Case("GET", f"{CLINIC_PATH}/check-in-form?step=day1&muscles=TFL", BEN),
    Case("GET", f"{CLINIC_PATH}/patients/ada/outcomes", BEN),
    Case("POST", f"{CLINIC_PATH}/patients/ada/activities", BEN, {"words": "Stairs"}, 201),
    Case("GET", "/me/outcomes", ADA),
    Case("POST", "/me/activities", ADA, {"words": "Tie my shoes"}, 201),
    Case("POST", "/me/ratings", ADA, {"scores": {"shoes": 3}}, 201),
    Case("POST", "/me/activities/shoes/end", ADA),
    Case("GET", "/me/today", ADA),
    Case("GET", "/me/progress", ADA),
    Case("GET", "/me/check-ins", ADA),
    Case("POST", "/me/check-ins/s1-evening/answers", ADA, {"answers": {"q_sore": 3}}),
    Case("POST", "/me/completions", ADA, {"items": [DONE]}),
    Case("PUT", "/me/addresses/ada-mail", ADA, {"channel": "email", "mailbox": "ada@example.org"}),
    Case("GET", "/me/addresses", ADA),
    Case("GET", "/me/preferences", ADA),
    Case("PATCH", "/me/preferences", ADA, {"nudges": False}),
    Case("POST", "/me/messages/MESSAGE/snooze", ADA, {"minutes": 30}, 409),
    Case("GET", "/me/push-key", ADA),
    Case("POST", "/me/receipts", ADA, {"message_id": "MESSAGE", "kind": "opened", "at": say(NOON + HOUR)}),
    Case("POST", f"{CLINIC_PATH}/patients/ada/enrolment", BEN, {"way": "screen"}),
    Case("GET", f"{CLINIC_PATH}/patients/ada/enrolment", BEN),
    Case("GET", f"{CLINIC_PATH}/patients/ada/devices", BEN),
    Case("DELETE", f"{CLINIC_PATH}/patients/ada/devices/SPARE", BEN),
    Case("GET", "/me/devices", ADA),
    Case("GET", "/me/export", ADA),
    Case("GET", "/me/access?limit=5", ADA),
    Case("GET", f"{CLINIC_PATH}/patients/ada/export", ANA),
    Case("GET", f"{CLINIC_PATH}/patients/ada/access", ANA),
    Case("DELETE", "/me/devices/OLD", ADA),
    Case("GET", "/me/export/readable", ADA),
    Case("GET", f"{CLINIC_PATH}/patients/ada/export/readable", ANA),
    Case("GET", "/me/consents", ADA),
    Case("GET", f"{CLINIC_PATH}/patients/ada/consents", BEN),
    Case("POST", "/me/erasure", ADA),
    Case("GET", "/me/erasure", ADA),
    Case("POST", f"{CLINIC_PATH}/patients/ada/erasure", BEN),
    Case("GET", f"{CLINIC_PATH}/erasures", ANA),
    Case("GET", f"{CLINIC_PATH}/patients/ada/erasure", ANA),
    Case("POST", f"{CLINIC_PATH}/patients/ada/erasure/refuse", ANA, {"reason": "The law has us keep it."}),
    Case("POST", f"{CLINIC_PATH}/patients/ada/legal-hold", ANA, {"reason": "A claim of 3 May."}),
    Case("POST", f"{CLINIC_PATH}/patients/ada/erasure/approve", ANA, {"ground": "asked"}, 409),
    Case("POST", f"{CLINIC_PATH}/patients/ada/legal-hold/release", ANA, {"reason": "It was settled."}),
    Case("POST", "/enrolments/redeem", BEN, {"code": "CODE"}),
    Case("GET", "/healthz", BEN),
    Case("GET", HIP_BRIDGE, ADA),
    # the last of all: these end it
    Case("POST", "/me/unenrol", ADA),
    Case("POST", f"{CLINIC_PATH}/patients/ada/unenrol", BEN),
)
UNSIGNED = ("/healthz", HIP_BRIDGE, "/enrolments/redeem")


def template(handler: HTTPRouteHandler) -> list[tuple[str, str]]:
    return [(str(method), path.replace(":str", "")) for method in handler.http_methods for path in handler.paths]


def furnished(db: Connection, now: Instant) -> dict[str, str]:
    """What there must be for these requests to work: a flag and a message of Ada's, two more phones, and a code.

    An older visit of hers went unanswered.
    """
    care.record_session(db, BEN, "s0", session(NOON - 49 * HOUR), NOON - 48 * HOUR)
    care.save_program(db, BEN, Template("kept", "Hips", terms().prescriptions), now)
    care.add_activity(db, ADA, "ada", "shoes", "Put on my shoes", NOON)
    reply = care.answer(db, ADA, "s1-evening", {"rf_bleed": True}, now, now)
    people.add_clinician(db, ANA.clinic, ANA.id, "Ana", "admin")
    let_in(db, ANA)
    for label in ("spare", "old"):
        make_token(db, ADA, now, grant=Grant("device", label=label))
    devices = {it.label.upper(): it.id for it in devices_of(db, ADA.clinic, ADA.id, now)}
    return {
        "FLAG": reply.answered.flags[0],
        "MESSAGE": db.execute(select(message.c.id).where(message.c.person_id == "ada").limit(1)).scalar_one(),
        "SPARE": devices["SPARE"],
        "OLD": devices["OLD"],
        "KEY": make_key(db, ANA, Wanted("Old", ("read patients",)), now).key.id,
        "CODE": make_code(db, DOV, "eve", "screen", None, now).code,
    }


async def requests(api: Api) -> list[Case]:
    text = msgspec.json.encode(CASES).decode()
    for name, value in (await api.db.write(furnished, api.clock.now())).items():
        text = text.replace(name, value)
    return msgspec.json.decode(text, type=list[Case])


async def send(api: Api, case: Case, who: Who | None, path: str = "") -> Any:
    headers = {"if_match": case.if_match} if case.if_match else {}
    return await api(case.method, path or case.path, who, case.body, **headers)


def _owned(path: str) -> str:
    """Below a patient the id is that of what is theirs."""
    for what in ("plans", "phases", "suggestions", "devices", "enrolment"):
        path = path.replace(f"patients/{{id}}/{what}", f"patients/{{patient}}/{what}")
    return path


def test_every_route_is_on_the_list() -> None:
    """Whoever adds a route adds a case, and with it the tests below."""
    table = {one for handler in (*SIGNED_IN, *ARRIVING, *OPEN) for one in template(handler)}
    ids = {
        "ada": "{id}",
        "hip_bridge": "{id}",
        "calf_raise": "{id}",
        "walking": "{id}",
        "s1": "{id}",
        "p1": "{id}",
        "kept": "{id}",
        "1": "{id}",
        "FLAG": "{id}",
        "MESSAGE": "{id}",
        "SPARE": "{id}",
        "KEY": "{id}",
        "OLD": "{id}",
        "s0-evening": "{id}",
        "shoes": "{id}",
        "hip_bridge.svg": "{file}",
        "s1-evening": "{id}",
        "written": "{id}",
        "ada-mail": "{id}",
        "ben-mail": "{id}",
    }
    listed = set()
    for case in CASES:
        parts = case.path.partition("?")[0].replace("riverside", "{clinic}").split("/")
        named = "/".join(ids.get(part, part) for part in parts)
        listed.add((case.method, _owned(named)))
    assert listed == table
    assert [one for handler in DOCS for one in template(handler)] == [("GET", "/openapi.json"), ("GET", "/docs")]


async def test_every_route_works_for_whom_it_is_for(api: Api) -> None:
    for case in await requests(api):
        reply = await send(api, case, case.who)
        assert reply.status_code == case.status, (case, reply.text)


async def test_without_signing_in_every_route_is_closed(api: Api) -> None:
    for case in await requests(api):
        if case.path in UNSIGNED:
            continue
        for who in (None, Who("riverside", "clinician", "not-a-token")):
            reply = await send(api, case, who)
            assert reply.status_code == 401, case
            assert reply.headers["www-authenticate"].startswith("Bearer")


async def test_patients_reach_nothing_of_a_clinic_and_clinicians_nothing_of_a_patient(api: Api) -> None:
    for case in await requests(api):
        if case.path in UNSIGNED:
            continue
        strangers = (BEN, DOV) if case.path.startswith("/me") else (ADA, EVE)
        for who in strangers:
            assert (await send(api, case, who)).status_code == 403, (case, who)


async def test_another_clinic_answers_like_one_that_is_not_there(api: Api) -> None:
    for case in await requests(api):
        if case.path.startswith("/clinics") and case.who != ANA:
            theirs = await send(api, case, DOV)
            nowhere = await send(api, case, DOV, case.path.replace("riverside", "nowhere"))
            assert theirs.status_code == nowhere.status_code == 404, case
            assert theirs.content == nowhere.content


async def test_an_id_of_another_clinic_opens_nothing_under_ones_own(api: Api) -> None:
    """Dov at his own clinic, with the ids of Ben's patients."""
    tried = 0
    for case in await requests(api):
        path = case.path.replace("riverside", "harbour")
        # An address id is of one's own making, a rule is everybody's: neither names anything of the other clinic's.
        # What is for admins alone is not for a clinician, wherever; an exercise has its own tests of this.
        if case.who == ANA or any(
            part in path for part in ("/addresses/", "/rules/", "/triage/", "/settings/", "/exercises/")
        ):
            continue
        if path.startswith("/clinics") and (path.count("/") > 3 or "needling-sessions" in path):
            tried += 1
            assert (await send(api, case, DOV, path)).status_code == 404, path
    assert tried >= 14


async def test_what_is_somebody_elses_is_not_there(api: Api) -> None:
    cases = {case.path: case for case in await requests(api)}
    for path in ("/me/check-ins/s1-evening/answers", "/me/receipts"):
        assert (await send(api, cases[path], EVE)).status_code == 404
    judged = (await send(api, cases["/me/completions"], EVE)).json()["items"]
    assert [it["verdict"] for it in judged] == ["rejected"]
    await send(api, cases["/me/addresses/ada-mail"], ADA)
    body = {"channel": "email", "mailbox": "eve@example.org"}
    assert (await api("PUT", "/me/addresses/ada-mail", EVE, body)).status_code == 200  # of her own clinic
    assert (await api("PUT", "/me/addresses/ben-desk", ADA, body)).status_code == 404


async def test_an_id_that_cannot_be_is_not_there(api: Api) -> None:
    for id in ("%00", "a%0Ab", "x" * 65, "%ED%A0%80", "%F0%9F%A6%B5", "a%20b"):
        assert (await api("GET", f"{CLINIC_PATH}/patients/{id}")).status_code == 404, id

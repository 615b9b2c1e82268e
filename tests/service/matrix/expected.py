"""What each route is expected to say to each caller about each object: written down here, not taken from the code.

Whoever adds a route adds a row: whom it is for, what its path or body names of a patient, and a request that would
succeed. A route without a row fails the matrix.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Whom = Literal["anybody", "staff", "admin", "patient"]


class Row(NamedTuple):
    """`names` says what of a patient each path parameter is; `about` is set where only the body names something.

    In paths, bodies and forms a word such as $plan stands for the target's plan. `denied` is the answer about what is
    not there for the caller; `stays` is true where break-glass would not do.
    """

    whom: Whom
    names: Mapping[str, str] = {}
    body: Any = None
    form: Mapping[str, Any] | None = None
    ok: tuple[int, ...] = (200,)
    key: bool = False
    about: bool = False
    denied: int = 404
    refusal: str = ""  # a word of the answer about what is not there, where the status alone does not say it
    if_match: str = ""
    query: str = ""
    fixed: Mapping[str, str] = {}

    @property
    def of_a_patient(self) -> bool:
        return self.about or bool(self.names)


ID, PATIENT = {"id": "patient"}, {"patient": "patient"}
SESSION, FLAG, PLAN = {"id": "session"}, {"id": "flag"}, {"patient": "patient", "id": "plan"}
PLAN_PAGE = {"id": "patient", "plan": "plan"}
MADE, SEEN_OTHER, UNREADABLE, NOT_IN = (201,), (303,), (404, 422), (403,)
STAFF_ONLY = (200, 303, 404, 422)  # as the line before; Cleo is not there for who runs another clinic
DONE_OR_SAID = (200, 303, 422)  # a page that does it, or says beside the form why not

NEEDLED = {"patient_id": "$patient", "ended_at": "2026-06-01T11:00:00-04:00", "muscles": ["TFL"], "side": "left"}
TERMS = {"prescriptions": [{"exercise": "hip_bridge", "dosage": {"sets": 3, "reps": 10}}], "times": ["09:00"]}
PROTOCOL_FORM = {
    "asked_day7": "yes",
    "opens_day7": "156",
    "target_day7": "168",
    "closes_day7": "204",
    **{f"why_{name}": "We phone everybody." for name in ("evening", "day1", "day2", "day3")},
}
DONE = {
    "id": "c1",
    "plan_id": "$plan",
    "exercise": "hip_bridge",
    "date": "2026-06-02",
    "time": "09:00",
    "outcome": "done",
    "done_at": "2026-06-01T14:00:00-04:00",
}
CALF: dict[str, Any] = {
    "exercise": {
        "targets": ["gastrocnemius"],
        "phase": "B",
        "loaded": True,
        "dosage": {"sets": 3, "reps": 12},
        "figure": "step_up",
    },
    "words": {
        "en": {
            "title": "Calf raise",
            "start": "Hold on to a chair.",
            "steps": ["Rise on your toes.", "Lower slowly."],
            "easier": "Do it sitting.",
            "feel": "Your calves work.",
        }
    },
}
OWN_PROGRAM = {"title": "Hips", "prescriptions": TERMS["prescriptions"]}
PROTOCOL = {
    "steps": [{"name": "day7", "opens": 156, "target": 168, "closes": 204}],
    "left_out": dict.fromkeys(("evening", "day1", "day2", "day3"), "This clinic phones everybody itself."),
}
VISIT = {
    "id": "made-once",
    "muscles": ["glute med"],
    "side": "left",
    "ended_at": "2026-06-01T11:30",
    "do": "save",
}
PROGRAM = {"id": "made-once", "template": "general_hip", "times": "09:00", "starts_on": "2026-06-02", "do": "save"}
MAIL = {"channel": "email", "mailbox": "somebody@example.org"}
WHY = "She fainted in the waiting room."
MEANT = {"confirmed": "yes"}

API = "/api/v1/clinics/{clinic}"
ROWS: Mapping[str, Row] = {
    f"GET {API}": Row("staff", key=True),
    f"GET {API}/programs": Row("staff", key=True),
    f"POST {API}/programs": Row("staff", body=OWN_PROGRAM, ok=MADE),
    f"PUT {API}/programs/{{id}}": Row("staff", body=OWN_PROGRAM, fixed={"id": "kept"}, if_match='"1"'),
    f"DELETE {API}/programs/{{id}}": Row("staff", fixed={"id": "kept"}, if_match='"1"'),
    f"PUT {API}/settings/monitoring-labels": Row("admin", body={"labels": {"device_days_2_15": "short"}}),
    f"GET {API}/exercises": Row("staff", key=True),
    f"GET {API}/exercises/{{id}}": Row("staff", key=True, fixed={"id": "hip_bridge"}),
    f"PUT {API}/exercises/{{id}}": Row("staff", body=CALF, fixed={"id": "calf_raise"}),
    f"DELETE {API}/exercises/{{id}}": Row("staff", fixed={"id": "own_one"}, if_match='"1"'),
    f"PUT {API}/exercises/{{id}}/words": Row("staff", body={"words": {}}, fixed={"id": "walking"}),
    f"GET {API}/questions": Row("staff", key=True),
    f"GET {API}/check-in-form": Row("staff", key=True, query="step=day1&muscles=TFL"),
    f"GET {API}/protocols": Row("staff", key=True),
    f"POST {API}/protocols": Row("staff", body=PROTOCOL, ok=MADE),
    f"GET {API}/protocols/{{id}}": Row("staff", key=True, fixed={"id": "0"}),
    f"POST {API}/protocols/{{id}}/approve": Row("staff", fixed={"id": "0"}, ok=(200, 409)),
    f"PATCH {API}/settings": Row("admin", body={"clinicians_see_all": False}),
    f"POST {API}/text-replies": Row("admin", key=True, body={"number": "+34600111222", "text": "STOP"}),
    f"GET {API}/break-glass": Row("admin"),
    f"GET {API}/keys": Row("admin"),
    f"POST {API}/keys": Row("admin", body={"name": "Calendar", "verbs": ["read patients"]}, ok=(200, 409)),
    f"DELETE {API}/keys/{{id}}": Row("admin", fixed={"id": "none"}, ok=(404,)),
    f"GET {API}/rules": Row("staff", key=True),
    f"POST {API}/rules/{{id}}/approve": Row("staff", body={"rule_version": "1"}, fixed={"id": "written"}),
    f"POST {API}/rules/{{id}}/switch": Row("staff", body={"on": False, "reason": "we call"}, fixed={"id": "written"}),
    f"GET {API}/triage": Row("staff", key=True),
    f"POST {API}/triage/watch": Row("admin", body={"chain": ["on-call"]}),
    f"POST {API}/triage/on-call": Row("admin", body={"mailbox": "oncall@example.org"}),
    f"POST {API}/triage/switch": Row("admin", body={"on": False, "reason": "not assessed yet"}),
    f"PUT {API}/addresses/{{id}}": Row("staff", body=MAIL, fixed={"id": "a-new-one"}),
    f"GET {API}/patients": Row("staff", key=True),
    f"POST {API}/patients": Row(
        "staff",
        key=True,
        ok=MADE,
        body={"name": "Zoë", "zone": "Europe/Madrid", "clinician_id": "$clinician", "consent": True},
    ),
    f"GET {API}/patients/{{id}}": Row("staff", ID, key=True),
    f"PATCH {API}/patients/{{id}}": Row("staff", ID, {"zone": "Europe/Madrid"}, key=True, if_match='"2"'),
    f"GET {API}/patients/{{id}}/agenda": Row("staff", ID, key=True),
    f"POST {API}/patients/{{id}}/agenda": Row(
        "staff", ID, {"plan": {**TERMS, "title": "Hip", "clinician_id": "$clinician"}}, key=True
    ),
    f"GET {API}/messages/{{id}}": Row("staff", {"id": "message"}, key=True),
    f"GET {API}/patients/{{id}}/messages": Row("staff", ID, key=True),
    f"GET {API}/patients/{{id}}/adherence": Row("staff", ID, key=True, query="items=true"),
    f"GET {API}/patients/{{id}}/monitoring": Row("staff", ID, key=True, query="evidence=true"),
    f"POST {API}/patients/{{id}}/staff-time": Row(
        "staff", ID, {"date": "2026-06-01", "minutes": 12, "live": True}, ok=MADE
    ),
    f"GET {API}/patients/{{patient}}/suggestions": Row("staff", PATIENT, key=True),
    f"GET {API}/patients/{{patient}}/devices": Row("staff", PATIENT),
    f"DELETE {API}/patients/{{patient}}/devices/{{id}}": Row("staff", {"patient": "patient", "id": "device"}),
    f"GET {API}/patients/{{patient}}/enrolment": Row("staff", PATIENT, key=True),
    f"POST {API}/patients/{{patient}}/enrolment": Row("staff", PATIENT, {"way": "screen"}, key=True),
    f"GET {API}/patients/{{patient}}/phases": Row("staff", PATIENT, key=True),
    f"GET {API}/patients/{{patient}}/plans": Row("staff", PATIENT, key=True),
    f"POST {API}/patients/{{patient}}/plans": Row(
        "staff", PATIENT, {**TERMS, "title": "Hip", "clinician_id": "$clinician"}, ok=MADE, key=True
    ),
    f"PUT {API}/patients/{{patient}}/plans/{{id}}": Row("staff", PLAN, TERMS, key=True, if_match='"1"'),
    f"POST {API}/patients/{{patient}}/plans/{{id}}/hold": Row("staff", PLAN, {"reason": "needled"}, key=True),
    f"POST {API}/patients/{{patient}}/plans/{{id}}/end": Row("staff", PLAN, key=True),
    f"POST {API}/needling-sessions": Row(
        "staff", body={**NEEDLED, "clinician_id": "$clinician"}, ok=MADE, key=True, about=True
    ),
    f"GET {API}/needling-sessions/{{id}}": Row("staff", SESSION, key=True),
    f"PUT {API}/needling-sessions/{{id}}": Row("staff", SESSION, NEEDLED, key=True, if_match='"1"'),
    f"DELETE {API}/needling-sessions/{{id}}": Row("staff", SESSION, key=True, if_match='"1"'),
    f"POST {API}/needling-sessions/{{id}}/release": Row("staff", SESSION, {"phase": "B"}),
    f"GET {API}/adherence": Row("staff", key=True, query="by=patient"),
    f"GET {API}/flags": Row("staff", key=True),
    f"GET {API}/flags/{{id}}": Row("staff", FLAG, key=True),
    f"POST {API}/flags/{{id}}/acknowledge": Row("staff", FLAG, {"note": "phoned"}),
    f"GET {API}/unanswered": Row("staff", key=True),
    f"POST {API}/unanswered/{{id}}/follow-up": Row("staff", {"id": "unanswered"}, {"note": "phoned"}),
    f"GET {API}/patients/{{id}}/outcomes": Row("staff", ID, key=True),
    f"POST {API}/patients/{{id}}/activities": Row("staff", ID, {"words": "Stairs"}, ok=MADE),
    # a patient's own
    "GET /api/v1/me/outcomes": Row("patient"),
    "GET /api/v1/me/progress": Row("patient"),
    "POST /api/v1/me/activities": Row("patient", body={"words": "Tie my shoes"}, ok=MADE),
    "POST /api/v1/me/activities/{id}/end": Row("patient", {"id": "activity"}),
    "POST /api/v1/me/ratings": Row("patient", body={"scores": {"$activity": 3}}, ok=MADE, about=True, denied=422),
    "GET /api/v1/me/today": Row("patient"),
    "GET /api/v1/me/check-ins": Row("patient"),
    "POST /api/v1/me/check-ins/{id}/answers": Row("patient", {"id": "check_in"}, {"answers": {"q_sore": 3}}),
    "POST /api/v1/me/completions": Row("patient", body={"items": [DONE]}, about=True, denied=200, refusal="rejected"),
    "PUT /api/v1/me/addresses/{id}": Row("patient", body=MAIL, fixed={"id": "a-new-one"}),
    "GET /api/v1/me/addresses": Row("patient"),
    "GET /api/v1/me/preferences": Row("patient"),
    "PATCH /api/v1/me/preferences": Row("patient", body={"nudges": False}),
    # None of these messages went out: what is there is told from what is not by that.
    "POST /api/v1/me/messages/{id}/snooze": Row("patient", {"id": "message"}, {"minutes": 30}, ok=(409,)),
    "GET /api/v1/me/push-key": Row("patient"),
    "POST /api/v1/me/receipts": Row(
        "patient", body={"message_id": "$message", "kind": "opened", "at": "2026-06-01T14:00:00-04:00"}, about=True
    ),
    "GET /api/v1/me/devices": Row("patient"),
    "GET /api/v1/me/export": Row("patient"),
    "GET /api/v1/me/access": Row("patient"),
    f"GET {API}/patients/{{id}}/export": Row("admin", ID),
    f"GET {API}/patients/{{id}}/access": Row("admin", ID),
    "GET /api/v1/me/export/readable": Row("patient"),
    f"GET {API}/patients/{{id}}/export/readable": Row("admin", ID),
    "GET /api/v1/me/consents": Row("patient"),
    "POST /api/v1/me/unenrol": Row("patient"),
    "GET /api/v1/me/erasure": Row("patient"),
    "POST /api/v1/me/erasure": Row("patient"),
    f"GET {API}/patients/{{id}}/consents": Row("staff", ID),
    f"POST {API}/patients/{{id}}/unenrol": Row("staff", ID),
    f"GET {API}/erasures": Row("admin"),
    f"GET {API}/patients/{{id}}/erasure": Row("admin", ID),
    f"POST {API}/patients/{{id}}/erasure": Row("staff", ID),
    f"POST {API}/patients/{{id}}/erasure/refuse": Row("admin", ID, {"reason": WHY}, ok=(200, 409)),
    f"POST {API}/patients/{{id}}/erasure/approve": Row("admin", ID, {"ground": "asked"}),
    f"POST {API}/patients/{{id}}/legal-hold": Row("admin", ID, {"reason": WHY}),
    f"POST {API}/patients/{{id}}/legal-hold/release": Row("admin", ID, {"reason": WHY}, ok=(200, 409)),
    "DELETE /api/v1/me/devices/{id}": Row("patient", {"id": "device"}),
    # pages of staff
    "GET /clinic": Row("staff"),
    "GET /clinic/adherence": Row("staff", query="by=patient"),
    "GET /clinic/break-glass": Row("staff"),
    "GET /clinic/keys": Row("admin"),
    "POST /clinic/keys": Row("admin", form={"name": "Calendar", "verbs": "read patients"}, ok=(200, 409)),
    "POST /clinic/keys/{id}/end": Row("admin", form={}, fixed={"id": "none"}, ok=(404,)),
    "GET /clinic/flags/{id}": Row("staff", FLAG),
    "GET /clinic/monitoring.csv": Row("staff"),
    "GET /clinic/patients/{id}/adherence": Row("staff", ID),
    "GET /clinic/patients/{id}/monitoring": Row("staff", ID),
    "POST /clinic/patients/{id}/staff-time": Row(
        "staff", ID, form={"minutes": "12", "date": "2026-06-01", "live": "yes"}, ok=SEEN_OTHER
    ),
    "GET /clinic/staff": Row("admin"),
    "POST /clinic/staff": Row(
        "admin", form={"email": "gil@riverside.example", "name": "Gil", "role": "clinician"}, ok=DONE_OR_SAID
    ),
    "POST /clinic/staff/{id}/disable": Row("admin", form={"confirmed": "yes"}, fixed={"id": "cleo"}, ok=STAFF_ONLY),
    "POST /clinic/staff/{id}/reset": Row("admin", form={"confirmed": "yes"}, fixed={"id": "cleo"}, ok=STAFF_ONLY),
    "GET /clinic/rules": Row("staff"),
    "POST /clinic/rules/approve": Row("staff", form={"rule": "written 1"}, ok=DONE_OR_SAID),
    "POST /clinic/rules/{id}/switch": Row(
        "staff", form={"on": "no", "reason": "We phone."}, fixed={"id": "written"}, ok=DONE_OR_SAID
    ),
    "POST /clinic/triage/switch": Row("admin", form={"on": "no", "reason": "Not assessed yet."}, ok=DONE_OR_SAID),
    "POST /clinic/triage/watch": Row("admin", form={}, ok=DONE_OR_SAID),
    "POST /clinic/patients/{id}/follow-up": Row(
        "staff", ID, form={"check_in": "$unanswered", "note": "phoned"}, ok=SEEN_OTHER
    ),
    # their own way in: whose it is says the session, never the request
    "GET /account": Row("staff"),
    "POST /account/password": Row("staff", form={"password": "short"}, ok=DONE_OR_SAID),
    "POST /account/recovery-codes": Row("staff", form={}),
    "POST /account/sessions/end-others": Row("staff", form={}, ok=SEEN_OTHER),
    "POST /account/one-time-codes": Row("staff", form={}),
    "POST /account/one-time-codes/finish": Row("staff", form={"code": "wrong"}, ok=DONE_OR_SAID),
    "POST /account/passkeys": Row("staff", form={}, ok=DONE_OR_SAID),
    "POST /account/passkeys/finish": Row("staff", form={"code": "wrong"}, ok=DONE_OR_SAID),
    "POST /account/passkeys/{id}/remove": Row("staff", form={}, fixed={"id": "none"}, ok=DONE_OR_SAID),
    "POST /clinic/flags/{id}/acknowledge": Row("staff", FLAG, form={}, ok=SEEN_OTHER),
    "GET /clinic/patients/{id}": Row("staff", ID),
    "GET /clinic/patients/{id}/messages": Row("staff", ID),
    "POST /clinic/patients/{id}/consent": Row("staff", ID, form={"given": "no", "confirmed": "yes"}, ok=SEEN_OTHER),
    "POST /clinic/patients/{id}/discharge": Row("staff", ID, form={"confirmed": "yes"}, ok=SEEN_OTHER),
    "GET /clinic/patients/{id}/needling-sessions": Row("staff", ID),
    "POST /clinic/patients/{id}/needling-sessions": Row("staff", ID, form=VISIT, ok=SEEN_OTHER),
    "GET /clinic/patients/{id}/plans": Row("staff", ID),
    "POST /clinic/patients/{id}/plans": Row("staff", ID, form=PROGRAM, ok=SEEN_OTHER),
    "POST /clinic/patients/{id}/plans/{plan}/hold": Row(
        "staff", PLAN_PAGE, form={"id": "h1", "reason": "needled"}, ok=SEEN_OTHER
    ),
    "POST /clinic/patients/{id}/plans/{plan}/keep": Row(
        "staff", PLAN_PAGE, form={"id": "k1", "title": "Hips"}, ok=SEEN_OTHER
    ),
    "POST /clinic/patients/{id}/needling-sessions/{session}/release": Row(
        "staff", {"id": "patient", "session": "session"}, form={"phase": "B"}, ok=SEEN_OTHER
    ),
    "GET /clinic/programs": Row("staff"),
    "POST /clinic/programs/{id}/retire": Row("staff", fixed={"id": "kept"}, ok=(303, 404)),
    "GET /clinic/protocol": Row("staff"),
    "POST /clinic/protocol": Row("staff", form=PROTOCOL_FORM, ok=SEEN_OTHER),
    "POST /clinic/protocol/{id}/approve": Row("staff", fixed={"id": "0"}, ok=(303, 409)),
    "POST /clinic/patients/{id}/plans/{plan}/end": Row("staff", PLAN_PAGE, form={"confirmed": "yes"}, ok=SEEN_OTHER),
    "GET /clinic/patients/{id}/phones": Row("staff", ID),
    "POST /clinic/patients/{id}/phones": Row("staff", ID, form={"way": "screen"}),
    "POST /clinic/patients/{id}/phones/{device}/end": Row(
        "staff", {"id": "patient", "device": "device"}, form={}, ok=SEEN_OTHER
    ),
    "GET /clinic/patients/{id}/record": Row("staff", ID),
    "GET /clinic/patients/{id}/record/copy.json": Row("admin", ID),
    "GET /clinic/patients/{id}/record/copy.html": Row("admin", ID),
    "GET /clinic/patients/{id}/record/access": Row("admin", ID, query="lists=yes"),
    "POST /clinic/patients/{id}/record/unenrol": Row("staff", ID, form=MEANT, ok=SEEN_OTHER),
    "POST /clinic/patients/{id}/record/erasure": Row("staff", ID, form=MEANT, ok=SEEN_OTHER),
    "POST /clinic/patients/{id}/record/erasure/refuse": Row("admin", ID, form={**MEANT, "reason": WHY}, ok=(409,)),
    "POST /clinic/patients/{id}/record/erasure/approve": Row(
        "admin", ID, form={**MEANT, "ground": "asked"}, ok=SEEN_OTHER
    ),
    "POST /clinic/patients/{id}/record/legal-hold": Row("admin", ID, form={**MEANT, "reason": WHY}, ok=SEEN_OTHER),
    "POST /clinic/patients/{id}/record/legal-hold/release": Row("admin", ID, form={**MEANT, "reason": WHY}, ok=(409,)),
    "GET /clinic/requests": Row("admin"),
    "GET /clinic/settings": Row("admin"),
    "POST /clinic/settings": Row(
        "admin",
        form={"clinicians_see_all": "no", "link_factor": "birth_year", "minutes_a_day": "30"},
        ok=SEEN_OTHER,
    ),
    # pages of patients
    "GET /today": Row("patient"),
    "GET /today/check-ins/{id}": Row("patient", {"id": "check_in"}),
    "POST /today/check-ins/{id}": Row("patient", {"id": "check_in"}, form={"q_sore": "3"}, ok=SEEN_OTHER),
    "POST /today/completions": Row(
        "patient",
        form={
            "id": "c1",
            "plan": "$plan",
            "exercise": "hip_bridge",
            "date": "2026-06-02",
            "time": "09:00",
            "outcome": "done",
        },
        ok=SEEN_OTHER,
        about=True,
        denied=422,
    ),
    "GET /activities": Row("patient"),
    "POST /activities": Row("patient", form={"words": "Tie my shoes"}, ok=DONE_OR_SAID),
    "POST /activities/rate": Row("patient", form={"shoes-ada": "3"}, ok=DONE_OR_SAID),
    "POST /activities/{id}/end": Row("patient", {"id": "activity"}, form={}, ok=SEEN_OTHER),
    "GET /progress": Row("patient"),
    "GET /phones": Row("patient"),
    "GET /record": Row("patient"),
    "GET /record/copy.json": Row("patient"),
    "GET /record/copy.html": Row("patient"),
    "GET /record/access": Row("patient"),
    "POST /record/unenrol": Row("patient", form=MEANT),
    "POST /record/erasure": Row("patient", form=MEANT, ok=SEEN_OTHER),
    "POST /phones/{device}/end": Row("patient", {"device": "device"}, form={}, ok=SEEN_OTHER),
    # whoever comes by
    "GET /": Row("anybody", ok=SEEN_OTHER),
    "GET /sign-in": Row("anybody"),
    "POST /sign-in": Row("anybody", form={"email": "nobody@example.org", "password": "wrong"}, ok=NOT_IN),
    "GET /sign-in/second": Row("anybody", ok=SEEN_OTHER),
    "POST /sign-in/second": Row("anybody", form={"code": "000000"}, ok=NOT_IN),
    "POST /sign-in/passkey/options": Row("anybody", form={}),
    "POST /sign-in/passkey": Row("anybody", form={"passkey": "{}"}, ok=NOT_IN),
    "GET /sign-in/elsewhere": Row("anybody", ok=(403, 404)),
    "GET /sign-in/elsewhere/back": Row("anybody", ok=(403, 404)),
    "POST /sign-in/demo": Row("anybody", form={"token": "demo-ben"}, ok=NOT_IN),
    "GET /join": Row("anybody"),
    "POST /join": Row("anybody", form={"code": "wrong"}, ok=NOT_IN),
    "POST /join/finish": Row("anybody", form={"code": "wrong"}, ok=NOT_IN),
    "POST /sign-out": Row("anybody", form={}, ok=(303, 404)),
    "GET /flags": Row("anybody", ok=SEEN_OTHER),
    "GET /open/{message}": Row("anybody", {"message": "message"}, ok=SEEN_OTHER),
    "GET /unsubscribe/{message}": Row("anybody", {"message": "message"}),
    "POST /unsubscribe/{message}": Row("anybody", {"message": "message"}, form={}),
    "GET /console/{file_path}": Row("anybody", fixed={"file_path": "style.css"}),
    "HEAD /console/{file_path}": Row("anybody", fixed={"file_path": "style.css"}),
    "GET /exercises/{file}": Row("anybody", fixed={"file": "hip_bridge.svg"}),
    "GET /enrol": Row("anybody"),
    "POST /enrol": Row("anybody", form={"code": "wrong"}, ok=UNREADABLE),
    "POST /api/v1/enrolments/redeem": Row("anybody", body={"code": "wrong"}, ok=UNREADABLE),
    "GET /healthz": Row("anybody", ok=(200, 503)),
    "GET /api/v1/openapi.json": Row("anybody"),
    "GET /api/v1/docs": Row("anybody"),
    # break-glass has tests of its own: whoever sees a patient has nothing to open
    f"POST {API}/patients/{{id}}/break-glass": Row("staff", ID, {"reason": WHY}, ok=(201, 409)),
    "POST /clinic/break-glass": Row("staff", form={"name": "Nobody", "reason": WHY}, ok=(422,)),
}
# Whom break-glass concerns does not see the patient yet: for them the answer is this, and not that of a stranger.
OPENED_BY_GLASS = f"POST {API}/patients/{{id}}/break-glass"

"""Who may do what: one line a route, of the API and of the pages alike. A route that stands in no line is not served:
the application is not even built. This is the one place that decides; the handlers only ask.

A line says which kinds of people are let in, which verb an integration must hold, and whose record the path names.
Where somebody sees only those they treat, that record is looked up through their eyes in the very transaction that then
reads or writes it, so that a stranger's is not there, like one that never was.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple

from litestar.routes import HTTPRoute
from litestar.types import HTTPScope
from sqlalchemy import Connection, Select, bindparam, select

from notifications.tables import message
from programs import treating
from programs.errors import NoSuchRecord
from programs.instants import Instant
from programs.tables import check_in, flag, needling_session, patient
from programs.treating import SEEN, TREATED, Sight
from service.care import STAFF, Who
from service.database import Bridge
from service.errors import NOT_FOR_YOU, Refused

PATIENT = ("patient",)
ADMIN = ("admin",)
ANYBODY: tuple[str, ...] = ()  # signed in or not


class Line(NamedTuple):
    """`about` is "kind:parameter": the path parameter that names a patient, or something of one. `glass`: whether a
    record opened by break-glass will do, or only one of a patient who is treated."""

    who: tuple[str, ...]
    verb: str = ""
    about: str = ""
    glass: bool = True


# Break-glass opens a record to look at and to act on, but not to change who treats the patient.
_TREATING = False

LINES: Mapping[str, Line] = {
    # the API: a clinic's part
    "GET /api/v1/clinics/{clinic}": Line(STAFF, "read clinic"),
    "GET /api/v1/clinics/{clinic}/programs": Line(STAFF, "read clinic"),
    "GET /api/v1/clinics/{clinic}/exercises": Line(STAFF, "read clinic"),
    "GET /api/v1/clinics/{clinic}/exercises/{id}": Line(STAFF, "read clinic"),
    "PUT /api/v1/clinics/{clinic}/exercises/{id}": Line(STAFF),
    "DELETE /api/v1/clinics/{clinic}/exercises/{id}": Line(STAFF),
    "PUT /api/v1/clinics/{clinic}/exercises/{id}/words": Line(STAFF),
    "GET /api/v1/clinics/{clinic}/questions": Line(STAFF, "read clinic"),
    "GET /api/v1/clinics/{clinic}/check-in-form": Line(STAFF, "read clinic"),
    "PATCH /api/v1/clinics/{clinic}/settings": Line(ADMIN),
    "PUT /api/v1/clinics/{clinic}/addresses/{id}": Line(STAFF),
    "GET /api/v1/clinics/{clinic}/keys": Line(ADMIN),
    "POST /api/v1/clinics/{clinic}/keys": Line(ADMIN),
    "DELETE /api/v1/clinics/{clinic}/keys/{id}": Line(ADMIN),
    "GET /api/v1/clinics/{clinic}/patients": Line(STAFF, "read patients"),
    "POST /api/v1/clinics/{clinic}/patients": Line(STAFF, "write patients"),
    "GET /api/v1/clinics/{clinic}/patients/{id}": Line(STAFF, "read patients", "patient:id"),
    "PATCH /api/v1/clinics/{clinic}/patients/{id}": Line(STAFF, "write patients", "patient:id", _TREATING),
    "POST /api/v1/clinics/{clinic}/patients/{id}/break-glass": Line(STAFF),
    "GET /api/v1/clinics/{clinic}/break-glass": Line(ADMIN),
    "GET /api/v1/clinics/{clinic}/patients/{patient}/devices": Line(STAFF, "", "patient:patient"),
    "DELETE /api/v1/clinics/{clinic}/patients/{patient}/devices/{id}": Line(STAFF, "", "patient:patient", _TREATING),
    "GET /api/v1/clinics/{clinic}/patients/{patient}/enrolment": Line(STAFF, "let phones in", "patient:patient"),
    "POST /api/v1/clinics/{clinic}/patients/{patient}/enrolment": Line(
        STAFF, "let phones in", "patient:patient", _TREATING
    ),
    "POST /api/v1/clinics/{clinic}/needling-sessions": Line(STAFF, "write needling sessions"),
    "GET /api/v1/clinics/{clinic}/needling-sessions/{id}": Line(STAFF, "read needling sessions", "session:id"),
    "PUT /api/v1/clinics/{clinic}/needling-sessions/{id}": Line(STAFF, "write needling sessions", "session:id"),
    "DELETE /api/v1/clinics/{clinic}/needling-sessions/{id}": Line(STAFF, "write needling sessions", "session:id"),
    "POST /api/v1/clinics/{clinic}/needling-sessions/{id}/release": Line(STAFF, "", "session:id"),
    "GET /api/v1/clinics/{clinic}/patients/{patient}/phases": Line(STAFF, "read plans", "patient:patient"),
    "POST /api/v1/clinics/{clinic}/programs": Line(STAFF),
    "PUT /api/v1/clinics/{clinic}/programs/{id}": Line(STAFF),
    "DELETE /api/v1/clinics/{clinic}/programs/{id}": Line(STAFF),
    "GET /api/v1/clinics/{clinic}/patients/{patient}/suggestions": Line(STAFF, "read plans", "patient:patient"),
    "GET /api/v1/clinics/{clinic}/protocols": Line(STAFF, "read clinic"),
    "POST /api/v1/clinics/{clinic}/protocols": Line(STAFF),
    "GET /api/v1/clinics/{clinic}/protocols/{id}": Line(STAFF, "read clinic"),
    "POST /api/v1/clinics/{clinic}/protocols/{id}/approve": Line(STAFF),
    "GET /api/v1/clinics/{clinic}/patients/{patient}/plans": Line(STAFF, "read plans", "patient:patient"),
    "POST /api/v1/clinics/{clinic}/patients/{patient}/plans": Line(STAFF, "write plans", "patient:patient", _TREATING),
    "PUT /api/v1/clinics/{clinic}/patients/{patient}/plans/{id}": Line(STAFF, "write plans", "patient:patient"),
    "POST /api/v1/clinics/{clinic}/patients/{patient}/plans/{id}/hold": Line(STAFF, "write plans", "patient:patient"),
    "POST /api/v1/clinics/{clinic}/patients/{patient}/plans/{id}/end": Line(STAFF, "write plans", "patient:patient"),
    "GET /api/v1/clinics/{clinic}/patients/{id}/agenda": Line(STAFF, "read agenda", "patient:id"),
    "POST /api/v1/clinics/{clinic}/patients/{id}/agenda": Line(STAFF, "read agenda", "patient:id"),
    "GET /api/v1/clinics/{clinic}/messages/{id}": Line(STAFF, "read agenda", "message:id"),
    "POST /api/v1/clinics/{clinic}/text-replies": Line(ADMIN, "report text replies"),
    "GET /api/v1/clinics/{clinic}/patients/{id}/messages": Line(STAFF, "read agenda", "patient:id"),
    "GET /api/v1/clinics/{clinic}/patients/{id}/adherence": Line(STAFF, "read adherence", "patient:id"),
    "GET /api/v1/clinics/{clinic}/adherence": Line(STAFF, "read adherence"),
    "GET /api/v1/clinics/{clinic}/patients/{id}/monitoring": Line(STAFF, "read monitoring", "patient:id"),
    "POST /api/v1/clinics/{clinic}/patients/{id}/staff-time": Line(STAFF, "", "patient:id"),
    "PUT /api/v1/clinics/{clinic}/settings/monitoring-labels": Line(ADMIN),
    "GET /api/v1/clinics/{clinic}/flags": Line(STAFF, "read flags"),
    "GET /api/v1/clinics/{clinic}/flags/{id}": Line(STAFF, "read flags", "flag:id"),
    "GET /api/v1/clinics/{clinic}/unanswered": Line(STAFF, "read flags"),
    "POST /api/v1/clinics/{clinic}/unanswered/{id}/follow-up": Line(STAFF, "", "check_in:id"),
    "GET /api/v1/clinics/{clinic}/rules": Line(STAFF, "read clinic"),
    "POST /api/v1/clinics/{clinic}/rules/{id}/approve": Line(STAFF),
    "POST /api/v1/clinics/{clinic}/rules/{id}/switch": Line(STAFF),
    "GET /api/v1/clinics/{clinic}/triage": Line(STAFF, "read clinic"),
    "POST /api/v1/clinics/{clinic}/triage/switch": Line(ADMIN),
    "POST /api/v1/clinics/{clinic}/triage/watch": Line(ADMIN),
    "POST /api/v1/clinics/{clinic}/triage/on-call": Line(ADMIN),
    "POST /api/v1/clinics/{clinic}/flags/{id}/acknowledge": Line(STAFF, "", "flag:id"),
    "GET /api/v1/clinics/{clinic}/patients/{id}/outcomes": Line(STAFF, "read outcomes", "patient:id"),
    "POST /api/v1/clinics/{clinic}/patients/{id}/activities": Line(STAFF, "", "patient:id", _TREATING),
    # the API: a patient's own part
    "GET /api/v1/me/outcomes": Line(PATIENT),
    "POST /api/v1/me/activities": Line(PATIENT),
    "POST /api/v1/me/activities/{id}/end": Line(PATIENT),
    "POST /api/v1/me/ratings": Line(PATIENT),
    "GET /api/v1/me/today": Line(PATIENT),
    "GET /api/v1/me/progress": Line(PATIENT),
    "GET /api/v1/me/check-ins": Line(PATIENT),
    "POST /api/v1/me/check-ins/{id}/answers": Line(PATIENT),
    "POST /api/v1/me/completions": Line(PATIENT),
    "GET /api/v1/me/devices": Line(PATIENT),
    "GET /api/v1/me/export": Line(PATIENT),
    "GET /api/v1/me/access": Line(PATIENT),
    "GET /api/v1/clinics/{clinic}/patients/{id}/export": Line(ADMIN, "", "patient:id"),
    "GET /api/v1/clinics/{clinic}/patients/{id}/access": Line(ADMIN, "", "patient:id"),
    "GET /api/v1/me/export/readable": Line(PATIENT),
    "GET /api/v1/clinics/{clinic}/patients/{id}/export/readable": Line(ADMIN, "", "patient:id"),
    "GET /api/v1/me/consents": Line(PATIENT),
    "POST /api/v1/me/unenrol": Line(PATIENT),
    "GET /api/v1/me/erasure": Line(PATIENT),
    "POST /api/v1/me/erasure": Line(PATIENT),
    "GET /api/v1/clinics/{clinic}/patients/{id}/consents": Line(STAFF, "", "patient:id"),
    "POST /api/v1/clinics/{clinic}/patients/{id}/unenrol": Line(STAFF, "", "patient:id", _TREATING),
    "GET /api/v1/clinics/{clinic}/erasures": Line(ADMIN),
    "GET /api/v1/clinics/{clinic}/patients/{id}/erasure": Line(ADMIN, "", "patient:id"),
    "POST /api/v1/clinics/{clinic}/patients/{id}/erasure": Line(STAFF, "", "patient:id", _TREATING),
    "POST /api/v1/clinics/{clinic}/patients/{id}/erasure/refuse": Line(ADMIN, "", "patient:id"),
    "POST /api/v1/clinics/{clinic}/patients/{id}/erasure/approve": Line(ADMIN, "", "patient:id"),
    "POST /api/v1/clinics/{clinic}/patients/{id}/legal-hold": Line(ADMIN, "", "patient:id"),
    "POST /api/v1/clinics/{clinic}/patients/{id}/legal-hold/release": Line(ADMIN, "", "patient:id"),
    "DELETE /api/v1/me/devices/{id}": Line(PATIENT),
    "PUT /api/v1/me/addresses/{id}": Line(PATIENT),
    "GET /api/v1/me/push-key": Line(PATIENT),
    "POST /api/v1/me/receipts": Line(PATIENT),
    "POST /api/v1/me/messages/{id}/snooze": Line(PATIENT),
    "GET /api/v1/me/addresses": Line(PATIENT),
    "GET /api/v1/me/preferences": Line(PATIENT),
    "PATCH /api/v1/me/preferences": Line(PATIENT),
    # pages of staff
    "GET /clinic": Line(STAFF),
    "GET /clinic/adherence": Line(STAFF),
    "GET /clinic/keys": Line(ADMIN),
    "POST /clinic/keys": Line(ADMIN),
    "POST /clinic/keys/{id}/end": Line(ADMIN),
    "GET /clinic/patients/{id}/adherence": Line(STAFF, "", "patient:id"),
    "GET /clinic/patients/{id}/monitoring": Line(STAFF, "", "patient:id"),
    "POST /clinic/patients/{id}/staff-time": Line(STAFF, "", "patient:id"),
    "GET /clinic/monitoring.csv": Line(STAFF),
    "GET /clinic/break-glass": Line(STAFF),
    "POST /clinic/break-glass": Line(STAFF),
    "GET /clinic/flags/{id}": Line(STAFF, "", "flag:id"),
    "POST /clinic/flags/{id}/acknowledge": Line(STAFF, "", "flag:id"),
    "POST /clinic/patients/{id}/follow-up": Line(STAFF, "", "patient:id"),
    "GET /clinic/rules": Line(STAFF),
    "POST /clinic/rules/approve": Line(STAFF),
    "POST /clinic/rules/{id}/switch": Line(STAFF),
    "POST /clinic/triage/switch": Line(ADMIN),
    "POST /clinic/triage/watch": Line(ADMIN),
    "GET /clinic/patients/{id}": Line(STAFF, "", "patient:id"),
    "POST /clinic/patients/{id}/consent": Line(STAFF, "", "patient:id", _TREATING),
    "GET /clinic/patients/{id}/messages": Line(STAFF, "", "patient:id"),
    "POST /clinic/patients/{id}/discharge": Line(STAFF, "", "patient:id", _TREATING),
    "GET /clinic/patients/{id}/needling-sessions": Line(STAFF, "", "patient:id"),
    "POST /clinic/patients/{id}/needling-sessions": Line(STAFF, "", "patient:id"),
    "GET /clinic/patients/{id}/plans": Line(STAFF, "", "patient:id"),
    "POST /clinic/patients/{id}/plans": Line(STAFF, "", "patient:id", _TREATING),
    "GET /clinic/patients/{id}/phones": Line(STAFF, "", "patient:id"),
    "POST /clinic/patients/{id}/phones": Line(STAFF, "", "patient:id", _TREATING),
    "POST /clinic/patients/{id}/phones/{device}/end": Line(STAFF, "", "patient:id", _TREATING),
    "POST /clinic/patients/{id}/plans/{plan}/end": Line(STAFF, "", "patient:id"),
    "POST /clinic/patients/{id}/plans/{plan}/keep": Line(STAFF, "", "patient:id"),
    "POST /clinic/patients/{id}/needling-sessions/{session}/release": Line(STAFF, "", "patient:id"),
    "GET /clinic/programs": Line(STAFF),
    "POST /clinic/programs/{id}/retire": Line(STAFF),
    "GET /clinic/protocol": Line(STAFF),
    "POST /clinic/protocol": Line(STAFF),
    "POST /clinic/protocol/{id}/approve": Line(STAFF),
    "POST /clinic/patients/{id}/plans/{plan}/hold": Line(STAFF, "", "patient:id"),
    "GET /clinic/patients/{id}/record": Line(STAFF, "", "patient:id"),
    "GET /clinic/patients/{id}/record/copy.json": Line(ADMIN, "", "patient:id"),
    "GET /clinic/patients/{id}/record/copy.html": Line(ADMIN, "", "patient:id"),
    "GET /clinic/patients/{id}/record/access": Line(ADMIN, "", "patient:id"),
    "POST /clinic/patients/{id}/record/unenrol": Line(STAFF, "", "patient:id", _TREATING),
    "POST /clinic/patients/{id}/record/erasure": Line(STAFF, "", "patient:id", _TREATING),
    "POST /clinic/patients/{id}/record/erasure/refuse": Line(ADMIN, "", "patient:id"),
    "POST /clinic/patients/{id}/record/erasure/approve": Line(ADMIN, "", "patient:id"),
    "POST /clinic/patients/{id}/record/legal-hold": Line(ADMIN, "", "patient:id"),
    "POST /clinic/patients/{id}/record/legal-hold/release": Line(ADMIN, "", "patient:id"),
    "GET /clinic/requests": Line(ADMIN),
    "GET /clinic/settings": Line(ADMIN),
    "POST /clinic/settings": Line(ADMIN),
    # how somebody of staff signs in
    "GET /clinic/staff": Line(ADMIN),
    "POST /clinic/staff": Line(ADMIN),
    "POST /clinic/staff/{id}/disable": Line(ADMIN),
    "POST /clinic/staff/{id}/reset": Line(ADMIN),
    "GET /account": Line(STAFF),
    "POST /account/password": Line(STAFF),
    "POST /account/recovery-codes": Line(STAFF),
    "POST /account/sessions/end-others": Line(STAFF),
    "POST /account/one-time-codes": Line(STAFF),
    "POST /account/one-time-codes/finish": Line(STAFF),
    "POST /account/passkeys": Line(STAFF),
    "POST /account/passkeys/finish": Line(STAFF),
    "POST /account/passkeys/{id}/remove": Line(STAFF),
    # pages of patients
    "GET /today": Line(PATIENT),
    "GET /progress": Line(PATIENT),
    "GET /today/check-ins/{id}": Line(PATIENT),
    "POST /today/check-ins/{id}": Line(PATIENT),
    "POST /today/completions": Line(PATIENT),
    "GET /activities": Line(PATIENT),
    "POST /activities": Line(PATIENT),
    "POST /activities/rate": Line(PATIENT),
    "POST /activities/{id}/end": Line(PATIENT),
    "GET /phones": Line(PATIENT),
    "POST /phones/{device}/end": Line(PATIENT),
    "GET /record": Line(PATIENT),
    "GET /record/copy.json": Line(PATIENT),
    "GET /record/copy.html": Line(PATIENT),
    "GET /record/access": Line(PATIENT),
    "POST /record/unenrol": Line(PATIENT),
    "POST /record/erasure": Line(PATIENT),
    # before, after and without signing in
    "GET /": Line(ANYBODY),
    "GET /sign-in": Line(ANYBODY),
    "POST /sign-in": Line(ANYBODY),
    "GET /sign-in/second": Line(ANYBODY),
    "POST /sign-in/second": Line(ANYBODY),
    "POST /sign-in/passkey": Line(ANYBODY),
    "POST /sign-in/passkey/options": Line(ANYBODY),
    "GET /sign-in/elsewhere": Line(ANYBODY),
    "GET /sign-in/elsewhere/back": Line(ANYBODY),
    "POST /sign-in/demo": Line(ANYBODY),
    "POST /sign-out": Line(ANYBODY),
    "GET /join": Line(ANYBODY),
    "POST /join": Line(ANYBODY),
    "POST /join/finish": Line(ANYBODY),
    "GET /flags": Line(ANYBODY),  # leads on
    "GET /open/{message}": Line(ANYBODY),  # leads on
    "GET /unsubscribe/{message}": Line(ANYBODY),
    "POST /unsubscribe/{message}": Line(ANYBODY),
    "GET /console/{file_path}": Line(ANYBODY),
    "HEAD /console/{file_path}": Line(ANYBODY),
    "GET /enrol": Line(ANYBODY),
    "POST /enrol": Line(ANYBODY),
    "POST /api/v1/enrolments/redeem": Line(ANYBODY),
    "GET /exercises/{file}": Line(ANYBODY),
    "GET /healthz": Line(ANYBODY),
    "GET /api/v1/openapi.json": Line(ANYBODY),
    "GET /api/v1/docs": Line(ANYBODY),
}
VERBS = tuple(sorted({line.verb for line in LINES.values()} - {""}))


class Unlisted(RuntimeError):
    """A route nobody has decided about, or a line of none."""


def check(routes: Iterable[object]) -> None:
    """Raises Unlisted unless each route of the application has a line, and each line a route."""
    served = {
        key_of(str(method), route.path)
        for route in routes
        if isinstance(route, HTTPRoute)
        for method in route.route_handler_map
        if method != "OPTIONS"  # says which methods there are
    }
    for key in sorted(served - set(LINES)):
        raise Unlisted(f"no line says who may {key}: add one to LINES in service/access.py")
    for key in sorted(set(LINES) - served):
        raise Unlisted(f"there is no route {key}: take its line out of service/access.py")


@cache
def key_of(method: str, template: str) -> str:
    return f"{method} {template.replace(':str', '').replace(':path', '')}"


def line_of(scope: HTTPScope) -> Line:
    return LINES[key_of(scope["method"], scope["path_template"])]


def admit(line: Line, who: Who) -> None:
    """Raises Refused for whom the line does not let in."""
    if line.who == ANYBODY:
        return
    if who.kind == "key":
        if not line.verb:
            raise Refused(NOT_FOR_YOU, "This is not for integrations.")
        if line.verb not in who.verbs:
            raise Refused(NOT_FOR_YOU, f"This key does not hold the verb “{line.verb}”.")
    elif who.kind not in line.who:
        raise Refused(NOT_FOR_YOU, _otherwise(line, who))


def _otherwise(line: Line, who: Who) -> str:
    if line.who == PATIENT:
        return "This is for patients. Your own part begins with /api/v1/clinics."
    if line.who == ADMIN and who.kind in STAFF:
        return "This is for those who run the clinic."
    return "This is for clinicians. Your own part begins with /api/v1/me."


# whose record


class _Look(NamedTuple):
    """The statement that finds the record: for who sees all, for who sees some, and where break-glass will not do."""

    all: Select[Any]
    seen: Select[Any]
    treated: Select[Any]


def _look(statement: Select[Any]) -> _Look:
    statement = statement.where(patient.c.clinic_id == bindparam("clinic"))
    return _Look(statement, statement.where(SEEN), statement.where(TREATED))


_LOOK: Mapping[str, _Look] = {
    "patient": _look(select(patient.c.id).where(patient.c.id == bindparam("id"))),
    "session": _look(
        select(patient.c.id)
        .join(
            needling_session,
            (needling_session.c.clinic_id == patient.c.clinic_id) & (needling_session.c.patient_id == patient.c.id),
        )
        .where(needling_session.c.id == bindparam("id"))
    ),
    "flag": _look(
        select(patient.c.id)
        .join(flag, (flag.c.clinic_id == patient.c.clinic_id) & (flag.c.patient_id == patient.c.id))
        .where(flag.c.id == bindparam("id"))
    ),
    "message": _look(
        select(patient.c.id)
        .join(message, (message.c.clinic_id == patient.c.clinic_id) & (message.c.person_id == patient.c.id))
        .where(message.c.id == bindparam("id"))
    ),
    "check_in": _look(
        select(patient.c.id)
        .join(check_in, (check_in.c.clinic_id == patient.c.clinic_id) & (check_in.c.patient_id == patient.c.id))
        .where(check_in.c.id == bindparam("id"))
    ),
}


class Guard(NamedTuple):
    """The record a path names, through the eyes of whoever asks."""

    clinic: str
    kind: str
    id: str
    glass: bool
    sight: Sight | None


def sight_of(who: Who, now: Instant) -> Sight | None:
    """None sees every patient of the clinic; deny by default: whoever treats nobody sees nobody."""
    return None if who.sees_all else Sight(who.id, now)


def guard_of(line: Line, who: Who, params: Mapping[str, Any], now: Instant) -> Guard | None:
    if not line.about:
        return None
    kind, _, name = line.about.partition(":")
    return Guard(who.clinic, kind, str(params[name]), line.glass, sight_of(who, now))


def guarded(db: Connection, guard: Guard, verb: Callable[..., Any], *args: Any) -> Any:
    look = _LOOK[guard.kind]
    statement = look.all if guard.sight is None else look.seen if guard.glass else look.treated
    values = {"clinic": guard.clinic, "id": guard.id, **treating.parameters(guard.sight)}
    if db.execute(statement, values).first() is None:
        raise NoSuchRecord(guard.kind, guard.id)
    return verb(db, *args)


class Behind(NamedTuple):
    """A part of the database behind a guard: each transaction looks first whether the record is theirs to see."""

    part: Bridge
    guard: Guard

    async def read(self, verb: Callable[..., Any], *args: Any) -> Any:
        return await self.part.read(guarded, self.guard, verb, *args)

    async def write(self, verb: Callable[..., Any], *args: Any) -> Any:
        return await self.part.write(guarded, self.guard, verb, *args)


def behind(part: Bridge, guard: Guard | None) -> Bridge:
    return part if guard is None else Behind(part, guard)

"""What is known of a patient, all of it; and who looked at it, in plain words."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from litestar import get
from litestar.response.base import ASGIResponse
from sqlalchemy import Connection

from notifications.preferences import DEFAULT, preferences_of
from programs import people
from programs.consent import asked_in
from programs.instants import Instant
from service import audit, rights
from service.api.call import ApiRequest, Call, at_clinic, at_me
from service.api.doc import Doc
from service.api.wire import Out, Page, PageQuery, paged, place, stamp
from service.auth.limits import EXPORT_BY_PERSON, Take, take
from service.care import Who

# The last word of a path that is on this list says what was seen; what is on none is "your record".
SEEN = {
    "plans": "your home program",
    "phases": "your home program",
    "needling-sessions": "your needling sessions",
    "adherence": "what you have done of your program",
    "agenda": "the messages you get",
    "flags": "answers of yours that need a look",
    "check-ins": "your check-ins",
    "devices": "your phones",
    "export": "a copy of all of your record",
    "access": "who has seen your record",
}
STAFF_WORDS = {"clinician": "therapist", "admin": "runs the clinic", "key": "another program of your clinic"}


class ExportOut(Out, frozen=True, kw_only=True):
    """Every row there is of a patient, by table. `clinicians` are the names of those whose ids stand in it."""

    form: int
    made_at: str
    patient_id: str
    clinicians: Mapping[str, str]
    records: Mapping[str, Sequence[Mapping[str, Any]]]


class AccessOut(Out, frozen=True, kw_only=True):
    """`text` says it for the patient; `what` is the deed or route as it is noted. `of_everybody` is a list or a number
    of the whole clinic, in which the patient may have stood."""

    at: datetime
    who: str
    name: str
    what: str
    refused: bool
    of_everybody: bool
    text: str


class ConsentOut(Out, frozen=True, kw_only=True):
    """Given or withdrawn, and who wrote it down; the version of the words that were asked, and the words."""

    given: bool
    at: datetime
    recorded_by: str
    wording: str
    text: str


class ConsentsOut(Out, frozen=True, kw_only=True):
    items: Sequence[ConsentOut]


@get("/me/export", doc=Doc(gives=ExportOut, also=(429,)))
async def export_mine(request: ApiRequest) -> ASGIResponse:
    """All that is kept of you, for you to keep or take elsewhere; without the notes clinicians write for each other."""
    call = await at_me(request)
    return await _export(call, call.who.id, private=False)


@get("/me/access", doc=Doc(gives=Page[AccessOut], query=PageQuery))
async def who_saw_me(request: ApiRequest) -> ASGIResponse:
    """Who looked at your record or changed it, and when, latest first."""
    call = await at_me(request)
    return await _access(call, call.who.id)


@get("/clinics/{clinic:str}/patients/{id:str}/export", doc=Doc(gives=ExportOut, also=(429,)))
async def export_patient(request: ApiRequest) -> ASGIResponse:
    """For those who run the clinic: all that is kept of one patient, private notes included."""
    call = await at_clinic(request)
    return await _export(call, call.id(), private=True)


@get("/clinics/{clinic:str}/patients/{id:str}/access", doc=Doc(gives=Page[AccessOut], query=PageQuery))
async def who_saw_patient(request: ApiRequest) -> ASGIResponse:
    """For those who run the clinic: who looked at one patient's record or changed it, latest first."""
    call = await at_clinic(request)
    return await _access(call, call.id())


@get("/me/consents", doc=Doc(gives=ConsentsOut))
async def my_consents(request: ApiRequest) -> ASGIResponse:
    """What you agreed to and withdrew, oldest first."""
    call = await at_me(request)
    return await call.read(_consents, call.who.clinic, call.who.id)


@get("/clinics/{clinic:str}/patients/{id:str}/consents", doc=Doc(gives=ConsentsOut))
async def consents_of_patient(request: ApiRequest) -> ASGIResponse:
    """What a patient agreed to and withdrew, oldest first, and who wrote it down."""
    call = await at_clinic(request)
    return await call.read(_consents, call.who.clinic, call.id())


async def _export(call: Call, patient: str, private: bool) -> ASGIResponse:
    await call.desk.db.write(take, [Take(EXPORT_BY_PERSON, (call.who.clinic, call.who.id))], call.now)
    return await call.read(_exported, call.who.clinic, patient, call.now, private)


def _exported(db: Connection, clinic: str, patient: str, now: Instant, private: bool) -> ExportOut:
    return ExportOut(**rights.export(db, clinic, patient, now, private))


async def _access(call: Call, patient: str) -> ASGIResponse:
    query = call.query(PageQuery)
    return await call.read(_page, call.who, patient, place(query.cursor, int), query.limit)


def _page(db: Connection, who: Who, patient: str, before: int | None, limit: int) -> Page[AccessOut]:
    people.patient_of(db, who.clinic, patient)
    names = people.clinicians_of(db, who.clinic)
    found = audit.links_of(db, who.clinic, patient, before, limit + 1, lists=True)
    return paged(found, limit, lambda it: it.number, lambda it: _out(it.note, patient, names))


def _out(it: audit.Note, patient: str, names: Mapping[str, str]) -> AccessOut:
    kind, _, id = it.who.partition(":")
    name = names.get(id, "") if kind in ("clinician", "admin") else ""
    return AccessOut(
        at=stamp(it.at),
        who=it.who,
        name=name,
        what=it.what,
        refused=it.outcome == "refused",
        of_everybody=it.patient == "",
        text=_say(it, "You" if it.who == f"patient:{patient}" else _person(kind, name)),
    )


def _person(kind: str, name: str) -> str:
    said = STAFF_WORDS.get(kind, "this service itself" if kind == "system" else "somebody else")
    return f"{name}, {said}," if name else said.capitalize()


def _say(it: audit.Note, person: str) -> str:
    if it.outcome == "refused":
        return f"{person} asked for your record and was refused."
    method, _, path = it.what.partition(" ")
    if method != "GET":
        return f"{person}: {it.what}."
    if it.patient == "":
        return f"{person} opened a list or numbers of the whole clinic, in which you may stand."
    return f"{person} looked at {SEEN.get(path.rsplit('/', 1)[-1], 'your record')}."


def _consents(db: Connection, clinic: str, patient: str) -> ConsentsOut:
    people.patient_of(db, clinic, patient)
    language = preferences_of(db, clinic, [patient]).get(patient, DEFAULT).language
    return ConsentsOut(
        items=[
            ConsentOut(
                given=it.given,
                at=stamp(it.recorded_at),
                recorded_by=it.recorded_by,
                wording=it.wording,
                text=asked_in(it.wording, language),
            )
            for it in people.consents_of(db, clinic, patient)
        ]
    )


ROUTES = (my_consents, consents_of_patient, export_mine, who_saw_me, export_patient, who_saw_patient)

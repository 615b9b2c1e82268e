"""What is known of a patient, all of it; and who looked at it, in plain words."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from litestar import get
from litestar.response.base import ASGIResponse
from sqlalchemy import Connection

from programs import people
from programs.consent import asked_in
from programs.instants import Instant, moment, of
from service import audit, rights
from service.api.call import ApiRequest, Call, at_clinic, at_me
from service.api.doc import Doc
from service.api.wire import Moment, Out, Page, PageQuery, paged, place, stamp
from service.audit import Asked
from service.auth.limits import EXPORT_BY_PERSON, Take, take
from service.care import Who
from service.records.readers import Seen, language_of, seen_by
from service.records.sheet import readable

HTML = "text/html"


class ExportOut(Out, frozen=True, kw_only=True):
    """Every row there is of a patient, by table. `clinicians` are the names of those whose ids stand in it."""

    form: int
    made_at: str
    patient_id: str
    clinicians: Mapping[str, str]
    records: Mapping[str, Sequence[Mapping[str, Any]]]


class AccessQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of the time from `since` until before `until`, where they are given."""

    since: Moment | None = None
    until: Moment | None = None


class AccessOut(Out, frozen=True, kw_only=True):
    """`text` says it for the patient, in their language; `what` is the deed or route as it is noted. `of_everybody` is
    a list or a number of the whole clinic, in which the patient may have stood. `emergency`: by break-glass."""

    at: datetime
    who: str
    name: str
    what: str
    refused: bool
    of_everybody: bool
    emergency: bool
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


@get("/me/export/readable", doc=Doc(gives=str, also=(429,), media_type=HTML))
async def readable_copy_of_mine(request: ApiRequest) -> ASGIResponse:
    """The same for people: one page to read and print, in your language, that loads nothing from anywhere."""
    call = await at_me(request)
    return await _readable(call, call.who.id, private=False)


@get("/me/access", doc=Doc(gives=Page[AccessOut], query=AccessQuery))
async def who_saw_me(request: ApiRequest) -> ASGIResponse:
    """Who looked at your record or changed it, and when, latest first."""
    call = await at_me(request)
    return await _access(call, call.who.id)


@get("/clinics/{clinic:str}/patients/{id:str}/export", doc=Doc(gives=ExportOut, also=(429,)))
async def export_patient(request: ApiRequest) -> ASGIResponse:
    """For those who run the clinic: all that is kept of one patient, private notes included."""
    call = await at_clinic(request)
    return await _export(call, call.id(), private=True)


@get("/clinics/{clinic:str}/patients/{id:str}/export/readable", doc=Doc(gives=str, also=(429,), media_type=HTML))
async def readable_copy_of_patient(request: ApiRequest) -> ASGIResponse:
    """The same for people: one page to read and print, in the patient's language, private notes included."""
    call = await at_clinic(request)
    return await _readable(call, call.id(), private=True)


@get("/clinics/{clinic:str}/patients/{id:str}/access", doc=Doc(gives=Page[AccessOut], query=AccessQuery))
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
    await _count(call)
    return await call.read(_exported, call.who.clinic, patient, call.now, private)


async def _readable(call: Call, patient: str, private: bool) -> ASGIResponse:
    await _count(call)
    text: str = await call.db.read(readable, call.who.clinic, patient, call.now, private)
    return ASGIResponse(body=text.encode(), media_type=HTML, headers=attached(call.now, "html"))


async def _count(call: Call) -> None:
    await call.desk.db.write(take, [Take(EXPORT_BY_PERSON, (call.who.clinic, call.who.id))], call.now)


def attached(now: Instant, ending: str) -> dict[str, str]:
    """To be saved, under a name that says nothing of anybody."""
    return {"content-disposition": f'attachment; filename="record-{moment(now).date().isoformat()}.{ending}"'}


def _exported(db: Connection, clinic: str, patient: str, now: Instant, private: bool) -> ExportOut:
    return ExportOut(**rights.export(db, clinic, patient, now, private))


async def _access(call: Call, patient: str) -> ASGIResponse:
    query = call.query(AccessQuery)
    since, until = (None if it is None else of(it) for it in (query.since, query.until))
    asked = Asked(query.limit + 1, place(query.cursor, int), since, until, lists=True)
    return await call.read(_page, call.who, patient, asked)


def _page(db: Connection, who: Who, patient: str, asked: Asked) -> Page[AccessOut]:
    people.patient_of(db, who.clinic, patient)
    language = language_of(db, who.clinic, patient)
    found = seen_by(db, who.clinic, patient, audit.links_of(db, who.clinic, patient, asked), language)
    return paged(found, asked.many - 1, lambda it: it.number, _out)


def _out(it: Seen) -> AccessOut:
    return AccessOut(
        at=stamp(it.note.at),
        who=it.note.who,
        name=it.name,
        what=it.note.what,
        refused=it.note.outcome == "refused",
        of_everybody=it.note.patient == "",
        emergency=it.emergency,
        text=it.text,
    )


def _consents(db: Connection, clinic: str, patient: str) -> ConsentsOut:
    people.patient_of(db, clinic, patient)
    language = language_of(db, clinic, patient)
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


ROUTES = (
    *(my_consents, consents_of_patient, export_mine, readable_copy_of_mine, who_saw_me),
    *(export_patient, readable_copy_of_patient, who_saw_patient),
)

"""Patients of a clinic: list, enrol, look at, change."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import get, patch, post
from litestar.response.base import ASGIResponse
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import Connection

from notifications import addresses, book, preferences, reach
from notifications.preferences import Preferences
from notifications.reach import Known
from programs import people
from programs.errors import did_you_mean
from programs.exercises import FLAGS
from programs.ids import new_id
from programs.instants import Instant
from programs.people import Patient
from service import care
from service.access import sight_of
from service.api.call import ApiRequest, at_clinic
from service.api.doc import Doc
from service.api.wire import Body, Clock, Etag, Id, Line, Out, Page, PageQuery, line, maybe_stamp, paged, place, stamp
from service.care import Who
from service.errors import Wrong, invalid, under

Zone = Annotated[str, Meta(max_length=64, description="An IANA time zone, such as Europe/Madrid.")]
Precautions = Annotated[
    tuple[Annotated[str, Meta(max_length=40)], ...],
    Meta(max_length=20, description=f"What exercises must heed. Any of: {', '.join(FLAGS)}."),
]


class PreferencesIn(Body, frozen=True, kw_only=True):
    """What is left out stays as it is, or as it is for everybody."""

    language: Annotated[str, Meta(max_length=16)] | UnsetType = UNSET
    allowed_from: Clock | UnsetType = UNSET
    allowed_until: Clock | UnsetType = UNSET
    most_a_day: Annotated[int, Meta(ge=1, le=6, description="Reminders and nudges a day.")] | UnsetType = UNSET
    bout_reminders: bool | UnsetType = UNSET
    nudges: Annotated[bool, Meta(description="About a check-in that is not answered.")] | UnsetType = UNSET
    check_ins: Annotated[bool, Meta(description="Being asked by message; the app shows them anyway.")] | UnsetType = (
        UNSET
    )
    channels: Annotated[tuple[str, ...], Meta(max_length=8)] | UnsetType = UNSET

    def over(self, before: Preferences) -> Preferences:
        given = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not UNSET}
        return preferences.checked(msgspec.structs.replace(before, **given))


class PatientIn(Body, frozen=True, kw_only=True):
    """A new patient. Without consent nothing is sent to them."""

    name: Line
    zone: Zone
    clinician_id: Id
    consent: bool
    precautions: Precautions = ()
    preferences: PreferencesIn | None = None


class PatientPatch(Body, frozen=True, kw_only=True):
    """What is left out stays as it is. Discharge ends the plans and all messages."""

    name: Line | UnsetType = UNSET
    zone: Zone | UnsetType = UNSET
    clinician_id: Id | UnsetType = UNSET
    consent: bool | UnsetType = UNSET
    precautions: Precautions | UnsetType = UNSET
    preferences: PreferencesIn | UnsetType = UNSET
    discharged: bool | UnsetType = UNSET


class PatientOut(Out, frozen=True, kw_only=True):
    """`seen_at` is the last sign of life: an answer, a completion, an opened message. `unreachable_since` is set while
    every address of theirs is gone, or has confirmed no message for over a day, or there is none."""

    id: str
    version: Etag
    name: str
    zone: str
    clinician_id: str
    consent: bool
    precautions: Sequence[str]
    preferences: Preferences
    discharged_at: datetime | None
    seen_at: datetime
    unreachable_since: datetime | None
    created_at: datetime


@get("/clinics/{clinic:str}/patients", doc=Doc(gives=Page[PatientOut], query=PageQuery))
async def list_patients(request: ApiRequest) -> ASGIResponse:
    """The patients you see, discharged ones included, in the order in which they were enrolled."""
    call = await at_clinic(request)
    query = call.query(PageQuery)
    return await call.read(_page, call.who, place(query.cursor, str) or "", query.limit, call.now)


@post("/clinics/{clinic:str}/patients", doc=Doc(takes=PatientIn, gives=PatientOut, status=201))
async def enrol_patient(request: ApiRequest) -> ASGIResponse:
    """Enrol a patient. Their language and allowed hours may come with them or later."""
    call = await at_clinic(request)
    return await call.once(201, _enrol, call.who, await call.body(PatientIn), call.now)


@get("/clinics/{clinic:str}/patients/{id:str}", doc=Doc(gives=PatientOut))
async def get_patient(request: ApiRequest) -> ASGIResponse:
    """One patient, with the version to change them by."""
    call = await at_clinic(request)
    return await call.read(_patient, call.who, call.id(), call.now)


@patch(
    "/clinics/{clinic:str}/patients/{id:str}",
    doc=Doc(takes=PatientPatch, gives=PatientOut, if_match="required", also=(409,)),
)
async def change_patient(request: ApiRequest) -> ASGIResponse:
    """Change what is named. Messages follow: a new zone moves them, withdrawn consent and discharge end them."""
    call = await at_clinic(request)
    return await call.change(_change, call.who, call.id(), call.version(), await call.body(PatientPatch), call.now)


def _page(db: Connection, who: Who, after: str, limit: int, now: Instant) -> Page[PatientOut]:
    found = people.patients_of(db, who.clinic, after, limit + 1, sight_of(who, now))
    ids = [it.id for it in found]
    chosen, known = preferences.preferences_of(db, who.clinic, ids), addresses.standings(db, who.clinic, ids)

    def show(it: Patient) -> PatientOut:
        return patient_out(it, chosen.get(it.id, preferences.DEFAULT), unreachable_since(it, known, now))

    return paged(found, limit, lambda it: it.id, show)


def _patient(db: Connection, who: Who, id: str, now: Instant) -> PatientOut:
    it, known = people.patient_of(db, who.clinic, id), addresses.standings(db, who.clinic, [id])
    return patient_out(it, _chosen(db, who, id), unreachable_since(it, known, now))


def unreachable_since(it: Patient, known: Mapping[str, Sequence[Known]], now: Instant) -> Instant | None:
    """Of who wants no messages, or has left, nobody asks."""
    if book.silence(it):
        return None
    return reach.unreachable_since(known.get(it.id, ()), it.created_at, now)


def _chosen(db: Connection, who: Who, id: str) -> Preferences:
    return preferences.preferences_of(db, who.clinic, [id]).get(id, preferences.DEFAULT)


def _enrol(db: Connection, who: Who, it: PatientIn, now: Instant) -> PatientOut:
    people.at_work(db, who.clinic, it.clinician_id)
    new = Patient(
        id=new_id(now),
        name=line(it.name, "/name"),
        zone=it.zone,
        clinician_id=it.clinician_id,
        precautions=_known(it.precautions),
        consented=it.consent,
        discharged_at=None,
        reacted_at=now,
        version=1,
        created_at=now,
    )
    with under("/preferences"):
        chosen = it.preferences.over(preferences.DEFAULT) if it.preferences else None
    care.enrol(db, who, new, chosen, now)
    return _patient(db, who, new.id, now)


def _change(db: Connection, who: Who, id: str, version: int, it: PatientPatch, now: Instant) -> PatientOut:
    before = people.patient_of(db, who.clinic, id)
    changed = _columns(it, before, now)
    if it.preferences is not UNSET:
        with under("/preferences"):
            changed["preferences"] = it.preferences.over(_chosen(db, who, id))
    care.change_patient(db, who, id, version, changed, now)
    return _patient(db, who, id, now)


def _columns(it: PatientPatch, before: Patient, now: Instant) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    if it.name is not UNSET:
        changed["name"] = line(it.name, "/name")
    if it.zone is not UNSET:
        changed["zone"] = it.zone
    if it.clinician_id is not UNSET:
        changed["clinician_id"] = it.clinician_id
    if it.consent is not UNSET:
        changed["consented"] = it.consent
    if it.precautions is not UNSET:
        changed["precautions"] = _known(it.precautions)
    if it.discharged is not UNSET and it.discharged != (before.discharged_at is not None):
        changed["discharged_at"] = now if it.discharged else None
    return changed


def _known(precautions: Sequence[str]) -> tuple[str, ...]:
    """A misspelt precaution would be one that no exercise heeds."""
    wrong = [
        Wrong("is not a precaution we know", f"/precautions/{at}", hint=did_you_mean(name, FLAGS))
        for at, name in enumerate(precautions)
        if name not in FLAGS
    ]
    if wrong:
        raise invalid(*wrong)
    return tuple(dict.fromkeys(precautions))


def patient_out(it: Patient, chosen: Preferences, unreachable: Instant | None) -> PatientOut:
    return PatientOut(
        id=it.id,
        version=it.version,
        name=it.name,
        zone=it.zone,
        clinician_id=it.clinician_id,
        consent=it.consented,
        precautions=it.precautions,
        preferences=chosen,
        discharged_at=maybe_stamp(it.discharged_at),
        seen_at=stamp(it.reacted_at),
        unreachable_since=maybe_stamp(unreachable),
        created_at=stamp(it.created_at),
    )


ROUTES = (list_patients, enrol_patient, get_patient, change_patient)

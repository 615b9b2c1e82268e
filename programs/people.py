"""Clinics, clinicians and patients: who they are, what they agreed to, when they were discharged."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, update

from programs.errors import NoSuchRecord, Stale
from programs.instants import Instant
from programs.tables import clinic, clinician, consent, patient


class Stamp(NamedTuple):
    """Who does a thing, when, and what the patient's own clock shows then (a wall, see schedule.py)."""

    by: str
    at: Instant
    here: int


class Clinic(msgspec.Struct, frozen=True):
    id: str
    name: str
    zone: str
    country: str  # ISO 3166 alpha-2; chooses the emergency number
    phone: str


class Patient(msgspec.Struct, frozen=True):
    """`reacted_at` is the last sign of life (answer, completion, opened message); reminders thin out after it."""

    id: str
    name: str
    zone: str
    clinician_id: str
    precautions: tuple[str, ...]
    consented: bool
    discharged_at: Instant | None
    reacted_at: Instant
    version: int
    created_at: Instant


PATIENT = (
    patient.c.id,
    patient.c.name,
    patient.c.zone,
    patient.c.clinician_id,
    patient.c.precautions,
    patient.c.consented,
    patient.c.discharged_at,
    patient.c.reacted_at,
    patient.c.version,
    patient.c.created_at,
)
_CLINIC = select(clinic.c.clinic_id, clinic.c.name, clinic.c.zone, clinic.c.country, clinic.c.phone).where(
    clinic.c.clinic_id == bindparam("clinic")
)
_CLINICIANS = select(clinician.c.id, clinician.c.name).where(clinician.c.clinic_id == bindparam("clinic"))
_PATIENT = select(*PATIENT).where(patient.c.clinic_id == bindparam("clinic"), patient.c.id == bindparam("patient"))
_PATIENTS = (
    select(*PATIENT)
    .where(patient.c.clinic_id == bindparam("clinic"), patient.c.id > bindparam("after"))
    .order_by(patient.c.id)
    .limit(bindparam("count"))
)
_SOME = select(*PATIENT).where(
    patient.c.clinic_id == bindparam("clinic"), patient.c.id.in_(bindparam("patients", expanding=True))
)
_LOCK = (
    select(patient.c.id)
    .where(patient.c.clinic_id == bindparam("clinic"), patient.c.id.in_(bindparam("patients", expanding=True)))
    .order_by(patient.c.id)
    .with_for_update()
)
_REACTED = (
    update(patient)
    .where(
        patient.c.clinic_id == bindparam("clinic"),
        patient.c.id == bindparam("patient"),
        patient.c.reacted_at < bindparam("at"),
    )
    .values(reacted_at=bindparam("at"))
)


def _patient(row: Any) -> Patient:
    precautions = msgspec.json.decode(row.precautions, type=tuple[str, ...])
    return Patient(*(*row[:4], precautions, bool(row.consented), *row[6:]))


def add_clinic(db: Connection, it: Clinic, now: Instant) -> None:
    values = {"clinic_id": it.id, "name": it.name, "zone": it.zone, "country": it.country, "phone": it.phone}
    db.execute(insert(clinic), {**values, "created_at": now})


def add_clinician(db: Connection, clinic_id: str, id: str, name: str) -> None:
    db.execute(insert(clinician), {"clinic_id": clinic_id, "id": id, "name": name})


def add_patient(db: Connection, clinic_id: str, it: Patient, by: str, now: Instant) -> None:
    clinician_of(db, clinic_id, it.clinician_id)
    db.execute(insert(patient), {"clinic_id": clinic_id, **msgspec.structs.asdict(it)})
    _note_consent(db, clinic_id, it, by, now)


def clinic_of(db: Connection, clinic_id: str) -> Clinic:
    row = db.execute(_CLINIC, {"clinic": clinic_id}).first()
    if row is None:
        raise NoSuchRecord("clinic", clinic_id)
    return Clinic(*row)


def clinicians_of(db: Connection, clinic_id: str) -> dict[str, str]:
    """Id -> name."""
    return {row.id: row.name for row in db.execute(_CLINICIANS, {"clinic": clinic_id})}


def clinician_of(db: Connection, clinic_id: str, id: str) -> str:
    found = db.execute(_CLINICIANS.where(clinician.c.id == bindparam("id")), {"clinic": clinic_id, "id": id}).first()
    if found is None:
        raise NoSuchRecord("clinician", id)
    return str(found.name)


def patient_of(db: Connection, clinic_id: str, id: str) -> Patient:
    row = db.execute(_PATIENT, {"clinic": clinic_id, "patient": id}).first()
    if row is None:
        raise NoSuchRecord("patient", id)
    return _patient(row)


def patients_of(db: Connection, clinic_id: str, after: str = "", count: int = 1_000_000) -> list[Patient]:
    rows = db.execute(_PATIENTS, {"clinic": clinic_id, "after": after, "count": count})
    return [_patient(row) for row in rows]


def some_patients(db: Connection, clinic_id: str, ids: Sequence[str]) -> list[Patient]:
    return [_patient(row) for row in db.execute(_SOME, {"clinic": clinic_id, "patients": list(ids)}).all()]


def lock(db: Connection, clinic_id: str, patients: Sequence[str]) -> None:
    """Whoever plans for a patient waits here for whoever already does. SQLite needs none of it: all writes queue."""
    if db.dialect.name != "sqlite":
        db.execute(_LOCK, {"clinic": clinic_id, "patients": list(patients)}).all()


def change_patient(
    db: Connection, clinic_id: str, id: str, version: int, changed: Mapping[str, object], by: str, now: Instant
) -> Patient:
    """Change the named columns if the patient is still at `version`; a change of consent is noted for good."""
    before = patient_of(db, clinic_id, id)
    if "clinician_id" in changed:
        clinician_of(db, clinic_id, str(changed["clinician_id"]))
    done = db.execute(
        update(patient)
        .where(patient.c.clinic_id == clinic_id, patient.c.id == id, patient.c.version == version)
        .values(**changed, version=version + 1)
    )
    if done.rowcount != 1:
        raise Stale(f"patient {id} is at version {before.version}, not {version}")
    after = patient_of(db, clinic_id, id)
    if after.consented != before.consented:
        _note_consent(db, clinic_id, after, by, now)
    return after


def _note_consent(db: Connection, clinic_id: str, it: Patient, by: str, now: Instant) -> None:
    row = {"clinic_id": clinic_id, "patient_id": it.id, "version": it.version, "given": it.consented}
    db.execute(insert(consent), {**row, "recorded_by": by, "recorded_at": now})


def reacted(db: Connection, clinic_id: str, patient_id: str, at: Instant) -> None:
    db.execute(_REACTED, {"clinic": clinic_id, "patient": patient_id, "at": at})

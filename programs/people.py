"""Clinics, clinicians and patients: who they are, what they agreed to, when they were discharged."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, update

from programs import rollup, treating
from programs.clocks import Moves
from programs.consent import WORDING
from programs.errors import Conflict, NoSuchRecord, Stale
from programs.instants import Instant
from programs.tables import among, clinic, clinician, consent, patient, tombstone, zone_before
from programs.treating import Sight


class Stamp(NamedTuple):
    """Who does a thing, when, and what the patient's own clock shows then (a wall, see schedule.py)."""

    by: str
    at: Instant
    here: int


Role = Literal["clinician", "admin"]
ROLES: tuple[Role, ...] = ("clinician", "admin")
LinkFactor = Literal["spoken", "birth_year"]
LEAST_MINUTES, MOST_MINUTES = 5, 240  # of home exercises a day that a clinic may set
LINK_FACTORS: tuple[LinkFactor, ...] = ("spoken", "birth_year")


class Opening(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When the clinic is open on one day of the week, on its own clock."""

    opens: str = "09:00"
    closes: str = "17:00"


class Watch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a flag may wait, and who is told next (notifications/escalation.py). All of it is a proposal [P].

    `opening` is Monday to Sunday, None for closed. `chain` names clinicians in turn, "on-call" among them for the
    clinic's on-call address; where it is empty the clinic's admins are told, all at once.
    """

    emergency_minutes: int = 15
    same_day_minutes: int = 240  # of the time the clinic is open
    opening: tuple[Opening | None, ...] = (Opening(), Opening(), Opening(), Opening(), Opening(), None, None)
    chain: tuple[str, ...] = ()


class TriageOff(msgspec.Struct, frozen=True):
    """Why the clinic switched triage off, who did, and when."""

    reason: str
    by: str
    at: Instant


class ClinicSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a clinic decides for itself; a field each, with the default for a clinic that has decided nothing."""

    # A clinic of a few people stands in for each other: a same-day flag is read by whoever is there. Where that is
    # not so, false leaves each clinician the patients they treat; every look is noted either way.
    clinicians_see_all: bool = True
    minutes_a_day: int = 30  # of home exercises; above it a clinician is warned when assigning [P]
    triage_off: TriageOff | None = None
    watch: Watch = Watch()
    # What a link that lets a phone in asks for besides, as it does not travel with the link. A relative knows the year.
    link_factor: LinkFactor = "spoken"
    monitoring_labels: Mapping[str, str] = {}  # what the clinic calls each tier of monitoring.py


class Clinic(msgspec.Struct, frozen=True):
    id: str
    name: str
    zone: str
    country: str  # ISO 3166 alpha-2; chooses the emergency number
    phone: str
    settings: ClinicSettings = ClinicSettings()


class Clinician(msgspec.Struct, frozen=True):
    """Somebody who works, or worked, at the clinic. An admin is a clinician who also runs it."""

    id: str
    name: str
    role: Role
    ended_at: Instant | None


class Consent(NamedTuple):
    """Given or withdrawn, to which words (see consent.py), and who wrote it down."""

    given: bool
    wording: str
    recorded_by: str
    recorded_at: Instant


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
_CLINICS = select(clinic.c.clinic_id).order_by(clinic.c.clinic_id)
_CLINIC = select(
    clinic.c.clinic_id, clinic.c.name, clinic.c.zone, clinic.c.country, clinic.c.phone, clinic.c.settings
).where(clinic.c.clinic_id == bindparam("clinic"))
_CLINICIANS = select(clinician.c.id, clinician.c.name, clinician.c.role, clinician.c.ended_at).where(
    clinician.c.clinic_id == bindparam("clinic")
)
_CLINICIAN = _CLINICIANS.where(clinician.c.id == bindparam("id"))
_PATIENT = select(*PATIENT).where(patient.c.clinic_id == bindparam("clinic"), patient.c.id == bindparam("patient"))
_PATIENTS = (
    select(*PATIENT)
    .where(patient.c.clinic_id == bindparam("clinic"), patient.c.id > bindparam("after"))
    .order_by(patient.c.id)
    .limit(bindparam("count"))
)
_SOME = select(*PATIENT).where(patient.c.clinic_id == bindparam("clinic"), among(patient.c.id, "patients"))
_MOVED = (
    select(zone_before.c.patient_id, zone_before.c.until_at, zone_before.c.zone)
    .where(zone_before.c.clinic_id == bindparam("clinic"), among(zone_before.c.patient_id, "patients"))
    .order_by(zone_before.c.until_at, zone_before.c.version)
)
_LOCK = (
    select(patient.c.id)
    .where(patient.c.clinic_id == bindparam("clinic"), among(patient.c.id, "patients"))
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
_settings = msgspec.json.Decoder(ClinicSettings).decode


def _patient(row: Any) -> Patient:
    precautions = msgspec.json.decode(row.precautions, type=tuple[str, ...])
    return Patient(*(*row[:4], precautions, bool(row.consented), *row[6:]))


def add_clinic(db: Connection, it: Clinic, now: Instant) -> None:
    values = {"clinic_id": it.id, "name": it.name, "zone": it.zone, "country": it.country, "phone": it.phone}
    db.execute(insert(clinic), {**values, "settings": it.settings, "created_at": now})


def add_clinician(db: Connection, clinic_id: str, id: str, name: str, role: Role = "clinician") -> None:
    db.execute(insert(clinician), {"clinic_id": clinic_id, "id": id, "name": name, "role": role})


def add_patient(db: Connection, clinic_id: str, it: Patient, by: str, now: Instant) -> None:
    at_work(db, clinic_id, it.clinician_id)
    if erased_at(db, clinic_id, it.id) is not None:
        raise Conflict("the record was erased", "This patient's record was erased. It is not brought back.")
    db.execute(insert(patient), {"clinic_id": clinic_id, **msgspec.structs.asdict(it)})
    rollup.begin(db, clinic_id, it.id)
    _note_consent(db, clinic_id, it, by, now)


def erased_at(db: Connection, clinic_id: str, id: str) -> Instant | None:
    mine = (tombstone.c.clinic_id == clinic_id) & (tombstone.c.patient_id == id)
    return db.execute(select(tombstone.c.erased_at).where(mine)).scalar()


def clinic_of(db: Connection, clinic_id: str) -> Clinic:
    row = db.execute(_CLINIC, {"clinic": clinic_id}).first()
    if row is None:
        raise NoSuchRecord("clinic", clinic_id)
    return Clinic(*row[:5], _settings(row.settings))


def clinics_of(db: Connection) -> list[str]:
    """Every clinic there is, by id; for the service's own housekeeping."""
    return list(db.execute(_CLINICS).scalars())


def change_settings(db: Connection, clinic_id: str, changed: Mapping[str, object]) -> ClinicSettings:
    """Change the named settings; those not named stay, also when two admins change different ones at once."""
    row = db.execute(_CLINIC.with_for_update(), {"clinic": clinic_id}).first()
    if row is None:
        raise NoSuchRecord("clinic", clinic_id)
    after = msgspec.structs.replace(_settings(row.settings), **changed)
    db.execute(update(clinic).where(clinic.c.clinic_id == clinic_id).values(settings=after))
    return after


def clinicians_of(db: Connection, clinic_id: str) -> dict[str, str]:
    """Id -> name, of those who left too: their names stand in what they did."""
    return {row.id: row.name for row in db.execute(_CLINICIANS, {"clinic": clinic_id})}


def staff_of(db: Connection, clinic_id: str) -> list[Clinician]:
    """Everybody who works or worked there, by id."""
    found = [Clinician(*row) for row in db.execute(_CLINICIANS, {"clinic": clinic_id})]
    return sorted(found, key=lambda it: it.id)


def clinician_of(db: Connection, clinic_id: str, id: str) -> str:
    """The name."""
    return _clinician(db, clinic_id, id).name


def at_work(db: Connection, clinic_id: str, id: str) -> Clinician:
    """Who may be given a patient, a visit or a plan. Raises NoSuchRecord for nobody, Conflict for who has left."""
    found = _clinician(db, clinic_id, id)
    if found.ended_at is not None:
        raise Conflict(f"clinician {id} has left", "This clinician no longer works here. Choose a colleague.")
    return found


def _clinician(db: Connection, clinic_id: str, id: str) -> Clinician:
    found = db.execute(_CLINICIAN, {"clinic": clinic_id, "id": id}).first()
    if found is None:
        raise NoSuchRecord("clinician", id)
    return Clinician(*found)


def change_clinician(db: Connection, clinic_id: str, id: str, changed: Mapping[str, object]) -> Clinician:
    """Change name, role or ended_at. Raises Conflict where nobody would be left to run the clinic."""
    before = [Clinician(*row) for row in db.execute(_CLINICIANS.with_for_update(), {"clinic": clinic_id})]
    db.execute(update(clinician).where(clinician.c.clinic_id == clinic_id, clinician.c.id == id).values(**changed))
    after = _clinician(db, clinic_id, id)
    if _runs(before) and not _runs(staff_of(db, clinic_id)):
        raise Conflict(
            f"clinician {id} is the last admin", "Nobody else runs this clinic. Make a colleague admin first."
        )
    return after


def _runs(staff: Sequence[Clinician]) -> bool:
    return any(it.role == "admin" and it.ended_at is None for it in staff)


def patient_of(db: Connection, clinic_id: str, id: str) -> Patient:
    row = db.execute(_PATIENT, {"clinic": clinic_id, "patient": id}).first()
    if row is None:
        raise NoSuchRecord("patient", id)
    return _patient(row)


def patients_of(
    db: Connection, clinic_id: str, after: str = "", count: int = 1_000_000, sight: Sight | None = None
) -> list[Patient]:
    """Those in sight; every patient of the clinic where that is None."""
    values = {"clinic": clinic_id, "after": after, "count": count, **treating.parameters(sight)}
    return [_patient(row) for row in db.execute(treating.within(_PATIENTS, sight), values)]


def some_patients(db: Connection, clinic_id: str, ids: Sequence[str]) -> list[Patient]:
    return [_patient(row) for row in db.execute(_SOME, {"clinic": clinic_id, "patients": list(ids)}).all()]


def moves_of(db: Connection, clinic_id: str, ids: Sequence[str]) -> dict[str, Moves]:
    """Patient id -> where their clock stood, and stands."""
    before: dict[str, list[tuple[Instant, str]]] = defaultdict(list)
    values = {"clinic": clinic_id, "patients": list(ids)}
    for id, until_at, zone in db.execute(_MOVED, values):
        before[id].append((until_at, zone))
    return {it.id: Moves(tuple(before[it.id]), it.zone) for it in some_patients(db, clinic_id, ids)}


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
        at_work(db, clinic_id, str(changed["clinician_id"]))
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
    if after.zone != before.zone:
        moved = {"clinic_id": clinic_id, "patient_id": id, "version": after.version}
        db.execute(insert(zone_before), {**moved, "zone": before.zone, "until_at": now})
    return after


def _note_consent(db: Connection, clinic_id: str, it: Patient, by: str, now: Instant) -> None:
    row = {"clinic_id": clinic_id, "patient_id": it.id, "version": it.version, "given": it.consented}
    db.execute(insert(consent), {**row, "wording": WORDING, "recorded_by": by, "recorded_at": now})


def consents_of(db: Connection, clinic_id: str, id: str) -> list[Consent]:
    """Everything that was agreed to and withdrawn, oldest first."""
    asked = select(consent.c.given, consent.c.wording, consent.c.recorded_by, consent.c.recorded_at)
    mine = (consent.c.clinic_id == clinic_id) & (consent.c.patient_id == id)
    return [Consent(*row) for row in db.execute(asked.where(mine).order_by(consent.c.version))]


def reacted(db: Connection, clinic_id: str, patient_id: str, at: Instant) -> None:
    db.execute(_REACTED, {"clinic": clinic_id, "patient": patient_id, "at": at})

"""The world every test lives in: Ada the patient, Ben her clinician, Cleo of the same clinic, Dov of another clinic."""

from collections.abc import Iterator
from datetime import date, datetime

import msgspec
from sqlalchemy import Connection, delete

from notifications.preferences import Preferences
from programs import people
from programs.dosage import Dosage, Prescription
from programs.instants import HOUR, Instant, of
from programs.needling import NeedlingSession
from programs.people import Clinic, Patient
from programs.plans import Assignment
from programs.schedule import Terms
from programs.tables import metadata
from service import audit, care
from service.auth.tokens import DEVICE, Grant, fingerprint, make_token
from service.care import Who
from service.tables import token
from service.vault import CARRIED

# A Monday noon in New York, in a fortnight without a clock change.
NOON: Instant = of(datetime.fromisoformat("2026-06-01T12:00:00-04:00"))
CLINIC, OTHER = "riverside", "harbour"
ADA = Who(CLINIC, "patient", "ada")
BEN = Who(CLINIC, "clinician", "ben", sees_all=True)  # as the gate lets them in: their clinics let them see all
CLEO = Who(CLINIC, "clinician", "cleo", sees_all=True)
DOV = Who(OTHER, "clinician", "dov", sees_all=True)
EVE = Who(OTHER, "patient", "eve")  # Dov's patient
CONSOLE = {"label": "phone"}


def patient(id: str, clinician: str, now: Instant = NOON, zone: str = "America/New_York") -> Patient:
    return Patient(id, id.title(), zone, clinician, (), True, None, now, 1, now)


def populate(db: Connection, now: Instant = NOON, chosen: Preferences | None = None) -> None:
    """Both clinics with everybody in them; Ada and Eve consent and can be reached on a console.

    Done by the use cases once a process; after that the same rows are put where there are none, as most tests begin so.
    """
    made = (db.dialect.name, now, repr(chosen), getattr(db.info.get(CARRIED), "known", None))
    if audit.DEED in db.info or people.clinics_of(db):
        _move_in(db, now, chosen)
    elif made in _ROWS:
        for statement, rows in _ROWS[made]:
            db.exec_driver_sql(statement, rows)
    else:
        before = [*_all_rows(db)]
        _move_in(db, now, chosen)
        if not before:
            _ROWS[made] = [*_all_rows(db)]


_ROWS: dict[object, list[tuple[str, list[tuple[object, ...]]]]] = {}


def _all_rows(db: Connection) -> Iterator[tuple[str, list[tuple[object, ...]]]]:
    place = "?" if db.dialect.name == "sqlite" else "%s"
    for table in metadata.sorted_tables:
        names = ", ".join(f'"{it.name}"' for it in table.columns)
        rows = [tuple(row) for row in db.exec_driver_sql(f'SELECT {names} FROM "{table.name}"')]
        if rows:
            places = ", ".join(place for _ in table.columns)
            yield f'INSERT INTO "{table.name}" ({names}) VALUES ({places})', rows


def _move_in(db: Connection, now: Instant, chosen: Preferences | None) -> None:
    people.add_clinic(db, Clinic(CLINIC, "Riverside", "America/New_York", "US", "+1 555 0100"), now)
    people.add_clinic(db, Clinic(OTHER, "Harbour", "Australia/Sydney", "AU", "+61 555 0100"), now)
    for who, name in ((BEN, "Ben"), (CLEO, "Cleo"), (DOV, "Dov")):
        people.add_clinician(db, who.clinic, who.id, name)
        care.put_address(db, who, who.id, f"{who.id}-desk", "console", {"label": f"{who.id}'s desk"}, now)
    care.enrol(db, BEN, patient("ada", "ben", now), chosen, now)
    care.enrol(db, DOV, patient("eve", "dov", now, "Australia/Sydney"), chosen, now)
    for who in (ADA, EVE):
        care.put_address(db, who, who.id, f"{who.id}-phone", "console", {"label": f"{who.id}'s phone"}, now)


def let_in(db: Connection, who: Who) -> None:
    """With a token that is their id. A test may last days of its own clock: their session does not end by itself."""
    db.execute(delete(token).where(token.c.hash == fingerprint(who.id)))  # that of before, if it ended
    make_token(db, who, NOON, who.id, DEVICE if who.kind == "patient" else Grant("session"))


def session(ended_at: Instant = NOON - HOUR, **changed: object) -> NeedlingSession:
    it = NeedlingSession("ada", "ben", ended_at, ("gluteus medius", "iliopsoas"), "left", insertions=6)
    return msgspec.structs.replace(it, **changed)


def terms(**changed: object) -> Terms:
    bridges = Prescription("hip_bridge", Dosage(sets=3, reps=10, hold_seconds=5))
    walk = Prescription("walking", Dosage(minutes=10))
    return msgspec.structs.replace(Terms((bridges, walk), ("09:00",), date(2026, 6, 1)), **changed)


def assignment(clinician_id: str = "ben", **changed: object) -> Assignment:
    return Assignment("ada", clinician_id, "Hip program", terms(**changed))

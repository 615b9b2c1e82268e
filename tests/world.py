"""The world every test lives in: Ada the patient, Ben her clinician, Cleo of the same clinic, Dov of another clinic."""

from collections.abc import Callable, Iterator
from datetime import date, datetime
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

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


P = ParamSpec("P")
T = TypeVar("T")
Rows = list[tuple[str, list[tuple[object, ...]]]]
"""Statements, each with what it inserts."""


def replayed(arrange: Callable[Concatenate[Connection, P], T]) -> Callable[Concatenate[Connection, P], T]:
    """Done by the use cases once a process; after that the same rows are put where there are none, as most tests begin.

    What it is given must say what it is by its `repr`.
    """
    kept: dict[object, tuple[T, Rows]] = {}

    @wraps(arrange)
    def arranged(db: Connection, /, *args: P.args, **named: P.kwargs) -> T:
        if audit.DEED in db.info or people.clinics_of(db):
            return arrange(db, *args, **named)
        made = (db.dialect.name, getattr(db.info.get(CARRIED), "known", None), repr(args), repr(named))
        if made in kept:
            for statement, rows in kept[made][1]:
                db.exec_driver_sql(statement, rows)
        elif any(_all_rows(db)):
            return arrange(db, *args, **named)
        else:
            kept[made] = arrange(db, *args, **named), [*_all_rows(db)]
        return kept[made][0]

    return arranged


def _all_rows(db: Connection) -> Iterator[tuple[str, list[tuple[object, ...]]]]:
    place = "?" if db.dialect.name == "sqlite" else "%s"
    for table in metadata.sorted_tables:
        names = ", ".join(f'"{it.name}"' for it in table.columns)
        rows = [tuple(row) for row in db.exec_driver_sql(f'SELECT {names} FROM "{table.name}"')]
        if rows:
            places = ", ".join(place for _ in table.columns)
            yield f'INSERT INTO "{table.name}" ({names}) VALUES ({places})', rows


@replayed
def populate(db: Connection, now: Instant = NOON, chosen: Preferences | None = None) -> None:
    """Both clinics with everybody in them; Ada and Eve consent and can be reached on a console."""
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


@replayed
def tokens_too(db: Connection) -> None:
    """Everybody with a token of their own: their id."""
    populate(db)
    for who in (ADA, BEN, CLEO, DOV, EVE):
        let_in(db, who)


def session(ended_at: Instant = NOON - HOUR, **changed: object) -> NeedlingSession:
    it = NeedlingSession("ada", "ben", ended_at, ("gluteus medius", "iliopsoas"), "left", insertions=6)
    return msgspec.structs.replace(it, **changed)


def terms(**changed: object) -> Terms:
    bridges = Prescription("hip_bridge", Dosage(sets=3, reps=10, hold_seconds=5))
    walk = Prescription("walking", Dosage(minutes=10))
    return msgspec.structs.replace(Terms((bridges, walk), ("09:00",), date(2026, 6, 1)), **changed)


def assignment(clinician_id: str = "ben", **changed: object) -> Assignment:
    return Assignment("ada", clinician_id, "Hip program", terms(**changed))

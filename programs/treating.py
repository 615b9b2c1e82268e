"""treating: whom a clinician treats, and break-glass, which opens anybody else for an hour, with a reason, for good on
record. Who may use it and who is told is decided elsewhere.

A patient is treated by their own clinician and by whoever's plan for them is running: a colleague is brought in by a
plan in their name. To have recorded a visit once is not enough, or one emergency would open a record for ever.
"""

from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, bindparam, insert, select

from programs.errors import Invalid, NoSuchRecord
from programs.instants import DAY, MINUTE, Instant
from programs.tables import break_glass, patient, plan

OPEN_FOR = 60 * MINUTE
LEAST_REASON = 10  # letters: "emergency" alone says nothing
LONGEST_REASON = 500
LOOK_BACK = 90 * DAY


class Sight(NamedTuple):
    """Through whose eyes patients are looked for: those this clinician treats or has open now."""

    clinician: str
    now: Instant


class Opening(msgspec.Struct, frozen=True):
    """One patient opened by one clinician who does not treat them."""

    id: str
    patient_id: str
    patient_name: str
    clinician_id: str
    reason: str
    opened_at: Instant
    closes_at: Instant


_PLANNED = (
    select(plan.c.id)
    .where(
        plan.c.clinic_id == patient.c.clinic_id,
        plan.c.patient_id == patient.c.id,
        plan.c.clinician_id == bindparam("me"),
        plan.c.ended_wall.is_(None),
    )
    .exists()
)
_OPENED = (
    select(break_glass.c.id)
    .where(
        break_glass.c.clinic_id == patient.c.clinic_id,
        break_glass.c.patient_id == patient.c.id,
        break_glass.c.clinician_id == bindparam("me"),
        break_glass.c.closes_at > bindparam("now"),
    )
    .exists()
)
TREATED: ColumnElement[bool] = (patient.c.clinician_id == bindparam("me")) | _PLANNED
SEEN: ColumnElement[bool] = TREATED | _OPENED
_COLUMNS = (
    break_glass.c.id,
    break_glass.c.patient_id,
    patient.c.name,
    break_glass.c.clinician_id,
    break_glass.c.reason,
    break_glass.c.opened_at,
    break_glass.c.closes_at,
)
_OPENINGS = (
    select(*_COLUMNS)
    .join(patient, (patient.c.clinic_id == break_glass.c.clinic_id) & (patient.c.id == break_glass.c.patient_id))
    .where(break_glass.c.clinic_id == bindparam("clinic"), break_glass.c.closes_at > bindparam("since"))
    .order_by(break_glass.c.opened_at.desc(), break_glass.c.id)
)
_MINE = _OPENINGS.where(break_glass.c.clinician_id == bindparam("me"))
_NAMED = select(patient.c.id).where(patient.c.clinic_id == bindparam("clinic"), patient.c.name == bindparam("name"))
_ONE = select(patient.c.name).where(patient.c.clinic_id == bindparam("clinic"), patient.c.id == bindparam("patient"))
_SEEN_ONE = _ONE.where(SEEN)


def within(statement: Select[Any], sight: Sight | None) -> Select[Any]:
    """The statement, which reads patients, for those in sight only; `parameters` binds what it then needs."""
    return statement if sight is None else statement.where(SEEN)


def parameters(sight: Sight | None) -> dict[str, object]:
    return {} if sight is None else {"me": sight.clinician, "now": sight.now}


def look_at(db: Connection, clinic: str, id: str, sight: Sight | None) -> None:
    """Raises NoSuchRecord for a patient who is not in sight, as for one who is not there."""
    statement = _ONE if sight is None else _SEEN_ONE
    if db.execute(statement, {"clinic": clinic, "patient": id, **parameters(sight)}).first() is None:
        raise NoSuchRecord("patient", id)


def open_record(db: Connection, clinic: str, it: Opening) -> Opening:
    """Break the glass; `patient_name` is filled in. A second time is a second row: each reason stands."""
    reason = " ".join(it.reason.split())
    if not LEAST_REASON <= len(reason) <= LONGEST_REASON:
        problem = f"must be {LEAST_REASON} to {LONGEST_REASON} characters"
        raise Invalid("reason", problem, "Say why you need this record now; it is kept and your admins are told.")
    found = db.execute(_ONE, {"clinic": clinic, "patient": it.patient_id}).first()
    if found is None:
        raise NoSuchRecord("patient", it.patient_id)
    it = msgspec.structs.replace(it, reason=reason, patient_name=found.name)
    row = msgspec.structs.asdict(it)
    del row["patient_name"]
    db.execute(insert(break_glass), {"clinic_id": clinic, **row})
    return it


def openings_of(db: Connection, clinic: str, now: Instant) -> list[Opening]:
    """Every opening of the last 90 days, latest first."""
    return [Opening(*row) for row in db.execute(_OPENINGS, {"clinic": clinic, "since": now - LOOK_BACK})]


def open_for(db: Connection, clinic: str, clinician: str, now: Instant) -> list[Opening]:
    """What this clinician has open now."""
    return [Opening(*row) for row in db.execute(_MINE, {"clinic": clinic, "me": clinician, "since": now})]


def named(db: Connection, clinic: str, name: str) -> list[str]:
    """The ids of the patients with exactly this name; whoever breaks the glass sees no list to choose from."""
    return list(db.execute(_NAMED, {"clinic": clinic, "name": name}).scalars())

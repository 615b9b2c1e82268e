"""Check-ins that closed without an answer: a task for the clinic, never a green light. A late answer takes it back.

Two things are kept apart: no message reached the patient, which is ours; and they were asked and did not answer.
"""

from typing import NamedTuple

from sqlalchemy import Connection, bindparam, insert, select

from programs import treating
from programs.aftercare import ANSWERABLE
from programs.errors import Conflict, Invalid, NoSuchRecord
from programs.instants import Instant
from programs.tables import check_in, follow_up, patient
from programs.treating import Sight

LONGEST_NOTE = 500


class Silent(NamedTuple):
    """A closed check-in without an answer; `asked_at` is None where no message reached the patient."""

    check_in_id: str
    patient_id: str
    patient_name: str
    clinician_id: str
    step: str
    closed_at: Instant
    asked_at: Instant | None


_SILENT = (
    select(
        check_in.c.id,
        check_in.c.patient_id,
        patient.c.name,
        patient.c.clinician_id,
        check_in.c.step,
        check_in.c.closes,
        check_in.c.asked_at,
    )
    .join(patient, (patient.c.clinic_id == check_in.c.clinic_id) & (patient.c.id == check_in.c.patient_id))
    .outerjoin(follow_up, (follow_up.c.clinic_id == check_in.c.clinic_id) & (follow_up.c.check_in_id == check_in.c.id))
    .where(
        check_in.c.clinic_id == bindparam("clinic"),
        check_in.c.state == "open",
        check_in.c.closes > bindparam("since"),
        check_in.c.closes <= bindparam("now"),
        patient.c.consented,
        patient.c.discharged_at.is_(None),
        follow_up.c.check_in_id.is_(None),
    )
    .order_by(check_in.c.closes.desc(), check_in.c.id)
)
_ONE = select(check_in.c.patient_id, check_in.c.state, check_in.c.closes).where(
    check_in.c.clinic_id == bindparam("clinic"), check_in.c.id == bindparam("id")
)
_FOLLOWED = select(follow_up.c.check_in_id).where(
    follow_up.c.clinic_id == bindparam("clinic"), follow_up.c.check_in_id == bindparam("id")
)


def unanswered(db: Connection, clinic: str, now: Instant, sight: Sight | None = None) -> list[Silent]:
    """Latest first, while an answer would still be taken; not of who wants no messages, has left, or is out of
    sight."""
    values = {"clinic": clinic, "now": now, "since": now - ANSWERABLE, **treating.parameters(sight)}
    rows = db.execute(treating.within(_SILENT, sight), values)
    return [Silent(*row) for row in rows]


def follow(db: Connection, clinic: str, id: str, note: str, by: str, now: Instant) -> str:
    """Somebody looked after it. Returns the patient's id; the first to say so stands."""
    if len(note) > LONGEST_NOTE:
        raise Invalid("note", f"must be at most {LONGEST_NOTE} characters")
    row = db.execute(_ONE, {"clinic": clinic, "id": id}).first()
    if row is None:
        raise NoSuchRecord("check-in", id)
    if row.state != "open" or row.closes > now:
        raise Conflict(f"check-in {id} is {row.state}", "This check-in does not wait for anybody any more, or not yet.")
    if db.execute(_FOLLOWED, {"clinic": clinic, "id": id}).first() is None:
        values = {"clinic_id": clinic, "check_in_id": id, "note": note.strip()}
        db.execute(insert(follow_up), {**values, "followed_by": by, "followed_at": now})
    return str(row.patient_id)

"""Minutes that staff spent on a patient between visits, and whether they spoke. Append-only: a correction is a row."""

from collections import defaultdict
from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, bindparam, insert, select

from programs.errors import Conflict, Invalid, NoSuchRecord
from programs.monitoring import Spent
from programs.tables import among, staff_time

MOST_MINUTES = 600
LONGEST_AGO = 400  # days
LONGEST_NOTE = 500

_COLUMNS = tuple(
    staff_time.c[name]
    for name in ("id", "patient_id", "day", "minutes", "live", "note", "replaces", "logged_by", "logged_at")
)
_OF_PATIENTS = (
    select(*_COLUMNS)
    .where(staff_time.c.clinic_id == bindparam("clinic"), among(staff_time.c.patient_id, "patients"))
    .order_by(staff_time.c.day, staff_time.c.logged_at, staff_time.c.id)
)


def spend(db: Connection, clinic: str, it: Spent, today: int) -> Spent:
    """Write it down; `today` is the clinic's own date. Invalid names the field; Conflict: it was corrected already."""
    _check(it, today)
    if it.replaces is not None:
        _check_replaced(spent_on(db, clinic, [it.patient_id]).get(it.patient_id, ()), it.replaces)
    row = msgspec.structs.asdict(it)
    row |= {"clinic_id": clinic, "logged_by": row.pop("by"), "logged_at": row.pop("at")}
    db.execute(insert(staff_time), row)
    return it


def _check(it: Spent, today: int) -> None:
    if not (0 if it.replaces else 1) <= it.minutes <= MOST_MINUTES:
        raise Invalid("minutes", f"must be from 1 to {MOST_MINUTES}", "0 takes back the entry that it replaces.")
    if it.day > today:
        raise Invalid("date", "is in the future")
    if it.day < today - LONGEST_AGO:
        raise Invalid("date", f"is more than {LONGEST_AGO} days ago")
    if len(it.note) > LONGEST_NOTE:
        raise Invalid("note", f"must be at most {LONGEST_NOTE} characters")


def _check_replaced(known: Sequence[Spent], id: str) -> None:
    if id not in {one.id for one in known}:
        raise NoSuchRecord("entry", id)
    if id in {one.replaces for one in known}:
        raise Conflict(f"entry {id} was corrected already", "This entry was corrected already. Correct the newest one.")


def spent_on(db: Connection, clinic: str, patients: Sequence[str]) -> dict[str, list[Spent]]:
    """Patient id -> every entry ever made, corrected ones included, in order of date."""
    found: dict[str, list[Spent]] = defaultdict(list)
    for row in db.execute(_OF_PATIENTS, {"clinic": clinic, "patients": list(patients)}).all():
        id, patient, day, minutes, live, *rest = row
        found[patient].append(Spent(id, patient, day, minutes, bool(live), *rest))
    return found

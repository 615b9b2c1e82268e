"""Record, correct and cancel a needling session. A correction keeps what was said before."""

from collections.abc import Collection, Mapping
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, update

from programs import muscles, people, protocols
from programs.aftercare import DEFAULT, Protocol, Step
from programs.errors import Conflict, Invalid, NoSuchRecord, Stale
from programs.instants import DAY, HOUR, MINUTE, Instant
from programs.tables import needling_session, needling_session_before, protocol

OLDEST = 30 * DAY
LONGEST = 12 * HOUR
# Clocks of two machines differ; a visit that ends in this very minute is not in the future.
CLOCK_SKEW = 2 * MINUTE
LONGEST_NOTE = 4_000


class NeedlingSession(msgspec.Struct, frozen=True):
    """What the clinician entered. Muscles, insertions and twitch responses are the known drivers of soreness."""

    patient_id: str
    clinician_id: str
    ended_at: Instant
    muscles: tuple[str, ...]
    side: Literal["left", "right", "both"]
    started_at: Instant | None = None
    insertions: int | Literal["few", "many"] | None = None
    twitch_responses: Literal["none", "some", "many"] | None = None
    electrical_stimulation: bool | None = None
    sore_before: int | None = None  # 0 to 10, where the needles were about to go; a gate may compare with it
    note: str = ""


class Recorded(msgspec.Struct, frozen=True):
    """A needling session as it stands."""

    id: str
    version: int
    session: NeedlingSession
    cancelled_at: Instant | None
    recorded_at: Instant
    protocol_version: int = 0
    protocol: Protocol = DEFAULT


def not_made(it: Recorded, made: Collection[str]) -> list[Step]:
    """The steps of its protocol that were over when it was recorded; `made` names those that were not."""
    return [step for step in it.protocol.steps if step.name not in made]


_COLUMNS = (
    needling_session.c.id,
    needling_session.c.version,
    needling_session.c.value,
    needling_session.c.cancelled_at,
    needling_session.c.recorded_at,
    needling_session.c.protocol,
    protocol.c.value.label("steps"),
)
_WITH_PROTOCOL = needling_session.outerjoin(
    protocol,
    (protocol.c.clinic_id == needling_session.c.clinic_id) & (protocol.c.version == needling_session.c.protocol),
)
_ONE = (
    select(*_COLUMNS)
    .select_from(_WITH_PROTOCOL)
    .where(needling_session.c.clinic_id == bindparam("clinic"), needling_session.c.id == bindparam("session"))
)
_OF_PATIENT = (
    select(*_COLUMNS)
    .select_from(_WITH_PROTOCOL)
    .where(needling_session.c.clinic_id == bindparam("clinic"), needling_session.c.patient_id == bindparam("patient"))
    .order_by(needling_session.c.ended_at.desc())
)
_INSERT = insert(needling_session)


def checked(session: NeedlingSession, now: Instant) -> NeedlingSession:
    """The session with its muscles under their own names. Raises Invalid, which names the field and what would do."""
    if not session.muscles:
        raise Invalid("muscles", "name at least one needled muscle")
    if session.ended_at > now + CLOCK_SKEW:
        raise Invalid("ended_at", "is in the future", "Record the needling session after it has ended.")
    if session.ended_at < now - OLDEST:
        raise Invalid("ended_at", "is more than 30 days ago", "The aftercare of so old a visit is over.")
    _check_length(session)
    if isinstance(session.insertions, int) and not 1 <= session.insertions <= 500:
        raise Invalid("insertions", "must be from 1 to 500, “few” or “many”")
    if session.sore_before is not None and not 0 <= session.sore_before <= 10:
        raise Invalid("sore_before", "must be from 0 to 10")
    if len(session.note) > LONGEST_NOTE:
        raise Invalid("note", f"must be at most {LONGEST_NOTE} characters")
    named = dict.fromkeys(muscles.find(name).id for name in session.muscles)
    return msgspec.structs.replace(session, muscles=tuple(named))


def _check_length(session: NeedlingSession) -> None:
    if session.started_at is None:
        return
    if session.started_at > session.ended_at:
        raise Invalid("ended_at", "is before started_at")
    if session.ended_at - session.started_at > LONGEST:
        raise Invalid("started_at", "is more than 12 hours before ended_at")


def record(db: Connection, clinic: str, id: str, session: NeedlingSession, now: Instant) -> Recorded:
    """Raises Invalid for what cannot be, NoSuchRecord for a patient or clinician of nobody or of another clinic."""
    session = checked(session, now)
    _check_people(db, clinic, session)
    standing = protocols.in_force(db, clinic)
    row = {"clinic_id": clinic, "id": id, "version": 1, "recorded_at": now, "protocol": standing.number or None}
    db.execute(_INSERT, {**_row(session), **row})
    return Recorded(id, 1, session, None, now, standing.number, standing.protocol)


def correct(
    db: Connection, clinic: str, id: str, version: int, session: NeedlingSession, by: str, now: Instant
) -> Recorded:
    """Replace what was entered; the old version is kept. The patient of a session does not change."""
    before = session_of(db, clinic, id)
    session = checked(session, now)
    if session.patient_id != before.session.patient_id:
        raise Invalid("patient_id", "is another patient", "Cancel this needling session and record it for the other.")
    if before.cancelled_at is not None:
        raise Conflict(f"needling session {id} is cancelled", "This needling session was cancelled. Record a new one.")
    _check_people(db, clinic, session)
    _replace(db, clinic, before, version, _row(session), by, now)
    return msgspec.structs.replace(before, version=version + 1, session=session)


def cancel(db: Connection, clinic: str, id: str, version: int, by: str, now: Instant) -> Recorded:
    before = session_of(db, clinic, id)
    if before.cancelled_at is not None:
        return before
    _replace(db, clinic, before, version, {"cancelled_at": now}, by, now)
    return msgspec.structs.replace(before, version=version + 1, cancelled_at=now)


def session_of(db: Connection, clinic: str, id: str) -> Recorded:
    row = db.execute(_ONE, {"clinic": clinic, "session": id}).first()
    if row is None:
        raise NoSuchRecord("needling session", id)
    return _recorded(row)


def sessions_of(db: Connection, clinic: str, patient: str) -> list[Recorded]:
    """Latest first, cancelled ones included."""
    return [_recorded(row) for row in db.execute(_OF_PATIENT, {"clinic": clinic, "patient": patient})]


def _recorded(row: Any) -> Recorded:
    session = msgspec.json.decode(row.value, type=NeedlingSession)
    kept = DEFAULT if row.steps is None else protocols.decode(row.steps)
    return Recorded(row.id, row.version, session, row.cancelled_at, row.recorded_at, row.protocol or 0, kept)


def _row(session: NeedlingSession) -> dict[str, object]:
    return {"patient_id": session.patient_id, "ended_at": session.ended_at, "value": session, "cancelled_at": None}


def _check_people(db: Connection, clinic: str, session: NeedlingSession) -> None:
    people.clinician_of(db, clinic, session.clinician_id)
    if people.patient_of(db, clinic, session.patient_id).discharged_at is not None:
        raise Conflict("the patient is discharged", "This patient is discharged. Take them up again first.")


def _replace(
    db: Connection, clinic: str, before: Recorded, version: int, values: Mapping[str, object], by: str, now: Instant
) -> None:
    """Write `values` if the session is still at `version`, and keep what it said."""
    done = db.execute(
        update(needling_session)
        .where(
            needling_session.c.clinic_id == clinic,
            needling_session.c.id == before.id,
            needling_session.c.version == version,
        )
        .values(**values, version=version + 1)
    )
    if done.rowcount != 1:
        raise Stale(f"needling session {before.id} is at version {before.version}, not {version}")
    kept = {"clinic_id": clinic, "id": before.id, "version": before.version, "value": before.session}
    db.execute(insert(needling_session_before), {**kept, "replaced_at": now, "replaced_by": by})

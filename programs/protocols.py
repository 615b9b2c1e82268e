"""A clinic's aftercare protocols: saved, approved, in force. What one says is checked and used by aftercare.py.

A version is never changed. The one approved last is in force; until one is, the default is, and says that nobody at the
clinic has approved it. A needling session keeps the version in force when it was recorded, whatever comes later.
"""

import msgspec
from sqlalchemy import Connection, bindparam, func, insert, select, update

from programs.aftercare import DEFAULT, Protocol, checked
from programs.errors import Conflict, NoSuchRecord
from programs.instants import Instant
from programs.people import clinic_of
from programs.tables import protocol

SHIPPED = "homestretch"  # who made version 0


class Version(msgspec.Struct, frozen=True):
    """`approved_by` is None for a draft, and for the default."""

    number: int
    protocol: Protocol
    made_by: str
    made_at: Instant
    approved_by: str | None
    approved_at: Instant | None


_SHIPPED = Version(0, DEFAULT, SHIPPED, 0, None, None)
_COLUMNS = (
    protocol.c.version,
    protocol.c.value,
    protocol.c.made_by,
    protocol.c.made_at,
    protocol.c.approved_by,
    protocol.c.approved_at,
)
_ALL = select(*_COLUMNS).where(protocol.c.clinic_id == bindparam("clinic")).order_by(protocol.c.version.desc())
_IN_FORCE = _ALL.where(protocol.c.approved_at.is_not(None)).limit(1)
_NEWEST = select(func.max(protocol.c.version)).where(protocol.c.clinic_id == bindparam("clinic"))
_APPROVE = (
    update(protocol)
    .where(
        protocol.c.clinic_id == bindparam("clinic"),
        protocol.c.version == bindparam("number"),
        protocol.c.approved_at.is_(None),
    )
    .values(approved_by=bindparam("by"), approved_at=bindparam("at"))
)
decode = msgspec.json.Decoder(Protocol).decode


def in_force(db: Connection, clinic: str) -> Version:
    row = db.execute(_IN_FORCE, {"clinic": clinic}).first()
    return _SHIPPED if row is None else Version(row[0], decode(row[1]), *row[2:])


def versions_of(db: Connection, clinic: str) -> list[Version]:
    """Latest first; the default, which is version 0, is the last."""
    found = [Version(row[0], decode(row[1]), *row[2:]) for row in db.execute(_ALL, {"clinic": clinic})]
    return [*found, _SHIPPED]


def version_of(db: Connection, clinic: str, number: int) -> Version:
    found = next((it for it in versions_of(db, clinic) if it.number == number), None)
    if found is None:
        raise NoSuchRecord("protocol", str(number))
    return found


def save(db: Connection, clinic: str, it: Protocol, by: str, now: Instant) -> Version:
    """A draft: it is asked of nobody until a clinician approves it. Raises Invalid for what cannot be."""
    clinic_of(db, clinic)
    it = checked(it)
    number = (db.execute(_NEWEST, {"clinic": clinic}).scalar() or 0) + 1
    row = {"clinic_id": clinic, "version": number, "value": it, "made_by": by, "made_at": now}
    db.execute(insert(protocol), row)
    return Version(number, it, by, now, None, None)


def approve(db: Connection, clinic: str, number: int, by: str, now: Instant) -> Version:
    """From now on this one is in force. Doing it again changes nothing; the default is approved as a copy of it."""
    wanted = version_of(db, clinic, number)
    if wanted.approved_at is not None:
        return wanted
    if number == 0:
        wanted = save(db, clinic, DEFAULT, by, now)
    elif number < in_force(db, clinic).number:
        raise Conflict(f"protocol {number} is older", "A later protocol is in force. Save this one anew, then approve.")
    db.execute(_APPROVE, {"clinic": clinic, "number": wanted.number, "by": by, "at": now})
    return msgspec.structs.replace(wanted, approved_by=by, approved_at=now)

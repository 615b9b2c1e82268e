"""The record of who did what to whose record: appended to, chained by a keyed MAC, one chain a clinic.

Each row's MAC covers the row, its number and the MAC before it, under a key that is not in the database. So a row that
was changed, deleted, put in or moved breaks the chain at its place; one cut off at the end is missed by the anchors
(see anchors.py). Where the key was renewed, the first row under the new one says so, and all before it stay under
theirs: each MAC names its key. No health value is in it: ids, routes and addresses only. What requests add is
witness.py.
"""

import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, delete, func, insert, select, text

from programs import walls
from programs.instants import Instant
from programs.tables import clinic as table_of_clinics
from service.tables import audit, audit_checkpoint
from service.vault import CARRIED, Keys

Outcome = Literal["ok", "refused"]
FORM = 1  # of what a MAC covers; a later form gets another number
LONGEST = 64  # of an id or an address; what is longer was chosen by a caller
SERVER = "~server"  # the chain of what belongs to no clinic: strangers who were refused
UNKEPT = Keys([secrets.token_bytes(32)])  # where no key was given, nobody can verify what is written
NOBODY = "nobody"  # who somebody is that has not shown who they are
ORIGIN = "origin"  # under this name a transaction keeps from where it was asked for
RENEWED, PRUNED = "renew audit key", "prune audit"
DEED = "deed"  # under this name a request collects the notes of its transaction; see witness.py


class Note(NamedTuple):
    """One thing that was done, or refused. `origin` is a network address, "" for the service itself."""

    clinic: str
    who: str
    what: str
    patient: str
    record: str
    at: Instant
    origin: str = ""
    outcome: Outcome = "ok"


class Link(NamedTuple):
    """A row of the chain."""

    number: int
    note: Note
    mac: str


class Head(NamedTuple):
    """The end of a chain: how many rows it ever had, and the MAC of the last."""

    number: int
    mac: str


START = Head(0, "")

_LINK = (
    *(audit.c.number, audit.c.clinic_id, audit.c.who, audit.c.what, audit.c.patient_id, audit.c.record_id),
    *(audit.c.at, audit.c.origin, audit.c.outcome, audit.c.mac),
)
_LAST = (
    select(audit.c.number, audit.c.mac)
    .where(audit.c.clinic_id == bindparam("clinic"))
    .order_by(audit.c.number.desc())
    .limit(1)
)
_CHECKPOINT = (
    select(audit_checkpoint)
    .where(audit_checkpoint.c.clinic_id == bindparam("clinic"))
    .order_by(audit_checkpoint.c.number.desc())
    .limit(1)
)
# Whoever adds to a chain waits here for whoever already does, until that commits: the last thing a transaction does.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('audit:' || :clinic, 0))")
_INSERT = insert(audit).inline()
_ROWS = (
    select(*_LINK)
    .where(audit.c.clinic_id == bindparam("clinic"), audit.c.number > bindparam("after"))
    .order_by(audit.c.number)
    .limit(bindparam("count"))
)
_FIRST_SINCE = select(func.min(audit.c.number)).where(
    audit.c.clinic_id == bindparam("clinic"), audit.c.at >= bindparam("since")
)
_MAC = select(audit.c.mac).where(audit.c.clinic_id == bindparam("clinic"), audit.c.number == bindparam("number"))
# What is done for the whole clinic, or refused, says nothing of one patient.
_LOOKED = audit.c.what.like("GET %") & (audit.c.outcome == "ok")
_OF_PATIENT = (
    select(*_LINK)
    .where(
        audit.c.clinic_id == bindparam("clinic"),
        (audit.c.patient_id == bindparam("patient")) | (bindparam("lists") & (audit.c.patient_id == "") & _LOOKED),
        audit.c.number < bindparam("before"),
        audit.c.at >= bindparam("since"),
        audit.c.at < bindparam("until"),
        audit.c.who != bindparam("but"),
    )
    .order_by(audit.c.number.desc())
    .limit(bindparam("count"))
)

_FAILED = (
    select(*_LINK)
    .where(
        audit.c.clinic_id == bindparam("clinic"),
        audit.c.patient_id == "",
        audit.c.who == NOBODY,
        audit.c.at >= bindparam("since"),
    )
    .order_by(audit.c.number.desc())
    .limit(bindparam("count"))
)


def note(db: Connection, clinic: str, who: str, what: str, patient: str, record: str, at: Instant) -> None:
    """In the transaction that does it: there is never one without the other."""
    _keep(db, Note(clinic, who, what, patient, record, at, db.info.get(ORIGIN, "")))


def refuse(db: Connection, clinic: str, what: str, patient: str, record: str, at: Instant) -> None:
    """Somebody nobody knows tried what must not be; the transaction that counts it is kept."""
    _keep(db, Note(clinic, NOBODY, what, patient, record, at, db.info.get(ORIGIN, ""), "refused"))


def _keep(db: Connection, it: Note) -> None:
    collecting = db.info.get(DEED)
    if collecting is not None:
        collecting.append(it)
    else:
        append(db, it.clinic, [it])


def come_from(db: Connection, origin: str, verb: Callable[..., Any], *args: Any) -> Any:
    """`verb(db, *args)` for somebody at this address who is not signed in, or only now is. Others: witness.py."""
    db.info[ORIGIN] = origin
    try:
        return verb(db, *args)
    finally:
        del db.info[ORIGIN]


def append(db: Connection, clinic: str, notes: Sequence[Note]) -> None:
    """The next rows of a clinic's chain. Raises VaultError where its last row has a key that is not in the vault."""
    if notes:
        _go_on(db, clinic, notes, notes[0].at)


def renew(db: Connection, clinic: str, now: Instant) -> Head:
    """A chain that has rows goes on with the newest key from here."""
    return _go_on(db, clinic, (), now)


def _go_on(db: Connection, clinic: str, notes: Sequence[Note], at: Instant) -> Head:
    last, rows = head(db, clinic, lock=True), []
    keys = _keys_for(db, last)
    if last.number and key_of(last.mac) < keys.newest:
        notes = [Note(clinic, "system:audit", RENEWED, "", str(keys.newest), at), *notes]
    for it in notes:
        link = _linked(keys, last, it)
        last = Head(link.number, link.mac)
        rows.append(_row(link))
    if rows:
        db.execute(_INSERT, rows)
    return last


def _keys_for(db: Connection, last: Head) -> Keys:
    """As they are now, so that one transaction seals with one key. Who begins a chain, or finds that another process
    renewed the key, looks into the vault first: no row is sealed with an older key than the one before it."""
    keys: Keys = db.info.get(CARRIED, UNKEPT)
    if last.number:
        keys.named(key_of(last.mac))
    else:
        keys.look()
    return Keys(keys.known)


def head(db: Connection, clinic: str, lock: bool = False) -> Head:
    if lock and db.dialect.name == "postgresql":
        db.execute(_LOCK, {"clinic": clinic})
    found = db.execute(_LAST, {"clinic": clinic}).first()
    if found is not None:
        return Head(*found)
    pruned = checkpoint(db, clinic)
    return Head(pruned.number, pruned.mac) if pruned else START


def _linked(keys: Keys, last: Head, it: Note) -> Link:
    # A caller may have written any of these; what does not fit its column must not stop the deed, nor forge a line.
    fit = it._replace(patient=_fit(it.patient), record=_fit(it.record), origin=_fit(it.origin))
    number = last.number + 1
    return Link(number, fit, mac_of(keys, last.mac, number, fit))


def _fit(text: str) -> str:
    if len(text) <= LONGEST and text.isascii() and text.isprintable():
        return text
    return "".join(mark if mark.isascii() and mark.isprintable() else "?" for mark in text[:LONGEST])


def mac_of(keys: Keys, before: str, number: int, it: Note) -> str:
    return sealed(keys, FORM, before, number, *it)


def is_mac_of(keys: Keys, it: Link, before: str) -> bool:
    return fits(keys, it.mac, FORM, before, it.number, *it.note)


def sealed(keys: Keys, *values: str | int) -> str:
    """With the newest key. That of the first is its 64 hexadecimal digits; later ones stand behind the key's number."""
    return _sealed(keys, keys.newest, values)


def fits(keys: Keys, seal: str, *values: str | int) -> bool:
    """Whether these were sealed so, with the key that the seal names."""
    number = key_of(seal)
    return keys.has(number) and hmac.compare_digest(seal.encode(), _sealed(keys, number, values).encode())


def key_of(seal: str) -> int:
    """The number of the key that a seal says it was made with; what says none, or is no seal, is the first's."""
    number, colon, _ = seal.partition(":")
    said = bool(colon) and len(number) < 5 and number.isascii() and number.isdecimal()
    return int(number) or 1 if said else 1


def _sealed(keys: Keys, number: int, values: Sequence[str | int]) -> str:
    found = digest(keys.named(number), *values)
    return found.hex() if number == 1 else f"{number}:{urlsafe_b64encode(found).decode()}"


def digest(key: bytes, *values: str | int) -> bytes:
    """A JSON array holds each value apart from the next, whatever they contain."""
    return hmac.digest(key, msgspec.json.encode(values), "sha256")


def _row(it: Link) -> dict[str, object]:
    values = (it.number, *it.note, it.mac)
    return {column.name: value for column, value in zip(_LINK, values, strict=True)}


def _link(row: Sequence[object]) -> Link:
    number, *fields, mac = row
    return Link(number, Note(*fields), mac)  # type: ignore[arg-type]


def links(db: Connection, clinic: str, after: int, count: int) -> list[Link]:
    """The rows of a chain in order, from behind number `after`."""
    rows = db.execute(_ROWS, {"clinic": clinic, "after": after, "count": count}).all()
    return [_link(row) for row in rows]


def failures_of(db: Connection, clinic: str, since: Instant, count: int) -> list[Note]:
    """Who could not show that they are somebody of this clinic, latest first; `record` is whose name they used."""
    rows = db.execute(_FAILED, {"clinic": clinic, "since": since, "count": count}).all()
    return [_link(row).note for row in rows]


class Asked(NamedTuple):
    """How `many` rows of one patient, at most: `before` a number, from `since` until before `until`; with `lists`, also
    who looked at what concerns nobody in particular; without `own`, not what they did themself."""

    many: int
    before: int | None = None
    since: Instant | None = None
    until: Instant | None = None
    lists: bool = False
    own: bool = True


EVER = 2**53


def links_of(db: Connection, clinic: str, patient: str, it: Asked) -> list[Link]:
    """What concerns one patient, latest first."""
    values = {"clinic": clinic, "patient": patient, "lists": it.lists, "count": it.many}
    values |= {"before": it.before or EVER, "since": it.since or 0, "until": EVER if it.until is None else it.until}
    values["but"] = "" if it.own else f"patient:{patient}"
    return [_link(row) for row in db.execute(_OF_PATIENT, values).all()]


def chains(db: Connection) -> list[str]:
    """Every clinic there may be a chain of; for verifying, which looks at one after the other."""
    walls.serve(db)
    found = {SERVER, *db.execute(select(table_of_clinics.c.clinic_id)).scalars()}
    return sorted(found | set(db.execute(select(audit.c.clinic_id).distinct()).scalars()))


# pruning: what is older than the law asks for goes; a sealed checkpoint holds the chain together


class Checkpoint(NamedTuple):
    """All rows up to `number` were removed, on purpose; `mac` is that of the last of them."""

    clinic: str
    number: int
    mac: str
    at: Instant
    seal: str


def checkpoint(db: Connection, clinic: str) -> Checkpoint | None:
    found = db.execute(_CHECKPOINT, {"clinic": clinic}).first()
    return Checkpoint(*found) if found is not None else None


def prune(db: Connection, clinic: str, before: Instant, now: Instant) -> int:
    """Remove the oldest rows, up to the first that is not older than `before`; how many those were."""
    last, pruned = head(db, clinic, lock=True), checkpoint(db, clinic)
    start = pruned.number if pruned else 0
    kept = db.execute(_FIRST_SINCE, {"clinic": clinic, "since": before}).scalar()
    if kept is not None:
        last = Head(kept - 1, db.execute(_MAC, {"clinic": clinic, "number": kept - 1}).scalar() or "")
    if last.number <= start:
        return 0
    seal = sealed(db.info.get(CARRIED, UNKEPT), "checkpoint", clinic, last.number, last.mac, now)
    row = {"clinic_id": clinic, "number": last.number, "mac": last.mac, "at": now, "seal": seal}
    db.execute(insert(audit_checkpoint), row)
    db.execute(delete(audit).where(audit.c.clinic_id == clinic, audit.c.number <= last.number))
    note(db, clinic, "system:audit", PRUNED, "", str(last.number), now)
    return last.number - start

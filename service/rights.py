"""What a patient may ask of their record: to see all of it, to end the messages at once, to have it erased.

Unenrolling is at once, by the patient or the clinic. Erasing is decided by an admin, waits for a legal hold, and leaves
a tombstone and the audit, which hold ids alone. It is noted outside the database first: a back-up that is put back does
not bring the person back (`reapply`).
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

import msgspec
from sqlalchemy import Column, Connection, delete, insert, select, update

from notifications import outbox
from notifications.tables import due, message
from programs import people
from programs.errors import Conflict, Invalid
from programs.instants import Instant, say
from programs.tables import Value, erasure_request, legal_hold, patient, tombstone
from service import audit, care
from service.care import Who
from service.subject import KEPT, METADATA, OF_ENDPOINT, OF_PATIENT
from service.tables import reply, token
from service.vault import Vault

LONGEST_REASON = 1_000
# Why a record was erased: one of a few words, as these are all that may stay of it.
Ground = Literal["asked", "withdrawn", "over", "mistake"]
GROUNDS: tuple[Ground, ...] = get_args(Ground)
# Secrets the person never sees, or of which only a digest is kept: they say nothing about them.
WITHHELD = {
    ("token", "hash"): "the digest of a secret",
    ("enrolment", "hash"): "the digest of a secret",
    ("enrolment", "factor_hash"): "the digest of a secret",
    ("audit", "mac"): "seals the clinic's log",
    ("due", "fence"): "counts tries inside the sender",
}
# What clinicians write for each other. A patient's own copy leaves it out; whoever runs the clinic can hand it over
# where the law says so. In a JSON value it is the part called "note".
PRIVATE = {
    ("needling_session", "value"),
    ("needling_session_before", "value"),
    ("flag", "note"),
    ("follow_up", "note"),
    ("staff_time", "note"),
    ("legal_hold", "reason"),
    ("legal_hold", "released_why"),
}
ENDS_AT_ONCE = ("address", "token", "enrolment")


class Held(NamedTuple):
    """A legal hold that stands."""

    set_at: Instant
    reason: str
    set_by: str


class Request(NamedTuple):
    """A patient asked to be erased, themself or by somebody for them. Open until it is refused, or nothing is left."""

    asked_by: str
    asked_at: Instant
    refused_at: Instant | None
    refused_by: str | None
    refused_why: str | None


class Waiting(NamedTuple):
    """An open request, for those who decide; `held` is whether a legal hold stands against it."""

    patient_id: str
    name: str
    asked_by: str
    asked_at: Instant
    held: bool


class Erasure(msgspec.Struct, frozen=True):
    """A line of the journal outside the database."""

    clinic: str
    patient: str
    at: Instant


class HandingOver(Conflict):
    """A message to this person is on its way this very second."""

    what = "a message is being handed over"
    to_person = "A message to this patient is being sent this very moment. Please try again in half a minute."


# export


def export(db: Connection, clinic: str, id: str, now: Instant, private: bool) -> dict[str, Any]:
    """Every row there is of a patient, by table, times as people and machines read them; with PRIVATE or without."""
    people.patient_of(db, clinic, id)
    values = {"of_clinic": clinic, "of_patient": id}
    records = {}
    for table in METADATA.sorted_tables:
        if table.name not in OF_PATIENT:
            continue
        columns = [column for column in table.c if (table.name, column.name) not in WITHHELD]
        rows = db.execute(select(*columns).where(OF_PATIENT[table.name]), values).all()
        records[table.name] = [
            {column.name: _shown(column, value, private) for column, value in zip(columns, row, strict=True)}
            for row in rows
        ]
    names = people.clinicians_of(db, clinic)
    return {"form": 1, "made_at": say(now), "patient_id": id, "clinicians": names, "records": records}


def _shown(column: Column[Any], value: Any, private: bool) -> Any:
    hidden = not private and (column.table.name, column.name) in PRIVATE
    if isinstance(column.type, Value) and value is not None:
        parts = msgspec.json.decode(value)
        return {name: part for name, part in parts.items() if name != "note"} if hidden else parts
    if hidden:
        return None
    if isinstance(value, int) and column.name in INSTANTS:
        return say(value)
    return value


_ALSO = ("at", "opens", "target", "closes", "planned_for", "planned_until", "good_until", "acknowledge_by")
INSTANTS = frozenset(
    column.name
    for table in METADATA.sorted_tables
    for column in table.c
    if column.name.endswith("_at") or column.name in _ALSO
)


# unenrolling


def unenrol(db: Connection, who: Who, id: str, now: Instant) -> None:
    """Phones, addresses and codes are gone, consent is withdrawn, messages stop; the record stays. Twice is once."""
    people.lock(db, who.clinic, [id])
    before = people.patient_of(db, who.clinic, id)
    values = {"of_clinic": who.clinic, "of_patient": id}
    db.execute(delete(METADATA.tables["endpoint"]).where(OF_ENDPOINT), values)
    for name in ENDS_AT_ONCE:
        db.execute(delete(METADATA.tables[name]).where(OF_PATIENT[name]), values)
    if before.consented:
        care.change_patient(db, who, id, before.version, {"consented": False}, now)
    else:
        outbox.reconcile(db, who.clinic, [id], now)
    audit.note(db, who.clinic, str(who), "unenrol", id, id, now)


# asking to be erased


def ask_to_erase(db: Connection, who: Who, id: str, now: Instant) -> Request:
    """The open request: a second time is the first. One that was refused may be asked anew. Raises NoSuchRecord."""
    people.lock(db, who.clinic, [id])
    people.patient_of(db, who.clinic, id)
    latest = next(iter(requests_of(db, who.clinic, id)), None)
    if latest is not None and (latest.refused_at is None or latest.asked_at == now):
        return latest
    it = Request(str(who), now, None, None, None)
    db.execute(insert(erasure_request), {"clinic_id": who.clinic, "patient_id": id, **it._asdict()})
    audit.note(db, who.clinic, str(who), "ask to erase record", id, id, now)
    return it


def refuse_to_erase(db: Connection, who: Who, id: str, why: str, now: Instant) -> Request:
    """The patient is told why. Raises Conflict where nobody asks."""
    people.lock(db, who.clinic, [id])
    people.patient_of(db, who.clinic, id)
    latest = next(iter(requests_of(db, who.clinic, id)), None)
    if latest is None or latest.refused_at is not None:
        raise Conflict("nobody asks", "Nobody asks to have this record erased.")
    it = latest._replace(refused_at=now, refused_by=str(who), refused_why=_reason(why))
    mine = (erasure_request.c.clinic_id == who.clinic) & (erasure_request.c.patient_id == id)
    db.execute(update(erasure_request).where(mine, erasure_request.c.asked_at == it.asked_at).values(**it._asdict()))
    audit.note(db, who.clinic, str(who), "refuse to erase record", id, id, now)
    return it


def requests_of(db: Connection, clinic: str, id: str) -> list[Request]:
    """Latest first."""
    asked = select(*(erasure_request.c[name] for name in Request._fields))
    mine = (erasure_request.c.clinic_id == clinic) & (erasure_request.c.patient_id == id)
    return [Request(*row) for row in db.execute(asked.where(mine).order_by(erasure_request.c.asked_at.desc()))]


def waiting(db: Connection, clinic: str) -> list[Waiting]:
    """Every open request of a clinic, longest waiting first."""
    theirs = (patient.c.clinic_id == erasure_request.c.clinic_id) & (patient.c.id == erasure_request.c.patient_id)
    hold = select(legal_hold.c.patient_id).where(
        legal_hold.c.clinic_id == patient.c.clinic_id,
        legal_hold.c.patient_id == patient.c.id,
        legal_hold.c.released_at.is_(None),
    )
    asked = (
        select(patient.c.id, patient.c.name, erasure_request.c.asked_by, erasure_request.c.asked_at, hold.exists())
        .join_from(erasure_request, patient, theirs)
        .where(erasure_request.c.clinic_id == clinic, erasure_request.c.refused_at.is_(None))
        .order_by(erasure_request.c.asked_at, patient.c.id)
    )
    return [Waiting(id, name, by, at, bool(held)) for id, name, by, at, held in db.execute(asked)]


def _reason(text: str) -> str:
    if not text.strip() or len(text) > LONGEST_REASON:
        raise Invalid("reason", f"must be 1 to {LONGEST_REASON} characters")
    return text.strip()


# legal hold


def hold(db: Connection, who: Who, id: str, reason: str, now: Instant) -> Held:
    """Nothing is erased while it stands. A second reason takes the place of the first."""
    it = Held(now, _reason(reason), str(who))
    people.lock(db, who.clinic, [id])
    people.patient_of(db, who.clinic, id)
    _release(db, who, id, "", now)
    row = {"clinic_id": who.clinic, "patient_id": id, **it._asdict()}
    mine = (legal_hold.c.clinic_id == who.clinic) & (legal_hold.c.patient_id == id) & (legal_hold.c.set_at == now)
    db.execute(delete(legal_hold).where(mine))  # two in one millisecond are one
    db.execute(insert(legal_hold), row)
    audit.note(db, who.clinic, str(who), "set legal hold", id, id, now)
    return it


def release(db: Connection, who: Who, id: str, why: str, now: Instant) -> None:
    """Raises Conflict where none stands."""
    people.patient_of(db, who.clinic, id)
    if not _release(db, who, id, _reason(why), now):
        raise Conflict("no legal hold", "No legal hold stands on this record.")
    audit.note(db, who.clinic, str(who), "release legal hold", id, id, now)


def _release(db: Connection, who: Who, id: str, why: str, now: Instant) -> bool:
    standing = (legal_hold.c.clinic_id == who.clinic) & (legal_hold.c.patient_id == id)
    ended = update(legal_hold).where(standing, legal_hold.c.released_at.is_(None))
    return db.execute(ended.values(released_at=now, released_by=str(who), released_why=why)).rowcount > 0


def held(db: Connection, clinic: str, id: str) -> Held | None:
    asked = select(legal_hold.c.set_at, legal_hold.c.reason, legal_hold.c.set_by)
    mine = (legal_hold.c.clinic_id == clinic) & (legal_hold.c.patient_id == id) & legal_hold.c.released_at.is_(None)
    row = db.execute(asked.where(mine)).first()
    return Held(*row) if row is not None else None


# erase


def erase(db: Connection, who: Who, id: str, now: Instant, ground: Ground = "asked") -> bool:
    """Nothing of the person is left but the tombstone and the audit; False where it was so already.

    Raises NoSuchRecord; Conflict under a legal hold; HandingOver, as nothing may be handed over after the commit.
    """
    if people.erased_at(db, who.clinic, id) is not None:
        return False
    people.lock(db, who.clinic, [id])
    people.patient_of(db, who.clinic, id)
    if held(db, who.clinic, id) is not None:
        raise Conflict("a legal hold stands", "This record is under a legal hold. Release the hold first.")
    _wipe(db, who.clinic, id, now)
    audit.note(db, who.clinic, str(who), f"erase record: {ground}", id, id, now)
    vault: Vault | None = db.info.get("vault")
    if vault is None:
        raise Conflict("there is no vault", "This server has nowhere to note that a record was erased.")
    vault.append(vault.erasures, msgspec.json.encode(Erasure(who.clinic, id, now)).decode())
    return True


def _wipe(db: Connection, clinic: str, id: str, now: Instant) -> None:
    values = {"of_clinic": clinic, "of_patient": id}
    _check_nothing_is_handed_over(db, clinic, id, now)
    _forget_replies(db, clinic, _ids(db, values) | {id})
    db.execute(delete(METADATA.tables["endpoint"]).where(OF_ENDPOINT), values)
    for table in reversed(METADATA.sorted_tables):
        if table.name in OF_PATIENT and table.name not in KEPT:
            db.execute(delete(table).where(OF_PATIENT[table.name]), values)
    db.execute(insert(tombstone), {"clinic_id": clinic, "patient_id": id, "erased_at": now})


def _check_nothing_is_handed_over(db: Connection, clinic: str, id: str, now: Instant) -> None:
    """Locks what is due, so that no worker claims it meanwhile."""
    waiting = (
        select(due.c.key, due.c.state, due.c.wake_at)
        .join(message, (message.c.clinic_id == due.c.clinic_id) & (message.c.id == due.c.message_id))
        .where(due.c.clinic_id == clinic, message.c.person_id == id)
        .order_by(due.c.key)
        .with_for_update(of=due)
    )
    if any(row.state == "in_flight" and row.wake_at > now for row in db.execute(waiting).all()):
        raise HandingOver(id)


def _ids(db: Connection, values: Mapping[str, str]) -> set[str]:
    """The ids of all that is theirs."""
    found: set[str] = set()
    for table in METADATA.sorted_tables:
        if table.name in OF_PATIENT and table.name not in KEPT and "id" in table.c and table is not token:
            found |= set(db.execute(select(table.c.id).where(OF_PATIENT[table.name]), values).scalars())
    return found


def _forget_replies(db: Connection, clinic: str, ids: set[str]) -> None:
    """Replies kept for an Idempotency-Key of staff may quote the record: those that name any of its ids go."""
    kept = select(reply.c.person_id, reply.c.key, reply.c.body).where(reply.c.clinic_id == clinic)
    for person, key, body in db.execute(kept).all():
        if any(f'"{id}"' in body for id in ids):
            mine = (reply.c.clinic_id == clinic) & (reply.c.person_id == person) & (reply.c.key == key)
            db.execute(delete(reply).where(mine))


def reapply(db: Connection, it: Erasure, now: Instant) -> str:
    """After a back-up was put back: "" where there is nothing to do, else what was done or why not."""
    here = (patient.c.clinic_id == it.clinic) & (patient.c.id == it.patient)
    if db.execute(select(patient.c.id).where(here)).first() is None:
        return ""
    standing = held(db, it.clinic, it.patient)
    if standing is not None and standing.set_at > it.at:
        return "left as it is: a legal hold was set after it was to be erased"
    _wipe(db, it.clinic, it.patient, now)
    audit.note(db, it.clinic, "system:erasures", "erase record again", it.patient, it.patient, now)
    return "erased again"


def journal(vault: Vault) -> list[Erasure]:
    """Raises ValueError, with the line, for what is no erasure."""
    found = []
    for number, line in enumerate(vault.erasures.read_text("utf-8").splitlines() if vault.erasures.exists() else (), 1):
        try:
            found.append(msgspec.json.decode(line, type=Erasure))
        except ValueError:
            raise ValueError(f"{vault.erasures}, line {number}: is no erasure") from None
    return found

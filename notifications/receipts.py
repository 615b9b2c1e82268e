"""receipts: what the app confirms of a message (shown, opened, answered), and whom no message reached."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

import msgspec
from sqlalchemy import Connection, bindparam, insert, select

from notifications.tables import message, outcome, receipt
from programs.errors import NoSuchRecord
from programs.instants import Instant

Kind = Literal["shown", "opened", "answered"]

_MINE = select(message.c.id).where(
    message.c.clinic_id == bindparam("clinic"),
    message.c.person_id == bindparam("person"),
    message.c.id == bindparam("message"),
)
_KNOWN = select(receipt.c.kind).where(
    receipt.c.clinic_id == bindparam("clinic"),
    receipt.c.message_id == bindparam("message"),
    receipt.c.kind == bindparam("kind_"),
)
_UNREACHED = (
    select(message.c.person_id, message.c.subjects)
    .join(outcome, (outcome.c.clinic_id == message.c.clinic_id) & (outcome.c.message_id == message.c.id))
    .where(
        message.c.clinic_id == bindparam("clinic"),
        message.c.person_id.in_(bindparam("patients", expanding=True)),
        message.c.closes >= bindparam("since"),
        # Ours to answer for: no address, a provider's refusal, a worker that was down until the window was over.
        (outcome.c.state.in_(("failed", "expired"))) | (outcome.c.reason == "no_address"),
    )
)
_subjects = msgspec.json.Decoder(tuple[str, ...]).decode


def confirm(db: Connection, clinic: str, person: str, message_id: str, kind: Kind, at: Instant, now: Instant) -> bool:
    """Note a receipt; False when it was known. Raises NoSuchRecord for a message that was not this person's."""
    if db.execute(_MINE, {"clinic": clinic, "person": person, "message": message_id}).first() is None:
        raise NoSuchRecord("message", message_id)
    if db.execute(_KNOWN, {"clinic": clinic, "message": message_id, "kind_": kind}).first() is not None:
        return False
    row = {"clinic_id": clinic, "message_id": message_id, "kind": kind, "happened_at": min(at, now)}
    db.execute(insert(receipt), {**row, "received_at": now})
    return True


def unreached(db: Connection, clinic: str, patients: Sequence[str], since: Instant) -> dict[str, set[tuple[str, int]]]:
    """Patient id -> (plan id, wall) of the bouts whose reminder ended without reaching them, windows since `since`."""
    found: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for patient, subjects in db.execute(_UNREACHED, {"clinic": clinic, "patients": list(patients), "since": since}):
        for subject in _subjects(subjects):
            kind, _, rest = subject.partition(":")
            if kind == "bout":
                plan, _, wall = rest.rpartition(":")
                found[patient].add((plan, int(wall)))
    return found

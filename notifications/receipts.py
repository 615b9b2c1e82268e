"""receipts: what the app confirms of a message (shown, opened, answered), and whom no message reached."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, Select, bindparam, insert, select

from notifications.tables import message, outcome, receipt
from programs.errors import NoSuchRecord
from programs.instants import Instant
from programs.tables import among

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
_ENDED = (
    select(message.c.person_id, message.c.subjects)
    .join(outcome, (outcome.c.clinic_id == message.c.clinic_id) & (outcome.c.message_id == message.c.id))
    .where(
        message.c.clinic_id == bindparam("clinic"),
        among(message.c.person_id, "patients"),
        message.c.closes >= bindparam("since"),
    )
)
# Ours to answer for: no address, a provider's refusal, a worker that was down until the window was over.
_UNREACHED = _ENDED.where((outcome.c.state.in_(("failed", "expired"))) | (outcome.c.reason == "no_address"))
_REACHED = _ENDED.where(outcome.c.state == "accepted")
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
    """Patient id -> (plan id, wall) of the bouts whose reminder ended without reaching them, windows since `since`.

    One that was sent after all, to a new address for example, did reach them.
    """
    found = _bouts(db, _UNREACHED, clinic, patients, since)
    reached = _bouts(db, _REACHED, clinic, list(found), since) if found else {}
    return {patient: bouts - reached.get(patient, set()) for patient, bouts in found.items()}


def _bouts(
    db: Connection, messages: Select[Any], clinic: str, patients: Sequence[str], since: Instant
) -> dict[str, set[tuple[str, int]]]:
    found: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for patient, subjects in db.execute(messages, {"clinic": clinic, "patients": list(patients), "since": since}):
        for subject in _subjects(subjects):
            kind, _, rest = subject.partition(":")
            if kind == "bout":
                plan, _, wall = rest.rpartition(":")
                found[patient].add((plan, int(wall)))
    return found

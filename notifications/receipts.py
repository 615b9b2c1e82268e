"""receipts: what the app confirms of a message (shown, opened, answered), and whom no message reached."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec
from sqlalchemy import Connection, Select, bindparam, delete, insert, select

from notifications import addresses
from notifications.tables import delivery, due, message, outcome, receipt
from programs import rollup
from programs.errors import NoSuchRecord
from programs.instants import Instant
from programs.rollup import FOREVER
from programs.tables import among

Kind = Literal["shown", "opened", "answered"]

_ENDED = (outcome.c.clinic_id == message.c.clinic_id) & (outcome.c.message_id == message.c.id)
_MINE = (
    select(message.c.key, message.c.subjects, outcome.c.state)
    .outerjoin(outcome, _ENDED)
    .where(
        message.c.clinic_id == bindparam("clinic"),
        message.c.person_id == bindparam("person"),
        message.c.id == bindparam("message"),
    )
)
_KNOWN = select(receipt.c.kind).where(
    receipt.c.clinic_id == bindparam("clinic"),
    receipt.c.message_id == bindparam("message"),
    receipt.c.kind == bindparam("kind_"),
)
_OF_PATIENTS = select(message.c.person_id, message.c.subjects).where(
    message.c.clinic_id == bindparam("clinic"),
    among(message.c.person_id, "patients"),
    message.c.closes >= bindparam("since"),
)
_BY_THEN = _OF_PATIENTS.join(outcome, _ENDED).where(outcome.c.ended_at <= bindparam("known"))
# Ours to answer for: no address, a provider's refusal, a worker that was down until the window was over.
_UNREACHED = _BY_THEN.where((outcome.c.state.in_(("failed", "expired"))) | (outcome.c.reason == "no_address"))
_REACHED = _BY_THEN.where(outcome.c.state == "accepted")
_CONFIRMS = (receipt.c.clinic_id == message.c.clinic_id) & (receipt.c.message_id == message.c.id)
# Asked of each message: SQLite would begin a join with every receipt of the clinic.
_CONFIRMED = _OF_PATIENTS.where(
    select(receipt.c.kind).where(_CONFIRMS, receipt.c.received_at <= bindparam("known")).exists()
)
_TAKEN = _OF_PATIENTS.join(outcome, _ENDED).where(outcome.c.state.in_(("accepted", "answered")))
_HAS_RECEIPT = _OF_PATIENTS.where(select(receipt.c.kind).where(_CONFIRMS).exists())
_UNHEARD, _HEARD = _TAKEN.where(outcome.c.reason == "no_receipt"), _TAKEN.where(outcome.c.reason != "no_receipt")
_CONFIRMED_ONES = (
    select(receipt.c.message_id)
    .where(receipt.c.clinic_id == bindparam("clinic"), among(receipt.c.message_id, "ids"))
    .distinct()
)
_TAKEN_AT = select(delivery.c.message_id, delivery.c.address_id).where(
    delivery.c.clinic_id == bindparam("clinic"),
    among(delivery.c.message_id, "ids"),
    delivery.c.result == "accepted",
)
_WAIT_NO_MORE = (
    delete(due)
    .where(
        due.c.clinic_id == bindparam("clinic"),
        due.c.key == bindparam("key_"),
        due.c.message_id == bindparam("message"),
        due.c.state == "awaiting",
    )
    .returning(due.c.sent_at)
)
_subjects = msgspec.json.Decoder(tuple[str, ...]).decode


class Receipt(NamedTuple):
    """What an app says became of a message; `device` is the one that says so, or "" where that is not known."""

    message_id: str
    kind: Kind
    at: Instant
    device: str = ""


def confirm(db: Connection, clinic: str, person: str, it: Receipt, now: Instant) -> bool:
    """Note a receipt; False when it was known. Raises NoSuchRecord for a message that was not this person's.

    Nobody waits for it any more. One that comes while it is just being sent again is found when that is settled.
    """
    message_id, kind = it.message_id, it.kind
    found = db.execute(_MINE, {"clinic": clinic, "person": person, "message": message_id}).first()
    if found is None:
        raise NoSuchRecord("message", message_id)
    if db.execute(_KNOWN, {"clinic": clinic, "message": message_id, "kind_": kind}).first() is not None:
        return False
    row = {"clinic_id": clinic, "message_id": message_id, "kind": kind, "happened_at": min(it.at, now)}
    db.execute(insert(receipt), {**row, "received_at": now})
    addresses.revive(db, clinic, person, message_id, it.device)
    sent = db.execute(_WAIT_NO_MORE, {"clinic": clinic, "key_": found.key, "message": message_id}).first()
    if sent is not None:
        ended = {"clinic_id": clinic, "message_id": message_id, "state": "accepted", "reason": "confirmed"}
        db.execute(insert(outcome), {**ended, "ended_at": now, "sent_at": sent.sent_at})
    if found.state != "accepted":
        rollup.mark(db, clinic, [(person, wall) for _, wall in bouts_in(_subjects(found.subjects))])
    return True


def confirmed(db: Connection, clinic: str, ids: Sequence[str]) -> set[str]:
    """Which of these messages the app has confirmed."""
    return set(db.execute(_CONFIRMED_ONES, {"clinic": clinic, "ids": list(ids)}).scalars())


def unheard(db: Connection, clinic: str, patients: Sequence[str], since: Instant) -> set[str]:
    """The check-ins of which a message, or its nudge, was taken by a channel that confirms, and none was confirmed."""
    values = {"clinic": clinic, "patients": list(patients), "since": since}
    heard = _asked_in(db, _HEARD, values) | _asked_in(db, _HAS_RECEIPT, values)
    return _asked_in(db, _UNHEARD, values) - heard


def _asked_in(db: Connection, messages: Select[Any], values: Mapping[str, Any]) -> set[str]:
    subjects = (subject for _, its in db.execute(messages, values) for subject in _subjects(its))
    return {it.partition(":")[2] for it in subjects if not it.startswith("bout:")}


def taken_at(db: Connection, clinic: str, ids: Sequence[str]) -> dict[str, Counter[str]]:
    """Message id -> address id -> how often a provider took it there."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for id, address in db.execute(_TAKEN_AT, {"clinic": clinic, "ids": list(ids)}):
        found[id][address] += 1
    return found


def unreached(
    db: Connection, clinic: str, patients: Sequence[str], since: Instant, known: Instant = FOREVER
) -> dict[str, set[tuple[str, int]]]:
    """Patient id -> (plan id, wall) of the bouts of which no message of ours reached them, windows since `since`.

    A message about the bout failed, expired or had no address to go to, and no message about it was taken by a provider
    or confirmed by the app; `known` leaves out what was settled later. A provider that took a message may still not
    have shown it, and a bout of which there never was a message (reminders turned off, the day's limit, thinned out,
    more than three days without a worker) is not counted as unreached.
    """
    values = {"clinic": clinic, "since": since, "known": known}
    found = _bouts(db, _UNREACHED, {**values, "patients": list(patients)})
    if not found:
        return {}
    values["patients"] = list(found)
    reached, confirmed = _bouts(db, _REACHED, values), _bouts(db, _CONFIRMED, values)
    nobody: set[tuple[str, int]] = set()
    return {
        patient: bouts - reached.get(patient, nobody) - confirmed.get(patient, nobody)
        for patient, bouts in found.items()
    }


def _bouts(db: Connection, messages: Select[Any], values: Mapping[str, Any]) -> dict[str, set[tuple[str, int]]]:
    found: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for patient, subjects in db.execute(messages, values):
        found[patient].update(bouts_in(_subjects(subjects)))
    return found


def bouts_in(subjects: Iterable[str]) -> list[tuple[str, int]]:
    """(plan id, wall) of each bout that a message is about."""
    parts = (subject[len("bout:") :].rpartition(":") for subject in subjects if subject.startswith("bout:"))
    return [(plan, int(wall)) for plan, _, wall in parts]

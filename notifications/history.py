"""history: what became of messages, told whole: planned, tried, confirmed, put off, ended. It only reads."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, select

from notifications.agenda import Reason, Snoozed
from notifications.book import PENDING
from notifications.tables import delivery, due, message, outcome, receipt, snooze
from programs import walls
from programs.errors import NoSuchRecord
from programs.instants import Instant
from programs.tables import among
from programs.tables import clinic as clinics

MOST = 1_000  # messages of one patient at a look: a year and a half of them


class Tried(NamedTuple):
    """One try at one address: `detail` is the provider's word, never the address."""

    at: Instant
    channel: str
    result: str
    detail: str


class Heard(NamedTuple):
    """What the app said, and when we heard of it."""

    kind: str
    at: Instant
    received_at: Instant


class Story(msgspec.Struct):
    """One message. `state` is the due row's while it has not ended, and `wakes_at` when it is looked at next."""

    id: str
    person_id: str
    kind: str
    planned_at: Instant
    planned_for: Instant
    closes: Instant
    subjects: tuple[str, ...]
    reasons: tuple[Reason, ...]
    state: str
    reason: str
    sent_at: Instant | None
    ended_at: Instant | None
    wakes_at: Instant | None
    snoozed: Snoozed | None
    tries: list[Tried] = []
    receipts: list[Heard] = []


_STORIES = (
    select(
        message.c.id,
        message.c.person_id,
        message.c.kind,
        message.c.planned_at,
        message.c.planned_for,
        message.c.closes,
        message.c.subjects,
        message.c.reasons,
        due.c.state.label("due_state"),
        due.c.wake_at,
        due.c.sent_at.label("taken_at"),
        outcome.c.state,
        outcome.c.reason,
        outcome.c.sent_at,
        outcome.c.ended_at,
        snooze.c.snoozed_at,
        snooze.c.until_at,
    )
    .outerjoin(due, PENDING)
    .outerjoin(outcome, (outcome.c.clinic_id == message.c.clinic_id) & (outcome.c.message_id == message.c.id))
    .outerjoin(snooze, (snooze.c.clinic_id == message.c.clinic_id) & (snooze.c.message_id == message.c.id))
    .where(message.c.clinic_id == bindparam("clinic"))
)
_ONE = _STORIES.where(message.c.id == bindparam("id"))
_OF_PERSON = (
    _STORIES.where(
        message.c.person_id == bindparam("person"),
        message.c.closes >= bindparam("since"),
        message.c.planned_for >= bindparam("since"),
        message.c.planned_for < bindparam("until"),
    )
    .order_by(message.c.planned_for.desc(), message.c.key)
    .limit(MOST)
)
_TRIES = (
    select(delivery.c.message_id, delivery.c.ended_at, delivery.c.channel, delivery.c.result, delivery.c.detail)
    .where(delivery.c.clinic_id == bindparam("clinic"), among(delivery.c.message_id, "ids"))
    .order_by(delivery.c.fence, delivery.c.channel, delivery.c.address_id)
)
_RECEIPTS = (
    select(receipt.c.message_id, receipt.c.kind, receipt.c.happened_at, receipt.c.received_at)
    .where(receipt.c.clinic_id == bindparam("clinic"), among(receipt.c.message_id, "ids"))
    .order_by(receipt.c.received_at, receipt.c.happened_at, receipt.c.kind)
)
_WHERE = select(message.c.clinic_id).join(
    clinics, (message.c.clinic_id == clinics.c.clinic_id) & (message.c.id == bindparam("id"))
)
_subjects = msgspec.json.Decoder(tuple[str, ...]).decode
_reasons = msgspec.json.Decoder(tuple[Reason, ...]).decode


def story_of(db: Connection, clinic: str, id: str) -> Story:
    """Raises NoSuchRecord."""
    found = _whole(db, clinic, db.execute(_ONE, {"clinic": clinic, "id": id}).all())
    if not found:
        raise NoSuchRecord("message", id)
    return found[0]


def stories_of(db: Connection, clinic: str, person: str, since: Instant, until: Instant) -> list[Story]:
    """Those planned for [since, until), the latest first."""
    values = {"clinic": clinic, "person": person, "since": since, "until": until}
    return _whole(db, clinic, db.execute(_OF_PERSON, values).all())


def clinic_with(db: Connection, id: str) -> str:
    """Whose message this is; its 128 bits are the proof of whoever asks. Raises NoSuchRecord."""
    walls.follow(db, id)
    clinic: str | None = db.execute(_WHERE, {"id": id}).scalar()
    if clinic is None:
        raise NoSuchRecord("message", id)
    return clinic


def _whole(db: Connection, clinic: str, rows: Sequence[Any]) -> list[Story]:
    found = {row.id: _story(row) for row in rows}
    values = {"clinic": clinic, "ids": list(found)}
    for id, *tried in db.execute(_TRIES, values) if found else ():
        found[id].tries.append(Tried(*tried))
    for id, *heard in db.execute(_RECEIPTS, values) if found else ():
        found[id].receipts.append(Heard(*heard))
    return list(found.values())


def _story(row: Any) -> Story:
    snoozed = None if row.until_at is None else Snoozed(row.snoozed_at, row.until_at)
    state, sent_at = row.state or row.due_state or "", row.sent_at or row.taken_at
    return Story(
        row.id,
        row.person_id,
        row.kind,
        row.planned_at,
        row.planned_for,
        row.closes,
        _subjects(row.subjects),
        _reasons(row.reasons),
        state,
        row.reason or "",
        sent_at,
        row.ended_at,
        row.wake_at,
        snoozed,
    )

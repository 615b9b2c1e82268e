"""snoozes: "remind me later", once a message. By it the agenda tells of its bouts, or nudges its check-ins, again."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, bindparam, insert, select

from notifications.agenda import Snoozed
from notifications.book import PENDING
from notifications.tables import due, message, outcome
from notifications.tables import snooze as table
from programs.errors import Conflict, NoSuchRecord
from programs.instants import Instant

MINUTES = (15, 30, 60, 120)  # a short list is chosen from with a thumb; what is longer is another bout, or another day

_MINE = (
    select(message.c.subjects, due.c.state, due.c.sent_at, outcome.c.sent_at, table.c.snoozed_at, table.c.until_at)
    .outerjoin(due, PENDING)
    .outerjoin(outcome, (outcome.c.clinic_id == message.c.clinic_id) & (outcome.c.message_id == message.c.id))
    .outerjoin(table, (table.c.clinic_id == message.c.clinic_id) & (table.c.message_id == message.c.id))
    .where(
        message.c.clinic_id == bindparam("clinic"),
        message.c.person_id == bindparam("person"),
        message.c.id == bindparam("message"),
    )
)
_subjects = msgspec.json.Decoder(tuple[str, ...]).decode


def snooze(
    db: Connection, clinic: str, person: str, id: str, until: Instant, now: Instant
) -> tuple[Snoozed, Sequence[str]]:
    """Note it; the first for a message stands. Returns it, and the subjects that come again.

    Raises NoSuchRecord for a message that was not this person's, Conflict for one that did not go out.
    """
    row = db.execute(_MINE, {"clinic": clinic, "person": person, "message": id}).first()
    if row is None:
        raise NoSuchRecord("message", id)
    subjects, state, waiting_since, sent_at, snoozed_at, until_at = row
    again = [it.replace("check_in:", "nudge:", 1) for it in _subjects(subjects)]
    if until_at is not None:
        return Snoozed(snoozed_at, until_at), again
    if state == "in_flight":
        raise Conflict(f"message {id} is being sent", "This message is just being sent. Please try again in a minute.")
    if (waiting_since or sent_at) is None:
        raise Conflict(f"message {id} was not sent", "This message was not sent to you, so it cannot come later.")
    values = {"clinic_id": clinic, "message_id": id, "snoozed_at": now, "until_at": until}
    db.execute(insert(table), values)
    return Snoozed(now, until), again

"""What the database says became of the messages, to be held against a journal."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, case, func, select

from notifications import conservation
from notifications.book import PENDING
from notifications.tables import due, message, outcome


class Account(NamedTuple):
    """A message and how it ended; `state` is empty while it is pending, and "accepted" from the moment a provider took
    it, though it waits for its receipt still."""

    id: str
    person: str
    subjects: tuple[str, ...]
    state: str
    reason: str


_ACCOUNTS = (
    select(
        message.c.id,
        message.c.person_id,
        message.c.subjects,
        func.coalesce(outcome.c.state, case((due.c.sent_at.is_not(None), "accepted"))),
        outcome.c.reason,
    )
    .outerjoin(outcome, (outcome.c.clinic_id == message.c.clinic_id) & (outcome.c.message_id == message.c.id))
    .outerjoin(due, PENDING)
)


def accounts(db: Connection, until: int, kinds: Sequence[str] = ("check_in",)) -> list[Account]:
    """Of all that was planned for an instant up to `until`."""
    rows = db.execute(_ACCOUNTS.where(message.c.planned_for <= until, message.c.kind.in_(kinds))).all()
    return [
        Account(id, person, msgspec.json.decode(said), state or "", why or "") for id, person, said, state, why in rows
    ]


def unaccounted(db: Connection) -> int:
    return conservation.unaccounted(db)

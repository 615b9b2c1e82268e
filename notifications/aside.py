"""aside: messages no worker takes up until the operator says so: quarantined, or brought back by a back-up.

Each is still pending, and counted as such: its row stays in the queue, where no claim finds it.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, case, func, select, update

from notifications import outbox
from notifications.book import Row
from notifications.tables import NEVER, due, message
from programs.instants import Instant
from programs.tables import among


class Aside(NamedTuple):
    """`trouble` is the class of what was raised, `tries` how often in a row. Nothing of whom it is for, or about."""

    id: str
    kind: str
    state: str
    planned_for: Instant
    closes: Instant
    trouble: str
    tries: int


_MINE = due.c.clinic_id == bindparam("clinic")
_ASIDE = (
    select(
        message.c.id,
        message.c.kind,
        due.c.state,
        message.c.planned_for,
        message.c.closes,
        due.c.trouble,
        due.c.tries,
    )
    .join(message, (message.c.clinic_id == due.c.clinic_id) & (message.c.id == due.c.message_id))
    .where(_MINE, due.c.wake_at == NEVER)
    .order_by(message.c.planned_for, message.c.id)
)
_COUNT = select(due.c.state, func.count().label("count")).where(due.c.wake_at == NEVER).group_by(due.c.state)
_TAKE_UP = (
    update(due)
    .where(_MINE, among(due.c.message_id, "ids"), due.c.wake_at == NEVER)
    .values(
        state=case((due.c.sent_at.is_(None), "pending"), else_="awaiting"),
        wake_at=bindparam("now"),
        tries=0,
        trouble="",
    )
)
_HOLD = (
    update(due)
    .where(_MINE, (due.c.wake_at <= bindparam("now")) | (due.c.state == "in_flight"))
    .values(state="restored", wake_at=NEVER)
)
_ROWS = (
    select(message, due.c.fence, due.c.state, due.c.sent_at)
    .join(due, (message.c.clinic_id == due.c.clinic_id) & (message.c.id == due.c.message_id))
    .where(_MINE, among(due.c.message_id, "ids"), due.c.wake_at == NEVER)
)
_subjects = msgspec.json.Decoder(tuple[str, ...]).decode


def set_aside(db: Connection, clinic: str, state: str = "") -> list[Aside]:
    """Those of one clinic, the earliest first; of one state, or of all."""
    found = [Aside(*it) for it in db.execute(_ASIDE, {"clinic": clinic})]
    return [it for it in found if state in ("", it.state)]


def count(db: Connection) -> Counter[str]:
    """How many there are of each state in all clinics: for whoever runs the service."""
    return Counter({it.state: it.count for it in db.execute(_COUNT)})


def take_up(db: Connection, clinic: str, ids: Sequence[str], now: Instant) -> int:
    """Pending again and due now: the claim asks the agenda, as of any message, whether it is still wanted."""
    return db.execute(_TAKE_UP, {"clinic": clinic, "ids": list(ids), "now": now}).rowcount


def drop(db: Connection, clinic: str, ids: Sequence[str], now: Instant) -> int:
    """Not sent, or not again; how each ended says what it was set aside for."""
    rows = db.execute(_ROWS, {"clinic": clinic, "ids": list(ids)}).all()
    outbox.end(db, clinic, [(_row(it), it.state) for it in rows], now)
    return len(rows)


def _row(it: Any) -> Row:
    subjects, sent_at = _readable(it.subjects), it.sent_at or 0
    return Row(it.id, it.person_id, it.key, it.planned_for, it.closes, subjects, it.state, it.fence, "", 0, sent_at)


def _readable(subjects: str) -> tuple[str, ...]:
    """What nobody can read is a reason to be quarantined; it must not keep it from being dropped."""
    try:
        return _subjects(subjects)
    except msgspec.DecodeError:
        return ()


def hold(db: Connection, clinic: str, now: Instant) -> int:
    """After a back-up was put back: whatever is due by now may have been sent before. How many wait for a choice."""
    return db.execute(_HOLD, {"clinic": clinic, "now": now}).rowcount

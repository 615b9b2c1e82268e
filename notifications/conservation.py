"""conservation: is every message in exactly one of the two places, pending or ended? It only counts."""

from typing import NamedTuple

from sqlalchemy import Connection, bindparam, case, func, select

from notifications.book import PENDING
from notifications.tables import due, message, outcome
from programs import people, walls

# Messages looked at in one transaction, which takes a tenth of a second or two.
PART = 10_000

# In how many of the two places a message is: each is counted by a look into an index, a message at a time. As joins, a
# database whose statistics lag behind may compare every row with every other, for half a minute of a hundred thousand.
_AS_ENDED = (
    select(func.count())
    .select_from(outcome)
    .where(outcome.c.clinic_id == message.c.clinic_id, outcome.c.message_id == message.c.id)
    .scalar_subquery()
)
_AS_PENDING = select(func.count()).select_from(due).where(PENDING).scalar_subquery()
_PART = (
    select(message.c.id, (_AS_ENDED + _AS_PENDING).label("places"))
    .where(message.c.clinic_id == bindparam("clinic"), message.c.id > bindparam("after"))
    .order_by(message.c.id)
    .limit(bindparam("count"))
    .subquery()
)
_CHECK = select(
    func.count(), func.max(_PART.c.id), func.coalesce(func.sum(case((_PART.c.places != 1, 1), else_=0)), 0)
).select_from(_PART)


class Place(NamedTuple):
    """How far the conservation check has come: up to this message of this clinic."""

    clinic: str = ""
    message: str = ""


BEGIN = Place()


def account(db: Connection, since: Place, most: int) -> tuple[int, Place | None]:
    """The conservation check, of `most` messages: how many of them are neither pending nor ended, or both, and from
    where to go on; None at the end. Anything but 0 is a defect."""
    found, left = 0, most
    for clinic in sorted(it for it in people.clinics_of(db) if it >= since.clinic):
        walls.enter(db, clinic)
        after = since.message if clinic == since.clinic else ""
        values = {"clinic": clinic, "after": after, "count": left}
        looked_at, last, wrong = db.execute(_CHECK, values).one()
        found, left = found + int(wrong), left - looked_at
        if left == 0:
            return found, Place(clinic, last)
    return found, None


def unaccounted(db: Connection) -> int:
    """The whole of it."""
    found, place = account(db, BEGIN, PART)
    while place is not None:
        more, place = account(db, place, PART)
        found += more
    return found

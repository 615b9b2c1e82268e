"""Where a person can be reached: add, read, give up."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, bindparam, case, func, insert, null, or_, select, text, update

from notifications import stops
from notifications.channels.addresses import FORMS, SmsAddress
from notifications.reach import Address, Known
from notifications.tables import address, delivery, endpoint, horizon, message
from programs import walls
from programs.errors import NoSuchRecord
from programs.ids import derived_id
from programs.instants import Instant
from programs.tables import among
from programs.tables import clinic as clinics

STOPPED = "unsubscribed"  # why a mailbox is gone whose owner stopped it

_LIVING = select(
    address.c.id,
    address.c.person_id,
    address.c.channel,
    address.c.value,
    address.c.added_at,
    address.c.unconfirmed,
    address.c.unconfirmed_since,
    address.c.unconfirmed_last,
).where(
    address.c.clinic_id == bindparam("clinic"),
    among(address.c.person_id, "people"),
    address.c.gone_at.is_(None),
)
_ALL = select(*_LIVING.selected_columns, address.c.gone_at, address.c.gone_reason).where(
    address.c.clinic_id == bindparam("clinic"), among(address.c.person_id, "people")
)
_WHOSE = select(message.c.clinic_id, message.c.person_id).join(
    clinics, (message.c.clinic_id == clinics.c.clinic_id) & (message.c.id == bindparam("message"))
)
_GONE = (
    update(address)
    .where(
        address.c.clinic_id == bindparam("clinic"),
        address.c.id == bindparam("address"),
        address.c.added_at <= bindparam("known"),
        address.c.gone_at.is_(None),
    )
    .values(gone_at=bindparam("now"), gone_reason=bindparam("why"))
)
_COUNT = (
    update(address)
    .where(address.c.clinic_id == bindparam("clinic"), address.c.id == bindparam("address"))
    .values(
        unconfirmed=address.c.unconfirmed + 1,
        unconfirmed_since=func.coalesce(address.c.unconfirmed_since, bindparam("now")),
        unconfirmed_last=bindparam("now"),
    )
)
_REVIVE = (
    update(address)
    .where(
        address.c.clinic_id == bindparam("clinic"),
        address.c.person_id == bindparam("person"),
        address.c.unconfirmed > 0,
        or_(address.c.device_id.is_(None), address.c.device_id == bindparam("device")),
        address.c.id.in_(
            select(delivery.c.address_id).where(
                delivery.c.clinic_id == bindparam("clinic"),
                delivery.c.message_id == bindparam("message"),
                delivery.c.result == "accepted",
            )
        ),
    )
    .values(unconfirmed=0, unconfirmed_since=None, unconfirmed_last=None)
)
# Both databases know these words, which SQLAlchemy has for each of them apart.
_FIRST = text(
    "INSERT INTO endpoint (key, clinic, address_id) VALUES (:key, :clinic, :address) ON CONFLICT (key) DO NOTHING"
)
_HOLDER = select(endpoint.c.clinic, endpoint.c.address_id).where(endpoint.c.key == bindparam("key")).with_for_update()
_HOLD = (
    update(endpoint)
    .where(endpoint.c.key == bindparam("which"))
    .values(clinic=bindparam("taker"), address_id=bindparam("as"))
)
_PASSED_ON = (
    update(address)
    .where(
        address.c.clinic_id == bindparam("clinic"),
        address.c.id == bindparam("address"),
        address.c.endpoint == bindparam("held"),
        address.c.gone_at.is_(None),
    )
    .values(gone_at=bindparam("now"), gone_reason="passed on")
    .returning(address.c.person_id)
)
_END = (
    update(address)
    .where(
        address.c.clinic_id == bindparam("clinic"),
        address.c.device_id == bindparam("device"),
        or_(address.c.gone_at.is_(None), address.c.gone_reason == stops.STOPPED),
    )
    .values(
        gone_at=bindparam("now"),
        gone_reason=case((address.c.gone_at.is_(None), "the device was ended"), else_=stops.STOPPED_BESIDES),
    )
    .returning(address.c.person_id)
)
# The mark of a patient's agenda, which is looked at right before each send (handing.py).
_LOOK_AGAIN = (
    update(horizon)
    .where(horizon.c.clinic_id == bindparam("clinic"), among(horizon.c.patient_id, "people"))
    .values(planned_until=horizon.c.planned_until + 1)
)


def put_address(
    db: Connection, clinic: str, person: str, id: str, channel: str, value: Mapping[str, Any], now: Instant
) -> None:
    """Add an address, or renew one under its id. Raises NoSuchRecord for the id of somebody else's address.

    An endpoint or token of a push service is one phone: whoever had it before, here or in another clinic, has it no
    longer. Whoever has it now is not told that somebody did. A number that said stop is kept, and not written to.
    """
    mine = (address.c.clinic_id == clinic) & (address.c.id == id)
    renewed = {"channel": channel, "value": value, "added_at": now, "gone_at": None, "gone_reason": None}
    renewed |= {"device_id": None, "endpoint": _take_over(db, clinic, id, _held(channel, value), now)}
    if channel == SmsAddress.kind and stops.stands(db, clinic, value["number"]):
        renewed |= {"gone_at": now, "gone_reason": stops.STOPPED}
    done = db.execute(update(address).where(mine, address.c.person_id == person).values(**renewed, **_heard(value)))
    if done.rowcount == 1:
        return
    if db.execute(select(address.c.id).where(mine)).first() is not None:
        raise NoSuchRecord("address", id)
    db.execute(insert(address), {"clinic_id": clinic, "id": id, "person_id": person, **renewed})


def _heard(value: Mapping[str, Any]) -> dict[str, Any]:
    """An app that registers the very same address again at each start has not shown that messages arrive there."""
    same = and_(address.c.value == value, address.c.gone_at.is_(None))
    return {
        "unconfirmed": case((same, address.c.unconfirmed), else_=0),
        "unconfirmed_since": case((same, address.c.unconfirmed_since), else_=null()),
        "unconfirmed_last": case((same, address.c.unconfirmed_last), else_=null()),
    }


def _held(channel: str, value: Mapping[str, Any]) -> str:
    """What one person has at a time. A token is told from another provider's by the name of its channel."""
    field = FORMS[channel].held
    if field == "endpoint":
        return str(value[field]).replace(":443/", "/", 1)
    return f"{channel}:{value[field]}" if field else ""


def _take_over(db: Connection, clinic: str, id: str, held: str, now: Instant) -> str | None:
    """Until this transaction ends, nobody else can take the same endpoint: they wait at its row."""
    if not held:
        return None
    key = derived_id("endpoint", held)
    values = {"key": key, "clinic": clinic, "address": id}
    db.execute(_FIRST, values)
    before, address_id = db.execute(_HOLDER, {"key": key}).one()
    if (before, address_id) != (clinic, id):
        db.execute(_HOLD, {"which": key, "taker": clinic, "as": id})
        walls.enter(db, before)
        lost = db.execute(_PASSED_ON, {"clinic": before, "address": address_id, "held": key, "now": now})
        _look_again(db, before, lost.scalars().all())
        walls.enter(db, clinic)
    return key


def tie(db: Connection, clinic: str, id: str, device: str) -> None:
    """This address was registered with that device, and ends with it."""
    db.execute(update(address).where(address.c.clinic_id == clinic, address.c.id == id).values(device_id=device))


def end_with_device(db: Connection, clinic: str, device: str, now: Instant) -> None:
    """The phone was signed out, lost or passed on: nothing is sent to where it was reached."""
    lost = db.execute(_END, {"clinic": clinic, "device": device, "now": now})
    _look_again(db, clinic, lost.scalars().all())


def _look_again(db: Connection, clinic: str, people: Sequence[str]) -> None:
    """What a worker has in hand for them is not handed over any more, but claimed anew: where to is another matter."""
    if people:
        db.execute(_LOOK_AGAIN, {"clinic": clinic, "people": people})


def living(db: Connection, clinic: str, people: Sequence[str]) -> dict[str, list[Address]]:
    """Person id -> addresses that are not given up, oldest first."""
    found: dict[str, list[Address]] = defaultdict(list)
    for row in db.execute(_LIVING, {"clinic": clinic, "people": list(people)}).all():
        id, person, channel, value, added_at, *unconfirmed = row
        found[person].append(Address(id, person, channel, value.encode(), added_at, *unconfirmed))
    for addresses in found.values():
        addresses.sort(key=lambda it: (it.added_at, it.id))
    return found


def standings(db: Connection, clinic: str, people: Sequence[str]) -> dict[str, list[Known]]:
    """Person id -> every address there ever was, oldest first."""
    found: dict[str, list[Known]] = defaultdict(list)
    for row in db.execute(_ALL, {"clinic": clinic, "people": list(people)}).all():
        id, person, channel, value, added_at, *unconfirmed, gone_at, why = row
        it = Address(id, person, channel, value.encode(), added_at, *unconfirmed)
        found[person].append(Known(it, gone_at, why or ""))
    for its in found.values():
        its.sort(key=lambda it: (it.address.added_at, it.address.id))
    return found


def count_unconfirmed(db: Connection, clinic: str, ids: Sequence[str], now: Instant) -> None:
    """A provider took one more message at each of these, of which the app has said nothing yet."""
    if ids:
        db.execute(_COUNT, [{"clinic": clinic, "address": id, "now": now} for id in sorted(ids)])


def revive(db: Connection, clinic: str, person: str, message_id: str, device: str) -> None:
    """The app confirmed this message: where it went with this device, messages arrive. An address that was registered
    with another one has still said nothing."""
    db.execute(_REVIVE, {"clinic": clinic, "person": person, "message": message_id, "device": device})


def give_up(db: Connection, gone: Sequence[tuple[str, str, str, Instant]], now: Instant) -> None:
    """(clinic, address id, why, when what was tried had been added): it is dead. One renewed since then stays."""
    if gone:
        rows = [{"clinic": clinic, "address": id, "why": why, "known": at, "now": now} for clinic, id, why, at in gone]
        db.execute(_GONE, rows)


def stop_mail(db: Connection, message_id: str, now: Instant) -> tuple[str, str] | None:
    """Give up the e-mail addresses of whoever this message went to: (clinic, person), or None for a message of nobody.

    Who clicks the link in a mail is not signed in, so the clinic is found by the message: one look-up a clinic.
    """
    walls.follow(db, message_id)
    found = db.execute(_WHOSE, {"message": message_id}).first()
    if found is None:
        return None
    clinic, person = found
    walls.enter(db, clinic)
    mailboxes = [it for it in living(db, clinic, [person]).get(person, ()) if it.channel == "email"]
    give_up(db, [(clinic, it.id, STOPPED, it.added_at) for it in mailboxes], now)
    _look_again(db, clinic, [person] if mailboxes else [])
    return (clinic, person) if mailboxes else None

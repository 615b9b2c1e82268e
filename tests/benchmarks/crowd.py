"""A clinic full of patients, made by the engine itself: the rows that figures are measured on."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    Table,
    Text,
    cast,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    type_coerce,
    update,
)

from notifications import addresses, outbox
from notifications.channels.addresses import WebPushAddress
from notifications.tables import address, due, message
from programs import checkins, needling, people, plans
from programs.instants import HOUR, MINUTE, Instant
from programs.people import Clinic, Stamp
from programs.schedule import DAY_MINUTES
from programs.tables import Value, metadata
from tests.world import BEN, CLINIC, NOON, assignment, patient, session

ZONE = "America/New_York"
# All of the crowd's needling sessions ended at 11:00: their first check-ins are due at 17:00, or spread over some
# minutes after it for the provider's sake.
DUE = NOON + 5 * HOUR + 30 * MINUTE
# So many are made by the engine; the others are copies of their rows, which takes seconds instead of minutes.
MADE = 100
PREFIX = "p0000"  # of every id that holds a patient's


def fill(db: Connection, count: int, now: Instant = NOON) -> None:
    """`count` patients, each with a needling session this morning, a plan, and a console to be reached on."""
    assert count % MADE == 0, f"the crowd comes by the {MADE}"
    people.add_clinic(db, Clinic(CLINIC, "Riverside", ZONE, "US", "+1 555 0100"), now)
    people.add_clinician(db, CLINIC, BEN.id, "Ben")
    for number in range(MADE):
        add(db, f"p{number:06}", now)
    outbox.reconcile(db, CLINIC, [f"p{number:06}" for number in range(MADE)], now)
    multiply(db, 1, count // MADE - 1, metadata.sorted_tables)


def fill_due(db: Connection, count: int) -> None:
    """The same, with nothing laid out but the message that is due first."""
    fill(db, MADE)
    later = select(message.c.id).where(message.c.planned_for > DUE)
    db.execute(delete(due).where(due.c.message_id.in_(later)))
    db.execute(delete(message).where(message.c.planned_for > DUE))
    multiply(db, 1, count // MADE - 1, metadata.sorted_tables)


def add(db: Connection, id: str, now: Instant) -> None:
    people.add_patient(db, CLINIC, patient(id, BEN.id, now, ZONE), str(BEN), now)
    addresses.put_address(db, CLINIC, id, f"{id}-phone", "console", {"label": id}, now)
    recorded = needling.record(db, CLINIC, f"s-{id}", session(patient_id=id), now)
    checkins.plan_aftercare(db, CLINIC, recorded, now)
    it = assignment()
    stamp = Stamp(str(BEN), now, it.terms.starts_on.toordinal() * DAY_MINUTES)
    plans.assign(db, CLINIC, f"plan-{id}", type(it)(id, BEN.id, it.title, it.terms), stamp)


def wait_in_line(db: Connection, pending: int) -> None:
    """As many more messages, due after the crowd's, of people who are not there; the queue's rows in random order."""
    there: int = db.execute(select(func.count()).select_from(due).where(due.c.key.like(f"%{PREFIX}%"))).scalar_one()
    later: int = db.execute(select(func.count()).where(due.c.key.like(f"%{PREFIX}%"), due.c.wake_at > DUE)).scalar_one()
    copies = (pending - there) // later
    multiply(db, 2_000, copies, (message, due), later=True)


def multiply(db: Connection, first: int, copies: int, tables: Sequence[Table], later: bool = False) -> None:
    """Copies first, first + 1, ... of every row of those the engine made; with `later`, of what is not due yet."""
    if copies <= 0:
        return
    if db.dialect.name == "postgresql":  # a bulk load, of rows known to be right, checks no foreign keys
        db.execute(text("SET LOCAL session_replication_role = replica; SET LOCAL statement_timeout = 0"))
    else:
        db.execute(text("PRAGMA cache_size = -262144"))
    numbers = select(literal(first).label("number")).cte("numbers", recursive=True)
    numbers = numbers.union_all(select(numbers.c.number + 1).where(numbers.c.number < first + copies - 1))
    tag = func.substr(cast(10_000 + numbers.c.number, String), 2)
    for table in tables:
        words = [type_coerce(column, Text) for column in table.c if isinstance(column.type, String | Value)]
        if not words:
            continue
        values = [_copied(column, tag) for column in table.c]
        rows = select(*values).select_from(table.join(numbers, literal(1) == 1))
        rows = rows.where(or_(*(word.like(f"%{PREFIX}%") for word in words)))
        if later:
            at = message.c.planned_for if table is message else due.c.wake_at
            rows = rows.where(at > DUE)
        if table is due:
            rows = rows.order_by(func.random())
        db.execute(insert(table).from_select([column.name for column in table.c], rows))


def _copied(column: ColumnElement[Any], tag: ColumnElement[str]) -> ColumnElement[Any]:
    if column is message.c.id or column is due.c.message_id:
        return column + "-" + tag  # derived, so that it names nobody
    if isinstance(column.type, String | Value):
        return func.replace(type_coerce(column, Text), PREFIX, "p" + tag)
    return column


def reach_by_push(db: Connection, origin: str, keys: WebPushAddress) -> None:
    """Everybody has a browser at this push service; all with the same keys, which costs the sender as much."""
    value = msgspec.json.encode({"endpoint": f"{origin}/push/#", "p256dh": keys.p256dh, "auth": keys.auth}).decode()
    endpoint = func.replace(value, "#", address.c.person_id)
    db.execute(update(address).values(channel="web_push", value=type_coerce(endpoint, Value)))

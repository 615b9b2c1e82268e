"""alerts: flags -> messages to clinicians, at once and at any hour, and then to others until somebody acknowledges.

The whole chain is laid out as pending messages in the transaction that raises the flag: no clock but the outbox's, so
that it survives whatever a message survives. Acknowledging ends what is still pending in its own transaction, and what
is being claimed in that moment asks once more before it is sent.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from notifications import addresses
from notifications.agenda import Reason
from notifications.escalation import ON_CALL, Chain, Rung, chain
from notifications.outbox import insert_messages
from notifications.tables import delivery, due, message, outcome
from notifications.timing import zone
from programs import people, walls
from programs.checkins import Flag
from programs.ids import derived_id
from programs.instants import DAY, Instant
from programs.people import Clinic
from programs.tables import among, flag

KEYS = ("alert:", "access:")  # messages to clinicians: flags, and that somebody broke the glass
PATHS = {"alert:": "/flags", "access:": "/clinic/break-glass"}
CHANNELS = ("web_push", "apns", "fcm", "ntfy", "email", "sms", "console")
AT_ONCE = ("emergency", "same_day")  # what waits for the next visit waits on the list
# An alert is worth sending for a day; the flag itself stays on the list until somebody acknowledges it.
WORTH_SENDING = DAY
MOST_RUNGS = 20


class Told(NamedTuple):
    """One message of a flag's history: `state` is pending, in_flight or how it ended; `channel` where it was taken."""

    person: str
    at: Instant
    state: str
    reason: str
    channel: str
    ended_at: Instant | None


_WAITING = select(flag.c.id).where(
    flag.c.clinic_id == bindparam("clinic"),
    among(flag.c.id, "flags"),
    flag.c.acknowledged_at.is_(None),
)
_CLOCK = (
    update(flag)
    .where(flag.c.clinic_id == bindparam("clinic"), flag.c.id == bindparam("flag"))
    .values(acknowledge_by=bindparam("by"), nobody_at=bindparam("nobody"))
)
_STOP = (
    delete(due)
    .where(
        due.c.clinic_id == bindparam("clinic"),
        among(due.c.key, "keys"),
        due.c.state != "in_flight",
    )
    .returning(due.c.message_id)
)
_HISTORY = (
    select(
        message.c.person_id,
        message.c.planned_for,
        due.c.state.label("due_state"),
        outcome.c.state,
        outcome.c.reason,
        outcome.c.ended_at,
        select(func.min(delivery.c.channel))
        .where(
            delivery.c.clinic_id == message.c.clinic_id,
            delivery.c.message_id == message.c.id,
            delivery.c.result == "accepted",
        )
        .scalar_subquery()
        .label("channel"),
    )
    .outerjoin(due, (due.c.clinic_id == message.c.clinic_id) & (due.c.message_id == message.c.id))
    .outerjoin(outcome, (outcome.c.clinic_id == message.c.clinic_id) & (outcome.c.message_id == message.c.id))
    .where(message.c.clinic_id == bindparam("clinic"), among(message.c.id, "ids"))
    .order_by(message.c.planned_for, message.c.key)
)
_NOBODY = (
    select(func.count())
    .select_from(flag)
    .where(
        flag.c.clinic_id == bindparam("clinic"), flag.c.acknowledged_at.is_(None), flag.c.nobody_at <= bindparam("now")
    )
)


def raise_alerts(db: Connection, clinic: str, flags: Sequence[Flag], now: Instant) -> None:
    """Start the clock of each flag and lay out its messages, the first due now. Quiet hours are for prompts."""
    if not flags:
        return
    it = people.clinic_of(db, clinic)
    staff = [one for one in people.staff_of(db, clinic) if one.ended_at is None]
    admins = [one.id for one in staff if one.role == "admin"]
    everybody = [*(one.id for one in staff), ON_CALL]
    reachable = addresses.living(db, clinic, everybody)
    rows, clocks = [], []
    for one in flags:
        steps = _steps(it, one, admins, everybody)
        planned = chain(one.tier, now, steps, it.settings.watch, zone(it.zone), reachable)
        clocks.append({"clinic": clinic, "flag": one.id, "by": planned.acknowledge_by, "nobody": planned.nobody_at})
        rows += _messages(clinic, one, planned, now)
    db.execute(_CLOCK, clocks)
    insert_messages(db, rows)


def _steps(it: Clinic, one: Flag, admins: Sequence[str], everybody: Sequence[str]) -> list[list[str]]:
    """Its own clinician, then the chain the clinic chose; where it chose none, its admins. Nobody who has left."""
    if one.tier not in AT_ONCE:
        return []
    chosen = [[person] for person in it.settings.watch.chain if person in everybody]
    own = [[one.clinician_id]] if one.clinician_id in everybody else []
    return [*own, *(chosen or ([list(admins)] if admins else []))]


def _messages(clinic: str, it: Flag, planned: Chain, now: Instant) -> list[dict[str, object]]:
    return [_message(clinic, it, number, rung, now) for number, rung in enumerate(planned.rungs[:MOST_RUNGS])]


def _message(clinic: str, it: Flag, number: int, rung: Rung, now: Instant) -> dict[str, object]:
    raised = Reason(f"flag_{it.tier}", now)
    return {
        "clinic_id": clinic,
        "id": derived_id(clinic, key_of(it.id, number), now),
        "person_id": rung.person,
        "kind": "alert",
        "key": key_of(it.id, number),
        "planned_for": rung.at,
        "closes": rung.at + WORTH_SENDING,
        "subjects": (f"{'escalation' if number else 'alert'}:{it.id}",),
        "reasons": (raised, Reason("nobody_acknowledged", rung.at)) if number else (raised,),
        "planned_at": now,
    }


def key_of(flag_id: str, number: int) -> str:
    return f"alert:{flag_id}:{number}" if number else f"alert:{flag_id}"


def tell_admins(db: Connection, clinic: str, opening: str, admins: Sequence[str], now: Instant) -> None:
    """Somebody broke the glass: one message to each who runs the clinic, due now; who, whom and why is on the page."""
    insert_messages(
        db,
        [
            {
                "clinic_id": clinic,
                "id": derived_id(clinic, f"access:{opening}:{admin}", now),
                "person_id": admin,
                "kind": "alert",
                "key": f"access:{opening}:{number}",
                "planned_for": now,
                "closes": now + WORTH_SENDING,
                "subjects": (f"access:{opening}",),
                "reasons": (Reason("break_glass", now),),
                "planned_at": now,
            }
            for number, admin in enumerate(admins)
        ],
    )


def unacknowledged(db: Connection, clinic: str, keys: Sequence[str]) -> set[str]:
    """Which of these alert keys still wait for somebody."""
    flags = {key: key.split(":")[1] for key in keys}
    waiting = set(db.execute(_WAITING, {"clinic": clinic, "flags": list(flags.values())}).scalars())
    return {key for key, id in flags.items() if id in waiting}


def stop(db: Connection, clinic: str, flag_id: str, now: Instant) -> None:
    """Nobody else is told: what is still pending ends here."""
    keys = [key_of(flag_id, number) for number in range(MOST_RUNGS)]
    ended = db.execute(_STOP, {"clinic": clinic, "keys": keys}).scalars().all()
    if ended:
        row = {"clinic_id": clinic, "state": "cancelled", "reason": "acknowledged", "ended_at": now}
        db.execute(insert(outcome), [{**row, "message_id": id} for id in ended])


def history(db: Connection, clinic: str, it: Flag) -> list[Told]:
    """Whom this flag was told, is being told and will be told if nobody acknowledges it, in order of time."""
    ids = [derived_id(clinic, key_of(it.id, number), it.raised_at) for number in range(MOST_RUNGS)]
    return [_told(row) for row in db.execute(_HISTORY, {"clinic": clinic, "ids": ids})]


def _told(row: Any) -> Told:
    state = row.due_state or row.state or ""
    return Told(row.person_id, row.planned_for, state, row.reason or "", row.channel or "", row.ended_at)


def nobody(db: Connection, now: Instant) -> int:
    """How many flags of all clinics nobody acknowledged in time: a count, for whoever runs the service."""
    found = 0
    for clinic in people.clinics_of(db):
        walls.enter(db, clinic)
        found += int(db.execute(_NOBODY, {"clinic": clinic, "now": now}).scalar_one())
    return found

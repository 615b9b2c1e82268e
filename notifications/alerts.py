"""alerts: flags -> messages to clinicians, at once and at any hour."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select

from notifications.agenda import Reason
from notifications.outbox import insert_messages
from programs.checkins import Flag
from programs.ids import derived_id
from programs.instants import DAY, Instant
from programs.tables import among, flag

CHANNELS = ("web_push", "email", "console")
AT_ONCE = ("emergency", "same_day")  # what waits for the next visit waits on the list
# An alert is worth sending for a day; the flag itself stays on the list until somebody acknowledges it.
WORTH_SENDING = DAY

_WAITING = select(flag.c.id).where(
    flag.c.clinic_id == bindparam("clinic"),
    among(flag.c.id, "flags"),
    flag.c.acknowledged_at.is_(None),
)


def raise_alerts(db: Connection, clinic: str, flags: Sequence[Flag], now: Instant) -> None:
    """One message a flag to the patient's clinician, due now. Quiet hours and limits are for prompts, not for this."""
    insert_messages(
        db,
        [
            {
                "clinic_id": clinic,
                "id": derived_id(clinic, f"alert:{it.id}", now),
                "person_id": it.clinician_id,
                "kind": "alert",
                "key": f"alert:{it.id}",
                "planned_for": now,
                "closes": now + WORTH_SENDING,
                "subjects": (f"alert:{it.id}",),
                "reasons": (Reason(f"flag_{it.tier}", now),),
                "planned_at": now,
            }
            for it in flags
            if it.tier in AT_ONCE
        ],
    )


def unacknowledged(db: Connection, clinic: str, keys: Sequence[str]) -> set[str]:
    """Which of these alert keys still wait for somebody."""
    flags = [key.removeprefix("alert:") for key in keys]
    return {f"alert:{id}" for id in db.execute(_WAITING, {"clinic": clinic, "flags": flags}).scalars()}

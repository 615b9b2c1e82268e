"""A clinic full of patients, made by the engine itself: the rows that figures are measured on."""

from sqlalchemy import Connection

from notifications import addresses, outbox
from programs import checkins, needling, people, plans
from programs.instants import HOUR, Instant
from programs.people import Clinic, Stamp
from programs.schedule import DAY_MINUTES
from tests.world import BEN, CLINIC, NOON, assignment, patient, session

ZONE = "America/New_York"
# All of the crowd's needling sessions ended at 11:00: their first check-ins are due at 17:00.
DUE = NOON + 5 * HOUR


def fill(db: Connection, count: int, now: Instant = NOON) -> None:
    """`count` patients, each with a needling session this morning, a plan, and a console to be reached on."""
    people.add_clinic(db, Clinic(CLINIC, "Riverside", ZONE, "US", "+1 555 0100"), now)
    people.add_clinician(db, CLINIC, BEN.id, "Ben")
    for number in range(count):
        add(db, f"p{number:06}", now)
    for start in range(0, count, 500):
        outbox.reconcile(db, CLINIC, [f"p{number:06}" for number in range(start, min(start + 500, count))], now)


def add(db: Connection, id: str, now: Instant) -> None:
    people.add_patient(db, CLINIC, patient(id, BEN.id, now, ZONE), str(BEN), now)
    addresses.put_address(db, CLINIC, id, f"{id}-phone", "console", {"label": id}, now)
    recorded = needling.record(db, CLINIC, f"s-{id}", session(patient_id=id), now)
    checkins.plan_aftercare(db, CLINIC, recorded, now)
    it = assignment()
    stamp = Stamp(str(BEN), now, it.terms.starts_on.toordinal() * DAY_MINUTES)
    plans.assign(db, CLINIC, f"plan-{id}", type(it)(id, BEN.id, it.title, it.terms), stamp)

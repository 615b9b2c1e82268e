"""upkeep: what is done for many patients at a time, again and again, so that one of whom it raises stops nobody else's.

The worker does it, and commands of the operator do.
"""

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from notifications import outbox, poison
from programs import rollup
from programs.instants import HOUR, Instant
from service import counting
from service.database import Bridge

log = logging.getLogger("homestretch.upkeep")

Faults = dict[tuple[str, str], Instant]  # clinic and patient -> when their upkeep raised last

# Each is tried again in an hour. Of one that was not, somebody else did it, or the record was erased.
FAULT_STANDS = 2 * HOUR


class Upkeep(NamedTuple):
    do: Callable[[Connection, str, Sequence[str], Instant], None]
    leave_alone: Callable[[Connection, str, str, Instant], None]
    fault: str


PLANNING = Upkeep(outbox.reconcile, outbox.leave_alone, "the messages of patient %s cannot be planned: %s\n%s")
COUNTING = Upkeep(counting.roll_up, rollup.leave_alone, "the adherence of patient %s cannot be counted: %s\n%s")


async def keep_up(it: Upkeep, db: Bridge, clinic: str, patients: Sequence[str], now: Instant, faults: Faults) -> None:
    """Together; where that raises, one by one. `db` is the clinic's part. Raises what the database raises."""
    try:
        await db.write(it.do, clinic, patients, now)
        for one in patients:
            faults.pop((clinic, one), None)
    except Exception as error:
        if poison.of_database(error):
            raise
        if len(patients) > 1:
            for one in patients:
                await keep_up(it, db, clinic, [one], now, faults)
            return
        log.error(it.fault, patients[0], poison.says(error), poison.whence(error))
        faults[clinic, patients[0]] = now
        await db.write(it.leave_alone, clinic, patients[0], now)


def forget_over(faults: Faults, now: Instant) -> None:
    for over in [it for it, at in faults.items() if now - at > FAULT_STANDS]:
        del faults[over]

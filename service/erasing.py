"""Erasing from outside a transaction: wait for what is being handed over, then the files; and again after a restore."""

import asyncio
import logging
from collections.abc import Callable

from programs.instants import Instant
from service import rights
from service.care import Who
from service.clock import Clock
from service.database import Bridge, Database
from service.rights import Ground, HandingOver, journal
from service.vault import Vault

log = logging.getLogger("homestretch.erasing")

TRIES, PAUSE = 60, 0.5  # a send takes 10 s at most, and its batch is settled soon after


async def erase(
    part: Bridge, whole: Database, who: Who, patient: str, clock: Clock, ground: Ground = "asked"
) -> Instant:
    """When it was done. Then nothing of the person is in the database, nor in its files where they are ours.

    Raises what rights.erase does; HandingOver only where a message is on its way for longer than any may be.
    """
    for left in range(TRIES, 0, -1):
        now = clock.now()
        try:
            await part.write(rights.erase, who, patient, now, ground)
            break
        except HandingOver:
            if left == 1:
                raise
            await asyncio.sleep(PAUSE)
    await whole.scrub()
    return now


async def reapply(db: Database, clock: Clock, say: Callable[[str], None]) -> int:
    """What the journal of erasures says and this database does not; how many records that were."""
    vault: Vault | None = db.carried.get("vault")
    done = 0
    for it in journal(vault) if vault is not None else []:
        said = await db.at(it.clinic).write(rights.reapply, it, clock.now())
        if said:
            say(f"{it.clinic}, patient {it.patient}: {said}")
        done += said == "erased again"
    if done:
        await db.scrub()
    return done

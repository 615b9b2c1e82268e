"""One worker with every channel on the list: each patient is reached where they can be, over a real far side."""

from contextlib import AsyncExitStack

import msgspec
from sqlalchemy import Connection, select

from notifications.channels import ADDRESSES
from notifications.channels.sending import CHANNELS
from notifications.tables import delivery
from programs.instants import HOUR
from service import care
from service.care import Who
from service.clock import SetClock
from service.database import Database
from service.jobs import Worker
from tests.notifications.channels.far_sides import FAR_SIDES
from tests.world import BEN, CLINIC, NOON, patient, populate, session

KINDS = [channel.kind for channel in CHANNELS]


def tries(db: Connection) -> list[tuple[str, str]]:
    return sorted((row.channel, row.result) for row in db.execute(select(delivery)))


async def test_a_check_in_reaches_each_patient_by_the_channel_they_have(database: Database) -> None:
    """Where an app should confirm and does not, it is sent once more, and still shown once."""
    await database.write(populate)
    async with AsyncExitStack() as open_:
        fars = {kind: await open_.enter_async_context(FAR_SIDES[kind]()) for kind in KINDS}
        for kind, far in fars.items():
            open_.push_async_callback(far.channel.close)
            who, value = Who(CLINIC, "patient", kind), msgspec.to_builtins(far.address)
            await database.write(care.enrol, BEN, patient(kind, "ben"), None, NOON)
            await database.write(care.put_address, who, kind, f"{kind}-address", kind, value, NOON)
            await database.write(care.record_session, BEN, f"s-{kind}", session(patient_id=kind), NOON)
        clock = SetClock(NOON)
        worker = Worker(database, {kind: far.channel for kind, far in fars.items()}, clock)
        for hours in range(5, 9):
            clock.move_to(NOON + hours * HOUR)
            await worker.turn()
        assert {kind: far.shown() for kind, far in fars.items()} == dict.fromkeys(KINDS, 1)
    again = [form.kind for form in ADDRESSES if form.receipts]
    assert await database.read(tries) == sorted((kind, "accepted") for kind in KINDS + again)

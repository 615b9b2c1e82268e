"""`homestretch adherence rebuild`: forgets the rollup of every clinic and makes it anew from the ledger."""

import asyncio
import os

import click

from programs import people, rollup
from service import settings
from service.clock import SystemClock
from service.database import Database, InUse, connect
from service.jobs import ROLL_UP
from service.migrations import Newer, NotOwner, prepare
from service.upkeep import COUNTING, Faults, keep_up


@click.command()
def rebuild() -> None:
    """Make the weekly rollup of adherence anew from the ledger, for every clinic.

    Numbers are right all the while, only slower. The server must be stopped meanwhile where the database is SQLite.
    """
    try:
        chosen = settings.read(os.environ)
        prepare(chosen)
        done = asyncio.run(_rebuild(chosen.database_url))
    except (settings.SettingsError, InUse, Newer, NotOwner, OSError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"Rolled up the adherence of {done:,} patients.")


async def _rebuild(url: str) -> int:
    async with await connect(url, {}) as db:  # it notes nothing in the audit
        return await roll_up_all(db)


async def roll_up_all(db: Database) -> int:
    """How many patients there were. One whose weeks cannot be counted is in the log, and left to the worker."""
    done, now, faults = 0, SystemClock().now(), Faults()
    for id in await db.read(people.clinics_of):
        await db.at(id).write(rollup.forget, id)
    while stale := await db.read(rollup.stale, now, ROLL_UP):
        for id, patients in stale.items():
            await keep_up(COUNTING, db.at(id), id, patients, now, faults)
            done += len(patients)
    return done - len(faults)

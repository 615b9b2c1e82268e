"""`homestretch adherence rebuild`: forgets the rollup of every clinic and makes it anew from the ledger."""

import asyncio
import os

import click
from sqlalchemy import Connection, select

from programs import rollup
from programs.tables import clinic
from service import counting, settings
from service.clock import SystemClock
from service.database import Database, InUse, connect
from service.jobs import ROLL_UP
from service.migrations import Newer, migrate


@click.command()
def rebuild() -> None:
    """Make the weekly rollup of adherence anew from the ledger, for every clinic.

    Numbers are right all the while, only slower. The server must be stopped meanwhile where the database is SQLite.
    """
    try:
        done = asyncio.run(_rebuild(settings.read(os.environ).database_url))
    except (settings.SettingsError, InUse, Newer) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"Rolled up the adherence of {done:,} patients.")


async def _rebuild(url: str) -> int:
    migrate(url)
    async with await connect(url, {}) as db:  # it notes nothing in the audit
        return await roll_up_all(db)


async def roll_up_all(db: Database) -> int:
    """How many patients there were."""
    done, now = 0, SystemClock().now()
    await db.write(_forget)
    while stale := await db.read(rollup.stale, now, ROLL_UP):
        for id, patients in stale.items():
            await db.write(counting.roll_up, id, patients, now)
            done += len(patients)
    return done


def _forget(db: Connection) -> None:
    for id in db.execute(select(clinic.c.clinic_id)).scalars().all():
        rollup.forget(db, id)

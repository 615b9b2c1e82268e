"""`homestretch erasures`: erase a record as an admin of its clinic decided; and again after a back-up was put back."""

import asyncio
import os

import click

from programs import people
from programs.errors import ProgramsError
from service import erasing, settings
from service.care import Who
from service.clock import SystemClock
from service.database import InUse, connect
from service.erasing import reapply
from service.migrations import Newer, NotOwner, prepare
from service.rights import GROUNDS, Ground
from service.vault import VaultError, carried_by


@click.command()
def apply() -> None:
    """Erase again whom the journal in the vault names. `homestretch serve` does the same as it starts."""
    try:
        chosen = settings.read(os.environ)
        prepare(chosen)
        done = asyncio.run(_apply(chosen))
    except (settings.SettingsError, VaultError, InUse, Newer, NotOwner, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"Erased again: {done:,}")


async def _apply(chosen: settings.Settings) -> int:
    async with await connect(chosen.database_url, carried_by(chosen.database_url, chosen.vault)) as db:
        return await reapply(db, SystemClock(), click.echo)


@click.command()
@click.option("--clinic", required=True, metavar="ID")
@click.option("--patient", required=True, metavar="ID")
@click.option("--by", required=True, metavar="ID", help="The admin of the clinic who decided it.")
@click.option("--ground", type=click.Choice(GROUNDS), default="asked", show_default=True, help="Why it is erased.")
@click.confirmation_option(prompt="This cannot be undone. Erase the record?")
def erase(clinic: str, patient: str, by: str, ground: Ground) -> None:
    """Erase one patient's record for good. The server must be stopped meanwhile where the database is SQLite."""
    try:
        chosen = settings.read(os.environ)
        prepare(chosen)
        asyncio.run(_erase(chosen, Who(clinic, "admin", by), patient, ground))
    except (settings.SettingsError, VaultError, InUse, Newer, NotOwner, OSError) as error:
        raise click.ClickException(str(error)) from None
    except ProgramsError as error:
        raise click.ClickException(error.person) from None
    click.echo("Erased.")


async def _erase(chosen: settings.Settings, who: Who, patient: str, ground: Ground) -> None:
    async with await connect(chosen.database_url, carried_by(chosen.database_url, chosen.vault)) as db:
        staff = await db.at(who.clinic).read(people.staff_of, who.clinic)
        if not any(it.id == who.id and it.role == "admin" and it.ended_at is None for it in staff):
            raise click.ClickException(f"{who.id} is no admin of this clinic: only an admin decides that")
        await erasing.erase(db.at(who.clinic), db, who, patient, SystemClock(), ground)

"""`homestretch erasures apply`: after a back-up was put back, erase again what was erased since it was made."""

import asyncio
import os

import click

from service import settings
from service.clock import SystemClock
from service.database import InUse, connect
from service.erasing import reapply
from service.migrations import Newer, NotOwner, prepare
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

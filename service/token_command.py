"""`homestretch token`: lets one patient's app in from the command line. It prints the token once."""

import asyncio
import os

import click
from sqlalchemy import Connection, select

from programs import people, walls
from programs.errors import did_you_mean
from programs.instants import Instant
from programs.tables import clinic as clinics
from service import settings
from service.auth.tokens import make_token
from service.care import Who
from service.clock import SystemClock
from service.database import InUse, connect
from service.migrations import Newer, NotOwner, prepare
from service.vault import VaultError, carried_by


@click.command()
@click.argument("kind", type=click.Choice(["patient"]))
@click.argument("clinic")
@click.argument("person")
def token(kind: str, clinic: str, person: str) -> None:
    """Make a token for PERSON of CLINIC, both by name or by id. Whoever has it is let in as that patient.

    For trying things out: a clinic lets phones in itself. Staff sign in; see `homestretch staff`.

    It is printed once and kept only as a hash. The server must be stopped meanwhile where the database is SQLite.
    """
    try:
        click.echo(asyncio.run(_make(settings.read(os.environ), kind, clinic, person)))
    except (settings.SettingsError, InUse, Newer, NotOwner, VaultError, LookupError) as error:
        raise click.ClickException(str(error.args[0])) from None


async def _make(it: settings.Settings, kind: str, clinic: str, person: str) -> str:
    prepare(it)
    async with await connect(it.database_url, carried_by(it.database_url, it.vault)) as db:
        made: str = await db.write(_for, kind, clinic, person, SystemClock().now())
        return made


def _for(db: Connection, kind: str, clinic: str, person: str, now: Instant) -> str:
    rows = db.execute(select(clinics.c.clinic_id, clinics.c.name))
    clinic_id = pick("clinic", clinic, {row.clinic_id: row.name for row in rows})
    walls.enter(db, clinic_id)
    known = {it.id: it.name for it in people.patients_of(db, clinic_id)}
    return make_token(db, Who(clinic_id, kind, pick(kind, person, known)), now)


def pick(kind: str, wanted: str, known: dict[str, str]) -> str:
    """The id of whom `wanted` names. Raises LookupError for nobody, and for a name that several have."""
    found = [id for id, name in known.items() if wanted in (id, name)]
    if len(found) > 1:
        raise LookupError(f"several {kind}s have this name; give the id: {', '.join(found)}")
    if not found:
        raise LookupError(f"no such {kind}. {did_you_mean(wanted, known.values())}".strip())
    return found[0]

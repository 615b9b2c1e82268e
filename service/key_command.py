"""`homestretch key`: make, list and end the keys of a clinic's other programs. The operator does it; it is noted so."""

import asyncio
import os
from collections.abc import Callable
from typing import Any

import click
from sqlalchemy import Connection, select

from programs.errors import ProgramsError, did_you_mean
from programs.instants import Instant, say
from programs.tables import clinic as clinics
from service import settings
from service.access import VERBS
from service.auth import keys
from service.auth.keys import LONGEST_LIFE, NewKey, Wanted
from service.care import Who
from service.clock import SystemClock
from service.database import InUse, connect
from service.migrations import Newer, NotOwner, prepare
from service.vault import VaultError, carried_by


@click.command(epilog=f"Verbs: {', '.join(VERBS)}.")
@click.argument("clinic")
@click.argument("name")
@click.option("--verb", "verbs", multiple=True, required=True, metavar="VERB", help="What it may do; may be repeated.")
@click.option("--days", type=click.IntRange(1, LONGEST_LIFE), help="It ends by itself after so many.")
def create(clinic: str, name: str, verbs: tuple[str, ...], days: int | None) -> None:
    """Make a key called NAME for CLINIC, by name or id, and print it. It is printed once and kept only as a hash.

    The server must be stopped meanwhile where the database is SQLite; those who run the clinic can do it on a page.
    """
    made: NewKey = _at(clinic, keys.make_key, Wanted(name, verbs, days))
    click.echo(made.text)


@click.command("list")
@click.argument("clinic")
def list_keys(clinic: str) -> None:
    """The keys of CLINIC that open now."""
    for it in _at(clinic, _keys):
        used = f"last used about {say(it.seen_at)}" if it.seen_at else "never used"
        ends = f", ends {say(it.expires_at)}" if it.expires_at else ""
        click.echo(f"hs_{it.id}  {it.name}: {', '.join(it.verbs)} (made {say(it.made_at)}, {used}{ends})")


@click.command()
@click.argument("clinic")
@click.argument("id")
def end(clinic: str, id: str) -> None:
    """End the key ID of CLINIC, as the list calls it; it opens nothing any more."""
    _at(clinic, keys.end_key, id.removeprefix("hs_"))
    click.echo("The key has ended.")


def _at(clinic: str, verb: Callable[..., Any], *args: Any) -> Any:
    try:
        return asyncio.run(_do(settings.read(os.environ), clinic, verb, *args))
    except (settings.SettingsError, InUse, Newer, NotOwner, VaultError, LookupError) as error:
        raise click.ClickException(str(error.args[0])) from None
    except ProgramsError as error:
        raise click.ClickException(error.person) from None


async def _do(it: settings.Settings, clinic: str, verb: Callable[..., Any], *args: Any) -> Any:
    prepare(it)
    async with await connect(it.database_url, carried_by(it.database_url, it.vault)) as db:
        id = await db.read(_clinic, clinic)
        return await db.at(id).write(verb, Who(id, "operator", "command-line"), *args, SystemClock().now())


def _clinic(db: Connection, wanted: str) -> str:
    known = {row.clinic_id: row.name for row in db.execute(select(clinics.c.clinic_id, clinics.c.name))}
    found = [id for id, name in known.items() if wanted in (id, name)]
    if len(found) > 1:
        raise LookupError(f"several clinics have this name; give the id: {', '.join(found)}")
    if not found:
        raise LookupError(f"no such clinic. {did_you_mean(wanted, known.values())}".strip())
    return str(found[0])


def _keys(db: Connection, who: Who, now: Instant) -> list[keys.Key]:
    return keys.keys_of(db, who.clinic, now)

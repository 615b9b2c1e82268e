"""`homestretch clinic create` and `homestretch staff ...`: who may sign in, decided by whoever runs the server."""

import asyncio
import os
from collections.abc import Callable
from typing import Any

import click
from sqlalchemy import Connection, select

from notifications.timing import zone_names
from programs import people, walls
from programs.errors import Conflict, Invalid, ProgramsError, did_you_mean
from programs.instants import Instant, moment
from programs.people import ROLES, Role
from programs.tables import clinic as clinics
from service import settings
from service.auth import staff
from service.auth.staff import Staff
from service.auth.tickets import LASTS, NOBODY, State, end_tickets, make_ticket
from service.clock import SystemClock
from service.console.joining import clinic_of
from service.database import InUse, connect
from service.migrations import Newer, NotOwner, prepare
from service.settings import Settings
from service.token_command import pick
from service.vault import VaultError, carried_by

OPERATOR = "operator"


@click.command()
@click.argument("name")
@click.option("--zone", required=True, help="Its time zone, such as America/New_York.")
@click.option("--country", required=True, help="Two letters, such as US; it decides the emergency number.")
@click.option("--phone", required=True, help="Where patients call when something worries them.")
def create(name: str, zone: str, country: str, phone: str) -> None:
    """Make a clinic. Nobody is in it yet: `homestretch staff invite` lets the first one in."""

    def make(db: Connection, now: Instant) -> str:
        if zone not in zone_names():
            hint = did_you_mean(zone, zone_names()) or "For example Europe/Madrid."
            raise Invalid("zone", "is not the name of a time zone", hint)
        it = clinic_of(" ".join(name.split()), zone, country, phone)
        if it.id in people.clinics_of(db):
            raise Conflict("clinic is there", f"There is a clinic named {it.name} already.")
        walls.enter(db, it.id)
        people.add_clinic(db, it, now)
        return it.id

    click.echo(_run(make)[0])


@click.command()
@click.argument("clinic")
@click.argument("email")
@click.option("--name", required=True, help="As colleagues and patients read it.")
@click.option("--role", type=click.Choice(ROLES), default="clinician", show_default=True)
def invite(clinic: str, email: str, name: str, role: Role) -> None:
    """Let NAME join CLINIC (by name or id). Prints a link that works once, within three days.

    A clinician of this name whom an import brought is taken for the same person.
    """

    def ask(db: Connection, now: Instant) -> str:
        where = pick("clinic", clinic, _clinics(db))
        return staff.invite(db, where, email, name, role, OPERATOR, now)

    _print_link(*_run(ask))


@click.command(name="list")
def list_staff() -> None:
    """Who may sign in, and by what."""

    def find(db: Connection, now: Instant) -> list[str]:
        names = _clinics(db)
        return [f"{names[it.who.clinic]}\t{it.email}\t{it.name}\t{it.role}\t{_state(it)}" for it in staff.all_staff(db)]

    for line in _run(find)[0]:
        click.echo(line)


def _state(it: Staff) -> str:
    if it.ended_at is not None:
        return f"disabled {moment(it.ended_at):%Y-%m-%d}"
    if it.subject is not None:
        return "signs in elsewhere"
    if it.password is None:
        return "invited"
    return "password and one-time codes" if it.totp else "password and passkey"


@click.command()
@click.argument("email")
def disable(email: str) -> None:
    """Sign somebody out everywhere, at once, and let them in no more. What they did stays theirs."""
    _run(lambda db, now: staff.disable(db, _known(db, email).who, OPERATOR, now))
    click.echo(f"{email} is out.")


@click.command()
@click.argument("email")
def reset(email: str) -> None:
    """Let somebody in anew who lost their password or second factor, or was disabled. Prints a link, as invite does.

    What they signed in with until now opens nothing from here on.
    """
    _print_link(*_run(lambda db, now: staff.reset(db, _known(db, email).who, OPERATOR, now)))


def _known(db: Connection, email: str) -> Staff:
    found = staff.by_email(db, email)
    if found is None:
        raise LookupError(f"nobody has this e-mail. {did_you_mean(email, (it.email for it in staff.all_staff(db)))}")
    return found


def _clinics(db: Connection) -> dict[str, str]:
    return {row.clinic_id: row.name for row in db.execute(select(clinics.c.clinic_id, clinics.c.name))}


def _print_link(code: str, it: Settings) -> None:
    click.echo(f"{it.public_url.rstrip('/')}/join#{code}")
    hours = LASTS["invitation"] // 3_600_000
    click.echo(f"It works once, within {hours} hours. Give it to nobody else.", err=True)


def _run(verb: Callable[[Connection, Instant], Any]) -> tuple[Any, Settings]:
    """In one transaction on the database of the settings."""
    try:
        it = settings.read(os.environ)
        prepare(it)
        return asyncio.run(_write(it, verb)), it
    except (settings.SettingsError, InUse, Newer, NotOwner, VaultError, LookupError) as error:
        raise click.ClickException(str(error.args[0]).strip()) from None
    except ProgramsError as error:
        raise click.ClickException(error.person) from None


async def _write(it: Settings, verb: Callable[[Connection, Instant], Any]) -> Any:
    async with await connect(it.database_url, carried_by(it.database_url, it.vault)) as db:
        return await db.write(verb, SystemClock().now())


async def first_words(it: Settings) -> list[str]:
    """What a server says where nobody can sign in yet; there is no account that everybody knows."""

    def link(db: Connection, now: Instant) -> list[str]:
        if staff.is_anybody(db):
            return []
        if people.clinics_of(db):
            how = "homestretch staff invite CLINIC EMAIL --role admin --name NAME"
            return ["", "Nobody can sign in yet. Stop the server, and invite the first:", f"  {how}", ""]
        end_tickets(db, NOBODY, now, ["first"])
        code = make_ticket(db, "first", NOBODY, State(), now)
        address = f"{it.public_url.rstrip('/')}/join#{code}"
        return [
            "",
            "Nobody can sign in yet. This opens once, within 24 hours, for the first admin:",
            f"  {address}",
            "",
        ]

    found: list[str] = await _write(it, link)
    return found

"""`homestretch migrate` and `homestretch vapid`: what an operator does once."""

import os
from pathlib import Path

import click

from notifications.channels.vapid import VapidKeys
from service import settings
from service.database import InUse
from service.migrations import Newer, NotOwner, prepare


@click.command()
def migrate() -> None:
    """Make the database of the settings, or bring it up to date. Doing it again changes nothing."""
    try:
        prepare(settings.read(os.environ))
    except (settings.SettingsError, InUse, Newer, NotOwner) as error:
        raise click.ClickException(str(error)) from None
    click.echo("The database is up to date.")


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--subject", required=True, help="Where push services reach you: mailto:someone@example.org")
def vapid(file: Path, subject: str) -> None:
    """Make a new key and write it to FILE, which must not be there yet.

    Browsers tie their subscriptions to this key: a lost one cannot be replaced without every patient allowing
    notifications anew.
    """
    try:
        keys = VapidKeys.generate(subject)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as private:
            private.write(keys.pem())
    except FileExistsError:
        raise click.ClickException(f"{file} is there already, and is left as it is") from None
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"HOMESTRETCH_VAPID_KEY_FILE={file}\nHOMESTRETCH_VAPID_SUBJECT={subject}")
    click.echo(f"Its public half: {keys.public()}", err=True)

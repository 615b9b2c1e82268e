"""`homestretch demo`: an invented clinic with six weeks behind it, served on this machine only.

It looks at no settings, so that it can neither touch a real clinic's database nor send anybody anything.
"""

import asyncio
import time
from pathlib import Path

import click

from programs.instants import Instant, moment
from service.clock import SystemClock
from service.database import InUse, connect
from service.demo import TOKENS, fill_demo
from service.migrations import Newer, migrate
from service.serving import listening, serve_on
from service.settings import Settings
from service.vault import carried_by, vault_of

FILE = Path("data/demo.db")
HALF_FILLED = FILE.with_suffix(".filling")
_A = {"patient": "a patient", "clinician": "a clinician", "admin": "an admin"}


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
def demo(port: int) -> None:
    """Serve an invented clinic on this machine. The first start lives through its last six weeks, on a fast clock.

    It is kept in data/demo.db; remove that file for a new one. Ctrl-C stops it.
    """
    address = f"http://127.0.0.1:{port}"
    settings = Settings(database_url=_url(FILE), host="127.0.0.1", port=port, public_url=address, demo=True)
    try:
        taken = listening(settings)
    except OSError as error:
        raise click.ClickException(str(error)) from None
    with taken:
        try:
            if not FILE.exists():
                asyncio.run(fill())
            migrate(settings.database_url)
        except (InUse, Newer) as error:
            raise click.ClickException(str(error)) from None
        serve_on(taken, settings, _hello(address))


async def fill() -> None:
    """Into a file of another name: one that was interrupted is not taken for a whole one."""
    for left_over in (*HALF_FILLED.parent.glob(HALF_FILLED.name + "*"), *vault_of(_url(FILE), "").glob("*")):
        left_over.unlink()
    migrate(_url(HALF_FILLED))
    click.echo("Living through six weeks of an invented clinic, on a fast clock. The first time only.")
    async with await connect(_url(HALF_FILLED), carried_by(_url(FILE), "")) as db:
        await fill_demo(db, SystemClock().now(), _Progress())
    HALF_FILLED.rename(FILE)


def _url(file: Path) -> str:
    return f"sqlite:///{file}"


def _hello(address: str) -> list[str]:
    doors = [f"  as {who.id.title()}, {_A[who.kind]}: Authorization: Bearer {token}" for token, who in TOKENS.items()]
    documentation = f"The API: {address}/api/v1/docs"
    return [
        "",
        f"Open {address}: one click signs you in as a patient, a clinician or an admin.",
        documentation,
        *doors,
        "Ctrl-C stops it.",
    ]


class _Progress:
    """A line a second."""

    def __init__(self) -> None:
        self.say_at = time.monotonic() + 1

    def __call__(self, at: Instant, messages: int) -> None:
        if time.monotonic() >= self.say_at:
            self.say_at = time.monotonic() + 1
            click.echo(f"  {moment(at):%d %B}: {messages:,} messages sent")

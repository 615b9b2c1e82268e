"""`homestretch audit`: whether the record of who did what is whole, where it stands, what it says; a new key for it."""

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
from sqlalchemy import Connection

from programs import walls
from programs.instants import DAY, Instant, say
from service import anchors, audit, settings
from service.anchors import Anchor, Verdict
from service.auth import staff
from service.clock import SystemClock
from service.database import Database, InUse, connect, looking
from service.migrations import Newer, NotOwner, migrating, prepare
from service.vault import Vault, VaultError, open_vault, vault_of

YEARS_KEPT = 6  # what HIPAA asks for; 45 CFR 164.316(b)(2)
PAGE = 1_000


@contextlib.contextmanager
def _opened() -> Iterator[tuple[Connection, Vault]]:
    """The database to look at, also while the server runs, and its vault; what is wrong is said in a line."""
    try:
        chosen = settings.read(os.environ)
        with looking(chosen.migrating_url or chosen.database_url) as db:
            yield db, _vault(chosen)
    except (settings.SettingsError, VaultError, OSError) as error:
        raise click.ClickException(str(error)) from None


def _vault(chosen: settings.Settings) -> Vault:
    folder = vault_of(chosen.database_url, chosen.vault)
    if not (folder / "audit.key").exists():
        raise VaultError(f"there is no key in {folder}: name its folder in HOMESTRETCH_VAULT")
    return open_vault(folder)


@click.command()
@click.option("--clinic", "clinics", multiple=True, metavar="ID", help="Only this clinic; may be repeated.")
@click.option(
    "--anchors",
    "kept",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Also hold it against anchors kept elsewhere, as `homestretch audit anchor` printed them.",
)
def verify(clinics: tuple[str, ...], kept: Path | None) -> None:
    """Walk every clinic's chain from its start, or its last pruning, to its end. The server may run meanwhile.

    Exit code 0 when all are whole, 1 when a row was changed, deleted, put in, moved or cut off; the first is named.
    """
    with _opened() as (db, vault):
        known = _anchors(vault, kept)
        broken = 0
        for clinic in clinics or sorted({*audit.chains(db), *known}):
            broken += _look_at(db, vault, clinic, known.get(clinic, []))
    if broken:
        raise SystemExit(1)


def _anchors(vault: Vault, kept: Path | None) -> dict[str, list[Anchor]]:
    found: dict[str, list[Anchor]] = {}
    try:
        for file in (vault.anchors, kept):
            for clinic, some in anchors.read(file, vault.keys).items() if file is not None else ():
                found.setdefault(clinic, []).extend(some)
    except FileNotFoundError:
        raise click.ClickException(
            f"{vault.anchors} is gone: without its anchors nobody can see that rows were cut off"
        ) from None
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    return found


def _look_at(db: Connection, vault: Vault, clinic: str, known: list[Anchor]) -> bool:
    walls.enter(db, clinic)
    for found in anchors.verify(db, vault.keys, clinic, known):
        if isinstance(found, Verdict):
            if found.rows or found.problem:
                click.echo(_said(found))
            return bool(found.problem)
        click.echo(f"{_shown(clinic)}: {found:,} rows", err=True)
    return False


def _said(it: Verdict) -> str:
    if it.problem:
        return f"{_shown(it.clinic)}: BROKEN. {it.problem}"
    older = f", of which the first {it.older:,} are from before the chain" if it.older else ""
    renewed = "".join(f", key {key} from row {row:,} on" for key, row in it.renewed)
    return f"{_shown(it.clinic)}: whole, {it.rows:,} rows{older}{renewed}"


@click.command()
def anchor() -> None:
    """Print where each chain stands, one line a clinic. Keep the lines where nobody of this server can change them."""
    with _opened() as (db, vault):
        now = SystemClock().now()
        for clinic in audit.chains(db):
            walls.enter(db, clinic)
            if (head := audit.head(db, clinic)).number:
                click.echo(msgspec.json.encode(anchors.anchor(vault.keys, clinic, head, now)).decode())


@click.command()
@click.option("--clinic", required=True, metavar="ID")
@click.option("--patient", required=True, metavar="ID")
def show(clinic: str, patient: str) -> None:
    """Everything that was done to one patient's record or seen of it, latest first."""
    with _opened() as (db, _):
        walls.enter(db, clinic)
        before: int | None = None
        while some := audit.links_of(db, clinic, patient, audit.Asked(PAGE, before)):
            for it in some:
                click.echo(_line(it))
            before = some[-1].number


def _line(it: audit.Link) -> str:
    note = it.note
    done = note.what if note.outcome == "ok" else f"REFUSED {note.what}"
    return "  ".join(_shown(text) for text in (say(note.at), note.who, done, note.record, note.origin or "here"))


def _shown(text: str) -> str:
    """Nothing that was written can begin a line of its own, or colour one."""
    return "".join(mark if mark.isprintable() else f"\\x{ord(mark):02x}" for mark in text)


@click.command()
@click.option("--years", type=click.IntRange(1, 100), default=YEARS_KEPT, show_default=True)
@click.option("--clinic", "clinics", multiple=True, metavar="ID", help="Only this clinic; may be repeated.")
def prune(years: int, clinics: tuple[str, ...]) -> None:
    """Remove what is older. A sealed checkpoint takes its place, so that the rest can still be verified.

    The server must be stopped meanwhile where the database is SQLite.
    """
    try:
        chosen = settings.read(os.environ)
        vault, now = _vault(chosen), SystemClock().now()
        with migrating(chosen.migrating_url or chosen.database_url) as db:
            db.info.update(vault.carried)
            for clinic in clinics or audit.chains(db):
                _prune(db, clinic, now - years * 365 * DAY, now)
    except (settings.SettingsError, VaultError, InUse, Newer, OSError) as error:
        raise click.ClickException(str(error)) from None


def _prune(db: Connection, clinic: str, before: Instant, now: Instant) -> None:
    walls.enter(db, clinic)
    if audit.head(db, clinic).number:
        click.echo(f"{_shown(clinic)}: removed {audit.prune(db, clinic, before, now):,} rows")


@click.command("renew-key")
def renew_key() -> None:
    """Make a new key, and go on with it: every chain, the secrets of one-time codes, what imports remember.

    The keys before stay in the vault: what was written under them is verified with them. Servers that run on
    PostgreSQL take the new one up with their next note; on SQLite the server must be stopped meanwhile. Where this was
    stopped halfway, say it again, and it goes on.
    """
    try:
        chosen = settings.read(os.environ)
        vault = _vault(chosen)
        prepare(chosen)
        asyncio.run(_renew(chosen.database_url, vault))
    except (settings.SettingsError, VaultError, InUse, Newer, NotOwner, OSError) as error:
        raise click.ClickException(str(error)) from None


async def _renew(url: str, vault: Vault) -> None:
    async with await connect(url, vault.carried) as db:
        chains = await db.read(audit.chains)
        heads = [await db.at(clinic).read(audit.head, clinic) for clinic in chains]
        under = [audit.key_of(it.mac) for it in heads if it.number]
        vault.keys.named(max(under, default=1))  # else another key would be made under the number of one that was lost
        if min(under, default=vault.keys.newest) == vault.keys.newest:
            click.echo(f"Key {vault.renew()} is made. Back up {vault.folder}.")
        else:
            click.echo(f"Key {vault.keys.newest} was made before, and not every chain goes on with it yet.")
        for clinic in chains:
            await _go_on(db, vault, clinic)
        for clinic in await db.read(staff.unsealed):
            await db.at(clinic).write(staff.seal_secrets, clinic)


async def _go_on(db: Database, vault: Vault, clinic: str) -> None:
    now = SystemClock().now()
    head: audit.Head = await db.at(clinic).write(audit.renew, clinic, now)
    anchors.keep(vault, clinic, head, now)
    if head.number:
        click.echo(f"{_shown(clinic)}: {head.number:,} rows, the last under key {audit.key_of(head.mac)}")

"""`homestretch messages` and `homestretch restore`: what no worker takes up until the operator says so."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import click
from sqlalchemy import Connection

from notifications import aside, outbox
from notifications.aside import Aside
from programs import people, walls
from programs.instants import moment
from service import settings
from service.clock import SystemClock
from service.database import Database, InUse, connect
from service.jobs import LAY_OUT
from service.migrations import Newer, NotOwner, prepare
from service.upkeep import PLANNING, Faults, keep_up

Found = dict[str, list[Aside]]
ONLY = click.option("--clinic", default="", metavar="ID", help="Only those of this clinic.")


@click.command("list")
@ONLY
def list_messages(clinic: str) -> None:
    """Messages that raised time after time, and those that wait after a back-up was put back. It names no patient."""
    found: Found = _done(_found, clinic)
    for id, rows in found.items():
        for it in rows:
            planned = moment(it.planned_for).strftime("%Y-%m-%d %H:%M UTC")
            why = f"{it.trouble}, {it.tries} times" if it.trouble else "a back-up was put back"
            click.echo(f"{it.id}  {id}  {it.kind:<8}  {it.state:<11}  {planned}  {why}")
    if not found:
        click.echo("No message waits for you.")


@click.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
def replay(ids: tuple[str, ...]) -> None:
    """Take these up again, now that what kept them from being sent is mended. What is no longer wanted is not sent."""
    _told("Taken up again", len(ids), _done(_each, aside.take_up, ids))


@click.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
def drop(ids: tuple[str, ...]) -> None:
    """Never send these. The clinic sees that they were not sent, and why."""
    _told("Dropped", len(ids), _done(_each, aside.drop, ids))


@click.command()
def begin() -> None:
    """After a back-up was put back, before the server is started: whatever is due by now waits for your choice.

    It may have been sent after the back-up was taken, and the back-up does not know. What becomes due from now on is
    sent as ever.
    """
    _report(_done(_begin))


@click.command("list")
@ONLY
def list_restored(clinic: str) -> None:
    """How many messages wait for your choice, by clinic."""
    _report(_counts(_done(_found, clinic)))


@click.command("send")
@ONLY
def send_restored(clinic: str) -> None:
    """Send those that are still wanted and in their window. Some patients may be told a second time."""
    click.echo(f"Taken up again: {_done(_all_restored, aside.take_up, clinic):,}")


@click.command("drop")
@ONLY
def drop_restored(clinic: str) -> None:
    """Send none of them. Some patients may never have been told; the clinic sees whom it concerns."""
    click.echo(f"Dropped: {_done(_all_restored, aside.drop, clinic):,}")


def _told(what: str, asked: int, done: int) -> None:
    click.echo(f"{what}: {done:,}")
    if done < asked:
        raise click.ClickException(f"{asked - done:,} of them wait for nobody: see `homestretch messages list`")


def _report(counts: dict[str, int]) -> None:
    for clinic, count in counts.items():
        click.echo(f"{count:>7,}  {clinic}")
    click.echo(f"{sum(counts.values()):>7,}  wait for `homestretch restore send` or `homestretch restore drop`.")


# at the database


def _done(work: Callable[..., Awaitable[Any]], *args: Any) -> Any:
    async def run(url: str) -> Any:
        async with await connect(url, {}) as db:  # it notes nothing in the audit
            return await work(db, *args)

    try:
        chosen = settings.read(os.environ)
        prepare(chosen)
        return asyncio.run(run(chosen.database_url))
    except (settings.SettingsError, InUse, Newer, NotOwner, OSError) as error:
        raise click.ClickException(str(error)) from None


async def _found(db: Database, clinic: str) -> Found:
    found: Found = await db.read(set_aside, clinic)
    return found


async def _each(db: Database, verb: Callable[..., int], ids: Sequence[str]) -> int:
    done: int = await db.write(each, verb, dict.fromkeys(await db.read(people.clinics_of), ids), SystemClock().now())
    return done


async def _all_restored(db: Database, verb: Callable[..., int], clinic: str) -> int:
    found: Found = await db.read(set_aside, clinic)
    ids = {id: [it.id for it in rows if it.state == "restored"] for id, rows in found.items()}
    done: int = await db.write(each, verb, ids, SystemClock().now())
    return done


async def _begin(db: Database) -> dict[str, int]:
    """Rows first for whoever is short of them: what has none yet could else be planned, and sent, a minute later."""
    now, faults = SystemClock().now(), Faults()
    while behind := await db.read(outbox.behind, now, LAY_OUT):
        for clinic, patients in behind.items():
            await keep_up(PLANNING, db.at(clinic), clinic, patients, now, faults)
    await db.write(hold, now)
    return _counts(await _found(db, ""))


def _counts(found: Found) -> dict[str, int]:
    counts = {clinic: sum(it.state == "restored" for it in rows) for clinic, rows in found.items()}
    return {clinic: count for clinic, count in counts.items() if count}


def set_aside(db: Connection, clinic: str) -> Found:
    """By clinic; those that have none are left out."""
    found = {}
    for id in people.clinics_of(db):
        walls.enter(db, id)
        if clinic in ("", id) and (rows := aside.set_aside(db, id)):
            found[id] = rows
    return found


def each(db: Connection, verb: Callable[..., int], ids: dict[str, Sequence[str]], now: int) -> int:
    done = 0
    for clinic, of_clinic in ids.items():
        walls.enter(db, clinic)
        done += verb(db, clinic, of_clinic, now)
    return done


def hold(db: Connection, now: int) -> None:
    for clinic in people.clinics_of(db):
        walls.enter(db, clinic)
        aside.hold(db, clinic, now)

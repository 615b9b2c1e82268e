"""`homestretch explain`: what became of one message, for whoever runs the server. No name, nothing about health."""

import os

import click
from sqlalchemy import Connection

from notifications import history
from notifications.explain import ending
from notifications.explain import say as sentence
from notifications.history import Story
from notifications.timing import zone
from programs import walls
from programs.errors import NoSuchRecord
from programs.instants import say
from service import settings
from service.database import looking

# Why a message stands where it stands is said, what it is about is not: a step of aftercare, an answer, a plan.
TOLD = ("moved_allowed_hours", "moved_window", "merged", "time_of_day", "caught_up", "shifted", "snoozed", "unanswered")
UNTOLD = ("not_needed", "conditional")  # how somebody felt


@click.command()
@click.argument("message", metavar="ID")
def explain(message: str) -> None:
    """The story of the message ID, as it stands in a link or a log: when it was planned for and why then, every try,
    what the app said, how it ended and why. Times are UTC. The server may run meanwhile."""
    try:
        chosen = settings.read(os.environ)
        with looking(chosen.migrating_url or chosen.database_url) as db:
            clinic, it = find(db, message)
    except (settings.SettingsError, OSError) as error:
        raise click.ClickException(str(error)) from None
    except NoSuchRecord:
        raise click.ClickException("there is no message with this id") from None
    for line in lines(clinic, it):
        click.echo(line)


def find(db: Connection, id: str) -> tuple[str, Story]:
    """Raises NoSuchRecord."""
    walls.serve(db)
    clinic = history.clinic_with(db, id)
    walls.enter(db, clinic)
    return clinic, history.story_of(db, clinic, id)


def lines(clinic: str, it: Story) -> list[str]:
    here = zone("UTC")
    how = ending(it.state, "" if it.reason in UNTOLD else it.reason, it.wakes_at or 0, here)
    return [
        f"clinic {clinic}: {it.kind.replace('_', '-')}, planned for {say(it.planned_for)}, until {say(it.closes)}",
        *(f"{'':20}  {sentence(one, here)}" for one in it.reasons if one.code in TOLD),
        f"{say(it.planned_at)}  planned so",
        *(f"{say(one.at)}  {one.channel}: {one.result}{one.detail and f' ({one.detail})'}" for one in it.tries),
        *(f"{say(one.received_at)}  the app said: {one.kind} at {say(one.at)}" for one in it.receipts),
        *([f"{say(it.snoozed.at)}  asked for again at {say(it.snoozed.until)}"] if it.snoozed else []),
        f"{say(it.ended_at or it.wakes_at or 0)}  {it.state}{it.reason and f', {it.reason}'}: {how}",
    ]

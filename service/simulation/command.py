"""`homestretch simulate`: runs it, says how far it is, writes the page and the picture."""

import asyncio
import time
from datetime import date, datetime
from pathlib import Path

import click

from programs.errors import ProgramsError
from programs.instants import Instant, moment
from service.simulation import picture, timeline
from service.simulation.run import Options, Simulated
from service.simulation.run import simulate as play
from service.spreadsheet import Unusable

QUIET = 2.0  # seconds without a word about progress
TITLE = "Who was told what, and when"


class Progress:
    """A line on the terminal once it has taken longer than one waits in silence."""

    def __init__(self) -> None:
        self.say_at = time.monotonic() + QUIET

    def __call__(self, at: Instant, messages: int) -> None:
        if time.monotonic() >= self.say_at:
            self.say_at = time.monotonic() + 1
            click.echo(f"{moment(at):%Y-%m-%d %H:%M} UTC, {messages:,} messages so far", err=True)


@click.command(
    epilog="Exit code: 0 when everything that must hold held, 1 when something did not, 2 when it could not be run."
)
@click.option("--days", type=click.IntRange(1, 366), help="How many; 14, or with a file until its last aftercare.")
@click.option("--patients", type=click.IntRange(1, 20_000), default=200, show_default=True)
@click.option("--start", type=click.DateTime(["%Y-%m-%d"]), help="The first day, such as 2026-10-26.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same output.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("simulated"), show_default=True)
@click.option(
    "--needling-sessions",
    "sessions",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Replay the visits of a practice-management export (CSV) instead of inventing them.",
)
@click.option("--rows", type=click.IntRange(1, 100), default=picture.ROWS, show_default=True, help="Of the picture.")
def simulate(
    days: int | None, patients: int, start: datetime | None, seed: int, out: Path, sessions: Path | None, rows: int
) -> None:
    """Run the real engine on a fast clock with invented patients; write summary.txt and timeline.svg."""
    if (start is None) == (sessions is None):
        raise click.UsageError("give either --start or --needling-sessions, as a file says itself when it begins")
    options = Options(_date(start), days, patients, seed, sessions)
    try:
        done = asyncio.run(play(options, Progress()))
    except (Unusable, ProgramsError) as error:
        click.echo(f"cannot simulate: {error}", err=True)
        raise SystemExit(2) from None
    write(done, out, rows)
    click.echo(done.summary.text)
    click.echo(f"{out / 'summary.txt'} and {out / 'timeline.svg'} are written.", err=True)
    raise SystemExit(1 if done.summary.broken else 0)


def _date(start: datetime | None) -> date | None:
    return start.date() if start is not None else None


def write(done: Simulated, out: Path, rows: int) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "summary.txt").write_text(done.summary.text, encoding="utf-8")
    drawn = timeline.draw(picture.chart(done.proof, done.span, TITLE, rows))
    (out / "timeline.svg").write_text(drawn, encoding="utf-8")

"""`homestretch import needling-sessions`: reads the file, runs the import, says what became of each row."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from programs.emergency import emergency_number
from programs.errors import did_you_mean
from programs.instants import Instant, of
from service import imports, settings, spreadsheet, visits
from service.clock import Clock, SetClock, SystemClock
from service.database import InUse, connect
from service.imports import WHATS, Order, Outcome, Verdict
from service.migrations import Newer, NotOwner, prepare
from service.spreadsheet import Problem, Row, Unusable
from service.vault import VaultError, carried_by
from service.visits import Visit

QUIET = 2.0  # seconds without a word about progress
_NEEDED = ", ".join(name for name, required in visits.REQUIRED.items() if required)
_WELCOME = ", ".join(name for name, required in visits.REQUIRED.items() if not required)
_WOULD = {"recorded": "would record", "corrected": "would correct", "cancelled": "would cancel", "refused": "REFUSED"}
_DONE = {"refused": "REFUSED"}


class When(click.ParamType[Instant]):
    name = "rfc3339"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Instant:
        try:
            return of(datetime.fromisoformat(str(value)))
        except ValueError:
            self.fail("expected a time with its offset, such as 2026-11-02T09:00:00Z", param, ctx)


@click.command(
    "needling-sessions",
    epilog="Exit code: 0 when every row went well, 1 when some were refused (the others are imported), "
    "2 when the file or the database could not be used and nothing was written.",
    help="Import visits from a practice-management export (CSV). The file may be imported again and again: what did "
    "not change is left alone. Clinics, clinicians and patients that are new here are made.\n\n"
    f"Columns that must be there: {_NEEDED}.\n\nColumns that may be: {_WELCOME}.",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Show row by row what would be done, and do nothing.")
@click.option("--clinic", "clinics", multiple=True, metavar="NAME", help="Only rows of this clinic; may be repeated.")
@click.option(
    "--consent-on-file", is_flag=True, help="Every patient of the file agreed to messages. Without it nothing is sent."
)
@click.option("--now", type=When(), help="Pretend that it is this time; with --dry-run only.")
def needling_sessions(
    file: Path, dry_run: bool, clinics: tuple[str, ...], consent_on_file: bool, now: Instant | None
) -> None:
    if now is not None and not dry_run:
        raise click.UsageError("--now is for --dry-run: what is imported is imported now")
    try:
        found, problems = read(_bytes(file), clinics)
        chosen = settings.read(os.environ)
    except (Unusable, settings.SettingsError) as error:
        click.echo(f"{file.name}: {error}" if isinstance(error, Unusable) else str(error), err=True)
        raise SystemExit(2) from None
    clock = SystemClock() if now is None else SetClock(now)
    order = Order(consented=consent_on_file, dry=dry_run)
    try:
        outcome = asyncio.run(bring_in(chosen, found, order, clock))
    except (InUse, Newer, NotOwner, VaultError) as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(2) from None
    report(outcome, problems, order)
    refused = problems or any(it.what == "refused" for it in outcome.verdicts)
    raise SystemExit(1 if refused else 0)


def _bytes(file: Path) -> bytes:
    """No more than is needed to see that it is too much."""
    with file.open("rb") as opened:
        return opened.read(spreadsheet.LARGEST + 1)


def read(raw: bytes, clinics: Sequence[str]) -> tuple[list[Visit], list[Problem]]:
    """The visits of these clinics, or of all; with what is wrong in the file, by line."""
    rows, unread = spreadsheet.read(raw, visits.REQUIRED)
    found, problems = visits.visits(_only(rows, clinics) if clinics else rows)
    return found, sorted(unread + problems)


def _only(rows: Sequence[Row], clinics: Sequence[str]) -> list[Row]:
    named = {row.cells["clinic"] for row in rows}
    for clinic in clinics:
        if clinic not in named:
            raise Unusable(f"no row is of the clinic “{clinic}”. {did_you_mean(clinic, named)}".rstrip())
    return [row for row in rows if row.cells["clinic"] in clinics]


async def bring_in(chosen: settings.Settings, found: Sequence[Visit], order: Order, clock: Clock) -> Outcome:
    prepare(chosen)
    async with await connect(chosen.database_url, carried_by(chosen.database_url, chosen.vault)) as db:
        return await imports.run(db, found, order, clock, _Progress(len(found)))


class _Progress:
    """A line a second, once it has taken longer than one waits in silence."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.say_at = time.monotonic() + QUIET

    def __call__(self, done: int) -> None:
        if time.monotonic() >= self.say_at:
            self.say_at = time.monotonic() + 1
            click.echo(f"{done:,} of {self.total:,} rows", err=True)


# words


def report(outcome: Outcome, problems: Sequence[Problem], order: Order) -> None:
    for it in outcome.verdicts:
        if order.dry or it.what == "refused" or it.remarks:
            click.echo(said(it, order.dry))
    for problem in problems:
        where = f"{problem.column} " if problem.column else "the row "
        click.echo(f"line {problem.line:>5}  REFUSED: {where}{problem.what}. {problem.hint}".rstrip())
    for line in summary(outcome, problems, order):
        click.echo(line)


def said(it: Verdict, dry: bool) -> str:
    words = (_WOULD if dry else _DONE).get(it.what, it.what)
    detail = ": ".join(filter(None, (words, it.detail)))
    if it.asked:
        standing = [f"{step} {when}" for step, when in it.asked if when]
        over = [step for step, when in it.asked if not when]
        detail += f", {_number(len(standing), 'check-in')}" + (": " if standing else "") + ", ".join(standing)
        detail += f" (over: {', '.join(over)})" if over else ""
    remarks = "".join(f"\n{'':12}{remark}" for remark in it.remarks)
    return f"line {it.line:>5}  {it.appointment}  {it.clinic}  {detail}{remarks}"


def summary(outcome: Outcome, problems: Sequence[Problem], order: Order) -> list[str]:
    lines = ["", *_table(outcome.verdicts)]
    unread = len({problem.line for problem in problems})
    if unread:
        lines.append(f"Refused as they could not be read, see above: {_number(unread, 'row')}.")
    lines += _made(outcome, order)
    if outcome.silent:
        lines.append(
            f"Without consent here: {_number(len(outcome.silent), 'patient')}. Their check-ins are planned and shown "
            "to the clinic, but nothing is sent. If consent is on file, import again with --consent-on-file."
        )
    if order.dry:
        lines.append("This was a dry run: nothing was written.")
    return lines


def _table(verdicts: Sequence[Verdict]) -> list[str]:
    """Clinics down, what became of their rows across; columns of nothing but zeros are left out."""
    counts = Counter((it.clinic, it.what) for it in verdicts)
    clinics = sorted({it.clinic for it in verdicts})
    whats = [what for what in WHATS if any(counts[clinic, what] for clinic in clinics)]
    body = [[clinic, *(str(counts[clinic, what]) for what in whats)] for clinic in clinics]
    body.append(["all", *(str(sum(counts[clinic, what] for clinic in clinics)) for what in whats)])
    cells = [["", *whats], *body]
    widths = [max(len(row[at]) for row in cells) for at in range(len(whats) + 1)]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in cells
    ]


def _made(outcome: Outcome, order: Order) -> list[str]:
    verb = "Would make" if order.dry else "Made"
    counts = Counter(it.kind for it in outcome.made.values())
    clinics = [it for it in outcome.made.values() if it.kind == "clinic"]
    numbers = [emergency_number(it.country) or "unknown" for it in clinics]
    lines = [
        f"{verb} the clinic {it.name}: emergency number {number}, no phone number yet."
        for it, number in zip(clinics, numbers, strict=True)
    ]
    others = [_number(counts[kind], kind) for kind in ("clinician", "patient") if counts[kind]]
    return lines + ([f"{verb} {' and '.join(others)}."] if others else [])


def _number(count: int, thing: str) -> str:
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"

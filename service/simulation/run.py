"""One simulation from beginning to end: a scratch database, the people, the clock, the proof and the page."""

import random
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import msgspec

from programs.errors import Invalid
from service.import_command import read
from service.simulation import replay, script
from service.simulation.cast import Cast
from service.simulation.proof import Proof, prove
from service.simulation.replay import Replay
from service.simulation.scratch import scratch
from service.simulation.script import Span
from service.simulation.stage import Progress, Stage, silent
from service.simulation.summary import Summary, records, summarize
from service.visits import Visit

USUAL_DAYS = 14


class Options(msgspec.Struct, frozen=True):
    """Invented visits from `start` on, or those of an export: without `days`, until its last aftercare is over."""

    start: date | None = None
    days: int | None = None
    patients: int = 200
    seed: int = 1
    sessions: Path | None = None


class Simulated(msgspec.Struct, frozen=True):
    """A simulation that is over: what the chart is made of, and the page."""

    proof: Proof
    span: Span
    summary: Summary


async def simulate(options: Options, progress: Progress = silent) -> Simulated:
    """Raises Invalid or Unusable for a file that cannot be played."""
    if options.sessions is not None:
        found, problems = read(options.sessions.read_bytes(), ())
        return await _replay(options, found, len({it.line for it in problems}), progress)
    if options.start is None:
        raise Invalid("start", "is needed where there are no visits to begin with")
    span = script.season(options.start, options.days or USUAL_DAYS)
    async with scratch() as db:
        cast = Cast(Stage(db, span.start, random.Random(options.seed)))
        await script.arrange(cast, span, options.patients)
        await cast.stage.run(span.end, progress)
        title = (
            f"Homestretch simulation: {options.patients} patients, {span.last - span.first} days from "
            f"{options.start.isoformat()}, seed {options.seed}"
        )
        return await _told(cast, span, title, ())


async def _replay(options: Options, found: Sequence[Visit], unread: int, progress: Progress) -> Simulated:
    span = replay.span_of(found, options.days)
    async with scratch() as db:
        cast = Cast(Stage(db, span.start, random.Random(options.seed)))
        visits = Replay(cast, found)
        visits.arrange(span)
        await cast.stage.run(span.end, progress)
        again = await visits.again()
        first, last = date.fromordinal(span.first), date.fromordinal(span.last - 1)
        title = f"Homestretch replay of {len(found)} visits, {first} to {last}, seed {options.seed}"
        remarks = [
            f"{len(cast.parts)} patients. Rows: {_said(visits.verdicts)}; {unread} could not be read.",
            f"The whole file imported once more: {_said(again)}.",
        ]
        return await _told(cast, span, title, remarks)


def _said(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))


async def _told(cast: Cast, span: Span, title: str, remarks: Sequence[str]) -> Simulated:
    db = cast.stage.db
    proof = await prove(db, cast.journal)
    found = await records(db, cast.journal.patients(), span, cast.now)
    return Simulated(proof, span, summarize(title, proof, span, found, remarks))

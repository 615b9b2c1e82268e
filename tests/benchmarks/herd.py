"""P11, P13 and lateness: four workers against one, a million rows waiting, and everybody due at one instant."""

import asyncio
import random
import statistics
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select, text

from notifications import delivery
from notifications.tables import delivery as delivery_table
from notifications.tables import outcome
from notifications.wire import Wire
from programs.instants import Instant
from service.database import connect
from tests.benchmarks import crowd
from tests.benchmarks.engine import Nowhere
from tests.benchmarks.measure import PAIRS, at_least, at_most, frozen, say, told
from tests.benchmarks.places import Place, places
from tests.benchmarks.worker import drained_by

WORKERS = 4
SENT = 10_000  # of P11, by one worker and by four
ANSWER_AFTER = 20  # ms
CROWD = 2_000
FEW, MANY = 10_000, 1_000_000
HERDS = {"sqlite": (9_000, 1), "postgresql": (180_000, WORKERS)}


def workers(folder: Path) -> None:
    with places(folder) as (_, place):
        asyncio.run(_fill(place, crowd.fill_due, SENT))
        rates: dict[int, list[float]] = {1: [], WORKERS: []}
        most = twice = 0
        for round_ in range(PAIRS):
            for count, found in rates.items():
                say(f"P11, round {round_ + 1} of {PAIRS}, {count} worker{'s' * (count > 1)}")
                url = place.copy()
                seconds, tallies = drained_by(count, url, ANSWER_AFTER)
                found.append(SENT / seconds)
                assert sum(it.accepted for it in tallies) == SENT, tallies
                twice += asyncio.run(_read(url, _tried_twice))
                most = max(most, *(it.accepted for it in tallies)) if count > 1 else most
                place.drop(url)
        ratio = statistics.median(b / a for a, b in zip(rates[1], rates[WORKERS], strict=True))
        one, four = (statistics.median(it) for it in rates.values())
        said = (
            f"{four:,.0f} messages a second by {WORKERS} workers, {one:,.0f} by one; one of four sent {most:,} at most"
        )
        at_least(f"P11 {WORKERS} workers", ratio, 1.6, said)
        at_most("P11 claimed twice", twice, 0, f"of {PAIRS} times {2 * SENT:,}")


def backlog(folder: Path) -> None:
    """P13: the same crowd is due, with so many other rows waiting behind it."""
    with places(folder) as kinds:
        for place in kinds:
            asyncio.run(_fill(place, crowd.fill, CROWD))
            seconds: dict[int, list[float]] = {FEW: [], MANY: []}
            few, many = place.copy(), place.copy()
            for url, pending in ((few, FEW), (many, MANY)):
                say(f"P13 {place.name}: laying out {pending:,} rows")
                asyncio.run(_line_up(url, pending))
            for round_ in range(PAIRS):
                say(f"P13 {place.name}, round {round_ + 1} of {PAIRS}")
                for url, pending in ((few, FEW), (many, MANY)):
                    again = place.copy(url)
                    seconds[pending].append(frozen(lambda url=again: asyncio.run(_drained(url))))  # type: ignore[misc]
                    place.drop(again)
            ratio = statistics.median(a / b for a, b in zip(seconds[FEW], seconds[MANY], strict=True))
            few_rate, many_rate = (CROWD / statistics.median(it) for it in seconds.values())
            said = f"{many_rate:,.0f} messages a second with {MANY:,} pending; {few_rate:,.0f} with {FEW:,}"
            at_least(f"P13 {place.name}", ratio, 0.5, said)
            place.drop(few)
            place.drop(many)


def lateness(folder: Path) -> None:
    """Once a database: how long after the instant at which all of them are due each one has gone."""
    with places(folder) as kinds:
        for place in kinds:
            count, processes = HERDS[place.name]
            say(f"lateness {place.name}: laying out {count:,} messages")
            asyncio.run(_fill(place, crowd.fill_due, count))
            say(f"lateness {place.name}: sending {count:,} messages")
            seconds, tallies = drained_by(processes, place.url, 0)
            late = [it / 1000 for it in asyncio.run(_read(place.url, _late))]
            cuts = statistics.quantiles(late, n=100)
            sent = sum(it.accepted for it in tallies)
            how = f"{sent:,} of {count:,} due at one instant, {processes} worker{'s' * (processes > 1)}"
            found = f"p50 {cuts[49]:.1f} s, p99 {cuts[98]:.1f} s, longest {max(late):.1f} s"
            told(f"lateness {place.name}", f"{found}: {how}, {sent / seconds:,.0f} a second")


async def _fill(place: Place, how: Any, count: int) -> None:
    async with await connect(place.url, {}) as db:
        await db.write(how, count)
        await db.write(_analyze)


async def _line_up(url: str, pending: int) -> None:
    async with await connect(url, {}) as db:
        await db.write(crowd.wait_in_line, pending)
        await db.write(_analyze)


def _analyze(db: Connection) -> None:
    """What PostgreSQL does by itself within a minute."""
    if db.dialect.name == "postgresql":
        db.execute(text("SET LOCAL statement_timeout = 0; ANALYZE"))


async def _read(url: str, verb: Any) -> Any:
    async with await connect(url, {}) as db:
        return await db.read(verb)


def _tried_twice(db: Connection) -> int:
    tries = select(func.count() - func.count(delivery_table.c.message_id.distinct())).select_from(delivery_table)
    return int(db.execute(tries).scalar_one())


def _late(db: Connection) -> list[Instant]:
    return [at - crowd.DUE for at in db.execute(select(outcome.c.ended_at)).scalars()]


async def _drained(url: str) -> float:
    async with await connect(url, {}) as db:
        start = time.perf_counter()
        tally = await delivery.drain(db, Wire({"console": Nowhere()}), lambda: crowd.DUE, chance=random.Random(1))
        seconds = time.perf_counter() - start
    assert tally.accepted == CROWD, tally
    return seconds

"""P12: what the API answers while 10,000 Web Push messages drain, against idle: SQLite, one server."""

import asyncio
import statistics
import subprocess
import threading
import time
from pathlib import Path
from typing import NamedTuple

from service.auth.tokens import make_token
from service.care import Who
from service.database import connect
from tests.benchmarks import crowd
from tests.benchmarks.api import serving
from tests.benchmarks.load import Load, load, load_until, request
from tests.benchmarks.measure import PAIRS, at_least, at_most, say
from tests.benchmarks.places import SQLitePlace
from tests.benchmarks.pushing import browser
from tests.benchmarks.sink import sink, taken
from tests.world import CLINIC, NOON

MESSAGES = 10_000
PATIENTS = 300  # who ask
READS = 6_000
CONNECTIONS = 4
LONGEST = 240  # seconds in which they must have gone


class Round(NamedTuple):
    idle: Load
    busy: Load
    seconds: float  # that sending took


def burst(folder: Path) -> None:
    place = SQLitePlace(folder)
    with sink() as origin:
        asyncio.run(_fill(place.url, origin))
        found = []
        for round_ in range(PAIRS):
            say(f"P12, round {round_ + 1} of {PAIRS}")
            found.append(_round(place))
        posted = taken(origin)[0]
    idle, busy = [it.idle for it in found], [it.busy for it in found]
    p99 = statistics.median(b.p99 / a.p99 for a, b in zip(idle, busy, strict=True))
    rate = statistics.median(b.rate / a.rate for a, b in zip(idle, busy, strict=True))
    took = statistics.median(it.seconds for it in found)
    waits = [statistics.median(it.p99 for it in loads) for loads in (busy, idle)]
    rates = [statistics.median(it.rate for it in loads) for loads in (busy, idle)]
    at_most("P12 p99", p99, 5, f"{waits[0]:.1f} ms while sending, {waits[1]:.1f} ms idle")
    said = f"{rates[0]:,.0f} requests a second, {rates[1]:,.0f} idle"
    at_least("P12 rate", rate, 0.8, f"{said}; {MESSAGES:,} messages took {took:.0f} s, {posted:,} posted")


def _round(place: SQLitePlace) -> Round:
    url = place.copy()
    try:
        with serving(url, "--sending") as server:
            load(server.port, _today, CONNECTIONS, READS // 3)  # the first ones pay for what is built once
            idle = load(server.port, _today, CONNECTIONS, READS)
            sent, start = threading.Event(), time.monotonic()
            waiting = threading.Thread(target=_wait, args=(server.process, sent))
            waiting.start()
            busy = load_until(server.port, _today, CONNECTIONS, lambda _: sent.is_set())
            waiting.join()
            assert idle.failed + busy.failed == 0, "requests failed"
            return Round(idle, busy, time.monotonic() - start)
    finally:
        place.drop(url)


def _wait(process: "subprocess.Popen[str]", sent: threading.Event) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    process.stdout.readline()
    sent.set()


def _today(number: int) -> bytes:
    return request("GET", "/api/v1/me/today", f"token-{number % PATIENTS}")


async def _fill(url: str, origin: str) -> None:
    async with await connect(url, {}) as db:
        await db.write(crowd.fill_due, MESSAGES)
        await db.write(crowd.reach_by_push, origin, browser())
        for number in range(PATIENTS):
            await db.write(make_token, Who(CLINIC, "patient", f"p{number:06}"), NOON, f"token-{number}")
